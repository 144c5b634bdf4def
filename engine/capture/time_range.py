"""Reading a part of a source, from one time to another."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Final

from engine.capture.source import SAME_TIME_S, FrameSource, SourceKind, WrappedSource
from engine.errors import ConfigError
from engine.types import Frame

_CLOCK: Final = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Seconds since the first frame of the source; the end is not part of it. ConfigError if it is empty."""

    start_s: float = 0.0
    end_s: float | None = None  # None = to the end of the source

    def __post_init__(self) -> None:
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            end = "the end" if self.end_s is None else f"{self.end_s:g} s"
            raise ConfigError(f"the range from {self.start_s:g} s to {end} is empty: give an end after its start")

    @property
    def is_whole(self) -> bool:
        """Whether it covers every source."""
        return self.start_s == 0 and self.end_s is None


def parse_time(text: str) -> float:
    """Seconds of a text: seconds, minutes and seconds, or hours, minutes and seconds.

    >>> parse_time("90"), parse_time("1:30.5"), parse_time("1:02:03")
    (90.0, 90.5, 3723.0)

    Raises:
        ConfigError: it is not a time.
    """
    match = _CLOCK.fullmatch(text.strip())
    hours, minutes, seconds = match.groups() if match else (None, None, "nan")
    time_s = 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)
    if math.isnan(time_s) or (minutes is not None and float(seconds) >= 60) or (hours and int(minutes or 0) >= 60):
        raise ConfigError(f"{text} is not a time: give seconds (90.5), mm:ss (1:30) or hh:mm:ss")
    return time_s


class RangedSource(WrappedSource):
    """Hands out the frames of a range, with the index and the times that they have in the whole source."""

    def __init__(self, source: FrameSource, time_range: TimeRange) -> None:
        """Take over a source."""
        super().__init__(source)
        self._range = time_range
        self._started = time_range.start_s == 0
        info, end_s = source.info, time_range.end_s
        stops = [time for time in (end_s, info.duration_s) if time is not None]
        length_s = max(min(stops) - time_range.start_s, 0.0) if stops else None
        count = None if length_s is None or info.fps is None else round(length_s * info.fps)
        self.info = dataclasses.replace(info, frame_count=count, duration_s=length_s)

    def read(self) -> Frame | None:
        """The next frame of the range; None at its end or after `interrupt`."""
        if not self._started:
            self._started = True
            if self.info.is_live:
                return self._first_live()
            super().skip_to_time(self._range.start_s)
        frame = super().read()
        end_s = self._range.end_s
        if frame is None or (end_s is not None and frame.timestamp_s >= end_s - SAME_TIME_S):
            return None
        return frame

    def skip_to(self, frame_index: int) -> None:
        """Go on at this frame, which is behind the start; see the base."""
        self._started = True
        super().skip_to(frame_index)

    def _first_live(self) -> Frame | None:
        while (frame := super().read()) is not None and frame.timestamp_s < self._range.start_s - SAME_TIME_S:
            pass
        return frame


def within(source: FrameSource, time_range: TimeRange) -> FrameSource:
    """The frames of a range; the source itself for the whole of it, and for pictures, which have no times."""
    if time_range.is_whole or source.info.kind is SourceKind.PICTURES:
        return source
    return RangedSource(source, time_range)
