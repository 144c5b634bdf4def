"""What the timeline shows of each face, at any zoom, from running sums over the rows of the session.

A bucket (one column of pixels) shows the state that most of its frames with this face have, so a face that was there
for a moment stays visible however far one zooms out. Two sums and a difference answer for any bucket, whatever the
length of the session; the sums wrap at 32 bits, which their differences do not notice below two million frames. The
sums of a face are made when it is first looked at: of a long session, few faces ever are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Float64, Int64, UInt8

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

#: Occurrences are summed as whole numbers of this size, so that sums are exact.
_OCCURRENCE_STEP: Final = 1e-3


class LaneState(IntEnum):
    """What is known of a face at a moment."""

    ABSENT = 0  # no row: not in the picture
    ACCEPT = 1
    AMBIGUOUS = 2
    REJECT = 3
    LOW_QUALITY = 4


#: States from the most doubtful on; between equal counts the first wins.
_DOUBTFUL_FIRST: Final = (LaneState.LOW_QUALITY, LaneState.REJECT, LaneState.AMBIGUOUS, LaneState.ACCEPT)


@dataclass(frozen=True, slots=True, eq=False)
class RowColumns:
    """What is needed of all R rows at once, in the order of the frames."""

    position: Int32  # (R,) place of the row's frame among the frames
    face_id: Int64  # (R,); -1 = no face
    state: UInt8  # (R,) LaneState; ABSENT where there is no face
    label_set: Int16  # (R,) place in label_sets; -1 = not assessed
    occurrence: Float32  # (R, K), order of SessionHeader.au_codes; NaN = not computed
    label_sets: tuple[tuple[int, ...], ...]  # places in SessionHeader.expressions, likeliest first


@dataclass(frozen=True, slots=True, eq=False)
class LaneView:
    """One face over W buckets."""

    state: UInt8  # (W,) LaneState
    label: Int8  # (W,) place in SessionHeader.expressions of the commonest first label; -1 = none
    second: Int8  # (W,) of an ambiguous bucket, the commonest label that competes with it; -1 = none


@dataclass(frozen=True, slots=True, eq=False)
class FaceLane:
    """One face of a session."""

    face_id: int
    positions: Int32  # (R,) places in Session.frames of the frames with this face, rising
    states: UInt8  # (R,) LaneState
    sets: Int16  # (R,) place in Session.label_sets; -1 = not assessed
    _sums: _Sums

    @property
    def first(self) -> int:
        """Position of the first frame with this face."""
        return int(self.positions[0])

    @property
    def last(self) -> int:
        """Position of the last frame with this face."""
        return int(self.positions[-1])

    def view(self, edges: Int64) -> LaneView:
        """The face over the W buckets between W + 1 rising positions.

        A bucket without a frame of its own (more pixels than frames) shows the frame before it, as the player does.
        """
        width = len(edges) - 1
        state, label, second = np.zeros(width, np.uint8), np.full(width, -1, np.int8), np.full(width, -1, np.int8)
        reached = self._reached(edges)
        if reached.start < reached.stop:
            part = _view(self._between(self._sums.counts, edges[reached.start : reached.stop + 1]))
            state[reached], label[reached], second[reached] = part.state, part.label, part.second
        return LaneView(state, label, second)

    def occurrence(self, edges: Int64) -> Float32:
        """Means (W, K) over the frames that have it, for the buckets of `view`; order of SessionHeader.au_codes.

        NaN = not computed.
        """
        mean = np.full((len(edges) - 1, self._sums.unit_count), np.nan, np.float32)
        reached = self._reached(edges)
        if reached.start < reached.stop:
            sums = self._between(self._sums.units, edges[reached.start : reached.stop + 1])
            assessed = sums[:, :1]
            with np.errstate(invalid="ignore", divide="ignore"):
                known = np.where(assessed > 0, sums[:, 1:] * np.float32(_OCCURRENCE_STEP) / assessed, np.nan)
            mean[reached] = known
        return mean

    def _reached(self, edges: Int64) -> slice:
        """The buckets that this face can lie in: most faces of a long session are short."""
        start = int(np.searchsorted(edges[1:], self.first, side="right"))
        return slice(start, int(np.searchsorted(edges[:-1], self.last + 1, side="right")))

    def _between(self, sums: Int32, edges: Int64) -> Int32:
        """What running sums (R + 1, X), whose row 0 stands before the first, grow by in each of W buckets: (W, X)."""
        rows = np.searchsorted(self.positions, edges)
        # the frame that a bucket without one shows: the last before it
        shown = np.searchsorted(self.positions, np.maximum(edges[:-1] - 1, 0))
        starts = np.where(edges[:-1] == edges[1:], shown, rows[:-1])
        return np.asarray(sums[rows[1:]] - sums[starts])


class _Sums:
    """Running sums over the rows of one face, made when they are first asked for; row 0 stands before the first."""

    def __init__(self, rows: RowColumns, order: Int64, classes: int) -> None:
        """``order`` (R,): the face's rows, as the frames stand."""
        self.unit_count = rows.occurrence.shape[1]
        self._rows = rows
        self._order = order
        self._classes = classes

    @functools.cached_property
    def counts(self) -> Int32:
        """(R + 1, 2 + 3 C): reject, low quality; per expression accept, first and second of ambiguous."""
        states, sets, names = self._rows.state[self._order], self._rows.label_set[self._order], self._rows.label_sets
        firsts = np.array([name[0] for name in names] + [0], np.int64)[sets]
        seconds = np.array([name[1] if len(name) > 1 else -1 for name in names] + [-1], np.int64)[sets]
        counts = np.zeros((len(states) + 1, 2 + 3 * self._classes), np.int32)
        after = np.arange(1, len(states) + 1)
        counts[1:, 0] = states == LaneState.REJECT
        counts[1:, 1] = states == LaneState.LOW_QUALITY
        for which, place in ((LaneState.ACCEPT, 2), (LaneState.AMBIGUOUS, 2 + self._classes)):
            chosen = states == which
            counts[after[chosen], place + firsts[chosen]] = 1
        chosen = (states == LaneState.AMBIGUOUS) & (seconds >= 0)
        counts[after[chosen], 2 + 2 * self._classes + seconds[chosen]] = 1
        return np.cumsum(counts, axis=0, out=counts)

    @functools.cached_property
    def units(self) -> Int32:
        """(R + 1, 1 + K): rows with occurrences, and their thousandths per unit."""
        occurrence = self._rows.occurrence[self._order]
        units = np.zeros((len(occurrence) + 1, 1 + self.unit_count), np.int32)
        assessed = np.isfinite(occurrence).all(axis=1)
        units[1:, 0] = assessed
        units[1:, 1:][assessed] = np.rint(occurrence[assessed] / _OCCURRENCE_STEP)
        return np.cumsum(units, axis=0, out=units)


def bucket_edges(times_s: Float64, start_s: float, end_s: float, width: int) -> Int64:
    """Positions (width + 1,) that part the span into buckets of equal time: bucket i holds edges[i] to edges[i+1] - 1.

    A frame belongs to the bucket that its time lies in; ``times_s`` (N,) rises.
    """
    marks = np.linspace(start_s, end_s, width + 1)
    return np.searchsorted(times_s, marks, side="left").astype(np.int64)


def _view(counts: Int32) -> LaneView:
    """Majorities of W buckets, from what `_Sums.counts` grows by in them."""
    width = len(counts)
    accept, first, second = np.split(counts[:, 2:], 3, axis=1)  # (W, C) each
    totals = {
        LaneState.REJECT: counts[:, 0],
        LaneState.LOW_QUALITY: counts[:, 1],
        LaneState.ACCEPT: accept.sum(axis=1),
        LaneState.AMBIGUOUS: first.sum(axis=1),
    }
    ranked = np.stack([totals[state] for state in _DOUBTFUL_FIRST], axis=1)  # (W, 4)
    state = np.array(_DOUBTFUL_FIRST, np.uint8)[ranked.argmax(axis=1)]
    state[~ranked.any(axis=1)] = LaneState.ABSENT
    ambiguous = state == LaneState.AMBIGUOUS
    label = np.where(ambiguous[:, None], first, accept).argmax(axis=1)
    label[~ambiguous & (state != LaneState.ACCEPT)] = -1
    competing = first + second
    competing[np.arange(width), label] = 0  # of buckets without a label, the last column, which nothing asks for
    rival = np.where(ambiguous & competing.any(axis=1), competing.argmax(axis=1), -1)
    return LaneView(state, label.astype(np.int8), rival.astype(np.int8))


def face_lanes(rows: RowColumns, classes: int) -> tuple[FaceLane, ...]:
    """One lane per face id, in the order of their first frames."""
    order = np.lexsort((rows.position, rows.face_id))  # by face, then by time
    order = order[rows.face_id[order] >= 0]
    cuts = np.flatnonzero(np.diff(rows.face_id[order])) + 1
    lanes = [_lane(rows, part, classes) for part in np.split(order, cuts) if len(part)]
    return tuple(sorted(lanes, key=lambda lane: (lane.first, lane.face_id)))


def _lane(rows: RowColumns, order: Int64, classes: int) -> FaceLane:
    return FaceLane(
        int(rows.face_id[order[0]]),
        rows.position[order],
        rows.state[order],
        rows.label_set[order],
        _Sums(rows, order, classes),
    )
