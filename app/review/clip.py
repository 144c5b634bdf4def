"""Random access to the frames of a video file: forwards, backwards and after a seek, always the exact frame.

Only decoding shows which frame is shown when (variable frame rates, frames stored out of order). The reader therefore
keeps a short window of consecutive decoded frames that extends one frame past the requested time: the frame shown is
the last in the window that starts by then. A step forwards decodes one frame; steps backwards come from the window.
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

from engine.capture.decoding import UprightRgb, decoded, mean_rate, open_video, video_stream
from engine.errors import SourceError
from engine.types import UInt8

#: Tolerance: the table rounds times to microseconds, our own files to ticks of 11 microseconds.
_SAME_TIME_S: Final = 1e-4
#: Forward jumps up to this are decoded through; beyond, seeking to a key frame is faster.
_NEAR_S: Final = 3.0
#: Size of the window in frames, and its limit in bytes (decoded: 1.5 bytes per pixel).
_MAX_WINDOW: Final = 48
_MIN_WINDOW: Final = 4
_WINDOW_BYTES: Final = 100_000_000
_BYTES_PER_PIXEL: Final = 1.5
#: How much earlier to seek if no key frame was found by the requested time; multiplied by four on each retry.
_EARLIER_S: Final = 1.0
_EARLIER_FACTOR: Final = 4.0
#: Formats with few timestamps: after a seek, the times of the first group of frames are guesses.
_SPARSE_TIMES: Final = frozenset({"mpeg"})
#: This many failed reads in a row end the file.
_MAX_FAILED_READS: Final = 100
#: Frame rate assumed for frames without timestamps in files without a rate.
_DEFAULT_FPS: Final = 25.0


class ClipReader:
    """A video file with random access, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame.

        Raises:
            SourceError: missing, no video, no frame that can be decoded, or too large.
        """
        self._path = path
        self._window: list[VideoFrame] = []  # consecutive frames
        self._times: list[float] = []  # start time of each, ascending
        self._window_size = _MIN_WINDOW
        self._closed = False
        self._open()
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(self.close)
            first = self._decode_next()
            if first is None:
                raise SourceError(f"{path} contains no decodable frame: check that it plays, or copy it again")
            self._first_s = self._times[0]
            self._can_seek = first.time is not None
            self._rgb = UprightRgb(str(path), first, self._stream)
            size = _WINDOW_BYTES / (first.width * first.height * _BYTES_PER_PIXEL)
            self._window_size = int(min(max(size, _MIN_WINDOW), _MAX_WINDOW))
            cleanup.pop_all()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright frames in pixels."""
        return self._rgb.size

    def image_at(self, time_s: float) -> UInt8:
        """The frame (H, W, 3) RGB shown at this time on the file's own clock; the first one before the start.

        Raises:
            SourceError: the file cannot be read any more.
        """
        if self._closed:
            raise SourceError(f"{self._path} is closed: open it again")
        requested_s = max(time_s + _SAME_TIME_S, self._first_s)
        if not self._times or requested_s < self._times[0] or self._needs_seek(requested_s):
            self._seek_window(requested_s)
        while self._times[-1] <= requested_s and self._decode_next() is not None:
            pass
        return self._rgb.convert(self._window[bisect.bisect_right(self._times, requested_s) - 1])

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._window.clear()
        self._container.close()

    def _open(self) -> None:
        """Open the file at its first frame."""
        self._container = open_video(self._path)
        try:
            self._stream = video_stream(self._container, str(self._path))
        except SourceError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._step_s = 1.0 / (mean_rate(self._stream) or _DEFAULT_FPS)
        self._start_window(self._decode())

    def _start_window(self, frames: Iterator[VideoFrame]) -> None:
        """Start a new window."""
        self._window.clear()
        self._times.clear()
        self._frames = frames
        self._ended = False

    def _needs_seek(self, requested_s: float) -> bool:
        return not self._ended and requested_s > self._times[-1] + _NEAR_S

    def _seek_window(self, requested_s: float) -> None:
        """Start a window at the last key frame by this time that the file can seek to.

        Raises:
            SourceError: the file cannot be read any more.
        """
        earlier_s, at_s = _EARLIER_S, requested_s
        while self._can_seek and at_s > self._first_s:
            if self._seek(at_s) and self._decode_next() is not None and self._times[0] <= requested_s:
                return
            at_s, earlier_s = requested_s - earlier_s, earlier_s * _EARLIER_FACTOR
        self._container.close()
        self._open()
        if self._decode_next() is None:
            raise SourceError(f"{self._path} can no longer be read: check that its disk is connected")

    def _seek(self, at_s: float) -> bool:
        """Seek to a key frame; False if the file refuses."""
        tick_s = float(self._stream.time_base or 0) or 1.0 / av.time_base
        try:
            self._container.seek(math.floor(at_s / tick_s), stream=self._stream)
        except (av.FFmpegError, OverflowError):
            return False
        self._start_window(self._decode_from_key())
        return True

    def _decode_next(self) -> VideoFrame | None:
        """Append the next frame to the window; None at the end."""
        frame = next(self._frames, None)
        if frame is None:
            self._ended = True
            return None
        time_s = frame.time
        if self._times and (time_s is None or time_s <= self._times[-1]):
            time_s = self._times[-1] + self._step_s  # as VideoFileSource does for broken timestamps
        self._window.append(frame)
        self._times.append(time_s or 0.0)
        if len(self._window) > self._window_size:
            del self._window[0], self._times[0]
        return frame

    def _decode_from_key(self) -> Iterator[VideoFrame]:
        """Frames from the first key frame with a reliable timestamp on."""
        keys_left = 2 if self._container.format.name in _SPARSE_TIMES else 1
        for frame in self._decode():
            keys_left -= frame.key_frame
            if keys_left <= 0:
                yield frame

    def _decode(self) -> Iterator[VideoFrame]:
        """Frames in display order; damaged ones are skipped."""
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
