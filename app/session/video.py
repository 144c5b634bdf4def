"""Write video, with or without the overlay: H.264 through PyAV, with the timestamps of the source."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from app.overlay.overlay import Overlay, OverlayParts
from app.remedies import output_errors
from app.session.rows import FaceRow, SessionHeader, rows_of
from app.session.sound import SoundTrack
from engine.errors import OutputError
from engine.files import create_part, part_path, publish
from engine.types import Frame, FrameResult, UInt8

#: Ticks per second: a whole number per frame at 24, 25, 30, 50, 60 and their 1000/1001.
_TICKS_PER_S: Final = 90_000
#: Settings of x264. Its fastest preset takes three fifths of the time of superfast with a constant rate factor of 23,
#: at a higher PSNR (0.8 dB) and with a file a third larger. No B-frames: with them the file states too short a duration
#: if the first frames are far apart (a pause, dropped frames), and players and FFmpeg then skip the last frames.
_ENCODER: Final = {"preset": "ultrafast", "crf": "22", "bf": "0"}
#: Seconds between key frames, the most that a player must decode to step back or seek. The file is a tenth larger than
#: with x264's default of ten seconds.
_KEY_EVERY_S: Final = 1.0
#: Everything up to the last key frame can be played even if the program is killed; a closed file is an ordinary MP4.
#: Without delay_moov, times would be shifted by the frames that the encoder buffers.
_CONTAINER: Final = {
    "movflags": "+hybrid_fragmented+frag_keyframe+delay_moov",
    "flush_packets": "1",
    # otherwise the container rounds times to ticks of its own
    "video_track_timescale": str(_TICKS_PER_S),
}


class _PartFile:
    """The file that FFmpeg writes to, in which writing never fails: the first error is kept for `check`.

    FFmpeg 8 crashes when it closes an MP4 of which a fragment could not be written.
    """

    def __init__(self, path: Path) -> None:
        """Create it; FFmpeg would write through a link of this name.

        Raises:
            OSError: it cannot be created.
        """
        self._handle = create_part(path).open("r+b", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of the data, or nothing more after an error; returns its length."""
        left = memoryview(data)
        try:
            while left and self._error is None:
                left = left[self._handle.write(left) :]
        except OSError as error:
            self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, as of a file."""
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._handle.tell()

    def check(self) -> None:
        """Raise the OSError of the first write that failed."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


class VideoSink:
    """Draws the overlay and encodes. The file has a temporary name until `publish` renames it."""

    def __init__(
        self,
        path: Path,
        header: SessionHeader | None,
        threads: int = 1,
        *,
        sound: SoundTrack | None = None,
        start_s: float = 0.0,
        parts: OverlayParts | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            path: of the finished file.
            header: of the session, for the overlay; None = no overlay.
            threads: of the encoder.
            sound: of the source, closed with the video; None = no sound.
            start_s: time of the frames at which the video begins.
            parts: of the overlay; None = the usual ones.
        """
        self._path = path
        self._part = part_path(path)
        self._overlay = None if header is None else Overlay(header, parts)
        self._threads = threads
        self._file: _PartFile | None = None
        self._container: Any = None  # av.container.OutputContainer; av is imported when a video is written
        self._stream: Any = None
        self._canvas: UInt8 | None = None
        self._planes: UInt8 | None = None  # YUV of the frame that is being encoded
        self._sound = sound
        self._start_s = start_s
        self._last_tick = -1
        self._step_s = 0.0  # between the last two frames
        self._next_key = 0  # tick from which the next frame is a key frame

    def open(self) -> None:
        """Start the file, unless it was started before to draw the earlier frames of a resumed session.

        Raises:
            OutputError: it cannot be written.
        """
        import av

        if self._container is not None:
            return
        with output_errors(self._path):
            self._file = _PartFile(self._path)
            self._container = av.open(self._file, "w", format="mp4", options=dict(_CONTAINER))

    def write(self, result: FrameResult) -> None:
        """Append an analysed frame.

        Raises:
            OutputError: the disk is full or gone.
        """
        self.write_rows(result.frame, rows_of(result))

    def write_rows(self, frame: Frame, rows: Iterable[FaceRow]) -> None:
        """Append a frame with its rows.

        Raises:
            OutputError: the disk is full or gone.
        """
        if self._container is None:
            raise OutputError(f"{self._path} is not open: call open() before write()")
        if self._canvas is None:
            self._canvas = self._start(*frame.image.shape[:2])
            if self._sound is not None and frame.pts_s is not None:
                self._sound.start(self._container, frame.pts_s - frame.timestamp_s + self._start_s)
        canvas = self._canvas
        _fit(frame.image, canvas)
        if self._overlay is not None:
            self._overlay.draw(canvas, tuple(rows))
        self._encode(canvas, frame.timestamp_s - self._start_s)

    def close(self, completed: bool) -> None:
        """Finish the file, still under its temporary name.

        Raises:
            OutputError: the disk is full or gone.
        """
        container, self._container = self._container, None
        file, self._file = self._file, None
        if container is None or file is None:
            return
        with output_errors(self._path), contextlib.closing(file):
            with contextlib.closing(container):
                if self._stream is not None:
                    if self._sound is not None:
                        self._sound.write_until(self._last_tick / _TICKS_PER_S + self._step_s)
                    container.mux(self._stream.encode(None))
            file.check()
        self._close_sound()

    def publish(self) -> None:
        """Rename the closed file to its final name; without frames there is no file.

        Raises:
            OutputError: the disk is full or gone.
        """
        with output_errors(self._path):
            if self._stream is None:
                self._part.unlink(missing_ok=True)
            else:
                publish(self._part, self._path)

    def discard(self) -> None:
        """Close and delete the temporary file, in any state."""
        container, self._container = self._container, None
        file, self._file = self._file, None
        self._close_sound()
        for opened in (container, file):
            with contextlib.suppress(OSError):
                if opened is not None:
                    opened.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    @property
    def fault(self) -> str | None:
        """Why the sound is not complete; None if it is, or there is none."""
        return None if self._sound is None else self._sound.fault

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()

    def _start(self, height: int, width: int) -> UInt8:
        """Configure the encoder for frames of this size; return the canvas, with even sides for H.264."""
        even = (max(height - height % 2, 2), max(width - width % 2, 2))
        stream = self._container.add_stream("libx264", options=dict(_ENCODER))
        stream.height, stream.width = even
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        stream.codec_context.thread_count = self._threads
        # the colour space of cv2.cvtColor, so that players show the colours of the source
        stream.codec_context.color_range = 1  # limited ("mpeg")
        stream.codec_context.colorspace = 6  # BT.601 (SMPTE 170M)
        self._stream = stream
        return np.zeros((*even, 3), np.uint8)

    def _encode(self, canvas: UInt8, time_s: float) -> None:
        import av
        from av.video.frame import PictureType

        self._planes = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_RGB2YUV_I420, dst=self._planes), np.uint8)
        # The encoder copies the planes, so they can be used again. PyAV takes the height for a multiple of four.
        as_they_are = len(self._planes) % 6 == 0
        make = av.VideoFrame.from_numpy_buffer if as_they_are else av.VideoFrame.from_ndarray
        frame = make(self._planes, format="yuv420p")
        tick = max(round(time_s * _TICKS_PER_S), self._last_tick + 1)  # must increase
        frame.pts = tick
        frame.duration = tick - self._last_tick if self._last_tick >= 0 else 0  # used for the last frame only
        frame.time_base = Fraction(1, _TICKS_PER_S)
        if self._last_tick >= 0:
            self._step_s = (tick - self._last_tick) / _TICKS_PER_S
        self._last_tick = tick
        if tick >= self._next_key:
            frame.pict_type = PictureType.I
            self._next_key = tick + round(_KEY_EVERY_S * _TICKS_PER_S)
        with output_errors(self._path):
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.write_until(tick / _TICKS_PER_S)
            if self._file is not None:
                self._file.check()


def _fit(image: UInt8, canvas: UInt8) -> None:
    """Copy an image to the canvas, cropped by one pixel if a side is odd, scaled with borders if its size differs."""
    height, width = canvas.shape[:2]
    if (image.shape[0] & ~1, image.shape[1] & ~1) == (height, width):
        np.copyto(canvas, image[:height, :width])
        return
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[:] = 0
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
