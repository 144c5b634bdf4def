"""The dual validation of UAR as tables (SPEC 4.3 A to C): disagreement of raters, shift, cross-sensitivity.

Does aleatoric uncertainty follow the raters' disagreement, and does epistemic uncertainty follow a shift of the images,
each better than the other does? All intervals are 95 % bootstrap intervals over faces; a face is resampled together
with its corrupted versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.facs import EXPRESSIONS
from engine.types import Float64, Int64
from engine.uncertainty import entropy
from training.data.fer2013 import vote_shares
from training.evaluation.estimates import Estimates
from training.metrics.agreement import noise_ceiling
from training.metrics.bootstrap import Draws, Figure, figure_of
from training.metrics.ranking import (
    average_precision,
    correlation,
    drawn_auroc,
    drawn_ranks,
    drawn_spearman,
    partial_correlation,
    rejecting,
    share_kept,
    spearman,
)

_FPR_AT: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Four competing uncertainties of a set of faces, each (N,), larger = less certain, and the predicted label."""

    epistemic: Float64
    aleatoric: Float64
    total: Float64  # entropy of the mean distribution, nats
    one_minus_top: Float64  # 1 - largest probability (max-softmax)
    predicted: Int64
    blurred: npt.NDArray[np.bool_] | None = None  # (N,) the engine would reject the image as blurred; None: not looked

    def rejected(self, epistemic_limit: float) -> npt.NDArray[np.bool_]:
        """Faces (N,) that are not assessed: blurred, or unlike the training data."""
        strange = self.epistemic > epistemic_limit
        return strange if self.blurred is None else strange | self.blurred

    def of(self, rows: Int64) -> Scores:
        """The scores of a subset of the faces."""
        return Scores(
            self.epistemic[rows],
            self.aleatoric[rows],
            self.total[rows],
            self.one_minus_top[rows],
            self.predicted[rows],
            None if self.blurred is None else self.blurred[rows],
        )


def scores_of(estimates: Estimates, blurred: npt.NDArray[np.bool_] | None = None) -> Scores:
    """The four scores of estimates, and which images (N,) the engine would reject as blurred."""
    p = estimates.probabilities
    return Scores(estimates.epistemic, estimates.aleatoric, entropy(p), 1 - p.max(1), p.argmax(1), blurred)


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """One figure of each score."""

    epistemic: Figure
    aleatoric: Figure
    total: Figure
    one_minus_top: Figure


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's correlation of aleatoric uncertainty with one definition of the raters' disagreement."""

    rho: Figure
    ceiling: float | None  # of a perfect predictor; None where split halves of the votes do not determine it
    share_of_ceiling: float | None


@dataclass(frozen=True, slots=True)
class DisagreementTable:
    """A: uncertainty on clean faces against the entropy of their votes, and what each score adds to the other."""

    votes: Correlation  # entropy of the votes for the eight expressions, as counted
    outliers_removed: Correlation  # labels with a single vote left out
    all_columns: Correlation  # with the votes for "unknown" and "not a face"
    scores: ScoreFigures  # correlation of each score with the first of these entropies
    aleatoric_given_epistemic: Figure  # partial correlations with it
    epistemic_given_aleatoric: Figure
    aleatoric_with_epistemic: Figure
    gap: Figure  # aleatoric minus epistemic, of their correlations with the votes


@dataclass(frozen=True, slots=True)
class CorruptionRow:
    """B: AUROC for telling clean faces from the same faces under one corruption at severity 5."""

    corruption: str
    auroc: ScoreFigures


@dataclass(frozen=True, slots=True)
class SeverityRow:
    """B and C: one severity, each figure a mean over the corruptions."""

    severity: int
    auroc_epistemic: Figure
    auroc_aleatoric: Figure
    epistemic_shift: float  # mean rise over the clean faces; nats for members
    aleatoric_shift: float  # nats
    aleatoric_with_epistemic: float  # Spearman's correlation
    corruptions: tuple[tuple[str, float], ...]  # AUROC of epistemic uncertainty


@dataclass(frozen=True, slots=True)
class ShiftTable:
    """B: how well the scores separate corrupted faces from clean ones, at severity 5."""

    mean: ScoreFigures  # mean of the AUROCs over the corruptions
    gap: Figure  # epistemic minus aleatoric, of these means
    fpr95_epistemic: Figure  # share of clean faces rejected where 95 % of the corrupted are; mean over the corruptions
    aupr_epistemic: float  # mean over the corruptions; as many clean faces as corrupted ones
    corruptions: tuple[CorruptionRow, ...]


@dataclass(frozen=True, slots=True)
class CrossTable:
    """C: the 2 x 2 table. Separation holds where the diagonal is larger and the intervals do not overlap."""

    aleatoric_disagreement: Figure  # Spearman with the votes' entropy; diagonal
    epistemic_disagreement: Figure
    aleatoric_shift: Figure  # AUROC, mean over the corruptions at severity 5
    epistemic_shift: Figure  # diagonal
    diagonal_wins: bool
    intervals_apart: bool


def vote_entropy(votes: Int64) -> Float64:
    """Raters' disagreement (N,) in nats: entropy of the votes for the eight expressions (SPEC 1)."""
    return entropy(vote_shares(votes).astype(np.float64))


def disagreement_table(scores: Scores, votes: Int64, draws: Draws, seed: int = 0) -> DisagreementTable:
    """Table A for clean faces with votes (N, 10)."""
    cleaned = np.where(votes == 1, 0, votes)
    left = cleaned[:, : len(EXPRESSIONS)].sum(1) > 0
    eight, ten = noise_ceiling(votes, len(EXPRESSIONS), seed), noise_ceiling(votes, votes.shape[1], seed)
    disagreement = drawn_ranks(draws, vote_entropy(votes))
    au, eu = drawn_ranks(draws, scores.aleatoric), drawn_ranks(draws, scores.epistemic)
    au_h, eu_h, au_eu = (
        correlation(draws, au, disagreement),
        correlation(draws, eu, disagreement),
        correlation(draws, au, eu),
    )
    without = drawn_spearman(draws.of(left), scores.aleatoric[left], vote_entropy(cleaned[left]))
    with_ten = drawn_spearman(draws, scores.aleatoric, entropy(votes / votes.sum(1, keepdims=True)))
    n = len(votes)
    return DisagreementTable(
        votes=_against(au_h, n, eight),
        outliers_removed=_against(without, int(left.sum()), None),
        all_columns=_against(with_ten, n, ten),
        scores=ScoreFigures(
            figure_of(eu_h, n),
            figure_of(au_h, n),
            figure_of(correlation(draws, drawn_ranks(draws, scores.total), disagreement), n),
            figure_of(correlation(draws, drawn_ranks(draws, scores.one_minus_top), disagreement), n),
        ),
        aleatoric_given_epistemic=figure_of(partial_correlation(au_h, au_eu, eu_h), n),
        epistemic_given_aleatoric=figure_of(partial_correlation(eu_h, au_eu, au_h), n),
        aleatoric_with_epistemic=figure_of(au_eu, n),
        gap=figure_of(au_h - eu_h, n),
    )


def _against(rho: Float64, n: int, ceiling: float | None) -> Correlation:
    figure = figure_of(rho, n)
    return Correlation(figure, ceiling, figure.value / ceiling if ceiling else None)


@dataclass(frozen=True, slots=True, eq=False)
class ShiftedScores:
    """Scores of the same faces, in the same order, under one corruption."""

    corruption: str
    severity: int
    scores: Scores


def shift_table(clean: Scores, shifted: Sequence[ShiftedScores], draws: Draws) -> ShiftTable:
    """Table B at one severity; ``shifted`` holds each corruption once."""
    n = len(clean.epistemic)

    def aurocs(name: str) -> Float64:
        low = getattr(clean, name)
        return np.array([drawn_auroc(draws, low, draws, getattr(item.scores, name)) for item in shifted])

    per_score = {name: aurocs(name) for name in ScoreFigures.__slots__}  # (corruptions, 1 + B) each
    means = {name: values.mean(0) for name, values in per_score.items()}
    fpr = [
        1 - share_kept(draws, clean.epistemic, rejecting(draws, item.scores.epistemic, (_FPR_AT,)))[:, 0]
        for item in shifted
    ]
    is_shifted = np.arange(2 * n) >= n
    aupr = [average_precision(is_shifted, np.concatenate([clean.epistemic, item.scores.epistemic])) for item in shifted]
    return ShiftTable(
        mean=ScoreFigures(**{name: figure_of(values, n) for name, values in means.items()}),
        gap=figure_of(means["epistemic"] - means["aleatoric"], n),
        fpr95_epistemic=figure_of(np.mean(fpr, axis=0), n),
        aupr_epistemic=float(np.mean(aupr)),
        corruptions=tuple(
            CorruptionRow(
                item.corruption,
                ScoreFigures(**{name: figure_of(values[row], n) for name, values in per_score.items()}),
            )
            for row, item in enumerate(shifted)
        ),
    )


def severity_row(severity: int, clean: Scores, shifted: Sequence[ShiftedScores], draws: Draws) -> SeverityRow:
    """One row of the table of severities; ``shifted`` holds each corruption once, at this severity."""
    n = len(clean.epistemic)
    eu = np.array([drawn_auroc(draws, clean.epistemic, draws, item.scores.epistemic) for item in shifted])
    au = np.array([drawn_auroc(draws, clean.aleatoric, draws, item.scores.aleatoric) for item in shifted])
    return SeverityRow(
        severity=severity,
        auroc_epistemic=figure_of(eu.mean(0), n),
        auroc_aleatoric=figure_of(au.mean(0), n),
        epistemic_shift=float(np.mean([(item.scores.epistemic - clean.epistemic).mean() for item in shifted])),
        aleatoric_shift=float(np.mean([(item.scores.aleatoric - clean.aleatoric).mean() for item in shifted])),
        aleatoric_with_epistemic=float(
            np.mean([spearman(item.scores.aleatoric, item.scores.epistemic) for item in shifted])
        ),
        corruptions=tuple((item.corruption, float(values[0])) for item, values in zip(shifted, eu, strict=True)),
    )


def cross_table(disagreement: DisagreementTable, shift: ShiftTable) -> CrossTable:
    """Table C from the two others."""
    au_h, eu_h = disagreement.scores.aleatoric, disagreement.scores.epistemic
    au_shift, eu_shift = shift.mean.aleatoric, shift.mean.epistemic
    return CrossTable(
        aleatoric_disagreement=au_h,
        epistemic_disagreement=eu_h,
        aleatoric_shift=au_shift,
        epistemic_shift=eu_shift,
        diagonal_wins=au_h.value > eu_h.value and eu_shift.value > au_shift.value,
        intervals_apart=au_h.low > eu_h.high and eu_shift.low > au_shift.high,
    )
