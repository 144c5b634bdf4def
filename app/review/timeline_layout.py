"""Layout of the timeline, without Qt: time scale, ruler marks, clock texts and rows."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.review.face_timeline import FaceTimeline
from app.review.notes import Notes
from app.session.rows import SessionHeader
from engine.types import Float64

#: Seconds between two ruler marks; the smallest step that leaves room for the text is used.
_STEPS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
#: Shortest time span that can be zoomed to, about ten frames.
MIN_SPAN_S: Final = 0.4
#: Faces present for less than this are hidden by default: mostly false detections and passers-by.
SHORT_S: Final = 1.0
#: Heights in em.
_FACE_EM: Final = 1.5
_LABELS_EM: Final = 1.3
_UNIT_EM: Final = 0.85
_GAP_EM: Final = 0.25


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The time span in view, mapped to pixels."""

    start_s: float
    span_s: float  # more than 0
    duration_s: float  # of the whole session, which contains the span
    width_px: int  # 1 or more

    @property
    def end_s(self) -> float:
        """End of the span."""
        return self.start_s + self.span_s

    def x_of(self, time_s: float) -> float:
        """Pixels from the left edge; outside 0 to width for times out of view."""
        return (time_s - self.start_s) / self.span_s * self.width_px

    def time_at(self, x_px: float) -> float:
        """Time at a pixel, clipped to the session."""
        return min(max(self.start_s + x_px / self.width_px * self.span_s, 0.0), self.duration_s)

    def moved_to(self, start_s: float) -> TimeScale:
        """Scroll to another start, clipped to the session."""
        latest = max(self.duration_s - self.span_s, 0.0)
        return TimeScale(min(max(start_s, 0.0), latest), self.span_s, self.duration_s, self.width_px)

    def zoomed(self, factor: float, at_s: float) -> TimeScale:
        """Multiply the span by ``factor`` and keep ``at_s`` at its pixel, clipped to the session."""
        smallest = min(MIN_SPAN_S, self.duration_s)
        span = min(max(self.span_s * factor, smallest), self.duration_s)
        start = at_s - (at_s - self.start_s) * span / self.span_s
        return TimeScale(0.0, span, self.duration_s, self.width_px).moved_to(start)

    def resized(self, width_px: int) -> TimeScale:
        """Show the same span over another width."""
        return TimeScale(self.start_s, self.span_s, self.duration_s, max(width_px, 1))


def whole_scale(duration_s: float, width_px: int) -> TimeScale:
    """Scale that shows the whole session."""
    duration = max(duration_s, 1e-3)  # a session of one frame has no length
    return TimeScale(0.0, duration, duration, max(width_px, 1))


def ruler_step_s(scale: TimeScale, room_px: float) -> float:
    """Seconds between two ruler marks at least ``room_px`` apart."""
    for step in _STEPS_S:
        if step / scale.span_s * scale.width_px >= room_px:
            return step
    return _STEPS_S[-1] * math.ceil(room_px * scale.span_s / scale.width_px / _STEPS_S[-1])


def ruler_marks_s(scale: TimeScale, step_s: float) -> list[float]:
    """Times of the ruler marks in view."""
    first, last = math.ceil(scale.start_s / step_s - 1e-9), math.floor(scale.end_s / step_s + 1e-9)
    return [round(number * step_s, 6) for number in range(first, last + 1)]


def clock_text(time_s: float, duration_s: float, decimals: int = 0) -> str:
    """``m:ss``, or ``h:mm:ss`` in a session of an hour or more; decimals are truncated."""
    unit = 10**decimals
    ticks = math.floor(max(time_s, 0.0) * unit + 1e-6)
    whole, rest = divmod(ticks, unit)
    minutes, seconds = divmod(whole, 60)
    tail = f".{rest:0{decimals}d}" if decimals else ""
    if duration_s < 3600:
        return f"{minutes}:{seconds:02d}{tail}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}{tail}"


class RowKind(str, Enum):
    """Content of a row."""

    FACE = "face"  # the model's decisions
    LABELS = "labels"  # human labels
    UNITS = "units"  # one thin line per action unit


@dataclass(frozen=True, slots=True)
class Row:
    """One row; pixels from the top of the first row."""

    kind: RowKind
    face_id: int
    face: FaceTimeline
    top_px: int
    height_px: int

    @property
    def bottom_px(self) -> int:
        """Bottom edge, exclusive."""
        return self.top_px + self.height_px


def is_short(face: FaceTimeline, times_s: Float64) -> bool:
    """Whether a face is present for less than `SHORT_S`."""
    return bool(times_s[face.last] - times_s[face.first] < SHORT_S)


def visible_faces(faces: Sequence[FaceTimeline], times_s: Float64, with_short: bool) -> tuple[FaceTimeline, ...]:
    """Faces that get rows; short ones too if there are no others."""
    longer = tuple(face for face in faces if not is_short(face, times_s))
    return tuple(faces) if with_short or not longer else longer


def by_person(faces: Sequence[FaceTimeline], notes: Notes) -> tuple[FaceTimeline, ...]:
    """The faces, those of one name together at the place of the first."""
    names = {name.face_id: name.name for name in notes.names}
    groups: dict[str | int, list[FaceTimeline]] = {}
    for face in faces:
        groups.setdefault(names.get(face.face_id, face.face_id), []).append(face)
    return tuple(face for group in groups.values() for face in group)


def unit_order(header: SessionHeader) -> tuple[int, ...]:
    """Indices into ``header.au_codes``, trusted units first."""
    indices = range(len(header.au_codes))
    return tuple(sorted(indices, key=lambda index: header.au_codes[index] not in header.au_trusted))


def layout_rows(
    faces: Sequence[FaceTimeline], selected: int | None, labelled: Set[int], units: int, em_px: float
) -> tuple[Row, ...]:
    """Place all rows below each other.

    Args:
        faces: in the order of the rows.
        selected: id of the face whose action units are shown.
        labelled: ids of faces with human labels; these and the selected one get a row for them.
        units: number of action units shown for the selected face; 0 = hidden.
        em_px: height of a line of text.
    """
    face_px, labels_px, unit_px = (max(round(em * em_px), 4) for em in (_FACE_EM, _LABELS_EM, _UNIT_EM))
    gap, top = max(round(_GAP_EM * em_px), 2), 0
    rows = []
    for face in faces:
        kinds = [(RowKind.FACE, face_px)]
        if face.face_id in labelled or face.face_id == selected:
            kinds.append((RowKind.LABELS, labels_px))
        if face.face_id == selected and units:
            kinds.append((RowKind.UNITS, units * unit_px))
        for kind, height in kinds:
            rows.append(Row(kind, face.face_id, face, top, height))
            top += height + 1
        top += gap
    return tuple(rows)
