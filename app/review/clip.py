"""The pictures of a video file at any time: forwards, backwards, and after a jump, always the right one.

A file tells only by being decoded which picture is shown when (variable rates, pictures stored out of order). So the
reader keeps a short run of decoded pictures that follow each other without a gap, always one further than was asked
for: the picture of a time is the last of the run that begins by then, known to be so once the next begins later. One
step forwards decodes one picture; steps backwards come from the run.
"""

from __future__ import annotations

import bisect
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
from av.video.frame import VideoFrame

from engine.capture.decoding import UprightRgb, decoded, mean_rate, video_stream
from engine.capture.video_file import open_video
from engine.errors import SourceError
from engine.types import UInt8

#: Times of the table are rounded to microseconds and those of our own files to ticks of 11 microseconds.
_SAME_TIME_S: Final = 1e-4
#: Jumps forwards of up to this are decoded through; beyond, looking for a key picture is quicker.
_NEAR_S: Final = 3.0
#: Pictures that are kept, in number and in bytes (decoded form: 1.5 bytes a pixel).
_KEPT_PICTURES: Final = 48
_MIN_KEPT: Final = 4
_KEPT_BYTES: Final = 100_000_000
_BYTES_PER_PIXEL: Final = 1.5
#: How much earlier to look when no whole picture was found at a time, first; each time four times as much.
_EARLIER_S: Final = 1.0
_EARLIER_FACTOR: Final = 4.0
#: Formats that write the time of a picture now and then only: behind a jump, times are guessed for the first group.
_SPARSE_TIMES: Final = frozenset({"mpeg"})
#: So many failed reads in a row end the file.
_MAX_FAILED_READS: Final = 100
#: Step between pictures that carry no time, in files that also tell no rate.
_DEFAULT_FPS: Final = 25.0


class ClipReader:
    """A video file, read at random. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first picture.

        Raises:
            SourceError: missing, no video, no picture that can be decoded, or too large.
        """
        self._path = path
        self._run: list[VideoFrame] = []  # pictures that follow each other
        self._times: list[float] = []  # when each begins, rising
        self._kept = _MIN_KEPT
        self._closed = False
        self._open()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            first = self._pull()
            if first is None:
                raise SourceError(f"{path} holds no picture that can be decoded: check that it plays, or copy it again")
            self._first_s = self._times[0]
            self._can_seek = first.time is not None
            self._rgb = UprightRgb(str(path), first, self._stream)
            kept = _KEPT_BYTES / (first.width * first.height * _BYTES_PER_PIXEL)
            self._kept = int(min(max(kept, _MIN_KEPT), _KEPT_PICTURES))
            undo.pop_all()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, upright, in pixels."""
        return self._rgb.size

    def picture_at(self, time_s: float) -> UInt8:
        """The picture (H, W, 3) RGB that is shown at this time, on the file's own clock; the first before it begins.

        Raises:
            SourceError: the file cannot be read any more.
        """
        if self._closed:
            raise SourceError(f"{self._path} was closed: open it again")
        wanted_s = max(time_s + _SAME_TIME_S, self._first_s)
        if not self._times or wanted_s < self._times[0] or self._is_far(wanted_s):
            self._jump(wanted_s)
        while self._times[-1] <= wanted_s and self._pull() is not None:
            pass
        return self._rgb.convert(self._run[bisect.bisect_right(self._times, wanted_s) - 1])

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._run.clear()
        self._container.close()

    def _open(self) -> None:
        """Stand before the first picture of the file."""
        self._container = open_video(self._path)
        try:
            self._stream = video_stream(self._container, str(self._path))
        except SourceError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._step_s = 1.0 / (mean_rate(self._stream) or _DEFAULT_FPS)
        self._begin(self._decode())

    def _begin(self, pictures: Iterator[VideoFrame]) -> None:
        """Start a new run."""
        self._run.clear()
        self._times.clear()
        self._pictures = pictures
        self._ended = False

    def _is_far(self, wanted_s: float) -> bool:
        return not self._ended and wanted_s > self._times[-1] + _NEAR_S

    def _jump(self, wanted_s: float) -> None:
        """Start a run at a key picture that begins at this time or before, the nearest that the file gives.

        Raises:
            SourceError: the file cannot be read any more.
        """
        earlier_s, at_s = _EARLIER_S, wanted_s
        while self._can_seek and at_s > self._first_s:
            if self._seek(at_s) and self._pull() is not None and self._times[0] <= wanted_s:
                return
            at_s, earlier_s = wanted_s - earlier_s, earlier_s * _EARLIER_FACTOR
        self._container.close()
        self._open()
        if self._pull() is None:
            raise SourceError(f"{self._path} cannot be read any more: check that its disk is there")

    def _seek(self, at_s: float) -> bool:
        """Go where the file says that a key picture is; False when it refuses."""
        tick_s = float(self._stream.time_base or 0) or 1.0 / av.time_base
        try:
            self._container.seek(math.floor(at_s / tick_s), stream=self._stream)
        except (av.FFmpegError, OverflowError):
            return False
        self._begin(self._decode_from_key())
        return True

    def _pull(self) -> VideoFrame | None:
        """Add the next picture to the run; None at the end."""
        picture = next(self._pictures, None)
        if picture is None:
            self._ended = True
            return None
        time_s = picture.time
        if self._times and (time_s is None or time_s <= self._times[-1]):
            time_s = self._times[-1] + self._step_s  # as VideoFileSource counts where a file's times are broken
        self._run.append(picture)
        self._times.append(time_s or 0.0)
        if len(self._run) > self._kept:
            del self._run[0], self._times[0]
        return picture

    def _decode_from_key(self) -> Iterator[VideoFrame]:
        """Pictures that rest on none that was skipped, with times that can be trusted."""
        keys_left = 2 if self._container.format.name in _SPARSE_TIMES else 1
        for picture in self._decode():
            keys_left -= picture.key_frame
            if keys_left <= 0:
                yield picture

    def _decode(self) -> Iterator[VideoFrame]:
        """Pictures in the order in which they are shown; what is damaged is left out."""
        failed = 0
        while failed < _MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._stream):
                    failed = 0
                    yield from decoded(packet) or ()
            except av.FFmpegError:
                failed += 1
            else:
                return
