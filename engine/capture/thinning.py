"""Reading every n-th frame of a source, so that a long film takes a fraction of the time."""

from __future__ import annotations

import dataclasses

from engine.capture.source import FrameSource
from engine.types import Frame


class ThinnedSource(FrameSource):
    """Hands out the frames whose index is a multiple of ``every_n``, with the index and the times that they have.

    Frames in between are read and let go; they count neither as captured nor as dropped. ``info`` is that of the source
    but for the count of frames.
    """

    def __init__(self, source: FrameSource, every_n: int) -> None:
        """Take over a source, which is closed with this one.

        Raises:
            ValueError: ``every_n`` below 1.
        """
        if every_n < 1:
            raise ValueError(f"every_n is {every_n}: it must be 1 or more")
        super().__init__()
        self._source = source
        self._every_n = every_n
        count = source.info.frame_count
        self.info = dataclasses.replace(source.info, frame_count=None if count is None else -(-count // every_n))

    def read(self) -> Frame | None:
        """The next frame that counts; None at the end or after `interrupt`."""
        frame = self._source.read()
        while frame is not None and frame.index % self._every_n:
            frame = self._source.read()
        self.damaged = self._source.damaged
        return frame

    def skip_to(self, frame_index: int) -> None:
        """Go on at this frame of the source, or the first behind it that counts; see the base."""
        self._source.skip_to(frame_index)
        self.damaged = self._source.damaged

    def interrupt(self) -> None:
        """Make `read` return None soon; see the base."""
        super().interrupt()
        self._source.interrupt()

    def fault(self) -> str | None:
        """What was lost; see the base."""
        return self._source.fault()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def thinned(source: FrameSource, every_n: int) -> FrameSource:
    """Every n-th frame of a source; the source itself for 1.

    Raises:
        ValueError: ``every_n`` below 1.
    """
    return source if every_n == 1 else ThinnedSource(source, every_n)
