"""The bootstrap, all resamples at once, so that values, differences and ratios of one sample share their resamples.

A figure is computed as an array (1 + B,): first its value on the sample itself, then on B resamples of the faces.
Arithmetic on such arrays gives the interval of a mean, a gap or a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64
from training.metrics.multiclass import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """How often each face stands in each resample."""

    counts: Float64  # (1 + B, N); row 0 is the sample itself

    @property
    def totals(self) -> Float64:
        """Faces per resample (1 + B,)."""
        return np.asarray(self.counts.sum(1), np.float64)

    def of(self, rows: npt.NDArray[Any]) -> Draws:
        """The same resamples, restricted to these faces: row numbers or flags."""
        return Draws(self.counts[:, rows])


def draw(count: int, resamples: int = 1000, seed: int = 0, groups: npt.NDArray[Any] | None = None) -> Draws:
    """Resamples of ``count`` faces with replacement.

    ``groups`` (N,) names what is drawn as a whole, such as the person or the clip; without it every face is its own.
    """
    names, place = np.unique(np.arange(count) if groups is None else groups, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(resamples)]
    times = np.asarray([np.ones(len(names), np.int64), *drawn], np.float64)
    return Draws(times[:, place])


def figure_of(values: Float64, count: int) -> Figure:
    """Value, 95 % percentile interval and size of a figure (1 + B,); undefined resamples (NaN) are left out."""
    resampled: Float64 = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(resampled, [2.5, 97.5]) if len(resampled) else (np.nan, np.nan)
    return Figure(float(values[0]), float(low), float(high), count)


def drawn_mean(draws: Draws, values: npt.NDArray[Any]) -> Float64:
    """Mean (1 + B,) of one value per face; NaN where a resample holds none of the faces."""
    return ratio(np.asarray(draws.counts @ values.astype(np.float64)), draws.totals)


def ratio(above: Float64, below: Float64) -> Float64:
    """Quotient of two figures; NaN where the lower one is 0."""
    return np.asarray(np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan))


def running(counts: Float64) -> Float64:
    """Sums (R, N + 1) of the first 0 ... N columns of (R, N)."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums


def order_of(values: npt.NDArray[Any]) -> Int64:
    """Row numbers from the smallest to the largest value."""
    return np.argsort(values, kind="stable")
