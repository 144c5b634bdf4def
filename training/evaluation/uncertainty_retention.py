"""What routing by two scores gains over one: ambiguous faces that survive the rejection of shifted ones (SPEC 4.3 D).

The ratio alone proves no separation: it can rise when epistemic uncertainty is contaminated by ambiguity. It is read
beside the 2 x 2 table of training/evaluation/uncertainty_tables.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64
from training.data.fer2013 import majority_labels, vote_shares
from training.evaluation.uncertainty_tables import Scores, ShiftedScores, vote_entropy
from training.expression.export import AMBIGUOUS_TOP_SHARE
from training.metrics.bootstrap import Draws, Figure, figure_of, ratio
from training.metrics.ranking import Limits, rejecting, share_kept, sum_kept

#: Rejected shares of the shifted faces at which the curve is read.
REJECTION_RATES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class RetentionRow:
    """D: ambiguous faces that are kept when a share of the corrupted ones is rejected."""

    rejected: float  # share of all corrupted faces, severity 5
    kept_two_scores: Figure  # rejecting by epistemic uncertainty, as UAR does
    kept_single_score: Figure  # rejecting by total uncertainty
    ratio: Figure
    accuracy_two_scores: Figure  # majority label, among the clean faces that are kept
    accuracy_single_score: Figure


@dataclass(frozen=True, slots=True)
class RetentionCurve:
    """D for one definition of the ambiguous faces."""

    ambiguous: str
    n: int
    rows: tuple[RetentionRow, ...]


def retention_curves(
    clean: Scores, votes: Int64, shifted: Sequence[ShiftedScores], draws: Draws
) -> tuple[RetentionCurve, RetentionCurve]:
    """Table D for two definitions of the ambiguous faces; ``votes`` are (N, 10) of the clean faces."""
    two = rejecting(draws, np.stack([item.scores.epistemic for item in shifted]), REJECTION_RATES)
    one = rejecting(draws, np.stack([item.scores.total for item in shifted]), REJECTION_RATES)
    accuracies = (
        _accuracy_kept(clean.epistemic, clean, votes, draws, two),
        _accuracy_kept(clean.total, clean, votes, draws, one),
    )
    entropies = vote_entropy(votes)
    split = vote_shares(votes).max(1) <= AMBIGUOUS_TOP_SHARE
    top_quarter = entropies >= np.quantile(entropies, 0.75)
    return (
        _curve(f"top vote share <= {AMBIGUOUS_TOP_SHARE}", split, clean, draws, (two, one), accuracies),
        _curve("highest quarter of the vote entropy", top_quarter, clean, draws, (two, one), accuracies),
    )


def _curve(
    name: str,
    ambiguous: npt.NDArray[np.bool_],
    clean: Scores,
    draws: Draws,
    limits: tuple[Limits, Limits],
    accuracies: tuple[tuple[Float64, int], tuple[Float64, int]],
) -> RetentionCurve:
    some, n = draws.of(ambiguous), int(ambiguous.sum())
    two = share_kept(some, clean.epistemic[ambiguous], limits[0])
    one = share_kept(some, clean.total[ambiguous], limits[1])
    gain = ratio(two, one)
    rows = tuple(
        RetentionRow(
            rejected=rate,
            kept_two_scores=figure_of(two[:, place], n),
            kept_single_score=figure_of(one[:, place], n),
            ratio=figure_of(gain[:, place], n),
            accuracy_two_scores=figure_of(accuracies[0][0][:, place], accuracies[0][1]),
            accuracy_single_score=figure_of(accuracies[1][0][:, place], accuracies[1][1]),
        )
        for place, rate in enumerate(REJECTION_RATES)
    )
    return RetentionCurve(name, n, rows)


def _accuracy_kept(score: Float64, clean: Scores, votes: Int64, draws: Draws, limits: Limits) -> tuple[Float64, int]:
    """Accuracy (1 + B, R) among the clean faces with a majority label that are kept, and their number before."""
    labels = majority_labels(votes)
    clear = labels >= 0
    hits = (clean.predicted == labels)[clear].astype(np.float64)
    known = draws.of(clear)
    kept = sum_kept(known, score[clear], np.ones(len(hits)), limits)
    return ratio(sum_kept(known, score[clear], hits, limits), kept), len(hits)
