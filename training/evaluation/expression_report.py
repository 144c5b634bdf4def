"""The figures of an expression model on one split of FERPlus: records, and how they come from estimates.

Each figure carries its number of faces and a 95 % interval. "Majority" figures are on the faces with a majority label,
the others on all faces with an emotion vote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix

from engine.backends.contract import ExpressionCalibration
from engine.facs import EXPRESSIONS
from engine.types import Float64, Int64, Route
from engine.uncertainty import entropy
from training.data.fer2013 import FerFaces, majority_labels
from training.data.meshes import MIN_PRESENCE
from training.evaluation.estimates import Estimates
from training.metrics.bootstrap import Figure, bootstrap, defined, mean_of, proportion
from training.metrics.calibration import (
    Bin,
    adaptive_calibration_error,
    brier,
    classwise_calibration_error,
    expected_calibration_error,
    kl_divergence,
    log_loss,
    one_hot,
    reliability,
    total_variation,
)
from training.metrics.decisions import balanced_accuracy, macro_f1
from training.metrics.ranking import spearman
from training.metrics.selective import Selective, selective_figures


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class; a figure without a face to rest on is None. Intervals are Wilson's."""

    name: str
    n: int  # faces with this label
    named: int  # faces that the model gives it
    precision: Figure | None
    recall: Figure | None
    f1: Figure | None


@dataclass(frozen=True, slots=True, eq=False)
class LabelFigures:
    """Predictions against one label per face."""

    accuracy: Figure
    macro_f1: Figure
    balanced_accuracy: Figure
    always_commonest: float  # accuracy of naming the commonest class every time
    classes: tuple[ClassFigures, ...]
    confusion_matrix: Int64  # (C, C) faces; row = label, column = prediction


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities against targets (training/metrics/calibration.py)."""

    nll: Figure  # nats
    brier: Figure  # 0-2
    ece: Figure
    adaptive_ece: Figure
    classwise_ece: Figure


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """Before and after the temperature; "before" is None for a model without members."""

    after: Scores
    before: Scores | None
    bins: tuple[Bin, ...]
    bins_before: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class VoteFigures:
    """Against the votes of the raters; a correlation with an uncertainty that is the same for all faces is None."""

    kl: Figure  # nats, KL(votes || probabilities)
    total_variation: Figure
    spearman_aleatoric: Figure | None  # with the entropy of the votes
    spearman_epistemic: Figure | None


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """Faces that take one route as single images, without the averages over time of a video."""

    route: str
    share: Figure
    accuracy: Figure | None  # of the top label, where there is a majority label
    vote_entropy: Figure | None  # nats, mean


@dataclass(frozen=True, slots=True)
class FlipFigures:
    """Mean of the probabilities of a face and of its mirror image (test-time augmentation)."""

    accuracy: Figure
    macro_f1: Figure
    nll_votes: Figure
    ece_raters: Figure
    accuracy_gain: Figure  # over the plain image, paired


@dataclass(frozen=True, slots=True)
class MemberFigures:
    """Members of an ensemble, each alone, on the majority labels."""

    count: int
    accuracy_mean: float
    accuracy_sd: float | None  # None for one member


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was measured."""

    name: str
    sha256: str
    trained: str
    data: tuple[str, ...]
    temperature: float
    aleatoric_limit: float  # nats
    epistemic_limit: float  # nats
    fitted_on: str


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionReport:
    """All figures of one model on one split."""

    model: ModelFacts
    split: str
    faces: int  # with an emotion vote
    majority_faces: int
    mesh_found: Figure
    majority: LabelFigures
    majority_accuracy_without_copies: Figure  # without images that also stand in another split
    members: MemberFigures | None
    raters: CalibrationFigures
    hard: CalibrationFigures  # against the majority label
    selective: Selective
    votes: VoteFigures
    routes: tuple[RouteFigures, ...]
    flip: FlipFigures


def measure(
    facts: ModelFacts, split: str, faces: FerFaces, judged: Estimates, before: Estimates | None, flipped: Float64
) -> ExpressionReport:
    """All figures.

    Args:
        facts: of the model; its limits make the routes.
        split: name of the split.
        faces: the faces (N).
        judged: calibrated estimates of them.
        before: estimates without the temperature, where there are such.
        flipped: probabilities (N, C) of the mirrored faces, calibrated.
    """
    labels = majority_labels(faces.votes)
    clear = np.flatnonzero(labels >= 0)
    alone = clear[~faces.in_other_split[clear]]
    hits = (judged.probabilities.argmax(1) == labels).astype(np.float64)
    hard = one_hot(labels[clear], len(EXPRESSIONS))
    raw = None if before is None else before.probabilities
    votes = faces.vote_shares.astype(np.float64)
    return ExpressionReport(
        model=facts,
        split=split,
        faces=len(faces.rows),
        majority_faces=len(clear),
        mesh_found=proportion(int((faces.presence >= MIN_PRESENCE).sum()), len(faces.rows)),
        majority=label_figures(judged.probabilities[clear], labels[clear], EXPRESSIONS),
        majority_accuracy_without_copies=bootstrap(mean_of(hits[alone]), len(alone)),
        members=member_figures(judged, labels),
        raters=calibration_figures(judged.probabilities, raw, votes),
        hard=calibration_figures(judged.probabilities[clear], None if raw is None else raw[clear], hard),
        selective=selective_figures(judged.probabilities.max(1)[clear], hits[clear]),
        votes=vote_figures(judged, votes),
        routes=route_figures(judged, facts, labels, votes),
        flip=flip_figures(judged.probabilities, flipped, labels, votes),
    )


def model_facts(
    name: str, sha256: str, trained: str, data: tuple[str, ...], calibration: ExpressionCalibration
) -> ModelFacts:
    """Facts of a model with its calibration."""
    limits = (calibration.temperature, calibration.aleatoric_limit, calibration.epistemic_limit)
    return ModelFacts(name, sha256, trained, data, *limits, calibration.fitted_on)


def label_figures(probabilities: Float64, labels: Int64, names: Sequence[str]) -> LabelFigures:
    """Probabilities (N, C) against labels (N,) from 0 to C - 1, such as the seven of FER2013; ``names`` (C,).

    Raises:
        ValueError: shapes do not match, or there is no face.
    """
    if not len(labels) or probabilities.shape != (len(labels), len(names)):
        raise ValueError(f"{len(labels)} labels over {len(names)} names do not fit probabilities {probabilities.shape}")
    predicted, classes = probabilities.argmax(1), len(names)
    matrix: Int64 = confusion_matrix(labels, predicted, labels=np.arange(classes))
    hits = (predicted == labels).astype(np.float64)
    return LabelFigures(
        accuracy=bootstrap(mean_of(hits), len(labels)),
        macro_f1=bootstrap(lambda rows: macro_f1(labels[rows], predicted[rows], classes), len(labels)),
        balanced_accuracy=bootstrap(
            lambda rows: balanced_accuracy(labels[rows], predicted[rows], classes), len(labels)
        ),
        always_commonest=float(matrix.sum(1).max() / matrix.sum()),
        classes=tuple(_class_figures(name, matrix, place) for place, name in enumerate(names)),
        confusion_matrix=matrix,
    )


def _class_figures(name: str, matrix: Int64, place: int) -> ClassFigures:
    hits, n, named = int(matrix[place, place]), int(matrix[place].sum()), int(matrix[:, place].sum())
    either = n + named - hits
    return ClassFigures(name, n, named, _share(hits, named), _share(hits, n), _f1(hits, either) if either else None)


def _f1(hits: int, either: int) -> Figure:
    """F1 = 2 J / (1 + J) of J = hits / (faces of the class or named so), a share, whose interval carries over."""
    overlap = proportion(hits, either)
    value, low, high = (2 * end / (1 + end) for end in (overlap.value, overlap.low, overlap.high))
    return Figure(value, low, high, either)


def _share(hits: int, n: int) -> Figure | None:
    return proportion(hits, n) if n else None


def calibration_figures(probabilities: Float64, before: Float64 | None, targets: Float64) -> CalibrationFigures:
    """Probabilities (N, C), and those before calibration, against targets (N, C)."""
    return CalibrationFigures(
        after=_scores(probabilities, targets),
        before=None if before is None else _scores(before, targets),
        bins=reliability(probabilities, targets),
        bins_before=() if before is None else reliability(before, targets),
    )


def _scores(probabilities: Float64, targets: Float64) -> Scores:
    def error(measured: Callable[[Float64, Float64], float]) -> Figure:
        return bootstrap(lambda rows: measured(probabilities[rows], targets[rows]), len(targets), biased=True)

    return Scores(
        nll=bootstrap(mean_of(log_loss(probabilities, targets)), len(targets)),
        brier=bootstrap(mean_of(brier(probabilities, targets)), len(targets)),
        ece=error(expected_calibration_error),
        adaptive_ece=error(adaptive_calibration_error),
        classwise_ece=error(classwise_calibration_error),
    )


def vote_figures(judged: Estimates, votes: Float64) -> VoteFigures:
    """Estimates against vote shares (N, C)."""
    disagreement = np.asarray(entropy(votes))

    def with_disagreement(score: Float64) -> Figure | None:
        return defined(bootstrap(lambda rows: spearman(score[rows], disagreement[rows]), len(score)))

    return VoteFigures(
        kl=bootstrap(mean_of(kl_divergence(judged.probabilities, votes)), len(votes)),
        total_variation=bootstrap(mean_of(total_variation(judged.probabilities, votes)), len(votes)),
        spearman_aleatoric=with_disagreement(judged.aleatoric),
        spearman_epistemic=with_disagreement(judged.epistemic),
    )


def route_figures(judged: Estimates, facts: ModelFacts, labels: Int64, votes: Float64) -> tuple[RouteFigures, ...]:
    """The three routes (SPEC 4.1); ``labels`` (N,) are -1 where there is no majority."""
    rejected = judged.epistemic > facts.epistemic_limit
    ambiguous = ~rejected & (judged.aleatoric > facts.aleatoric_limit)
    hits = judged.probabilities.argmax(1) == labels
    disagreement = np.asarray(entropy(votes))
    found = []
    for route, taken in zip(Route, (~rejected & ~ambiguous, ambiguous, rejected), strict=True):
        count, clear = int(taken.sum()), taken & (labels >= 0)
        found.append(
            RouteFigures(
                route=route.value,
                share=proportion(count, len(labels)),
                accuracy=_share(int(hits[clear].sum()), int(clear.sum())),
                vote_entropy=bootstrap(mean_of(disagreement[taken]), count) if count else None,
            )
        )
    return tuple(found)


def flip_figures(plain: Float64, flipped: Float64, labels: Int64, votes: Float64) -> FlipFigures:
    """Probabilities (N, C) of the faces and of their mirror images; ``labels`` (N,) are -1 without a majority."""
    both = (plain + flipped) / 2
    clear = labels >= 0
    named, kept, n = both.argmax(1)[clear], labels[clear], int(clear.sum())
    hits = (named == kept).astype(np.float64)
    gain = hits - (plain.argmax(1)[clear] == kept)

    def macro(rows: Int64) -> float:
        return macro_f1(kept[rows], named[rows], len(EXPRESSIONS))

    def error(rows: Int64) -> float:
        return expected_calibration_error(both[rows], votes[rows])

    return FlipFigures(
        accuracy=bootstrap(mean_of(hits), n),
        macro_f1=bootstrap(macro, n),
        nll_votes=bootstrap(mean_of(log_loss(both, votes)), len(votes)),
        ece_raters=bootstrap(error, len(votes), biased=True),
        accuracy_gain=bootstrap(mean_of(gain), n),
    )


def member_figures(judged: Estimates, labels: Int64) -> MemberFigures | None:
    """Accuracy of each member alone on faces with a label; None for a model without members."""
    if judged.members is None:
        return None
    clear = labels >= 0
    single = [(member.argmax(1) == labels)[clear].mean() for member in judged.members.swapaxes(0, 1)]
    spread = float(np.std(single, ddof=1)) if len(single) > 1 else None
    return MemberFigures(len(single), float(np.mean(single)), spread)
