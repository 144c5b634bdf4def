"""The timeline of each face at any zoom, from running sums over the rows of the session.

A bucket (one pixel column) shows the most frequent state of its frames with this face, so a face present for a moment
stays visible however far the user zooms out. Any bucket is the difference of two running sums, whatever the length of
the session. The sums may wrap at 32 bits, which leaves differences below two million frames intact. They are computed
when a face is first shown: in a long session most faces never are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from app.review.face_series import FaceSeries, SeriesGroup
from engine.baseline import above_neutral, subtract
from engine.types import NO_BASELINE, Float32, Float64, Int64, UInt8, UnitBaseline

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

#: Occurrences are summed as multiples of this, so that sums are exact.
_OCCURRENCE_STEP: Final = 1e-3


class FaceState(IntEnum):
    """State of a face in a frame."""

    ABSENT = 0  # no row
    ACCEPT = 1
    AMBIGUOUS = 2
    REJECT = 3
    LOW_QUALITY = 4


#: Ties go to the first of these.
_BY_PRECEDENCE: Final = (FaceState.LOW_QUALITY, FaceState.REJECT, FaceState.AMBIGUOUS, FaceState.ACCEPT)


@dataclass(frozen=True, slots=True, eq=False)
class RowColumns:
    """The columns of all R rows that review needs, ordered by frame."""

    position: Int32  # (R,) index of the row's frame
    face_id: Int64  # (R,); -1 = no face
    state: UInt8  # (R,) FaceState; ABSENT where there is no face
    label_set: Int16  # (R,) index into label_sets; -1 = not assessed
    occurrence: Float32  # (R, K), order of SessionHeader.au_codes; NaN = not computed
    probabilities: Float32  # (R, C), steady, order of SessionHeader.expressions; NaN = not assessed
    uncertainties: Float32  # (R, 3), steady: aleatoric and epistemic in nats, ood_score; NaN = not computed
    pose: Float32  # (R, 3) yaw, pitch, roll in degrees; NaN = not computed
    intensity: Float32  # (R, K) 0-5, order of SessionHeader.au_codes; (R, 0) if the model grades none
    label_sets: tuple[tuple[int, ...], ...]  # indices into SessionHeader.expressions, most probable first


@dataclass(frozen=True, slots=True, eq=False)
class FaceBuckets:
    """One face over W buckets, the most frequent values of each."""

    state: UInt8  # (W,) FaceState
    label: Int8  # (W,) first label, an index into SessionHeader.expressions; -1 = none
    second: Int8  # (W,) competing label of an ambiguous bucket; -1 = none


@dataclass(frozen=True, slots=True, eq=False)
class FaceTimeline:
    """One face of a session."""

    face_id: int
    positions: Int32  # (R,) indices into Session.frames of the frames with this face, ascending
    states: UInt8  # (R,) FaceState
    sets: Int16  # (R,) indices into Session.label_sets; -1 = not assessed
    _sums: _Sums
    series: FaceSeries

    @property
    def measured_units(self) -> Float32:
        """(R, K) occurrence as the model gave it; NaN = not computed."""
        return self._sums.measured

    @property
    def measured_intensities(self) -> Float32:
        """(R, K) intensity as the model gave it, NaN = not computed; (R, 0) if it grades none."""
        return self._sums.graded

    def use_baseline(self, baseline: UnitBaseline) -> None:
        """Subtract a baseline from occurrences and intensities shown; one that is not known subtracts nothing."""
        sums = self._sums
        sums.use_baseline(baseline)
        self.series.replace(SeriesGroup.UNITS, lambda: sums.occurrence)  # not self, which has the series
        self.series.replace(SeriesGroup.INTENSITIES, lambda: sums.intensity)

    @property
    def first(self) -> int:
        """Position of the first frame with this face."""
        return int(self.positions[0])

    @property
    def last(self) -> int:
        """Position of the last frame with this face."""
        return int(self.positions[-1])

    def next_uncertain(self, position: int) -> int | None:
        """Where the next stretch begins in which this face is ambiguous or unlike the training data; None: nowhere.

        Args:
            position: only later ones count.
        """
        uncertain = np.isin(self.states, (FaceState.AMBIGUOUS, FaceState.REJECT))
        begins = uncertain.copy()
        begins[1:] &= ~(uncertain[:-1] & (np.diff(self.positions) == 1))
        later = self.positions[begins & (self.positions > position)]
        return int(later[0]) if len(later) else None

    @property
    def sums_bytes(self) -> int:
        """Memory of the running sums computed so far."""
        return self._sums.computed_bytes

    def buckets(self, edges: Int64) -> FaceBuckets:
        """The face over the W buckets between W + 1 ascending positions.

        A bucket without a frame of its own (more pixels than frames) shows the frame before it, as the player does.
        """
        width = len(edges) - 1
        state, label, second = np.zeros(width, np.uint8), np.full(width, -1, np.int8), np.full(width, -1, np.int8)
        reached = self._reached(edges)
        if reached.start < reached.stop:
            part = _majorities(self._between(self._sums.counts, edges[reached.start : reached.stop + 1]))
            state[reached], label[reached], second[reached] = part.state, part.label, part.second
        return FaceBuckets(state, label, second)

    def occurrence(self, edges: Int64) -> Float32:
        """Mean occurrence (W, K) over the frames that have one, per bucket; order of SessionHeader.au_codes.

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
        """The buckets in which this face can occur; most faces of a long session are short."""
        start = int(np.searchsorted(edges[1:], self.first, side="right"))
        return slice(start, int(np.searchsorted(edges[:-1], self.last + 1, side="right")))

    def _between(self, sums: Int32, edges: Int64) -> Int32:
        """Increase of running sums (R + 1, X), whose row 0 is zero, within each of W buckets: (W, X)."""
        rows = np.searchsorted(self.positions, edges)
        # an empty bucket shows the last frame before it
        shown = np.searchsorted(self.positions, np.maximum(edges[:-1] - 1, 0))
        starts = np.where(edges[:-1] == edges[1:], shown, rows[:-1])
        return np.asarray(sums[rows[1:]] - sums[starts])


class _Sums:
    """Running sums over the rows of one face, computed on first use; row 0 is zero."""

    def __init__(self, rows: RowColumns, order: Int64, classes: int) -> None:
        """``order`` (R,): indices of the face's rows, ordered by frame."""
        self.unit_count = rows.occurrence.shape[1]
        self._rows = rows
        self._order = order
        self._classes = classes
        self._baseline = NO_BASELINE

    @property
    def measured(self) -> Float32:
        """(R, K) occurrence of the model."""
        return np.asarray(self._rows.occurrence[self._order], np.float32)

    @property
    def occurrence(self) -> Float32:
        """(R, K) occurrence with the baseline subtracted, if one is known."""
        measured = self.measured
        return subtract(measured, np.zeros_like(measured), self._baseline)[0]

    @property
    def graded(self) -> Float32:
        """(R, K) intensity of the model, or (R, 0)."""
        return np.asarray(self._rows.intensity[self._order], np.float32)

    @property
    def intensity(self) -> Float32:
        """(R, K) intensity above that of the neutral face, if it is known; or (R, 0)."""
        graded, neutral = self.graded, self._baseline.intensity
        return graded if neutral is None or not graded.size else above_neutral(graded, neutral)

    def use_baseline(self, baseline: UnitBaseline) -> None:
        """Compute the sums of units again on their next use."""
        self._baseline = baseline
        vars(self).pop("units", None)

    @property
    def computed_bytes(self) -> int:
        """Memory of the sums computed so far."""
        return sum(vars(self)[name].nbytes for name in ("counts", "units") if name in vars(self))

    @functools.cached_property
    def counts(self) -> Int32:
        """(R + 1, 2 + 3 C): reject, low quality; then per expression accept, first and second of ambiguous."""
        states, sets, names = self._rows.state[self._order], self._rows.label_set[self._order], self._rows.label_sets
        firsts = np.array([name[0] for name in names] + [0], np.int64)[sets]
        seconds = np.array([name[1] if len(name) > 1 else -1 for name in names] + [-1], np.int64)[sets]
        counts = np.zeros((len(states) + 1, 2 + 3 * self._classes), np.int32)
        after = np.arange(1, len(states) + 1)
        counts[1:, 0] = states == FaceState.REJECT
        counts[1:, 1] = states == FaceState.LOW_QUALITY
        for which, place in ((FaceState.ACCEPT, 2), (FaceState.AMBIGUOUS, 2 + self._classes)):
            chosen = states == which
            counts[after[chosen], place + firsts[chosen]] = 1
        chosen = (states == FaceState.AMBIGUOUS) & (seconds >= 0)
        counts[after[chosen], 2 + 2 * self._classes + seconds[chosen]] = 1
        return np.cumsum(counts, axis=0, out=counts)

    @functools.cached_property
    def units(self) -> Int32:
        """(R + 1, 1 + K): rows with occurrences, then the sum per unit in steps of 0.001."""
        occurrence = self.occurrence
        units = np.zeros((len(occurrence) + 1, 1 + self.unit_count), np.int32)
        assessed = np.isfinite(occurrence).all(axis=1)
        units[1:, 0] = assessed
        units[1:, 1:][assessed] = np.rint(occurrence[assessed] / _OCCURRENCE_STEP)
        return np.cumsum(units, axis=0, out=units)


def bucket_edges(times_s: Float64, start_s: float, end_s: float, width: int) -> Int64:
    """Positions (width + 1,) that divide a time span into equal buckets: bucket i holds edges[i] to edges[i+1] - 1.

    A frame belongs to the bucket that its time lies in; ``times_s`` (N,) rises.
    """
    marks = np.linspace(start_s, end_s, width + 1)
    return np.searchsorted(times_s, marks, side="left").astype(np.int64)


def _majorities(counts: Int32) -> FaceBuckets:
    """The most frequent values of W buckets, from the increase of `_Sums.counts` in each."""
    width = len(counts)
    accept, first, second = np.split(counts[:, 2:], 3, axis=1)  # (W, C) each
    totals = {
        FaceState.REJECT: counts[:, 0],
        FaceState.LOW_QUALITY: counts[:, 1],
        FaceState.ACCEPT: accept.sum(axis=1),
        FaceState.AMBIGUOUS: first.sum(axis=1),
    }
    ranked = np.stack([totals[state] for state in _BY_PRECEDENCE], axis=1)  # (W, 4)
    state = np.array(_BY_PRECEDENCE, np.uint8)[ranked.argmax(axis=1)]
    state[~ranked.any(axis=1)] = FaceState.ABSENT
    ambiguous = state == FaceState.AMBIGUOUS
    label = np.where(ambiguous[:, None], first, accept).argmax(axis=1)
    label[~ambiguous & (state != FaceState.ACCEPT)] = -1
    competing = first + second
    competing[np.arange(width), label] = 0  # for buckets without a label this changes the last column, which is unused
    rival = np.where(ambiguous & competing.any(axis=1), competing.argmax(axis=1), -1)
    return FaceBuckets(state, label.astype(np.int8), rival.astype(np.int8))


def face_timelines(rows: RowColumns, classes: int) -> tuple[FaceTimeline, ...]:
    """One timeline per face id, ordered by first frame."""
    order = np.lexsort((rows.position, rows.face_id))  # by face, then by time
    order = order[rows.face_id[order] >= 0]
    cuts = np.flatnonzero(np.diff(rows.face_id[order])) + 1
    tables = {
        SeriesGroup.EXPRESSIONS: rows.probabilities,
        SeriesGroup.UNITS: rows.occurrence,
        SeriesGroup.UNCERTAINTIES: rows.uncertainties,
        SeriesGroup.POSE: rows.pose,
        SeriesGroup.INTENSITIES: rows.intensity,
    }
    faces = [_face_timeline(rows, part, classes, tables) for part in np.split(order, cuts) if len(part)]
    return tuple(sorted(faces, key=lambda face: (face.first, face.face_id)))


def _face_timeline(rows: RowColumns, order: Int64, classes: int, tables: Mapping[SeriesGroup, Float32]) -> FaceTimeline:
    return FaceTimeline(
        int(rows.face_id[order[0]]),
        rows.position[order],
        rows.state[order],
        rows.label_set[order],
        _Sums(rows, order, classes),
        FaceSeries(rows.position[order], order, tables),
    )
