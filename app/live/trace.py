"""The last minute of one face: probabilities and uncertainties over time, in memory that does not grow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.session.rows import LOW_QUALITY, FaceRow
from engine.types import Float64, Int64, Route

#: Seconds that are kept.
SPAN_S: Final = 60.0
#: Samples per second that are kept; of a faster source the samples between are left out.
_PER_S: Final = 60
#: Seconds between two samples above which no line may join them.
_GAP_S: Final = 1.0
#: Columns before those of the probabilities.
_TIME, _POINT, _ALEATORIC, _OOD, _REFUSED = range(5)
_FIXED: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class TraceView:
    """The trace thinned out for drawing: N points in order of time; NaN where nothing is known, where lines break."""

    times_s: Float64  # (N,) seconds before the newest sample, 0 or less
    numbers: Int64  # (N,) counts the points since the trace began, so that a point keeps its number while others go
    probabilities: Float64  # (C, N)
    aleatoric: Float64  # (N,) nats
    ood_score: Float64  # (N,)
    refused: tuple[tuple[float, float], ...]  # spans in which there was a face and it was not assessed


class Trace:
    """A ring of samples."""

    def __init__(self, classes: int, points: int) -> None:
        """Make an empty trace.

        Args:
            classes: length of FaceRow.probabilities.
            points: of a view; each is the mean over an equal part of `SPAN_S`.
        """
        self._ring = np.full((round(SPAN_S * _PER_S) + 1, _FIXED + classes), np.nan)
        self._part_s = SPAN_S / points
        self.clear()

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all samples."""
        self._next = self._count = self._points = 0
        self._last_s = -math.inf

    def add(self, time_s: float, row: FaceRow | None) -> None:
        """Add what is known of the face at a time; None: no face. A time before the last one clears the trace.

        Raises:
            ValueError: the row has another number of probabilities.
        """
        if time_s < self._last_s:
            self.clear()
        if time_s - self._last_s < 0.9 / _PER_S:
            return
        if self._count and time_s - self._last_s > _GAP_S:
            self._put((self._last_s + time_s) / 2, None)
        self._put(time_s, row)

    def view(self) -> TraceView:
        """The last `SPAN_S` seconds."""
        samples = self._samples()
        starts = np.flatnonzero(np.diff(samples[:, _POINT], prepend=-1.0))
        means = _means(samples, starts)
        times = means[:, _TIME] - (self._last_s if self._count else 0.0)
        return TraceView(
            times,
            means[:, _POINT].astype(np.int64),
            means[:, _FIXED:].T,
            means[:, _ALEATORIC],
            means[:, _OOD],
            _spans(times, means[:, _REFUSED] >= 0.5),
        )

    def _samples(self) -> Float64:
        """Samples of the last `SPAN_S` seconds in order of time."""
        first = self._next - self._count
        samples = self._ring[np.arange(first, self._next) % len(self._ring)]
        return np.asarray(samples[samples[:, _TIME] >= self._last_s - SPAN_S])

    def _put(self, time_s: float, row: FaceRow | None) -> None:
        if not self._count or math.floor(time_s / self._part_s) != math.floor(self._last_s / self._part_s):
            self._points += 1
        place = self._ring[self._next % len(self._ring)]
        place[:] = np.nan
        place[_TIME], place[_POINT] = time_s, self._points
        place[_REFUSED] = row is not None and row.decision in (Route.REJECT.value, LOW_QUALITY)
        if row is not None:
            place[_ALEATORIC] = np.nan if row.aleatoric is None else row.aleatoric
            place[_OOD] = np.nan if row.ood_score is None else row.ood_score
            if row.probabilities:
                place[_FIXED:] = row.probabilities
        self._next += 1
        self._count = min(self._count + 1, len(self._ring))
        self._last_s = time_s


def _means(samples: Float64, starts: npt.NDArray[np.intp]) -> Float64:
    """Means of the known values (parts, columns) of parts that begin at ``starts``; NaN where none is known."""
    if not len(starts):
        return np.zeros((0, samples.shape[1]))
    known = ~np.isnan(samples)
    sums = np.add.reduceat(np.where(known, samples, 0.0), starts, axis=0)
    counts = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _spans(times: Float64, inside: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """First and last time of each run of points that are inside."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    last = len(times) - 1
    return tuple(
        (float(times[start]), float(times[min(stop, last)]))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    )
