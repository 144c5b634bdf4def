"""Figures of a classifier over several classes, with bootstrap intervals over faces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64

#: Standard normal quantile of a two-sided 95 % interval.
_Z95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval and the number of faces it rests on."""

    value: float
    low: float
    high: float
    n: int

    def text(self, places: int = 3) -> str:
        """For people.

        >>> Figure(0.84561, 0.8328, 0.8578, 3199).text()
        '0.846 (0.833 to 0.858)'
        """
        return f"{self.value:.{places}f} ({self.low:.{places}f} to {self.high:.{places}f})"


def macro_f1(labels: Int64, predicted: Int64, classes: int) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN); a class that neither occurs nor is predicted is left out."""
    scores = []
    for label in range(classes):
        hits = int(((labels == label) & (predicted == label)).sum())
        named = int((labels == label).sum() + (predicted == label).sum())
        if named:
            scores.append(2 * hits / named)
    return float(np.mean(scores))


def balanced_accuracy(labels: Int64, predicted: Int64, classes: int) -> float:
    """Mean recall over the classes that occur."""
    named = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[labels == predicted], minlength=classes)
    return float((hits[named > 0] / named[named > 0]).mean())


def confusion_matrix(labels: Int64, predicted: Int64, classes: int) -> Int64:
    """Counts (C, C): row = label of the raters, column = prediction."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def ranks(values: Float64) -> Float64:
    """Ranks (N,) from 1, equal values sharing their average rank."""
    order = np.argsort(values, kind="stable")
    _, inverse, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranked = np.empty(len(values))
    ranked[order] = (last - (counts - 1) / 2)[inverse]
    return ranked


def spearman(first: Float64, second: Float64) -> float:
    """Spearman's rank correlation with average ranks for ties; NaN when one of the two is the same for all faces."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def auroc(negative: Float64, positive: Float64) -> float:
    """Chance that a positive has the larger score than a negative, ties counting half (Mann-Whitney)."""
    ranked = ranks(np.concatenate([negative, positive]))
    rank_sum = float(ranked[len(negative) :].sum())
    n, m = len(positive), len(negative)
    return (rank_sum - n * (n + 1) / 2) / (n * m)


def errors_among_surest(confidence: Float64, correct: Float64) -> Float64:
    """Errors (N,) among the k = 1 ... N faces of highest confidence, ``correct`` (N,) being 1 or 0.

    Within faces of equal confidence the errors are spread evenly, which is their mean over all orders.
    """
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(1.0 - correct[order])
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))  # last face of each group of equals
    spread = np.interp(np.arange(1, len(order) + 1), np.append(0, ends + 1), np.append(0.0, errors[ends]))
    return np.asarray(spread, np.float64)


def area_under_risk_coverage(confidence: Float64, correct: Float64) -> float:
    """AURC: mean over coverages k/N of the error among the k most confident faces (Geifman et al., ICLR 2019).

    >>> area_under_risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0]))
    0.27777777777777773
    """
    errors = errors_among_surest(confidence, correct)
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


def excess_aurc(confidence: Float64, correct: Float64) -> float:
    """E-AURC: AURC less that of an order which puts every error last (Geifman et al., ICLR 2019, sec. 3)."""
    return area_under_risk_coverage(confidence, correct) - area_under_risk_coverage(correct, correct)


def area_under_generalised_risk_coverage(confidence: Float64, correct: Float64) -> float:
    """AUGRC: mean over coverages k/N of (errors among the k most confident) / N, 0 to 0.5.

    Traub et al., "Overcoming Common Flaws in the Evaluation of Selective Classification Systems", NeurIPS 2024.
    """
    return float(np.mean(errors_among_surest(confidence, correct)) / len(correct))


def error_fpr95(confidence: Float64, correct: Float64) -> float:
    """Share of the errors that pass the highest confidence limit which keeps 95 % of the right answers (FPR95).

    NaN without errors, or without right answers.
    """
    right, wrong = confidence[correct > 0], confidence[correct == 0]
    if not len(right) or not len(wrong):
        return float("nan")
    limit = np.quantile(right, 0.05, method="inverted_cdf")
    return float((wrong >= limit).mean())


def coverage_at_risk(confidence: Float64, correct: Float64, risk: float) -> float:
    """The largest coverage k/N at which the error among the k most confident is at most ``risk``; 0 if there is none.

    Only faces of equal confidence together: no limit on the confidence tells them apart.
    """
    errors = errors_among_surest(confidence, correct)
    counts = np.arange(1, len(errors) + 1)
    ranked = np.sort(confidence)[::-1]
    reachable = np.append(np.diff(ranked) != 0, True) & (errors / counts <= risk)
    return float(counts[reachable].max(initial=0) / len(errors))


def risk_at_coverage(confidence: Float64, correct: Float64, coverage: float) -> float:
    """Error among the smallest number of most confident faces that makes up this coverage."""
    count = math.ceil(coverage * len(correct) - 1e-9)  # 0.8 * 5 is 4, whatever the rounding says
    return float(errors_among_surest(confidence, correct)[count - 1] / count)


def proportion(hits: int, n: int) -> Figure:
    """A share of ``n`` faces with Wilson's score interval, which also speaks for 0 of n (JASA 22, 1927).

    >>> proportion(0, 24).high < 0.14
    True
    """
    share = hits / n
    scale = 1 + _Z95**2 / n
    middle = (share + _Z95**2 / (2 * n)) / scale
    reach = _Z95 * math.sqrt(share * (1 - share) / n + (_Z95 / (2 * n)) ** 2) / scale
    low = middle - reach if hits else 0.0  # at the ends the terms cancel up to rounding
    high = middle + reach if hits < n else 1.0
    return Figure(share, low, high, n)


def bootstrap(
    figure: Callable[[Int64], float], count: int, resamples: int = 1000, seed: int = 0, biased: bool = False
) -> Figure:
    """A figure of all ``count`` faces, and a 95 % interval by drawing faces with replacement.

    A figure that all faces leave undefined (NaN) has an undefined interval; draws that do are left out.

    Args:
        figure: maps row numbers (n,) to the value.
        count: number of faces.
        resamples: how often faces are drawn.
        seed: of the drawing.
        biased: for figures that chance can only raise, such as a calibration error. Resampling raises them once more,
            so that the percentiles may leave out the value itself: they are then moved by what resampling adds on
            average, and cut at 0. What chance adds to the value stays in it.
    """
    value = figure(np.arange(count))
    if math.isnan(value):
        return Figure(value, value, value, count)
    random = np.random.default_rng(seed)
    drawn = [figure(random.integers(0, count, count)) for _ in range(resamples)]
    low, high = (float(end) for end in np.nanpercentile(drawn, [2.5, 97.5]))
    if biased:
        added = float(np.nanmean(drawn)) - value
        low, high = max(0.0, low - added), max(0.0, high - added)
    return Figure(value, low, high, count)


def defined(figure: Figure) -> Figure | None:
    """The figure, or None where it is NaN."""
    return None if math.isnan(figure.value) else figure


def mean_of(values: npt.NDArray[np.floating[Any]]) -> Callable[[Int64], float]:
    """The figure that is a plain mean of one value per face, for `bootstrap`."""
    return lambda rows: float(values[rows].mean())
