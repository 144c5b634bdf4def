"""How well a machine's scores tell the units, measured where the units are known, and the thresholds that follow.

Thresholds are chosen on rendered pictures of some people and confirmed on those of others. The rule:

1. A unit is masked where its score tells occurrence with an AUROC below 0.80 on the people that confirm.
2. Else its threshold is that of the best F1 on the people that choose, moved only as far as at least 2 % and at most
   50 % of the natural faces that are trained on then show the unit.
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

#: Fold 1 is the one that the shipped model is measured on: it has no say here.
TEST_FOLD: Final = 1
CHOOSING_FOLD: Final = 2
CONFIRMING_FOLDS: Final = (3,)
MIN_AUROC: Final = 0.80
#: Least and greatest share of natural faces that show a unit.
RATES: Final = (0.02, 0.50)
#: From this intensity on a unit is plain to see; `ScoreFinding.auroc_plain` leaves out the fainter ones.
PLAIN_INTENSITY: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFaces:
    """N faces with known units and a machine's scores for them."""

    scores: Float32  # (N, K) 0-1
    intensities: Float32  # (N, K) 0-1
    people: npt.NDArray[np.str_]  # (N,)
    folds: Int64  # (N,)
    shapes: Mapping[str, Float32]  # every score of the machine by name, each (N,)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A threshold within the bounds of the rate."""

    threshold: float  # NaN where no threshold keeps the bounds
    bound: str  # which bound moved it, "" where none did


@dataclass(frozen=True, slots=True)
class ScoreFinding:
    """One unit: how well its score tells it, and the decision."""

    masked: bool
    threshold: float  # also told for masked units
    best_f1_threshold: float  # before the bounds
    bound: str
    auroc_choosing: float
    auroc: Figure  # on the people that confirm, as all below
    auroc_plain: Figure  # plain intensities against none or traces
    f1: Figure  # at the threshold
    f1_of_always: float  # of saying yes to every picture
    best_shape: str  # of all scores, sides averaged, that with the highest AUROC on the people that choose
    best_shape_auroc: float
    natural_rate: float  # share of natural faces at or above the threshold


def find_scores(rendered: ScoredFaces, natural: Float32, resamples: int = 1000) -> tuple[ScoreFinding, ...]:
    """Measure and decide the K units.

    Args:
        rendered: faces whose units are known.
        natural: scores (M, K) of natural faces that are trained on.
        resamples: of people, for the intervals.

    Raises:
        ValueError: one of the two groups of people is empty, or shows a unit never or always.
    """
    chosen = rendered.folds == CHOOSING_FOLD
    confirms = np.isin(rendered.folds, CONFIRMING_FOLDS)
    occurs = rendered.intensities >= OCCURRENCE_INTENSITY
    for name, part in (("choose", chosen), ("confirm", confirms)):
        shown = occurs[part].sum(0)
        if not part.any() or not ((shown > 0) & (shown < part.sum())).all():
            raise ValueError(f"too few pictures of the people that {name}: not every unit is shown and absent there")
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
    """The threshold, moved no farther than the rate of natural scores (M,) at or above it needs; see `RATES`."""
    least = RATES[0]
    steps = np.unique(natural)
    rates = 1 - np.searchsorted(np.sort(natural), steps, "left") / len(natural)
    fitting = np.flatnonzero((steps > 0) & (rates >= least) & (rates <= greatest))
    if not len(fitting):
        return Bounded(float("nan"), f"no score parts {least:.0%} to {greatest:.0%}")
    halfway = (steps + np.append(0.0, steps[:-1])) / 2  # between neighbours, so that a rounded threshold parts alike
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
    """Scores with those of the left and the right side averaged, under the name without the side."""
    averaged = {}
    for name, values in shapes.items():
        left, right = name.removesuffix("Left") + "Right", name.removesuffix("Right") + "Left"
        if name.endswith("Left") and left in shapes:
            averaged[name.removesuffix("Left")] = np.asarray((values + shapes[left]) / 2, np.float32)
        elif not (name.endswith("Right") and right in shapes):
            averaged[name] = values
    return averaged
