"""A camera or stream that is opened again when it was lost, so that a session outlives a loose plug."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Final

import cv2
import numpy as np

from engine.capture.source import FrameSource
from engine.errors import SourceError
from engine.types import Frame

#: Pause after a failed attempt, doubled after each further one up to the second value.
_FIRST_PAUSE_S: Final = 0.25
_MAX_PAUSE_S: Final = 2.0


class ConnectionState(str, Enum):
    """Whether frames come."""

    CONNECTED = "connected"
    LOST = "lost"  # it is opened again and again


class ReconnectingSource(FrameSource):
    """A live source whose indices and times go on after a loss; the gap stays in the times.

    Frames of another size than before, as of another camera in the same place, are scaled.
    """

    def __init__(self, source: FrameSource, reopen: Callable[[], FrameSource], give_up_s: float) -> None:
        """Take over an open live source.

        Args:
            source: closed when it is lost.
            reopen: opens it again; raises SourceError while it is missing.
            give_up_s: a source that is missing for so long is an error.
        """
        super().__init__()
        self.info = source.info
        self.state = ConnectionState.CONNECTED
        self.losses = 0
        self._source: FrameSource | None = source
        self._reopen = reopen
        self._give_up_s = give_up_s
        self._damaged_before = 0  # of the sources that were lost
        self._index = 0
        self._offset_s = 0.0  # time of the current source's first frame
        self._start_s = time.monotonic()

    def read(self) -> Frame | None:
        """The next frame; None when a stream ends, or after `interrupt`.

        Raises:
            SourceError: the source was missing for ``give_up_s``.
        """
        while not self._interrupted.is_set():
            source = self._source or self._connect()
            if source is None:
                return None
            try:
                frame = source.read()
            except SourceError as error:
                self._lose(source, error)
                continue
            self.damaged = self._damaged_before + source.damaged
            return None if frame is None else self._numbered(frame)
        return None

    def interrupt(self) -> None:
        """Make `read` return None soon; see the base."""
        super().interrupt()
        source = self._source
        if source is not None:
            source.interrupt()

    def fault(self) -> str | None:
        """What was lost; see the base."""
        own = f"{self.info.source_id} was lost {self.losses} x: frames are missing" if self.losses else None
        inner = self._source.fault() if self._source is not None else None
        return "; ".join(fault for fault in (inner, own) if fault) or None

    def close(self) -> None:
        """Let go of the device or connection."""
        if self._source is not None:
            self._source.close()

    def _lose(self, source: FrameSource, error: SourceError) -> None:
        source.close()
        self._source, self._error, self.state = None, error, ConnectionState.LOST
        self._damaged_before += source.damaged
        self.losses += 1

    def _connect(self) -> FrameSource | None:
        """Open the source again; None after `interrupt`."""
        lost_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while not self._interrupted.wait(pause_s):
            try:
                source = self._reopen()
            except SourceError:
                if time.monotonic() - lost_s > self._give_up_s:
                    raise self._error from None
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)
                continue
            self._source, self.state = source, ConnectionState.CONNECTED
            self._offset_s = time.monotonic() - self._start_s
            if self._interrupted.is_set():  # `interrupt` may not have seen it
                source.interrupt()
            return source
        return None

    def _numbered(self, frame: Frame) -> Frame:
        size = (self.info.width_px, self.info.height_px)
        image = frame.image
        if image.shape[1::-1] != size:
            image = np.asarray(cv2.resize(image, size), np.uint8)
        self._index += 1
        return Frame(image, self._index - 1, self._offset_s + frame.timestamp_s, self.info.source_id)
