"""From what the user types to a source, and to a folder name for its results."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Final

from engine.capture.camera import CameraSource
from engine.capture.file_type import FileType, file_type
from engine.capture.pictures import PICTURE_SUFFIXES, PictureSource, is_picture
from engine.capture.reconnecting import ReconnectingSource
from engine.capture.redaction import redact_url
from engine.capture.source import FrameSource
from engine.capture.stream import STREAM_SCHEMES, StreamSource
from engine.capture.synthetic import DEMO, SyntheticSource
from engine.capture.video_file import VideoFileSource
from engine.config import CaptureConfig
from engine.errors import SourceError

_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MAX_STEM: Final = 80
#: Videos whose content is not recognised are found in folders by these suffixes.
VIDEO_SUFFIXES: Final = frozenset(
    {
        ".mp4",
        ".mov",
        ".mkv",
        ".avi",
        ".webm",
        ".m4v",
        ".gif",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".flv",
        ".ts",
        ".mts",
        ".m2ts",
        ".3gp",
        ".ogv",
        ".h264",
        ".264",
        ".h265",
        ".hevc",
    }
)

_DEFAULTS: Final = CaptureConfig()


def open_source(
    spec: str, *, live: bool = False, recursive: bool = False, limits: CaptureConfig = _DEFAULTS
) -> FrameSource:
    """Open what a text names.

    Args:
        spec: a file or folder that exists: a video, a picture, or the pictures of a folder, by their content. Else
            ``demo``; a camera as a number, ``camera:0`` or ``/dev/...``; an rtsp, http or https address.
        live: whether the demo runs in real time and without end; every other source knows that itself.
        recursive: whether a folder of pictures includes its subfolders.
        limits: of videos, and when a camera counts as frozen.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    if is_path_spec(spec):
        return _open_path(Path(spec), recursive, limits)
    if spec == DEMO:
        return SyntheticSource(loop=live, live=live)
    camera = _camera(spec)
    if camera is not None:
        return CameraSource(camera, limits.frozen_s)
    if spec.partition("://")[0].lower() not in STREAM_SCHEMES:
        raise SourceError(f"{redact_url(spec)} is not read: use {', '.join(sorted(STREAM_SCHEMES))} or a file")
    return StreamSource(spec)


def open_lasting(spec: str, *, recursive: bool = False, limits: CaptureConfig = _DEFAULTS) -> FrameSource:
    """Open what a text names, like `open_source`; a camera or stream is opened again when it was lost.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    source = open_source(spec, recursive=recursive, limits=limits)
    if not source.info.is_live or limits.give_up_s <= 0:
        return source
    return ReconnectingSource(source, lambda: open_source(spec, limits=limits), limits.give_up_s)


def _open_path(path: Path, recursive: bool, limits: CaptureConfig) -> FrameSource:
    try:
        is_pictures = path.is_dir() or (is_picture(path) if path.is_file() else path.suffix.lower() in PICTURE_SUFFIXES)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror}): check the path") from None
    return PictureSource(path, recursive) if is_pictures else VideoFileSource(path, limits)


def is_video(path: Path) -> bool:
    """Whether a file is a video: by its content, or if that is not recognised by its suffix."""
    try:
        kind = file_type(path)
    except OSError:
        kind = FileType.OTHER
    if kind is FileType.OTHER:
        return path.suffix.lower() in VIDEO_SUFFIXES
    return kind is FileType.VIDEO or (kind is FileType.GIF and not is_picture(path))


def source_stem(spec: str) -> str:
    """Folder name for the results of a source: letters, digits and ``._-`` only, and no secret of an address.

    >>> source_stem("clips/My talk.mp4"), source_stem("0"), source_stem("rtsp://me:pw@10.0.0.7/live?x=1")
    ('My-talk', 'camera-0', 'rtsp-10.0.0.7-live')
    """
    if is_path_spec(spec):
        path = Path(spec).absolute()
        name = path.stem
        with contextlib.suppress(OSError, ValueError):
            name = path.name if path.is_dir() else path.stem
    elif _camera(spec) is not None:
        name = f"camera-{spec.removeprefix('camera:').removeprefix('/dev/')}"
    else:
        name = redact_url(spec) if _URL.match(spec) else spec
    return re.sub(r"[^\w.]+", "-", name).strip("-._")[:_MAX_STEM] or "source"


def is_path_spec(spec: str) -> bool:
    """Whether a text names a file or folder. One that exists wins over a camera or the demo of the same name.

    >>> is_path_spec("clips/talk.mp4"), is_path_spec("99"), is_path_spec("/dev/video99"), is_path_spec("rtsp://cam/1")
    (True, False, False, False)
    """
    try:
        if Path(spec).is_file() or Path(spec).is_dir():  # a device is neither
            return True
    except (OSError, ValueError):
        pass
    return spec != DEMO and _camera(spec) is None and _URL.match(spec) is None


def is_live_spec(spec: str) -> bool:
    """Whether a text names a camera or an address, which are live, and not a file, a folder or the demo."""
    return not is_path_spec(spec) and spec != DEMO


def _camera(spec: str) -> int | str | None:
    """Number or device of a camera; None if the text names none."""
    number = spec.removeprefix("camera:")
    if number.isascii() and number.isdecimal():
        return int(number)
    return spec if spec.startswith("/dev/") else None
