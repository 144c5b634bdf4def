"""Playing a recording in real time, for watching it as if it were live."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from engine.capture.source import FrameSource, WrappedSource
from engine.types import Frame

#: A frame that comes so late is not caught up with: the reader paused or is too slow, and must not be rushed.
MAX_LATE_S: Final = 0.25


class PacedSource(WrappedSource):
    """Hands out each frame of a recording when its time has come, and drops none.

    Small delays are caught up with, so that the speed is true over minutes. After a longer one (the reader paused, or
    cannot keep up) the clock is set anew: playing then goes on from there, slower than the recording if it must.
    """

    def __init__(
        self,
        source: FrameSource,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Take over a recording.

        Args:
            source: not live, for live frames come when they come.
            now: seconds on a clock that never goes back.
            wait: sleeps so many seconds; None sleeps on the interrupt, which ends the sleep at once.
        """
        super().__init__(source)
        self._now = now
        self._wait = wait or self._interrupted.wait
        self._start_s: float | None = None  # when the recording's second 0 would have been shown
        self._speed = self._paced = 1.0  # wanted, and that of _start_s

    def read(self) -> Frame | None:
        """The next frame, when its time has come; None at the end or after `interrupt`."""
        frame = super().read()
        if frame is None or self._interrupted.is_set():
            return None
        now_s, speed = self._now(), self._speed
        due_s = frame.timestamp_s / speed
        if self._start_s is None or speed != self._paced or now_s - self._start_s - due_s > MAX_LATE_S:
            self._start_s, self._paced = now_s - due_s, speed
        early_s = self._start_s + due_s - now_s
        if early_s > 0:
            self._wait(early_s)
        return None if self._interrupted.is_set() else frame

    def set_speed(self, speed: float) -> None:
        """Play at ``speed`` seconds of the recording per second, above 0. May be called from any thread."""
        self._speed = speed

    def skip_to(self, frame_index: int) -> None:
        """Go on at this frame, at once; see the base."""
        super().skip_to(frame_index)
        self._start_s = None
