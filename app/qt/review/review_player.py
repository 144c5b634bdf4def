"""Playing a session: decoding and drawing off the main thread, one picture with its rows at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.overlay.overlay import Overlay, OverlayParts
from app.overlay.presentation import present
from app.qt.background import Worker
from app.review.clip import ClipReader
from app.review.session import Session
from app.session.rows import FaceRow
from engine.errors import EngineError
from engine.types import UInt8

#: Milliseconds between two looks at the clock while playing.
_TICK_MS: Final = 15
#: Rates that the window offers.
RATES: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)


class Clip(Protocol):
    """The pictures of a session, used by one thread."""

    def picture_at(self, time_s: float) -> UInt8:
        """The frame (H, W, 3) RGB that is shown at that time."""

    def close(self) -> None:
        """Let the file go."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What belongs to one position, all of it of the same frame."""

    position: int
    rows: tuple[FaceRow, ...]
    picture: UInt8 | None  # (h, w, 3) RGB that fits the view, overlay drawn
    frame_px: tuple[int, int]  # width and height of the frame whose pixels the rows speak of; 0, 0 without a picture
    fault: str = ""  # why there is no picture


@dataclass(frozen=True, slots=True)
class _Request:
    position: int
    space_px: tuple[int, int]


class _Picturer:
    """Makes what is shown; lives on the worker's thread."""

    def __init__(self, session: Session, parts: OverlayParts | None, open_clip: Callable[[Path], Clip]) -> None:
        self._session = session
        self._overlay = _overlay_of(session, parts)
        self._open_clip = open_clip
        self._clip: Clip | None = None

    def show(self, request: _Request) -> Shown:
        """Picture and rows of one position; a picture that cannot be had is told, the rows come all the same."""
        rows = self._session.rows_at(request.position)
        if self._session.video is None:
            return Shown(request.position, rows, None, (0, 0))
        try:
            if self._clip is None:
                self._clip = self._open_clip(self._session.video.path)
            image = self._clip.picture_at(self._session.video_time_at(request.position))
        except (EngineError, OSError) as error:
            return Shown(request.position, rows, None, (0, 0), str(error))
        size = (image.shape[1], image.shape[0])
        return Shown(request.position, rows, present(image, rows, self._overlay, request.space_px), size)

    def close(self) -> None:
        """Let the file go; after the worker has ended."""
        if self._clip is not None:
            self._clip.close()
            self._clip = None


def _overlay_of(session: Session, parts: OverlayParts | None) -> Overlay | None:
    """No second overlay over a video that already has one."""
    annotated = session.video is not None and session.video.annotated
    return None if annotated else Overlay(session.header, parts)


class ReviewPlayer(QObject):
    """Where one session is, and its pictures.

    While it plays, the clock says which position is due; positions that are due while a picture is still being made
    are left out, so that playing keeps real time.
    """

    #: A `Shown`: picture and rows that belong together.
    shown = Signal(object)
    #: The position that is wanted now; its picture follows with `shown`.
    moved = Signal(int)
    #: Whether it plays.
    playing_changed = Signal(bool)

    def __init__(
        self,
        session: Session,
        parent: QObject | None = None,
        *,
        parts: OverlayParts | None = None,
        open_clip: Callable[[Path], Clip] = ClipReader,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand at the first position; nothing is decoded before `show_again` or a move.

        Args:
            session: stays open as long as the player; closed by the caller.
            parent: Qt's.
            parts: what the overlay draws; None = all.
            open_clip: opens the video, on the worker's thread.
            clock: seconds that only grow.
        """
        super().__init__(parent)
        self._times: Sequence[float] = session.times_s.tolist()
        self._position_at = session.position_at
        self._clock = clock
        self._picturer = _Picturer(session, parts, open_clip)
        self._worker = Worker("mien-review-picture", self._picturer.show, self.shown.emit, self._fail)
        self._space_px = (640, 360)
        self._position = 0
        self._rate = 1.0
        self._sign = 1
        self._since = (0.0, 0.0)  # clock and time of the session when playing began
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def position(self) -> int:
        """The position that is wanted."""
        return self._position

    @property
    def time_s(self) -> float:
        """Its time."""
        return self._times[self._position]

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._timer.isActive()

    @property
    def rate(self) -> float:
        """Seconds of the session per second; below 0 while it plays backwards."""
        return self._sign * self._rate

    def set_view_size(self, width_px: int, height_px: int) -> None:
        """How large a picture the view has room for."""
        self._space_px = (max(width_px, 1), max(height_px, 1))
        self.show_again()

    def show_again(self) -> None:
        """Make the picture of the position once more."""
        self._worker.submit(_Request(self._position, self._space_px))

    def go_to(self, position: int) -> None:
        """Go to a position, or to the nearest there is."""
        self._move(position)
        self._anchor()

    def go_to_time(self, time_s: float) -> None:
        """Go to the frame that is shown at that time."""
        self.go_to(self._position_at(time_s))

    def step(self, count: int) -> None:
        """Stop and go so many analysed frames on (below 0: back)."""
        self.pause()
        self.go_to(self._position + count)

    def toggle(self) -> None:
        """Play forwards, or stop."""
        if self.playing:
            self.pause()
        else:
            self._play(1)

    def shuttle(self, sign: int) -> None:
        """Play forwards (1) or backwards (-1); asked again in the same direction it goes twice as fast, 4x at most."""
        if self.playing and self._sign == sign:
            self.set_rate(min(2 * self._rate, RATES[-1]))
        else:
            self._play(sign)

    def pause(self) -> None:
        """Stop."""
        if self.playing:
            self._timer.stop()
            self._sign = 1
            self.playing_changed.emit(False)

    def set_rate(self, rate: float) -> None:
        """Seconds of the session per second, from 0.25 to 4."""
        self._rate = min(max(rate, RATES[0]), RATES[-1])
        self._anchor()
        if self.playing:
            self.playing_changed.emit(True)

    def close(self) -> None:
        """End the thread and let the video go; nothing is shown any more."""
        self._timer.stop()
        self._worker.close()
        self._picturer.close()

    def _play(self, sign: int) -> None:
        last = len(self._times) - 1
        if sign > 0 and self._position >= last:
            self._move(0)
        self._sign = sign
        self._anchor()
        self._timer.start()
        self.playing_changed.emit(True)

    def _anchor(self) -> None:
        self._since = (self._clock(), self.time_s)

    def _tick(self) -> None:
        began, start_s = self._since
        due_s = start_s + (self._clock() - began) * self.rate
        self._move(self._position_at(due_s))
        at_end = due_s >= self._times[-1] if self._sign > 0 else due_s <= self._times[0]
        if at_end:
            self.pause()

    def _move(self, position: int) -> None:
        position = int(np.clip(position, 0, len(self._times) - 1))
        if position != self._position:
            self._position = position
            self.moved.emit(position)
            self.show_again()

    def _fail(self, error: Exception) -> None:
        self.shown.emit(Shown(self._position, (), None, (0, 0), str(error)))
