"""From what the user types to a source, and to a folder name for its results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from engine.capture.camera import CameraSource
from engine.capture.pictures import PICTURE_SUFFIXES, PictureSource
from engine.capture.source import FrameSource
from engine.capture.stream import STREAM_SCHEMES, StreamSource, redact_url
from engine.capture.synthetic import DEMO, SyntheticSource
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError

_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MAX_STEM: Final = 80


def open_source(spec: str, *, live: bool = False) -> FrameSource:
    """Open what a text names.

    Args:
        spec: ``demo``; a camera as a number or ``/dev/...``; an rtsp, http or https address; a folder of pictures; a
            picture; else a video file.
        live: whether the demo runs in real time and without end; every other source knows that itself.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    if spec == DEMO:
        return SyntheticSource(loop=live, live=live)
    if _is_camera(spec):
        return CameraSource(int(spec) if spec.isdecimal() else spec)
    url = _URL.match(spec)
    if url:
        if url[1].lower() not in STREAM_SCHEMES:
            raise SourceError(f"{redact_url(spec)} is not read: use {', '.join(sorted(STREAM_SCHEMES))} or a file")
        return StreamSource(spec)
    path = Path(spec)
    try:
        is_pictures = path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror}): check the path") from None
    return PictureSource(path) if is_pictures else VideoFileSource(path)


def source_stem(spec: str) -> str:
    """Folder name for the results of a source: letters, digits and ``._-`` only, and no secret of an address.

    >>> source_stem("clips/My talk.mp4"), source_stem("0"), source_stem("rtsp://me:pw@10.0.0.7/live?x=1")
    ('My-talk', 'camera-0', 'rtsp-10.0.0.7-live')
    """
    if _is_camera(spec):
        name = f"camera-{spec.removeprefix('/dev/')}"
    elif _URL.match(spec):
        name = redact_url(spec)
    else:
        path = Path(spec).absolute()
        name = path.name if path.is_dir() else path.stem
    return re.sub(r"[^\w.]+", "-", name).strip("-._")[:_MAX_STEM] or "source"


def is_live_spec(spec: str) -> bool:
    """Whether a text names a camera or an address, which are live, and not a file, a folder or the demo."""
    return _is_camera(spec) or _URL.match(spec) is not None


def _is_camera(spec: str) -> bool:
    return (spec.isascii() and spec.isdecimal()) or spec.startswith("/dev/")
