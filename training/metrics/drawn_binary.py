"""Figures of yes-no questions on all resamples at once (training.metrics.draws): the weighted kin of metrics.binary.

Faces are drawn with their person. Counts of decisions need the sums of each person only, ranks need every face. A
figure that a resample leaves undefined is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64
from training.metrics.draws import Draws, order_of, ratio, running

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Labels and decisions counted, each (1 + B, K): per resample and question."""

    n: Float64  # known labels
    true: Float64
    said: Float64
    hits: Float64  # true and said

    def f1(self) -> Float64:
        """2 TP / (2 TP + FP + FN); NaN where nothing is true."""
        return np.where(self.true > 0, ratio(2 * self.hits, self.true + self.said), np.nan)

    def accuracy(self) -> Float64:
        """Share of right decisions."""
        return ratio(self.n - self.true - self.said + 2 * self.hits, self.n)

    def balanced_accuracy(self) -> Float64:
        """Mean of the share of positives found and of negatives left alone."""
        negatives = self.n - self.true
        return (ratio(self.hits, self.true) + ratio(negatives - self.said + self.hits, negatives)) / 2


def tally(people: Draws, owner: Int64, known: Flags, labels: Flags, decisions: Flags) -> Tally:
    """Count known labels and decisions, each (N, K), of faces that belong to the people drawn, (1 + B, P).

    ``owner`` (N,) is the number of each face's person.
    """
    parts = (known, known & labels, known & decisions, known & labels & decisions)
    count = people.counts.shape[1]
    return Tally(*(np.asarray(people.counts @ sums_of(owner, part, count)) for part in parts))


def sums_of(owner: Int64, values: npt.NDArray[Any], count: int) -> Float64:
    """Sums (count, K) of values (N, K) over the faces of each owner."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owner, values.astype(np.float64))
    return sums


def drawn_average_precision(draws: Draws, labels: Flags, scores: npt.NDArray[Any]) -> Float64:
    """Average precision (1 + B,), equal scores met together: sum of (recall gained) x precision."""
    order = order_of(scores)[::-1]
    ends = _ends_of_ties(scores[order])
    drawn = draws.counts[:, order]
    said = running(drawn)[:, ends]
    hits = running(drawn * labels[order])[:, ends]
    precision = np.where(said > 0, hits / np.where(said > 0, said, 1.0), 0.0)[:, 1:]
    return ratio(np.asarray((np.diff(hits, axis=1) * precision).sum(1)), hits[:, -1])


def drawn_accuracy_by_bin(draws: Draws, values: npt.NDArray[Any], right: Flags, bins: int) -> Float64:
    """Share (1 + B, bins) of right decisions in bins of exactly equal size, by rising value.

    A face on the border of two bins counts in both by its parts; faces of equal value are spread evenly, which is the
    mean over all their orders.
    """
    order = order_of(values)
    ends = _ends_of_ties(values[order])
    drawn = draws.counts[:, order]
    faces = running(drawn)[:, ends]
    hits = running(drawn * right[order])[:, ends]
    shares = np.linspace(0, 1, bins + 1)
    at_edges = [np.interp(shares * seen[-1], seen, found) for seen, found in zip(faces, hits, strict=True)]
    return ratio(np.diff(np.asarray(at_edges), axis=1) * bins, faces[:, -1:])


def _ends_of_ties(ordered: npt.NDArray[Any]) -> Int64:
    """0, then the number of faces up to the end of each group of equals."""
    return np.append(0, np.flatnonzero(np.append(np.diff(ordered) != 0, True)) + 1)
