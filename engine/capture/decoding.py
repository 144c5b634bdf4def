"""What files and streams share: finding the video in a container, and its pictures as upright RGB."""

from __future__ import annotations

from typing import Final, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from engine.capture.hdr import is_wide, tone_mapped, transfer_of
from engine.capture.source import check_size
from engine.errors import SourceError
from engine.types import UInt8

#: Decoders that draw text files as pictures; a text file is no video.
_TEXT_ART: Final = frozenset({"ansi", "bintext", "xbin", "idf"})
#: Pixels that are wider or higher than this are taken for a damaged header and read as square.
_MAX_PIXEL_ASPECT: Final = 4.0


def videos_of(container: av.container.InputContainer) -> list[VideoStream]:
    """The video streams of a container; the cover of a sound file is not one."""
    return [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]


def video_stream(container: av.container.InputContainer, name: str) -> VideoStream:
    """The video of a container: the stream flagged as default, else the first.

    Raises:
        SourceError: there is none, it cannot be decoded, or it is too large.
    """
    streams = videos_of(container)
    if not streams:
        found = "only sound" if container.streams.audio else "no pictures"
        raise SourceError(f"{name} holds {found}: give a file or address with video")
    stream = next((each for each in streams if each.disposition & av.stream.Disposition.default), streams[0])
    # PyAV's type leaves out that an unknown codec has no context.
    context = getattr(stream, "codec_context", None)
    if context is None:
        raise SourceError(f"{name} uses a video codec that is unknown here: convert it to H.264")
    if context.name in _TEXT_ART:
        raise SourceError(f"{name} is a text file, not a video: give a video, a picture or a folder of pictures")
    if context.width and context.height:  # a stream may tell its size only with the first picture
        check_size(name, context.width, context.height)
    return stream


def mean_rate(stream: VideoStream) -> float | None:
    """Frames per second as the container tells or FFmpeg guesses; None when neither does."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def decoded(packet: av.Packet[VideoStream]) -> list[VideoFrame] | None:
    """Pictures that a packet completes; None when it is damaged."""
    try:
        return packet.decode()
    except av.error.EOFError:  # the decoder was emptied before
        return []
    except av.FFmpegError:
        return None


def reason_of(error: av.FFmpegError) -> str:
    """FFmpeg's words for an error, without the address or path that PyAV adds to them (it may hold a password)."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return error.strerror or type(error).__name__


class UprightRgb:
    """Turns decoded pictures into RGB arrays of one size: square pixels, turned and mirrored as the file asks.

    High dynamic range is mapped to the ordinary one (engine/capture/hdr.py).

    Matrix and range of the colours are those that the file names (measured: equal to PyAV's to_ndarray and at 0.46 ms
    for 640x360, decoding included, faster than it and than OpenCV's YUV conversion, which is also off by 1.2 grey
    levels, because one scaler is kept and no second thread is woken).
    """

    def __init__(self, name: str, first: VideoFrame, stream: VideoStream) -> None:
        """Take size and orientation from the first picture.

        Raises:
            SourceError: the picture is too large.
        """
        self._name = name
        self._scaler = VideoReformatter()
        self._transpose, self._flips = _orientation(first)
        aspect = float(stream.sample_aspect_ratio or 1)
        if not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
            aspect = 1.0
        self._width_px, self._height_px = round(first.width * aspect), first.height
        check_size(name, self._width_px, self._height_px)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the arrays in pixels."""
        return (self._height_px, self._width_px) if self._transpose else (self._width_px, self._height_px)

    def convert(self, picture: VideoFrame) -> UInt8:
        """The picture as (H, W, 3) uint8 RGB; another size (the file changes midway) is scaled to the first.

        Raises:
            SourceError: the picture is in a form that cannot be converted.
        """
        size = {"width": self._width_px, "height": self._height_px}
        transfer = transfer_of(picture)
        try:
            scaled = self._scaler.reformat(
                picture, **size, format="rgb24" if transfer is None else "rgb48le", threads=1
            )
        except av.FFmpegError as error:
            raise SourceError(
                f"{self._name} has pictures that cannot be shown ({picture.format.name}, {reason_of(error)}): "
                "convert it to H.264"
            ) from None
        if transfer is None:
            image = np.ascontiguousarray(scaled.to_ndarray(), np.uint8)
        else:
            image = tone_mapped(np.asarray(scaled.to_ndarray(), np.uint16), transfer, is_wide(picture))
        if self._transpose:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self._flips is not None:
            image = np.asarray(cv2.flip(image, self._flips), np.uint8)
        return image


def _orientation(picture: VideoFrame) -> tuple[bool, int | None]:
    """Whether to transpose, and then how to flip (OpenCV's code, None = not at all), from the display matrix.

    The matrix (a b u; c d v; x y w) maps a point (p, q) of the picture to (a p + c q, b p + d q) of the screen.
    """
    side_data = cast(SideDataContainer, picture.side_data)  # PyAV's stub names a type without this entry
    matrix = side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return False, None
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    transpose = abs(b) > abs(a)
    across, down = (c, b) if transpose else (a, d)
    flips = {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}
    return transpose, flips[across < 0, down < 0]
