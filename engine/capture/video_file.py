"""Video files: every frame, in order, with the times that the file gives; decoded in a process of its own.

The process (engine/capture/decode_process.py) decodes a few frames ahead. If it crashes or is stuck, it is started
again once, at the frame after the last one that was read; not if the file was replaced or written to meanwhile.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from pathlib import Path
from typing import Any, Final

from engine.capture.decode_child import ChildLostError, DecodeChild
from engine.capture.decode_messages import FRAME_FIELDS, READ, VideoInfo
from engine.capture.source import (
    SAME_TIME_S,
    FrameSource,
    SourceInfo,
    SourceKind,
    check_duration,
    check_size,
    source_name,
)
from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.records import read_record
from engine.types import Frame

#: Frames decoded ahead at most.
_AHEAD: Final = 4
#: Slots for these and for frames in use, as many as wait in a run, ...
_MAX_SLOTS: Final = 64
#: ... and bytes that they may take. Frames for which no slot is left are copied, as all large ones are.
_SLOT_BYTES: Final = 256 << 20
_DEFAULTS: Final = CaptureConfig()


class VideoFileSource(FrameSource):
    """A local video file. Damaged packets are skipped and counted."""

    def __init__(self, path: Path, limits: CaptureConfig = _DEFAULTS) -> None:
        """Start the process, which opens the file and decodes its first picture.

        Raises:
            SourceError: missing, empty, no video, no frame that can be decoded, above a limit, or the process crashed.
        """
        super().__init__()
        self._path, self._name, self._limits = path, str(path), limits
        self.files = (path,)
        self.truncated = False  # whether the file ended well before the duration that it states; known at its end
        self._next_index = 0
        self._ended = False
        self._ready: Frame | None = None  # passed by `skip_to_time` and not yet read
        self._requested: deque[int] = deque()  # slots of the pictures that were requested and not yet received
        self._fault: str | None = None
        self._restart: str | None = None  # why the process was started again
        self._mark = _mark_of(path)
        self._child, video = self._start()
        self._size = (video.height_px, video.width_px, 3)
        self.info = SourceInfo(
            source_name(path),
            SourceKind.VIDEO,
            video.width_px,
            video.height_px,
            video.frame_count,
            video.duration_s,
            video.fps,
            is_live=False,
            stream=video.stream,
        )

    def read(self) -> Frame | None:
        """The next frame; None at the end or after `interrupt`.

        Raises:
            SourceError: the file crashes its decoder, gives no picture for too long, or is above a limit.
        """
        if self._ready is not None:
            frame, self._ready = self._ready, None
        else:
            frame = self._surviving(self._advance)
        if frame is None or self._interrupted.is_set():
            return None
        self._next_index = frame.index + 1
        if frame.index >= self._limits.max_frames:
            raise SourceError(
                f"{self._name} has more than {self._limits.max_frames} frames: cut it, or raise capture.max_frames"
            )
        check_duration(self._name, frame.timestamp_s, self._limits)
        return frame

    def skip_to(self, frame_index: int) -> None:
        """Decode, without converting to RGB, up to this frame; see the base."""
        if frame_index < self._next_index:
            raise SourceError(
                f"{self._name} stands at frame {self._next_index}, it cannot go back to {frame_index}: open it again"
            )
        if frame_index == self._next_index:
            return
        self._ready = None
        while self._requested and self._next_index < frame_index:
            frame = self._surviving(self._receive)
            if frame is None:
                break
            self._next_index = frame.index + 1
        if self._next_index < frame_index:
            self._surviving(lambda: self._skip(frame=frame_index))

    def skip_to_time(self, time_s: float) -> None:
        """Decode, without converting to RGB, up to the first frame from this time on; see the base."""
        if self._ready is not None:
            return
        while self._requested:
            frame = self._surviving(self._receive)
            if frame is None:
                return
            self._next_index = frame.index
            if frame.timestamp_s >= time_s - SAME_TIME_S:
                self._ready = frame
                return
        self._surviving(lambda: self._skip(time_s=time_s))

    def jump_to_time(self, time_s: float) -> None:
        """Decode from the last key frame before this time on; see the base. Indices follow from the mean rate."""
        if self._next_index or self._requested or self._ready is not None:
            self.skip_to_time(time_s)
        else:
            self._surviving(lambda: self._skip(time_s=time_s, jump=True))

    def fault(self) -> str | None:
        """What was lost; see the base."""
        restart = f"{self._name}: its decoder {self._restart} and was started again" if self._restart else None
        return "; ".join(fault for fault in (self._fault, restart) if fault) or None

    def close(self) -> None:
        """End the process."""
        self._child.close()

    # Talking to the process; any of these may find it lost.

    def _advance(self) -> Frame | None:
        while len(self._requested) < _AHEAD and not self._ended and (slot := self._child.memory.take()) is not None:
            self._requested.append(slot)
            self._child.send_bytes(READ + bytes([slot]))
        return self._receive() if self._requested else None

    def _receive(self) -> Frame | None:
        """The picture that was requested first; None at the end or after `interrupt`."""
        answer = self._answer(self._limits.no_picture_s)
        if not isinstance(answer, bytes):
            if answer is not None:
                self._ended, self.truncated = True, bool(answer["truncated"])
                self._requested.clear()
            return None
        index, time_s, pts_s = FRAME_FIELDS.unpack(answer[1:])
        slot, memory = self._requested.popleft(), self._child.memory
        image = memory.image(slot, self._size, keep=memory.free + len(self._requested) >= _AHEAD)
        return Frame(image, index, time_s, self.info.source_id, None if math.isnan(pts_s) else pts_s)

    def _skip(self, **where: Any) -> None:
        self._child.send(**where)
        answer = self._answer(None)
        if isinstance(answer, dict):
            self._next_index = int(answer["skipped"])

    def _answer(self, limit_s: float | None) -> bytes | dict[str, Any] | None:
        """The next answer that is no report of damage, which is stored."""
        while isinstance(answer := self._child.receive(limit_s), dict) and "damaged" in answer:
            self._fault, self.damaged = answer["fault"], int(answer["damaged"])
        return answer

    def _surviving(self, talk: Any) -> Any:
        """Talk to the process; if it is lost, once start another where this one was, and talk to that."""
        try:
            return talk()
        except ChildLostError as lost:
            self._child.close()
            self._count(lost)
        index = self._next_index
        self._requested.clear()
        self._child, video = self._start()
        if (video.height_px, video.width_px, 3) != self._size or _mark_of(self._path) != self._mark:
            raise SourceError(f"{self._name} was replaced or changed while it was read: start anew")
        try:
            if index:
                self._skip(frame=index)
            return talk()
        except ChildLostError as lost:
            self._child.close()
            self._count(lost)

    def _count(self, lost: ChildLostError) -> None:
        if self._restart is not None:
            raise SourceError(
                f"{self._name} cannot be decoded: the process that does so {lost}, near frame {self._next_index} and "
                "again when started anew; convert the file"
            ) from None
        self._restart = str(lost)

    def _start(self) -> tuple[DecodeChild, VideoInfo]:
        """Start a process that has opened the file and its slots."""
        while True:
            child = DecodeChild(self._path, self._limits, self._interrupted.is_set)
            try:
                return child, self._open(child)
            except ChildLostError as lost:
                child.close()
                self._count(lost)
            except BaseException:
                child.close()
                raise

    def _open(self, child: DecodeChild) -> VideoInfo:
        answer = child.receive()
        if not isinstance(answer, dict):
            raise SourceError(f"{self._name} was not opened: it was interrupted")
        video = read_record(VideoInfo, answer["opened"], SourceError)
        check_size(self._name, video.width_px, video.height_px, self._limits)
        size = video.height_px * video.width_px * 3
        slots = max(2, min(_MAX_SLOTS, _SLOT_BYTES // size))
        try:
            name = child.memory.reserve(slots, size)
        except OSError as error:
            raise SourceError(
                f"{self._name} needs {slots * size >> 20} MB for its frames ({error.strerror}): "
                "end other programs, or shrink the video"
            ) from None
        child.send(name=name, slots=slots)
        child.receive()
        child.memory.forget_name()
        return video


def _mark_of(path: Path) -> tuple[int, int, int, int] | None:
    """What differs once a name leads to another file, or the file was written to; None where there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None
