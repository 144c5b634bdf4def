"""What files and streams share: opening a container, finding the video in it, and its pictures as upright RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from engine.capture.hdr import is_wide, tone_mapped, transfer_of
from engine.capture.source import check_size
from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.types import UInt8

_LIMITS: Final = CaptureConfig()
#: FFmpeg's readers of containers that hold their video themselves. Left out are those that open other files or
#: addresses (concat, hls, dash, sdp, image sequences), those of games and of text, and those of devices.
CONTAINERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    *("matroska,webm", "avi", "asf", "flv", "live_flv", "kux", "ogg", "rm", "nut", "gif", "mxf", "gxf", "wtv"),
    *("mpeg", "mpegts", "mpegvideo", "mpjpeg", "mjpeg", "smjpeg", "dv", "ivf", "yuv4mpegpipe", "y4m", "dhav"),
    *("h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "m4v", "vc1", "vc1test", "cavsvideo", "avs2", "avs3"),
    *("dirac", "dnxhd", "evc", "pva", "nsv", "amv", "mpegtsraw", "r3d", "cine", "swf"),
)
#: Options of every file. A file leads to no other file and to no address, whatever it holds.
_FILE_OPTIONS: Final = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS), "enable_drefs": "0"}
#: Decoders that draw text files as pictures; a text file is no video.
_TEXT_ART: Final = frozenset({"ansi", "bintext", "xbin", "idf"})
#: Pixels that are wider or higher than this are taken for a damaged header and read as square.
_MAX_PIXEL_ASPECT: Final = 4.0


def open_video(path: Path) -> InputContainer:
    """Open a local file of one of CONTAINERS, which FFmpeg tells by the content.

    Raises:
        SourceError: missing, empty, not readable, or nothing that FFmpeg knows.
    """
    try:
        if not path.exists():
            raise SourceError(f"{path} does not exist: check the path")
        if not path.is_file():
            raise SourceError(f"{path} is neither a file nor a folder: give a video, a picture or a folder of pictures")
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes): copy it again")
        # "file:" keeps names with a colon from being read as an address.
        # Titles in another encoding than UTF-8 must not stop it.
        return av.open(f"file:{path.absolute()}", options=_FILE_OPTIONS, metadata_errors="replace")
    except MemoryError:  # see `decoded`
        raise
    except PermissionError:
        raise SourceError(f"{path} may not be read: check its permissions") from None
    except av.error.ArgumentError:  # FFmpeg knows the content, but the format is not one of ours
        raise SourceError(
            f"{path} is no video of a kind that is read: give a video, or convert it to MP4 with H.264"
        ) from None
    except av.FFmpegError as error:
        raise SourceError(
            f"{path} is no video that can be read ({reason_of(error)}): check that it plays, or copy it again"
        ) from None
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror}): check the path") from None


def videos_of(container: InputContainer) -> list[VideoStream]:
    """The video streams of a container; the cover of a sound file is not one."""
    return [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]


def video_stream(container: InputContainer, name: str, limits: CaptureConfig = _LIMITS) -> VideoStream:
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
        check_size(name, context.width, context.height, limits)
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
    except MemoryError:  # one of FFmpeg's errors too, but no damage of the packet
        raise
    except av.FFmpegError:
        return None


def reason_of(error: av.FFmpegError) -> str:
    """FFmpeg's words for an error, without the address or path that PyAV adds to them (it may hold a password)."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return error.strerror or type(error).__name__


class UprightRgb:
    """Turns decoded pictures into RGB arrays of one size: square pixels, turned and mirrored as the file asks.

    High dynamic range is mapped to the ordinary one (engine/capture/hdr.py), in files that begin with it.

    Matrix and range of the colours are those that the file names (measured: equal to PyAV's to_ndarray and at 0.46 ms
    for 640x360, decoding included, faster than it and than OpenCV's YUV conversion, which is also off by 1.2 grey
    levels, because one scaler is kept and no second thread is woken).
    """

    def __init__(self, name: str, first: VideoFrame, stream: VideoStream, limits: CaptureConfig = _LIMITS) -> None:
        """Take size and orientation from the first picture.

        Raises:
            SourceError: the picture is too large.
        """
        self._name = name
        self._scaler = VideoReformatter()
        self._transpose, self._flips = _orientation(first)
        self._is_hdr = transfer_of(first) is not None
        if self._transpose or self._flips is not None or self._is_hdr:
            # Few videos need it, and importing it takes a third of the start of a decoding process, which later may not
            # open its files any more.
            import cv2

            self._cv2 = cv2
        aspect = float(stream.sample_aspect_ratio or 1)
        if not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
            aspect = 1.0
        self._width_px, self._height_px = round(first.width * aspect), first.height
        check_size(name, self._width_px, self._height_px, limits)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the arrays in pixels."""
        return (self._height_px, self._width_px) if self._transpose else (self._width_px, self._height_px)

    def convert(self, picture: VideoFrame, out: UInt8 | None = None) -> UInt8:
        """The picture as (H, W, 3) uint8 RGB; another size (the file changes midway) is scaled to the first.

        Args:
            picture: as decoded.
            out: (H, W, 3) uint8, receives the pixels and is returned; None makes a new array.

        Raises:
            SourceError: the picture is in a form that cannot be converted.
        """
        size = {"width": self._width_px, "height": self._height_px}
        transfer = transfer_of(picture) if self._is_hdr else None
        try:
            scaled = self._scaler.reformat(
                picture, **size, format="rgb24" if transfer is None else "rgb48le", threads=1
            )
        except MemoryError:  # see `decoded`
            raise
        except av.FFmpegError as error:
            raise SourceError(
                f"{self._name} has pictures that cannot be shown ({picture.format.name}, {reason_of(error)}): "
                "convert it to H.264"
            ) from None
        if transfer is not None:
            image = tone_mapped(np.asarray(scaled.to_ndarray(), np.uint16), transfer, is_wide(picture))
        else:
            plane = scaled.planes[0]
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)  # wider than the picture
            image = lines[: self._height_px, : 3 * self._width_px].reshape(self._height_px, self._width_px, 3)
        if out is None:
            out = np.empty((*self.size[::-1], 3), np.uint8)
        if self._transpose or self._flips is not None:
            self._turn(image, out)
        else:
            np.copyto(out, image)
        return out

    def _turn(self, image: UInt8, out: UInt8) -> None:
        turned = np.asarray(self._cv2.transpose(image), np.uint8) if self._transpose else image
        np.copyto(out, turned if self._flips is None else np.asarray(self._cv2.flip(turned, self._flips), np.uint8))


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
