"""Reading every n-th frame of a source, so that a long film takes a fraction of the time."""

from __future__ import annotations

import dataclasses

from engine.capture.source import FrameSource, WrappedSource
from engine.types import Frame


class ThinnedSource(WrappedSource):
    """Hands out the frames whose index is a multiple of ``every_n``, with the index and the times that they have.

    Frames in between are read and let go; they count neither as captured nor as dropped. `skip_to` goes by the index
    too: the next frame is that one, or the first behind it that counts. ``info`` is that of the source but for the
    count of frames.
    """

    def __init__(self, source: FrameSource, every_n: int) -> None:
        """Take over a source.

        Raises:
            ValueError: ``every_n`` below 1.
        """
        if every_n < 1:
            raise ValueError(f"every_n is {every_n}: it must be 1 or more")
        super().__init__(source)
        self._every_n = every_n
        count = source.info.frame_count
        self.info = dataclasses.replace(source.info, frame_count=None if count is None else -(-count // every_n))

    def read(self) -> Frame | None:
        """The next frame that counts; None at the end or after `interrupt`."""
        frame = super().read()
        while frame is not None and frame.index % self._every_n:
            frame = super().read()
        return frame


def thinned(source: FrameSource, every_n: int) -> FrameSource:
    """Every n-th frame of a source; the source itself for 1.

    Raises:
        ValueError: ``every_n`` below 1.
    """
    return source if every_n == 1 else ThinnedSource(source, every_n)
