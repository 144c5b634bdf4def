"""Paired comparison of model variants on the same test faces: F1 at 0.5, as published (SPEC 3.5).

F1 per unit over all known labels of a fold, then the mean over units and folds. Two intervals, for two sources of
variance. Over people: the test people of each fold are resampled and the trained networks are fixed, which tests
whether these networks differ. Over folds: Student's interval over one training per fold, which tests with little power
whether the methods differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.facs import unit_code
from engine.types import Float64
from training.evaluation.action_units import mean_defined
from training.metrics.bootstrap import Figure, draw, figure_of
from training.metrics.decisions import Flags, tally

HIGHER, LOWER, INCONCLUSIVE = "higher", "lower", "inconclusive"
#: Student's t at 97.5 % by degrees of freedom: two or three folds.
_T975: Final = {1: 12.706, 2: 4.303}


@dataclass(frozen=True, slots=True, eq=False)
class FoldDecisions:
    """The test faces of a fold, with the decisions of each variant."""

    people: npt.NDArray[np.str_]  # (N,)
    known: Flags  # (N, K)
    occurs: Flags  # (N, K)
    decisions: dict[str, Flags]  # variant to (N, K)


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % interval of a difference, and the verdict from it; NaN where it is undefined."""

    low: float
    high: float
    verdict: str  # HIGHER, LOWER or INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of mean F1 of two variants."""

    first: str  # the variant ranked higher by the paper
    second: str
    neighbours: bool  # adjacent in the paper's order
    difference: float
    by_fold: tuple[float, ...]
    over_people: Interval
    over_folds: Interval


@dataclass(frozen=True, slots=True)
class UnitMeans:
    """One unit: means over the folds where both labels occur."""

    unit: str
    f1: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class VariantScores:
    """One variant; figures are means over folds of means over units, with intervals over people."""

    variant: str
    f1: Figure
    f1_by_fold: tuple[float, ...]
    accuracy: Figure
    accuracy_by_fold: tuple[float, ...]
    units: tuple[UnitMeans, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """All variants in one setting."""

    variants: tuple[VariantScores, ...]  # in the order given
    comparisons: tuple[Comparison, ...]
    found_order: tuple[str, ...]  # by mean F1, highest first
    order_appears: bool  # every variant is higher than the next, by the interval over people


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    f1: Float64  # (F, 1 + B, K) NaN for units with one label in the fold
    accuracy: Float64


def compare_variants(
    units: tuple[int, ...], folds: Sequence[FoldDecisions], order: Sequence[str], resamples: int = 1000
) -> Compared:
    """Scores of each variant and differences of each pair; ``order`` is the paper's ranking, highest first."""
    drawn = {variant: _drawn(folds, variant, resamples) for variant in order}
    n = sum(len(fold.people) for fold in folds)
    variants = tuple(_scores(variant, drawn[variant], units, n) for variant in order)
    comparisons = tuple(
        _comparison(order[one], order[two], two == one + 1, drawn) for one, two in combinations(range(len(order)), 2)
    )
    ranked = sorted(variants, key=lambda scores: -scores.f1.value)
    return Compared(
        variants=variants,
        comparisons=comparisons,
        found_order=tuple(scores.variant for scores in ranked),
        order_appears=all(pair.over_people.verdict == HIGHER for pair in comparisons if pair.neighbours),
    )


def verdict(low: float, high: float) -> str:
    """Verdict from the ends of an interval of a difference.

    >>> verdict(0.01, 0.02), verdict(-0.02, 0.02)
    ('higher', 'inconclusive')
    """
    return HIGHER if low > 0 else LOWER if high < 0 else INCONCLUSIVE


def over_folds(values: Sequence[float]) -> Interval:
    """Student's 95 % interval of the mean of one value per fold; NaN for a single fold."""
    if len(values) < 2:
        return Interval(float("nan"), float("nan"), INCONCLUSIVE)
    reach = _T975[len(values) - 1] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    low, high = float(np.mean(values)) - reach, float(np.mean(values)) + reach
    return Interval(low, high, verdict(low, high))


def _drawn(folds: Sequence[FoldDecisions], variant: str, resamples: int) -> _Drawn:
    """Scores on resamples of the people, which are the same for every variant."""
    f1, accuracy = [], []
    for seed, fold in enumerate(folds):
        people, owner = np.unique(fold.people, return_inverse=True)
        counted = tally(draw(len(people), resamples, seed), owner, fold.known, fold.occurs, fold.decisions[variant])
        positives = (fold.known & fold.occurs).sum(0)
        measured = (positives > 0) & (positives < fold.known.sum(0))
        f1.append(np.where(measured, counted.f1(), np.nan))
        accuracy.append(np.where(measured, counted.accuracy(), np.nan))
    return _Drawn(np.stack(f1), np.stack(accuracy))


def _scores(variant: str, drawn: _Drawn, units: tuple[int, ...], n: int) -> VariantScores:
    f1, accuracy = mean_defined(drawn.f1), mean_defined(drawn.accuracy)  # (F, 1 + B)
    per_unit = (mean_defined(values[:, 0].T) for values in (drawn.f1, drawn.accuracy))
    return VariantScores(
        variant=variant,
        f1=figure_of(f1.mean(0), n),
        f1_by_fold=tuple(f1[:, 0].tolist()),
        accuracy=figure_of(accuracy.mean(0), n),
        accuracy_by_fold=tuple(accuracy[:, 0].tolist()),
        units=tuple(
            UnitMeans(unit_code(unit), float(one), float(other))
            for unit, one, other in zip(units, *per_unit, strict=True)
        ),
    )


def _comparison(first: str, second: str, neighbours: bool, drawn: dict[str, _Drawn]) -> Comparison:
    differences = mean_defined(drawn[first].f1) - mean_defined(drawn[second].f1)  # (F, 1 + B)
    each = tuple(float(value) for value in differences[:, 0])
    people = figure_of(differences.mean(0), 0)
    return Comparison(
        first=first,
        second=second,
        neighbours=neighbours,
        difference=people.value,
        by_fold=each,
        over_people=Interval(people.low, people.high, verdict(people.low, people.high)),
        over_folds=over_folds(each),
    )
