"""Figures with 95 % intervals by bootstrap over faces, or over groups of them: people, clips (SPEC 7.1).

Two forms. `bootstrap` calls a function once per resample. `Draws` holds all resamples at once as counts: a figure is
then an array (1 + B,), its value on the sample followed by B resamples, so that arithmetic on such arrays gives the
interval of a mean, a difference or a ratio. Both draw the same resamples for a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from engine.types import Float64, Int64


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval and the number of faces it is computed from."""

    value: float
    low: float
    high: float
    n: int

    def text(self, places: int = 3) -> str:
        """Value and interval as text.

        >>> Figure(0.84561, 0.8328, 0.8578, 3199).text()
        '0.846 (0.833 to 0.858)'
        """
        return f"{self.value:.{places}f} ({self.low:.{places}f} to {self.high:.{places}f})"


def defined(figure: Figure) -> Figure | None:
    """The figure, or None where it is NaN."""
    return None if math.isnan(figure.value) else figure


def proportion(hits: int, n: int) -> Figure:
    """The share ``hits / n`` with Wilson's score interval, which also holds for 0 of n (JASA 22, 1927).

    >>> proportion(0, 24).high < 0.14
    True
    """
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return Figure(hits / n, float(interval.low), float(interval.high), n)


def bootstrap(
    figure: Callable[[Int64], float], count: int, resamples: int = 1000, seed: int = 0, biased: bool = False
) -> Figure:
    """A figure of all ``count`` faces with its percentile interval.

    A figure that is NaN on all faces has an interval of NaN; resamples on which it is NaN are left out.

    Args:
        figure: maps row numbers (n,) to the value.
        count: number of faces.
        resamples: number of resamples.
        seed: of the random numbers.
        biased: for figures that chance can only raise, such as a calibration error. Resampling raises them again, so
            the percentiles may exclude the value itself: they are shifted down by the mean increase and clipped at 0.
            The bias of the value itself stays.
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


def mean_of(values: npt.NDArray[np.floating[Any]]) -> Callable[[Int64], float]:
    """The mean of one value per face (N,), as a figure for `bootstrap`."""
    return lambda rows: float(values[rows].mean())


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """How many times each face occurs in each resample."""

    counts: Float64  # (1 + B, N); row 0 is the sample itself

    @property
    def totals(self) -> Float64:
        """Faces per resample (1 + B,)."""
        return np.asarray(self.counts.sum(1), np.float64)

    def of(self, rows: npt.NDArray[Any]) -> Draws:
        """The same resamples restricted to these faces: row numbers or a mask."""
        return Draws(self.counts[:, rows])


def draw(count: int, resamples: int = 1000, seed: int = 0, groups: npt.NDArray[Any] | None = None) -> Draws:
    """Resamples of ``count`` faces with replacement.

    ``groups`` (N,) names the unit of resampling, such as the person or the clip; by default each face is its own.
    """
    names, place = np.unique(np.arange(count) if groups is None else groups, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(resamples)]
    times = np.asarray([np.ones(len(names), np.int64), *drawn], np.float64)
    return Draws(times[:, place])


def figure_of(values: Float64, count: int) -> Figure:
    """Value and 95 % percentile interval of a bootstrapped figure (1 + B,); resamples that are NaN are left out."""
    resampled: Float64 = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(resampled, [2.5, 97.5]) if len(resampled) else (np.nan, np.nan)
    return Figure(float(values[0]), float(low), float(high), count)


def drawn_mean(draws: Draws, values: npt.NDArray[Any]) -> Float64:
    """Mean (1 + B,) of one value per face; NaN where a resample holds none of the faces."""
    return ratio(np.asarray(draws.counts @ values.astype(np.float64)), draws.totals)


def ratio(above: Float64, below: Float64) -> Float64:
    """Elementwise quotient; NaN where the denominator is 0."""
    return np.asarray(np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan))


def running(counts: Float64) -> Float64:
    """Cumulative sums (R, N + 1) along the rows of (R, N), starting with 0."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums


def order_of(values: npt.NDArray[Any]) -> Int64:
    """Row numbers from the smallest to the largest value; equal values keep their order."""
    return np.argsort(values, kind="stable")


def ends_of_ties(ordered: npt.NDArray[Any]) -> Int64:
    """0, then the number of faces up to the end of each group of equal values, for values (N,) in order."""
    return np.append(0, np.flatnonzero(np.append(np.diff(ordered) != 0, True)) + 1)
