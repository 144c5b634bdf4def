"""The last minute of one face: probabilities and uncertainties over time, in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.session.rows import LOW_QUALITY, FaceRow
from engine.types import Float64, Int64, Route

#: Length of the trace in seconds.
SPAN_S: Final = 60.0
#: Samples per second; those of faster sources are skipped.
_PER_S: Final = 60
#: Seconds between two samples above which lines are interrupted.
_GAP_S: Final = 1.0
#: Columns before those of the probabilities.
_TIME, _POINT, _ALEATORIC, _OOD, _NOT_ASSESSED = range(5)
_FIXED: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class TraceView:
    """The trace, averaged to N points in order of time for drawing; NaN where nothing is known and lines break."""

    times_s: Float64  # (N,) seconds before the newest sample, 0 or less
    numbers: Int64  # (N,) of the points since the start of the trace; a point keeps its number
    probabilities: Float64  # (C, N)
    aleatoric: Float64  # (N,) nats
    ood_score: Float64  # (N,)
    not_assessed: tuple[tuple[float, float], ...]  # spans with a face that was not assessed


class Trace:
    """A ring buffer of samples."""

    def __init__(self, classes: int, points: int) -> None:
        """Start empty.

        Args:
            classes: length of FaceRow.probabilities.
            points: number in a view; each is the mean over an equal part of `SPAN_S`.
        """
        self._ring = np.full((round(SPAN_S * _PER_S) + 1, _FIXED + classes), np.nan)
        self._part_s = SPAN_S / points
        self.clear()

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Discard all samples."""
        self._next = self._count = self._points = 0
        self._last_s = -math.inf

    def add(self, time_s: float, row: FaceRow | None) -> None:
        """Add a sample; None = no face. A carried row is no sample. A time before the previous one clears the trace.

        Raises:
            ValueError: the row has another number of probabilities.
        """
        if time_s < self._last_s:
            self.clear()
        if time_s - self._last_s < 0.9 / _PER_S or (row is not None and row.carried):
            return
        if self._count and time_s - self._last_s > _GAP_S:
            self._put((self._last_s + time_s) / 2, None)
        self._put(time_s, row)

    def view(self) -> TraceView:
        """Average the last `SPAN_S` seconds."""
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
            _spans(times, means[:, _NOT_ASSESSED] >= 0.5),
        )

    def _samples(self) -> Float64:
        """Select the samples of the last `SPAN_S` seconds, in order of time."""
        first = self._next - self._count
        samples = self._ring[np.arange(first, self._next) % len(self._ring)]
        return np.asarray(samples[samples[:, _TIME] >= self._last_s - SPAN_S])

    def _put(self, time_s: float, row: FaceRow | None) -> None:
        if not self._count or math.floor(time_s / self._part_s) != math.floor(self._last_s / self._part_s):
            self._points += 1
        place = self._ring[self._next % len(self._ring)]
        place[:] = np.nan
        place[_TIME], place[_POINT] = time_s, self._points
        place[_NOT_ASSESSED] = row is not None and row.decision in (Route.REJECT.value, LOW_QUALITY)
        if row is not None:
            row = row.shown()
            place[_ALEATORIC] = np.nan if row.aleatoric is None else row.aleatoric
            place[_OOD] = np.nan if row.ood_score is None else row.ood_score
            if row.probabilities:
                place[_FIXED:] = row.probabilities
        self._next += 1
        self._count = min(self._count + 1, len(self._ring))
        self._last_s = time_s


def _means(samples: Float64, starts: npt.NDArray[np.intp]) -> Float64:
    """Mean per part and column, ignoring NaN; parts begin at ``starts``; NaN if all values are."""
    if not len(starts):
        return np.zeros((0, samples.shape[1]))
    known = ~np.isnan(samples)
    sums = np.add.reduceat(np.where(known, samples, 0.0), starts, axis=0)
    counts = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _spans(times: Float64, inside: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """First and last time of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    last = len(times) - 1
    return tuple(
        (float(times[start]), float(times[min(stop, last)]))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    )
