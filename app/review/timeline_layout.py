"""Time along a line of pixels: which second lies where, where the ruler has its marks, and how a time is written."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.review.face_timeline import FaceLane
from app.session.rows import SessionHeader
from engine.types import Float64

#: Seconds between two marks of the ruler, of which the smallest that leaves room for the words is taken.
_STEPS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
#: The shortest stretch that is ever shown; some ten frames.
MIN_SPAN_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The stretch of time that is shown."""

    start_s: float
    span_s: float  # more than 0
    duration_s: float  # of all there is; the stretch lies in it
    width_px: int  # 1 or more

    @property
    def end_s(self) -> float:
        """Where the stretch ends."""
        return self.start_s + self.span_s

    def x_of(self, time_s: float) -> float:
        """Pixels from the left edge; outside 0 to width for times that are not shown."""
        return (time_s - self.start_s) / self.span_s * self.width_px

    def time_at(self, x_px: float) -> float:
        """The time there, within what there is."""
        return min(max(self.start_s + x_px / self.width_px * self.span_s, 0.0), self.duration_s)

    def moved_to(self, start_s: float) -> TimeScale:
        """The same length from another start, as far as there is time."""
        latest = max(self.duration_s - self.span_s, 0.0)
        return TimeScale(min(max(start_s, 0.0), latest), self.span_s, self.duration_s, self.width_px)

    def zoomed(self, factor: float, at_s: float) -> TimeScale:
        """``factor`` times as much time, with ``at_s`` where it was."""
        smallest = min(MIN_SPAN_S, self.duration_s)
        span = min(max(self.span_s * factor, smallest), self.duration_s)
        start = at_s - (at_s - self.start_s) * span / self.span_s
        return TimeScale(0.0, span, self.duration_s, self.width_px).moved_to(start)

    def resized(self, width_px: int) -> TimeScale:
        """The same stretch over another width."""
        return TimeScale(self.start_s, self.span_s, self.duration_s, max(width_px, 1))


def whole_scale(duration_s: float, width_px: int) -> TimeScale:
    """All there is."""
    duration = max(duration_s, 1e-3)  # a session of one frame has no length
    return TimeScale(0.0, duration, duration, max(width_px, 1))


def ruler_step_s(scale: TimeScale, room_px: float) -> float:
    """Seconds between two marks that are at least ``room_px`` apart."""
    for step in _STEPS_S:
        if step / scale.span_s * scale.width_px >= room_px:
            return step
    return _STEPS_S[-1] * math.ceil(room_px * scale.span_s / scale.width_px / _STEPS_S[-1])


def ruler_marks_s(scale: TimeScale, step_s: float) -> list[float]:
    """The times of the marks within the stretch."""
    first, last = math.ceil(scale.start_s / step_s - 1e-9), math.floor(scale.end_s / step_s + 1e-9)
    return [round(number * step_s, 6) for number in range(first, last + 1)]


def clock_text(time_s: float, duration_s: float, decimals: int = 0) -> str:
    """``m:ss``, or ``h:mm:ss`` in a session of an hour or more; decimals of the second are cut, not rounded."""
    unit = 10**decimals
    ticks = math.floor(max(time_s, 0.0) * unit + 1e-6)
    whole, rest = divmod(ticks, unit)
    minutes, seconds = divmod(whole, 60)
    tail = f".{rest:0{decimals}d}" if decimals else ""
    if duration_s < 3600:
        return f"{minutes}:{seconds:02d}{tail}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}{tail}"


#: Faces that are there for less stay hidden until they are asked for: mostly false finds and people passing by.
SHORT_S: Final = 1.0
#: Heights in em.
_HEIGHTS_EM: Final = {"face": 1.5, "noted": 1.3, "unit": 0.85}
_GAP_EM: Final = 0.25


class RowKind(str, Enum):
    """What stands in a row."""

    FACE = "face"  # what the model said
    NOTED = "noted"  # what people said
    UNITS = "units"  # one thin line per action unit


@dataclass(frozen=True, slots=True)
class Row:
    """One row; pixels from the top of the first."""

    kind: RowKind
    face_id: int
    lane: FaceLane
    top_px: int
    height_px: int

    @property
    def bottom_px(self) -> int:
        """Behind its last line."""
        return self.top_px + self.height_px


def is_short(lane: FaceLane, times_s: Float64) -> bool:
    """Whether a face is there for less than `SHORT_S`."""
    return bool(times_s[lane.last] - times_s[lane.first] < SHORT_S)


def lanes_shown(lanes: Sequence[FaceLane], times_s: Float64, with_short: bool) -> tuple[FaceLane, ...]:
    """Those that get rows; short ones as well where nothing else is there."""
    longer = tuple(lane for lane in lanes if not is_short(lane, times_s))
    return tuple(lanes) if with_short or not longer else longer


def unit_order(header: SessionHeader) -> tuple[int, ...]:
    """Places in ``header.au_codes``: trusted units first."""
    places = range(len(header.au_codes))
    return tuple(sorted(places, key=lambda place: header.au_codes[place] not in header.au_trusted))


def rows_of_lanes(
    lanes: Sequence[FaceLane], selected: int | None, noted: Set[int], units: int, em_px: float
) -> tuple[Row, ...]:
    """All rows.

    Args:
        lanes: in the order of the rows.
        selected: the face whose action units are shown.
        noted: faces that people labelled; they and the selected one have a row for it.
        units: action units shown for the selected face; 0 = folded away.
        em_px: height of a line of text.
    """
    heights = {name: max(round(share * em_px), 4) for name, share in _HEIGHTS_EM.items()}
    gap, top = max(round(_GAP_EM * em_px), 2), 0
    rows = []
    for lane in lanes:
        kinds = [(RowKind.FACE, heights["face"])]
        if lane.face_id in noted or lane.face_id == selected:
            kinds.append((RowKind.NOTED, heights["noted"]))
        if lane.face_id == selected and units:
            kinds.append((RowKind.UNITS, units * heights["unit"]))
        for kind, height in kinds:
            rows.append(Row(kind, lane.face_id, lane, top, height))
            top += height + 1
        top += gap
    return tuple(rows)
