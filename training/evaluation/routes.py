"""What the routes do at the limits of a model file (UAR, SPEC 4.1, 4.3 F).

How much is rejected, how often what is accepted is right, and whether what is called ambiguous is so to the raters.

Single images, without the averages over time of a video. Low quality comes first in the rule: where it was measured,
images that the engine finds blurred are not assessed (the corrupted faces; size, pose and light are not judged). A face
is resampled together with its changed versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.config import QualityConfig
from engine.tracking.quality import sharpness
from engine.types import Float64, Int64, UInt8
from engine.uncertainty import entropy
from training.corruptions.catalogue import FAMILIES
from training.data.fer2013 import majority_labels, vote_shares
from training.evaluation.uncertainty_tables import Scores, ShiftedScores
from training.expression.export import AMBIGUOUS_TOP_SHARE
from training.metrics.bootstrap import Draws, Figure, drawn_mean, figure_of, ratio

#: Recall of the faces that the raters find ambiguous at which precision is quoted.
_RECALL: Final = 0.75

_PANELS: Final = 50

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """Limits of a model file, nats."""

    epistemic: float
    aleatoric: float


@dataclass(frozen=True, slots=True)
class RouteRow:
    """Shares of the three routes in some sets of versions of the same faces, and how often accepted faces are right."""

    name: str
    sets: int
    rejected: Figure
    ambiguous: Figure
    accepted: Figure
    accepted_right: Figure | None  # on accepted faces with a majority label; None without one


@dataclass(frozen=True, slots=True)
class AmbiguityFigures:
    """Clean faces called ambiguous against the faces that are so to the raters: top vote share at most one half."""

    ambiguous: Figure  # share of the faces that are ambiguous to the raters
    called: Figure  # share of the faces that take the route
    precision: Figure
    recall: Figure
    precision_at_recall_75: Figure  # of aleatoric uncertainty at any limit
    rejected_but_ambiguous: Figure  # among the rejected clean faces
    panel_precision_at_recall_75: float  # of the raters themselves, see `panel_precision`


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The routes of a model on clean and corrupted faces."""

    limits: RouteLimits
    ambiguity: AmbiguityFigures
    rows: tuple[RouteRow, ...]


def route_table(
    clean: Scores,
    shifted: Mapping[str, Sequence[ShiftedScores]],
    rows: Int64,
    votes: Int64,
    limits: RouteLimits,
    draws: tuple[Draws, Draws],
) -> RouteTable:
    """Routes on clean faces, and per strength on all corruptions and on each family.

    Args:
        clean: scores of all clean faces (N).
        shifted: by the name of the strength, scores of the corrupted faces (S) at severity 5.
        rows: (S,) rows of these faces among the clean ones.
        votes: (N, 10) of the clean faces.
        limits: of the model.
        draws: resamples of the N and of the S faces.
    """
    found = [route_row("clean", [clean], limits, draws[0], majority_labels(votes))]
    labels = majority_labels(votes[rows])
    for strength, items in shifted.items():
        found.append(route_row(strength, [item.scores for item in items], limits, draws[1], labels))
        for family, names in FAMILIES.items():
            part = [item.scores for item in items if item.corruption in names]
            found.append(route_row(f"{strength}: {family}", part, limits, draws[1], labels))
    return RouteTable(limits, ambiguity_figures(clean, votes, limits, draws[0]), tuple(found))


def route_row(
    name: str, sets: Sequence[Scores], limits: RouteLimits, draws: Draws, labels: Int64 | None = None
) -> RouteRow:
    """Routes of versions of the same faces; ``labels`` (N,) are -1 without a majority."""
    aleatoric = np.stack([item.aleatoric for item in sets])
    rejected = np.stack([item.rejected(limits.epistemic) for item in sets])  # (K, N)
    ambiguous = ~rejected & (aleatoric > limits.aleatoric)
    accepted = ~rejected & ~ambiguous
    n = rejected.shape[1]
    right = None
    if labels is not None and (accepted & (labels >= 0)).any():
        known = accepted & (labels >= 0)
        hits = known & (np.stack([item.predicted for item in sets]) == labels)
        right = figure_of(_share(draws, hits.sum(0), known.sum(0)), int(known.sum()))
    shares = [figure_of(drawn_mean(draws, taken.mean(0)), n) for taken in (rejected, ambiguous, accepted)]
    return RouteRow(name, len(sets), shares[0], shares[1], shares[2], right)


def ambiguity_figures(clean: Scores, votes: Int64, limits: RouteLimits, draws: Draws) -> AmbiguityFigures:
    """The ambiguous route of clean faces against the raters' votes (N, 10)."""
    truth = vote_shares(votes).max(1) <= AMBIGUOUS_TOP_SHARE
    rejected = clean.rejected(limits.epistemic)
    called = ~rejected & (clean.aleatoric > limits.aleatoric)
    n = len(truth)
    at_recall = np.array([precision_at_recall(clean.aleatoric, truth, counts) for counts in draws.counts])
    return AmbiguityFigures(
        ambiguous=figure_of(drawn_mean(draws, truth), n),
        called=figure_of(drawn_mean(draws, called), n),
        precision=figure_of(_share(draws, called & truth, called), int(called.sum())),
        recall=figure_of(_share(draws, called & truth, truth), int(truth.sum())),
        precision_at_recall_75=figure_of(at_recall, n),
        rejected_but_ambiguous=figure_of(_share(draws, rejected & truth, rejected), int(rejected.sum())),
        panel_precision_at_recall_75=panel_precision(votes),
    )


def panel_precision(votes: Int64, seed: int = 0) -> float:
    """How well the votes (N, 10) of one panel of raters find the faces that a second one finds ambiguous.

    The second panel is drawn, with as many votes, from the shares of the first, fifty times; the score is the entropy
    of the first one's votes. A model that knew how the votes are distributed would do about as well.
    """
    shares = vote_shares(votes).astype(np.float64)
    shares /= shares.sum(1, keepdims=True)
    counts, random = votes[:, : shares.shape[1]].sum(1), np.random.default_rng(seed)
    found = []
    for _ in range(_PANELS):
        second = random.multinomial(counts, shares)
        ambiguous = second.max(1) / second.sum(1) <= AMBIGUOUS_TOP_SHARE
        found.append(precision_at_recall(entropy(shares), ambiguous))
    return float(np.mean(found))


def blurred_images(crops: UInt8, upsampled: float = 1.0) -> Flags:
    """Which grey crops (N, S, S) the engine finds blurred; ``upsampled``: crop pixels per pixel of the image."""
    limit = QualityConfig().min_sharpness
    return np.array([sharpness(crop, upsampled) < limit for crop in crops], np.bool_)


def precision_at_recall(scores: Float64, truth: Flags, counts: Float64 | None = None, recall: float = _RECALL) -> float:
    """Precision where faces with the highest scores are called until this share of the true ones is found.

    ``counts`` (N,) say how often each face occurs in a resample. NaN without a true face.

    >>> precision_at_recall(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, True]), recall=0.6)
    0.6666666666666666
    """
    times = np.ones(len(scores)) if counts is None else counts
    order = np.argsort(-scores, kind="stable")
    hits, called = np.cumsum((times * truth)[order]), np.cumsum(times[order])
    if hits[-1] == 0:
        return float("nan")
    first = int(np.searchsorted(hits, recall * hits[-1] - 1e-9))
    return float(hits[first] / called[first])


def _share(draws: Draws, part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Float64:
    """Quotient (1 + B,) of two counts per face (N,)."""
    return ratio(draws.counts @ part.astype(np.float64), draws.counts @ whole.astype(np.float64))
