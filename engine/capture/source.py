"""What every source of frames offers: who it is, the next frame, a way to break off, and a way to go on later."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final

from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.types import Frame

#: Wider or higher pictures are refused: no face needs them, and one frame would take over 200 MB.
MAX_SIDE_PX: Final = 8192
#: Times are compared with this tolerance: tables round them to microseconds.
SAME_TIME_S: Final = 1e-6

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class SourceKind(str, Enum):
    """Where frames come from."""

    VIDEO = "video"
    PICTURES = "pictures"
    CAMERA = "camera"
    STREAM = "stream"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """Which video stream of a file is read, where there may be several."""

    index: int  # in the file, sound and subtitles counted, from 0
    of: int  # number of video streams
    codec: str
    tone_mapped: str | None = None  # "pq" or "hlg" if its high dynamic range is mapped to the ordinary one


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source once it is open."""

    source_id: str  # file name, "camera:0", address without its secrets, "demo"
    kind: SourceKind
    width_px: int  # as shown: after rotation; pictures of a folder may differ from the first
    height_px: int
    frame_count: int | None  # as the source tells it, for progress only (edit lists hide frames); None = unknown
    duration_s: float | None  # likewise
    fps: float | None  # mean rate; the frames' own times count
    is_live: bool  # frames that are not fetched in time are lost
    stream: StreamChoice | None = None  # of a video file


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A picture of a folder that was left out."""

    file: str  # path below the folder
    reason: str


class FrameSource(ABC):
    """A source of frames, used by one thread; only `interrupt` may be called from another.

    Close it when the reading thread has left `read`.
    """

    info: SourceInfo  # set by the constructor of each source
    files: tuple[Path, ...] = ()  # what it reads, in order; none for a camera, a stream or the demo
    names: tuple[str, ...] = ()  # of images: Frame.file of each index

    def __init__(self) -> None:
        self.damaged = 0  # packets or pictures that could not be decoded so far
        self.unread: list[UnreadFile] = []  # the pictures among them
        self._interrupted = threading.Event()

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame; None at the end or after `interrupt`.

        Raises:
            SourceError: the source is lost.
        """

    def skip_to(self, frame_index: int) -> None:
        """Go on so that the next frame has this index, with the times that a full reading gives.

        Raises:
            SourceError: the frame lies behind, or beyond the end, or the source is live.
        """
        raise SourceError(f"{self.info.source_id} is live and cannot go on at frame {frame_index}: start anew")

    def skip_to_time(self, time_s: float) -> None:
        """Go on so that the next frame is the first one with ``timestamp_s`` from this time on, if there is one.

        Raises:
            SourceError: the source has no times of its own (pictures, cameras, streams).
        """
        raise SourceError(f"{self.info.source_id} has no times to start at: leave the start out")

    def jump_to_time(self, time_s: float) -> None:
        """As `skip_to_time`, as fast as the source can; the indices of the frames may then be estimates.

        For viewing only: a table needs exact indices.
        """
        self.skip_to_time(time_s)

    def interrupt(self) -> None:
        """Make `read` return None soon, now and from now on. May be called from any thread."""
        self._interrupted.set()

    def fault(self) -> str | None:
        """One line on what was lost, for the user; complete once `read` gave None. None = nothing was lost."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or device. A second call does nothing."""

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the remaining frames; raises SourceError like `read`."""
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WrappedSource(FrameSource):
    """A source that hands out the frames of another in its own way. It takes that one over and closes it."""

    def __init__(self, source: FrameSource) -> None:
        super().__init__()
        self._source = source
        self.info = source.info
        self.files = source.files
        self.names = source.names
        self.unread = source.unread

    def read(self) -> Frame | None:
        """The next frame of the source; see the base."""
        frame = self._source.read()
        self.damaged = self._source.damaged
        return frame

    def skip_to(self, frame_index: int) -> None:
        """Go on at this frame; see the base."""
        self._source.skip_to(frame_index)
        self.damaged = self._source.damaged

    def skip_to_time(self, time_s: float) -> None:
        """Go on at this time; see the base."""
        self._source.skip_to_time(time_s)
        self.damaged = self._source.damaged

    def jump_to_time(self, time_s: float) -> None:
        """Go on near this time; see the base."""
        self._source.jump_to_time(time_s)
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


def source_name(path: Path) -> str:
    """Name of a file or folder as text for every table; bytes that are no UTF-8, as on old disks, become U+FFFD.

    >>> source_name(Path("clips/talk.mp4"))
    'talk.mp4'
    """
    return path_text(path.name)


def path_text(path: str) -> str:
    r"""A path as text for every table; bytes that are not UTF-8 and control characters become U+FFFD.

    >>> path_text("clips/a\nb.mp4")
    'clips/a\ufffdb.mp4'
    """
    return _CONTROL.sub("\ufffd", path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def check_size(name: str, width_px: int, height_px: int, limits: CaptureConfig | None = None) -> None:
    """Refuse pictures without pixels, above MAX_SIDE_PX a side, or of a video above ``limits.max_megapixels``.

    Raises:
        SourceError: with the size and the remedy.
    """
    if width_px < 1 or height_px < 1:
        raise SourceError(f"{name} has pictures of {width_px} x {height_px} pixels: check that it plays elsewhere")
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise SourceError(f"{name} is {width_px} x {height_px} pixels, the limit is {MAX_SIDE_PX} a side: shrink it")
    if limits is not None and width_px * height_px > limits.max_megapixels * 1e6:
        raise SourceError(
            f"{name} is {width_px} x {height_px} pixels, the limit is {limits.max_megapixels:g} megapixels: "
            "shrink it, or raise capture.max_megapixels"
        )


def check_duration(name: str, duration_s: float | None, limits: CaptureConfig) -> None:
    """Refuse a recording that states a duration above ``limits.max_duration_h``.

    Raises:
        SourceError: with the duration and the remedy.
    """
    if duration_s is not None and duration_s > limits.max_duration_h * 3600:
        raise SourceError(
            f"{name} states a duration of {duration_s / 3600:.0f} h, the limit is {limits.max_duration_h:g} h: "
            "cut it, or raise capture.max_duration_h"
        )
