"""From what the user types to a source, and to a folder name for its results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from engine.capture.camera import CameraSource
from engine.capture.file_type import FileType, file_type
from engine.capture.pictures import PICTURE_SUFFIXES, PictureSource, is_picture
from engine.capture.source import FrameSource
from engine.capture.stream import STREAM_SCHEMES, StreamSource, redact_url
from engine.capture.synthetic import DEMO, SyntheticSource
from engine.capture.video_file import VideoFileSource
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


def open_source(spec: str, *, live: bool = False) -> FrameSource:
    """Open what a text names.

    Args:
        spec: a file or folder that exists: a video, a picture, or the pictures of a folder, by their content. Else
            ``demo``; a camera as a number or ``/dev/...``; an rtsp, http or https address.
        live: whether the demo runs in real time and without end; every other source knows that itself.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    if _is_path(spec):
        return _open_path(Path(spec))
    if spec == DEMO:
        return SyntheticSource(loop=live, live=live)
    if _is_camera(spec):
        return CameraSource(int(spec) if spec.isdecimal() else spec)
    url = _URL.match(spec)
    if url:
        if url[1].lower() not in STREAM_SCHEMES:
            raise SourceError(f"{redact_url(spec)} is not read: use {', '.join(sorted(STREAM_SCHEMES))} or a file")
        return StreamSource(spec)
    return _open_path(Path(spec))


def _open_path(path: Path) -> FrameSource:
    try:
        is_pictures = path.is_dir() or (is_picture(path) if path.is_file() else path.suffix.lower() in PICTURE_SUFFIXES)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror}): check the path") from None
    return PictureSource(path) if is_pictures else VideoFileSource(path)


def sources_in(spec: str) -> list[str]:
    """The sources that a text names: a folder stands for its pictures, as one source, and for each video in it.

    Sorted by name; subfolders are not searched. A folder without either gives an empty list, anything but a folder
    itself.

    Raises:
        SourceError: the folder cannot be read.
    """
    path = Path(spec)
    if not _is_path(spec) or not path.is_dir():
        return [spec]
    try:
        entries = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        pictures = [spec] if any(map(is_picture, entries)) else []
        return pictures + [str(entry) for entry in entries if _is_video(entry)]
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from None


def _is_video(path: Path) -> bool:
    kind = file_type(path)
    if kind is FileType.OTHER:
        return path.suffix.lower() in VIDEO_SUFFIXES
    return kind is FileType.VIDEO or (kind is FileType.GIF and not is_picture(path))


def source_stem(spec: str) -> str:
    """Folder name for the results of a source: letters, digits and ``._-`` only, and no secret of an address.

    >>> source_stem("clips/My talk.mp4"), source_stem("0"), source_stem("rtsp://me:pw@10.0.0.7/live?x=1")
    ('My-talk', 'camera-0', 'rtsp-10.0.0.7-live')
    """
    if _is_camera(spec) and not _is_path(spec):
        name = f"camera-{spec.removeprefix('/dev/')}"
    elif _URL.match(spec):
        name = redact_url(spec)
    else:
        path = Path(spec).absolute()
        name = path.name if path.is_dir() else path.stem
    return re.sub(r"[^\w.]+", "-", name).strip("-._")[:_MAX_STEM] or "source"


def is_live_spec(spec: str) -> bool:
    """Whether a text names a camera or an address, which are live, and not a file, a folder or the demo."""
    return not _is_path(spec) and (_is_camera(spec) or _URL.match(spec) is not None)


def _is_path(spec: str) -> bool:
    """Whether a text names a file or folder that exists: these come before cameras. A device is neither."""
    try:
        path = Path(spec)
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):
        return False


def _is_camera(spec: str) -> bool:
    return (spec.isascii() and spec.isdecimal()) or spec.startswith("/dev/")
