"""Figures of decisions: classes predicted by a classifier, and occurrence of labels decided by a threshold (SPEC 7.6).

`Tally` is the bootstrapped form for K binary labels (training/metrics/bootstrap.py): faces are resampled with their
person, so the sums of each person are enough. A figure that a resample leaves undefined is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64
from training.metrics.bootstrap import Draws, ends_of_ties, order_of, ratio, running

Flags = npt.NDArray[np.bool_]


def macro_f1(labels: Int64, predicted: Int64, classes: int) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN); a class that is neither labelled nor predicted is left out.

    Labels and predictions are (N,). As scikit-learn's ``f1_score(average="macro")``, which is too slow to bootstrap.
    """
    scores = []
    for label in range(classes):
        hits = int(((labels == label) & (predicted == label)).sum())
        named = int((labels == label).sum() + (predicted == label).sum())
        if named:
            scores.append(2 * hits / named)
    return float(np.mean(scores))


def balanced_accuracy(labels: Int64, predicted: Int64, classes: int) -> float:
    """Mean recall over the classes that occur; labels and predictions are (N,)."""
    named = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[labels == predicted], minlength=classes)
    return float((hits[named > 0] / named[named > 0]).mean())


def best_f1_threshold(labels: Flags, probabilities: npt.NDArray[np.floating]) -> float:
    """The threshold t whose decisions p >= t have the highest F1, midway between two neighbouring probabilities.

    >>> round(best_f1_threshold(np.array([False, False, True]), np.array([0.1, 0.3, 0.8])), 2)
    0.55
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order].astype(np.float64)
    hits = np.cumsum(labels[order])
    decided = np.arange(1, len(labels) + 1)
    f1 = 2 * hits / (decided + max(1, int(labels.sum())))
    f1[:-1][np.diff(ranked) == 0] = -1.0  # no threshold separates equal probabilities
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def shared_f1_threshold(
    sources: Sequence[tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]], step: float = 0.005
) -> float:
    """The threshold t, a multiple of ``step``, whose decisions p >= t have the highest mean F1 over several sources.

    A source is labels (N,), which may be probabilities, and the probabilities (N,) that are decided on; with soft
    labels, F1 is that of the expected counts.

    >>> shared_f1_threshold([(np.array([0.0, 0.9, 0.8]), np.array([0.1, 0.3, 0.8]))])
    0.105
    """
    limits = np.arange(step, 1.0, step)
    total = np.sum([f1_at(labels, probabilities, limits) for labels, probabilities in sources], axis=0)
    return round(float(limits[int(total.argmax())]), 4)


def f1_at(
    labels: npt.NDArray[np.floating] | Flags, probabilities: npt.NDArray[np.floating], limits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """F1 (L,) of decisions p >= limit, that of the expected counts for labels (N,) that are probabilities.

    >>> f1_at(np.array([False, True]), np.array([0.2, 0.6]), np.array([0.1, 0.5]))
    array([0.66666667, 1.        ])
    """
    order = np.argsort(probabilities, kind="stable")
    above = len(order) - np.searchsorted(probabilities[order], limits, "left")
    hits = np.append(np.cumsum(labels[order][::-1].astype(np.float64))[::-1], 0.0)[len(order) - above]
    return np.asarray(2 * hits / np.maximum(above + labels.sum(), 1e-9))


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts of labels and decisions, each (1 + B, K): per resample and label."""

    n: Float64  # known labels
    true: Float64  # positive labels
    decided: Float64  # positive decisions
    hits: Float64  # both

    def f1(self) -> Float64:
        """2 TP / (2 TP + FP + FN); NaN without a positive label."""
        return np.where(self.true > 0, ratio(2 * self.hits, self.true + self.decided), np.nan)

    def accuracy(self) -> Float64:
        """(TP + TN) / n."""
        return ratio(self.n - self.true - self.decided + 2 * self.hits, self.n)

    def balanced_accuracy(self) -> Float64:
        """Mean of sensitivity and specificity."""
        negatives = self.n - self.true
        return (ratio(self.hits, self.true) + ratio(negatives - self.decided + self.hits, negatives)) / 2


def tally(people: Draws, owner: Int64, known: Flags, labels: Flags, decisions: Flags) -> Tally:
    """Count known labels and decisions, each (N, K), in resamples of people (1 + B, P).

    ``owner`` (N,) is the number of each face's person.
    """
    parts = (known, known & labels, known & decisions, known & labels & decisions)
    count = people.counts.shape[1]
    return Tally(*(np.asarray(people.counts @ sums_of(owner, part, count)) for part in parts))


def sums_of(owner: Int64, values: npt.NDArray[Any], count: int) -> Float64:
    """Sums (count, K) of values (N, K) over the faces of each person."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owner, values.astype(np.float64))
    return sums


def drawn_accuracy_by_bin(draws: Draws, values: npt.NDArray[Any], right: Flags, bins: int) -> Float64:
    """Accuracy (1 + B, bins) in bins of exactly equal size, by rising value.

    A face on the border of two bins counts in both by its parts; faces of equal value are spread evenly, which is the
    mean over all their orders.
    """
    order = order_of(values)
    ends = ends_of_ties(values[order])
    drawn = draws.counts[:, order]
    faces = running(drawn)[:, ends]
    hits = running(drawn * right[order])[:, ends]
    shares = np.linspace(0, 1, bins + 1)
    at_edges = [np.interp(shares * seen[-1], seen, found) for seen, found in zip(faces, hits, strict=True)]
    return ratio(np.diff(np.asarray(at_edges), axis=1) * bins, faces[:, -1:])
