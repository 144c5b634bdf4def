"""Figures of a classifier over several classes, with bootstrap intervals over faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.types import Float32, Float64, Int64


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval and the number of faces it rests on."""

    value: float
    low: float
    high: float
    n: int


def macro_f1(labels: Int64, predicted: Int64, classes: int) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN); a class that neither occurs nor is predicted is left out."""
    scores = []
    for label in range(classes):
        hits = int(((labels == label) & (predicted == label)).sum())
        named = int((labels == label).sum() + (predicted == label).sum())
        if named:
            scores.append(2 * hits / named)
    return float(np.mean(scores))


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
    """Spearman's rank correlation with average ranks for ties."""
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def auroc(negative: Float64, positive: Float64) -> float:
    """Chance that a positive has the larger score than a negative, ties counting half (Mann-Whitney)."""
    ranked = ranks(np.concatenate([negative, positive]))
    rank_sum = float(ranked[len(negative) :].sum())
    n, m = len(positive), len(negative)
    return (rank_sum - n * (n + 1) / 2) / (n * m)


def area_under_risk_coverage(confidence: Float64, correct: Float64) -> float:
    """AURC: mean over coverages k/N of the error among the k most confident faces (Geifman et al., ICLR 2019).

    >>> area_under_risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0]))
    0.27777777777777773
    """
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(1 - correct[order])
    return float(np.mean(errors / np.arange(1, len(order) + 1)))


def bootstrap(figure: Callable[[Int64], float], count: int, resamples: int = 1000, seed: int = 0) -> Figure:
    """A figure of all ``count`` faces, and the 2.5 and 97.5 percentiles of it over faces drawn with replacement.

    ``figure`` maps row numbers (n,) to the value.
    """
    random = np.random.default_rng(seed)
    drawn = [figure(random.integers(0, count, count)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(figure(np.arange(count)), float(low), float(high), count)


def mean_of(values: Float32) -> Callable[[Int64], float]:
    """The figure that is a plain mean of one value per face, for `bootstrap`."""
    return lambda rows: float(values[rows].mean())
