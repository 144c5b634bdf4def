"""Time along a line of pixels: which second lies where, where the ruler has its marks, and how a time is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

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
