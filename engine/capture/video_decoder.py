"""Decoding of a video file through PyAV (FFmpeg): every picture, in order, with the times that the file gives.

Runs in a process of its own (engine/capture/decode_process.py), for one file.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from engine.capture.decode_messages import VideoInfo
from engine.capture.decoding import UprightRgb, decoded, mean_rate, open_video, video_stream, videos_of
from engine.capture.hdr import transfer_of
from engine.capture.source import SAME_TIME_S, StreamChoice, check_duration
from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.types import UInt8

#: A file that ends so much before its stated duration was cut off; sound that outlasts the video leaves less.
_SHORT_BY_S: Final = 1.0
#: Threads of the decoder; each keeps a picture of its own in memory.
_MAX_THREADS: Final = 8
#: So many failed reads in a row end the file: the disk or the file gives nothing more.
_MAX_FAILED_READS: Final = 100
#: Frames decoded ahead, by which a wrong time is recognised.
_LOOKAHEAD: Final = 3
#: Readers of streams without a container, which carry no times.
_RAW_FORMATS: Final = frozenset({"h264", "hevc", "m4v", "mpegvideo", "vvc", "obu"})
#: Step between frames that carry no time, in files that also tell no rate.
_DEFAULT_FPS: Final = 25.0
#: A raw stream that names a higher rate names the clock of a recording with a variable rate.
_MAX_FPS: Final = 500


class VideoDecoder:
    """A local video file. Damaged packets are skipped and counted."""

    def __init__(self, path: Path, limits: CaptureConfig, progress: Callable[[], None] = lambda: None) -> None:
        """Open the file and decode its first picture.

        Args:
            path: of the file.
            limits: caps on size and duration.
            progress: called for each packet.

        Raises:
            SourceError: missing, empty, no video, no frame that can be decoded, or too large.
        """
        self._name = str(path)
        self._progress = progress
        self.damaged = 0
        self.next_index = 0
        self._ended = False
        with contextlib.ExitStack() as undo:
            self._container = undo.enter_context(open_video(path))
            self._stream = video_stream(self._container, self._name, limits)
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = min(os.cpu_count() or 1, _MAX_THREADS)
            pictures = self._decode()
            first = next(pictures, None)
            if first is None:
                raise SourceError(
                    f"{self._name} holds no frame that can be decoded: check that it plays, or copy it again"
                )
            self._rgb = UprightRgb(self._name, first, self._stream, limits)
            rate = _rate(self._container, self._stream)  # raw streams name theirs once a frame is decoded
            choice = _choice(self._container, self._stream, first)
            self.info = _info(self._container, self._stream, self._rgb.size, rate, choice)
            check_duration(self._name, self.info.duration_s, limits)
            self._clock = _Clock(rate or _DEFAULT_FPS)
            self._rate_is_guessed = rate is None
            self._pictures: Iterator[VideoFrame] = itertools.chain((first,), pictures)
            self._ahead: deque[VideoFrame] = deque()  # decoded, not yet given out; the clock judges times by them
            self._ready: VideoFrame | None = None  # decoded by `skip_to_time` and not yet read
            undo.pop_all()

    @property
    def now_s(self) -> float:
        """Seconds between the first frame and the current one."""
        return self._clock.now_s

    @property
    def upcoming(self) -> int:
        """Index of the picture that `read` returns next."""
        return self.next_index - (self._ready is not None)

    def read(self) -> VideoFrame | None:
        """The next picture, for `convert`; its index is ``next_index - 1``. None at the end."""
        picture, self._ready = self._ready or self._advance(), None
        return picture

    def convert(self, picture: VideoFrame, out: UInt8 | None = None) -> UInt8:
        """The picture as (H, W, 3) uint8 RGB, in ``out`` if given.

        Raises:
            SourceError: the picture is in a form that cannot be converted.
        """
        return self._rgb.convert(picture, out)

    def skip_to(self, frame_index: int) -> None:
        """Decode, without converting to RGB, up to this frame.

        Raises:
            SourceError: it lies behind, or beyond the end.
        """
        if self._ready is not None and frame_index == self.next_index - 1:
            return
        self._ready = None
        if frame_index < self.next_index:
            raise SourceError(
                f"{self._name} stands at frame {self.next_index}, it cannot go back to {frame_index}: open it again"
            )
        while self.next_index < frame_index:
            if self._advance() is None:
                raise SourceError(
                    f"{self._name} has {self.next_index} frames, it cannot go on at {frame_index}: start anew"
                )

    def skip_to_time(self, time_s: float) -> None:
        """Decode, without converting to RGB, up to the first frame from this time on, if there is one."""
        if self._ready is not None:
            return
        while (picture := self._advance()) is not None:
            if self._clock.now_s >= time_s - SAME_TIME_S:
                self._ready = picture
                return

    def jump_to_time(self, time_s: float) -> None:
        """As `skip_to_time`, from the last key frame before this time on; indices then follow from the mean rate.

        To be called before the first `read`; a file that cannot be sought is decoded up to there.
        """
        first = self._advance()
        if first is not None and self._clock.now_s >= time_s - SAME_TIME_S:
            self._ready = first
            return
        origin_s = self._clock.origin_s if first is not None else None
        tick_s = float(self._stream.time_base or 0)
        if origin_s is None or not tick_s or not self.info.fps:
            self.skip_to_time(time_s)
            return
        with contextlib.suppress(av.FFmpegError):
            self._container.seek(math.floor((origin_s + time_s) / tick_s), stream=self._stream)
            self._pictures = self._decode()
            self._ahead.clear()
        self.skip_to_time(time_s)
        self.next_index = max(round(self._clock.now_s * self.info.fps) + 1, 1)

    @property
    def truncated(self) -> bool:
        """Whether the file ended well before the duration that it states. False until the end was reached."""
        return (
            self._ended and self.info.duration_s is not None and self._clock.end_s + _SHORT_BY_S < self.info.duration_s
        )

    def fault(self) -> str | None:
        """One line on what was lost so far; None = nothing."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} damaged {'packet' if self.damaged == 1 else 'packets'}")
        if self.truncated:
            parts.append(f"it ends at {self._clock.end_s:.1f} s of {self.info.duration_s:.1f} s")
        faults = [f"{self._name} is damaged or cut off ({', '.join(parts)}): the rest was read"] if parts else []
        if self._clock.corrected:
            stamps = "1 time stamp is" if self._clock.corrected == 1 else f"{self._clock.corrected} time stamps are"
            faults.append(f"{self._name}: {stamps} out of order and replaced by the frame rate")
        if self._clock.untimed and self._rate_is_guessed:
            faults.append(f"{self._name} has neither times nor a frame rate: {_DEFAULT_FPS:.0f} per second are assumed")
        return "; ".join(faults) or None

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _advance(self) -> VideoFrame | None:
        """The next picture, its time in the clock; None at the end."""
        while len(self._ahead) <= _LOOKAHEAD and (decoded_frame := next(self._pictures, None)) is not None:
            self._ahead.append(decoded_frame)
        if not self._ahead:
            self._ended = True
            return None
        picture = self._ahead.popleft()
        self._clock.show(picture, [later.time for later in self._ahead])
        self.next_index += 1
        return picture

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            self._progress()
            self.damaged += packet.is_corrupt
            pictures = decoded(packet)
            if pictures is None:
                self.damaged += 1
            else:
                yield from pictures

    def _packets(self) -> Iterator[av.Packet[VideoStream]]:
        """Packets of the stream; a failed read is counted and the file is read on behind it."""
        failed = 0
        while failed < _MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._stream):
                    failed = 0
                    yield packet
            except av.FFmpegError:
                self.damaged += 1
                failed += 1
            else:
                return


class _Clock:
    """Seconds since the first frame, from presentation times that may be missing, wrong or jump back in broken files.

    A time is wrong if a frame soon after it has one that fits between it and the frame before: a single 0, or one far
    ahead. Times that go back and stay there (files joined without care) begin anew one step after the last.
    """

    def __init__(self, fps: float) -> None:
        self._step_s = 1.0 / fps
        self._first_s: float | None = None  # presentation time that counts as 0
        self.now_s = -self._step_s
        self.end_s = 0.0  # when the last frame stops being shown
        self.corrected = 0  # times that were replaced
        self.untimed = 0  # frames without a time

    @property
    def origin_s(self) -> float | None:
        """Presentation time of second 0; None before the first frame, or if frames carry no time."""
        return self._first_s

    def show(self, picture: VideoFrame, later_s: Sequence[float | None] = ()) -> None:
        """Move on to a frame; ``later_s`` are the presentation times of the frames after it."""
        pts_s = cast(float | None, picture.time)  # PyAV's stub leaves out that a frame may have no time
        later = [time_s for time_s in later_s if time_s is not None]
        if pts_s is None:
            self.untimed += 1
            self.now_s += self._step_s
        elif self._first_s is None:
            wrong = len(later) > 1 and later == sorted(later) and later[-1] < pts_s
            self.corrected += wrong
            self.now_s += self._step_s
            self._first_s = (later[0] - self._step_s if wrong else pts_s) - self.now_s
        elif self._is_wrong(pts_s, self._first_s, later):
            self.corrected += 1
            self.now_s += self._step_s
        elif pts_s - self._first_s >= self.now_s:
            self.now_s = pts_s - self._first_s
        else:
            self.corrected += 1
            self.now_s += self._step_s
            self._first_s = pts_s - self.now_s
        tick_s = float(picture.time_base or 0)
        self.end_s = self.now_s + (picture.duration * tick_s if picture.duration else self._step_s)

    def _is_wrong(self, pts_s: float, first_s: float, later: Sequence[float]) -> bool:
        """Whether a later frame shows that the time of this one is out of order."""
        time_s = pts_s - first_s
        between = [self.now_s < each - first_s < (time_s if time_s > self.now_s else math.inf) for each in later]
        return any(between) if time_s < self.now_s or time_s > self.now_s + self._step_s else False


def _rate(container: InputContainer, stream: VideoStream) -> float | None:
    """Frames per second; of a raw stream what it says itself, since FFmpeg's reader then reports a constant."""
    if container.format.name in _RAW_FORMATS:
        named = stream.codec_context.framerate
        return float(named) if named and named <= _MAX_FPS else None
    return mean_rate(stream)


def _choice(container: InputContainer, stream: VideoStream, first: VideoFrame) -> StreamChoice:
    transfer = transfer_of(first)
    codec = stream.codec_context.name
    return StreamChoice(stream.index, len(videos_of(container)), codec, None if transfer is None else transfer.value)


def _info(
    container: InputContainer,
    stream: VideoStream,
    size: tuple[int, int],
    rate: float | None,
    choice: StreamChoice,
) -> VideoInfo:
    duration_s: float | None = None
    if stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / av.time_base
        start_s = (container.start_time or 0) / av.time_base
        if "matroska" in container.format.name and 0 < start_s < duration_s:
            duration_s -= start_s  # its duration is the time of its end
    return VideoInfo(*size, stream.frames or None, duration_s, rate, choice)
