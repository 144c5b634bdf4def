"""Accuracy of machine scores as action-unit labels, measured where the units are known, and the resulting thresholds.

Thresholds are chosen on rendered images of some people and confirmed on those of others. The rule:

1. A unit is masked if the AUROC of its score for occurrence is below 0.80 on the confirmation people.
2. Otherwise its threshold maximises F1 on the selection people, moved only as far as needed for the unit to occur on
   at least 2 % and at most 50 % of the natural training faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Float64, Int64
from training.data.open_set import OCCURRENCE_INTENSITY
from training.metrics.bootstrap import Draws, Figure, draw, figure_of, ratio
from training.metrics.decisions import best_f1_threshold
from training.metrics.ranking import auroc, drawn_auroc

Flags = npt.NDArray[np.bool_]

#: Fold 1 is excluded: the shipped model is measured on it.
TEST_FOLD: Final = 1
CHOOSING_FOLD: Final = 2
CONFIRMING_FOLDS: Final = (3,)
MIN_AUROC: Final = 0.80
#: Smallest and largest share of natural faces on which a unit may occur.
RATES: Final = (0.02, 0.50)
#: Intensity from which a unit is clearly visible; `ScoreFinding.auroc_plain` excludes fainter ones.
PLAIN_INTENSITY: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFaces:
    """N faces with known units and a machine's scores for them."""

    scores: Float32  # (N, K) 0-1
    intensities: Float32  # (N, K) 0-1
    people: npt.NDArray[np.str_]  # (N,)
    folds: Int64  # (N,)
    shapes: Mapping[str, Float32]  # all blendshape scores by name, each (N,)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A threshold within the bounds of the rate."""

    threshold: float  # NaN where no threshold meets the bounds
    bound: str  # which bound moved it, "" where none did


@dataclass(frozen=True, slots=True)
class ScoreFinding:
    """One unit: the accuracy of its score, and the decision."""

    masked: bool
    threshold: float  # also set for masked units
    best_f1_threshold: float  # before the bounds
    bound: str
    auroc_choosing: float
    auroc: Figure  # on the confirmation people, as all below
    auroc_plain: Figure  # clearly visible against none or traces
    f1: Figure  # at the threshold
    f1_of_always: float  # of always predicting the unit
    best_shape: str  # the score, sides averaged, with the highest AUROC on the selection people
    best_shape_auroc: float
    natural_rate: float  # share of natural faces at or above the threshold


def find_scores(rendered: ScoredFaces, natural: Float32, resamples: int = 1000) -> tuple[ScoreFinding, ...]:
    """Measure and decide the K units.

    Args:
        rendered: faces whose units are known.
        natural: scores (M, K) of the natural training faces.
        resamples: of people, for the intervals.

    Raises:
        ValueError: one of the two groups of people is empty, or has a unit never or always.
    """
    chosen = rendered.folds == CHOOSING_FOLD
    confirms = np.isin(rendered.folds, CONFIRMING_FOLDS)
    occurs = rendered.intensities >= OCCURRENCE_INTENSITY
    for name, part in (("choose", chosen), ("confirm", confirms)):
        shown = occurs[part].sum(0)
        if not part.any() or not ((shown > 0) & (shown < part.sum())).all():
            raise ValueError(
                f"too few images of the people that {name}: not every unit is both present and absent there"
            )
    draws = draw(int(confirms.sum()), resamples, groups=rendered.people[confirms])
    shapes = sides_averaged(rendered.shapes)
    return tuple(
        _find_one(rendered, unit, chosen, confirms, draws, natural[:, unit], shapes) for unit in range(occurs.shape[1])
    )


def _find_one(
    rendered: ScoredFaces,
    unit: int,
    chosen: Flags,
    confirms: Flags,
    draws: Draws,
    natural: Float32,
    shapes: dict[str, Float32],
) -> ScoreFinding:
    scores, intensities = rendered.scores[:, unit], rendered.intensities[:, unit]
    occurs = intensities >= OCCURRENCE_INTENSITY
    best = best_f1_threshold(occurs[chosen], scores[chosen])
    limited = bounded(best, natural)
    present, value = occurs[confirms], scores[confirms]
    plain = intensities[confirms] >= PLAIN_INTENSITY
    ranked = auroc_figure(draws, present, ~present, value)
    name = max(shapes, key=lambda shape: auroc(occurs[chosen], shapes[shape][chosen]))
    decided = value >= np.float32(limited.threshold)
    return ScoreFinding(
        masked=ranked.value < MIN_AUROC or np.isnan(limited.threshold),
        threshold=limited.threshold,
        best_f1_threshold=best,
        bound=limited.bound,
        auroc_choosing=auroc(occurs[chosen], scores[chosen]),
        auroc=ranked,
        auroc_plain=auroc_figure(draws, plain, ~present, value),
        f1=figure_of(_f1(draws, present, decided), len(present)),
        f1_of_always=2 * float(present.mean()) / (1 + float(present.mean())),
        best_shape=name,
        best_shape_auroc=auroc(present, shapes[name][confirms]),
        natural_rate=float((natural >= np.float32(limited.threshold)).mean()),
    )


def bounded(threshold: float, natural: Float32, greatest: float = RATES[1]) -> Bounded:
    """The threshold, moved just far enough that the rate of natural scores (M,) at or above it is within `RATES`."""
    least = RATES[0]
    steps = np.unique(natural)
    rates = 1 - np.searchsorted(np.sort(natural), steps, "left") / len(natural)
    fitting = np.flatnonzero((steps > 0) & (rates >= least) & (rates <= greatest))
    if not len(fitting):
        return Bounded(float("nan"), f"no score separates {least:.0%} to {greatest:.0%}")
    halfway = (steps + np.append(0.0, steps[:-1])) / 2  # midpoints, so that a rounded threshold splits the same way
    rate = (natural >= np.float32(threshold)).mean()
    if rate > greatest:
        return Bounded(float(halfway[fitting[0]]), f"at most {greatest:.0%}")
    if rate < least:
        return Bounded(float(halfway[fitting[-1]]), f"at least {least:.0%}")
    return Bounded(threshold, "")


def auroc_figure(draws: Draws, positives: Flags, negatives: Flags, scores: npt.NDArray[np.floating]) -> Figure:
    """AUROC of the scores (N,) of positive against negative faces, with its interval."""
    exact = scores.astype(np.float64)
    values = drawn_auroc(draws.of(negatives), exact[negatives], draws.of(positives), exact[positives])
    return figure_of(values, int(positives.sum() + negatives.sum()))


def _f1(draws: Draws, labels: Flags, decisions: Flags) -> Float64:
    hits, named = draws.counts @ (labels & decisions), draws.counts @ (labels.astype(np.float64) + decisions)
    return ratio(2 * hits, named)


def sides_averaged(shapes: Mapping[str, Float32]) -> dict[str, Float32]:
    """Scores with left and right averaged, under the name without the side."""
    averaged = {}
    for name, values in shapes.items():
        left, right = name.removesuffix("Left") + "Right", name.removesuffix("Right") + "Left"
        if name.endswith("Left") and left in shapes:
            averaged[name.removesuffix("Left")] = np.asarray((values + shapes[left]) / 2, np.float32)
        elif not (name.endswith("Right") and right in shapes):
            averaged[name] = values
    return averaged
