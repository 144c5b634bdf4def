"""Playback of a session: frames are decoded and drawn off the main thread, each with its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.overlay.blur import blur_faces
from app.overlay.overlay import Overlay, OverlayParts, present
from app.overlay.region import WHOLE, Region
from app.overlay.thumbnails import face_thumbnails
from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.review.clip import ClipReader
from app.review.session import Session
from app.review.session_cover import SessionCover
from app.session.rows import FaceRow
from engine.errors import EngineError
from engine.types import UInt8

#: Milliseconds between two updates while playing.
_TICK_MS: Final = 15
#: Side of the pictures of faces in pixels.
_THUMBNAIL_PX: Final = 96
#: Playback rates on offer.
RATES: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)


class Clip(Protocol):
    """Random access to the frames of a video, from one thread."""

    def image_at(self, time_s: float) -> UInt8:
        """The frame (H, W, 3) RGB shown at this time on the clock of the video."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """One frame of the session with its rows."""

    position: int
    rows: tuple[FaceRow, ...]
    image: UInt8 | None  # (h, w, 3) RGB, scaled to the view, with the overlay
    frame_size_px: tuple[int, int]  # width and height of the source frame, to which the rows refer; 0, 0 if no image
    fault: str = ""  # why there is no image
    thumbnails: dict[int, UInt8] = field(default_factory=dict)  # by face id, see app/overlay/thumbnails.py


@dataclass(frozen=True, slots=True)
class _Request:
    position: int
    space_px: tuple[int, int]
    region: Region
    parts: OverlayParts


class _FrameRenderer:
    """Decodes frames and draws the overlay, on the worker thread."""

    def __init__(self, session: Session, open_clip: Callable[[Path], Clip]) -> None:
        self._session = session
        self._overlay = None if has_own_overlay(session) else Overlay(session.header)
        self._cover = SessionCover(session)
        self._open_clip = open_clip
        self._clip: Clip | None = None

    def show(self, request: _Request) -> ShownFrame:
        """Image and rows of one position; if the image cannot be read, the rows are still returned."""
        rows = self._session.rows_at(request.position)
        if self._session.video is None:
            return ShownFrame(request.position, rows, None, (0, 0))
        try:
            if self._clip is None:
                self._clip = self._open_clip(self._session.video.path)
            image = self._clip.image_at(self._session.video_time_at(request.position))
        except (EngineError, OSError) as error:
            return ShownFrame(request.position, rows, None, (0, 0), fault_text(error))
        size, thumbnails = (image.shape[1], image.shape[0]), {}
        if request.parts.blur:
            image = blur_faces(image, self._cover.boxes_at(request.position))
        else:
            thumbnails = face_thumbnails(image, rows, _THUMBNAIL_PX)
        if self._overlay is not None:  # blurred above, where later frames are known too
            self._overlay.change(self._session.header, replace(request.parts, blur=False))
        shown = present(image, rows, self._overlay, request.space_px, request.region)
        return ShownFrame(request.position, rows, shown, size, thumbnails=thumbnails)

    def close(self) -> None:
        """Close the file; call it after the thread has ended."""
        if self._clip is not None:
            self._clip.close()
            self._clip = None


def has_own_overlay(session: Session) -> bool:
    """Whether the overlay is part of the only video that was found, so that it cannot be changed."""
    return session.video is not None and session.video.annotated


class ReviewPlayer(QObject):
    """The position in a session, and its frames.

    While playing, the clock determines the position; positions that pass while a frame is still being decoded are
    skipped, so that playback stays in real time.
    """

    #: A `ShownFrame`.
    shown = Signal(object)
    #: The new position; its frame follows with `shown`.
    moved = Signal(int)
    #: Whether it is playing.
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
        """Start at the first position; nothing is decoded before `refresh` or a move.

        Args:
            session: stays open as long as the player; closed by the caller.
            parent: Qt parent.
            parts: what the overlay draws; None = all.
            open_clip: opens the video, on the worker thread.
            clock: monotonic seconds.
        """
        super().__init__(parent)
        self._times: Sequence[float] = session.times_s.tolist()
        self._position_at = session.position_at
        self._clock = clock
        self._renderer = _FrameRenderer(session, open_clip)
        self._parts, self._region = parts or OverlayParts(), WHOLE
        self._worker = Worker("mien-review-frame", self._renderer.show, self.shown.emit, self._fail)
        self._space_px = (640, 360)
        self._position = 0
        self._rate = 1.0
        self._direction = 1
        self._since = (0.0, 0.0)  # clock and session time at which playback started
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def position(self) -> int:
        """The current position, an index into Session.frames."""
        return self._position

    @property
    def time_s(self) -> float:
        """Time of the current position in seconds."""
        return self._times[self._position]

    @property
    def playing(self) -> bool:
        """Whether it is playing."""
        return self._timer.isActive()

    @property
    def rate(self) -> float:
        """Seconds of the session per second; negative when playing backwards."""
        return self._direction * self._rate

    def set_view_size(self, width_px: int, height_px: int) -> None:
        """Set the size of the view in device pixels."""
        self._space_px = (max(width_px, 1), max(height_px, 1))
        self.refresh()

    def set_region(self, region: Region) -> None:
        """Set the part of the image to show."""
        self._region = region
        self.refresh()

    def set_overlay(self, parts: OverlayParts) -> None:
        """Set what is drawn over a video without overlay, and whether faces are blurred."""
        self._parts = parts
        self.refresh()

    def refresh(self) -> None:
        """Render the current position again."""
        self._worker.submit(_Request(self._position, self._space_px, self._region, self._parts))

    def go_to(self, position: int) -> None:
        """Go to a position, clipped to the session."""
        self._move(position)
        self._anchor()

    def go_to_time(self, time_s: float) -> None:
        """Go to the frame shown at this time."""
        self.go_to(self._position_at(time_s))

    def step(self, count: int) -> None:
        """Pause and move by ``count`` analysed frames; negative = back."""
        self.pause()
        self.go_to(self._position + count)

    def toggle(self) -> None:
        """Play forwards, or pause."""
        if self.playing:
            self.pause()
        else:
            self._play(1)

    def shuttle(self, direction: int) -> None:
        """Play forwards (1) or backwards (-1); repeated in the same direction, double the rate up to 4."""
        if self.playing and self._direction == direction:
            self.set_rate(min(2 * self._rate, RATES[-1]))
        else:
            self._play(direction)

    def pause(self) -> None:
        """Stop playing."""
        if self.playing:
            self._timer.stop()
            self._direction = 1
            self.playing_changed.emit(False)

    def set_rate(self, rate: float) -> None:
        """Set the rate in seconds of the session per second, clipped to 0.25-4."""
        self._rate = min(max(rate, RATES[0]), RATES[-1])
        self._anchor()
        if self.playing:
            self.playing_changed.emit(True)

    def close(self) -> None:
        """Stop the thread and close the video; no signal follows."""
        self._timer.stop()
        self._worker.close()
        self._renderer.close()

    def _play(self, direction: int) -> None:
        last = len(self._times) - 1
        if direction > 0 and self._position >= last:
            self._move(0)
        self._direction = direction
        self._anchor()
        self._timer.start()
        self.playing_changed.emit(True)

    def _anchor(self) -> None:
        self._since = (self._clock(), self.time_s)

    def _tick(self) -> None:
        began, start_s = self._since
        due_s = start_s + (self._clock() - began) * self.rate
        self._move(self._position_at(due_s))
        at_end = due_s >= self._times[-1] if self._direction > 0 else due_s <= self._times[0]
        if at_end:
            self.pause()

    def _move(self, position: int) -> None:
        position = int(np.clip(position, 0, len(self._times) - 1))
        if position != self._position:
            self._position = position
            self.moved.emit(position)
            self.refresh()

    def _fail(self, error: Exception) -> None:
        self.shown.emit(ShownFrame(self._position, (), None, (0, 0), fault_text(error)))
