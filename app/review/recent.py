"""Recent sessions: which there are, and what is shown of each before it is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from app.review.clip import ClipReader
from app.review.face_timeline import FaceState
from app.review.session import Session, open_session
from app.session.folder import SessionFolder, is_session
from engine.errors import EngineError
from engine.types import UInt8

#: Without a table, a longer journal is not read for the list: that takes seconds.
_MAX_JOURNAL_BYTES: Final = 16 << 20
#: Folders looked at below one root, in the order of the file system; further ones are not listed.
_MAX_FOLDERS: Final = 5000
#: Width and height of thumbnails in pixels.
THUMBNAIL_PX: Final = (160, 90)


@dataclass(frozen=True, slots=True, eq=False)
class RecentSession:
    """What the list of recent sessions shows; None = not known."""

    folder: Path
    changed_s: float  # time of the last change of its journal, seconds since 1970
    completed: bool = True
    duration_s: float | None = None
    faces: int | None = None  # distinct face ids
    assessed: float | None = None  # share of the rows with a face that have a label or competing ones, 0-1
    thumbnail: UInt8 | None = None  # (90, 160, 3) RGB


def find_recent(opened: Iterable[Path], roots: Iterable[Path]) -> tuple[Path, ...]:
    """Folders of sessions, newest first: those opened before, and all directly below the roots.

    Args:
        opened: may be gone by now.
        roots: folders of recordings and annotations, which need not exist; 5,000 folders of each are looked at.
    """
    found: dict[Path, float] = {}
    for folder in (*opened, *(child for root in roots for child in _children(root))):
        with contextlib.suppress(OSError):
            if is_session(folder):
                found[folder] = SessionFolder(folder).journal.stat().st_mtime
    return tuple(sorted(found, key=lambda folder: (-found[folder], folder)))


def matching(folders: Iterable[Path], words: str) -> tuple[Path, ...]:
    """The folders with all these words in their name or in that of the folder around them; case does not matter.

    >>> matching([Path("/mien/Interview-7"), Path("/mien/trial")], "INTER 7")
    (PosixPath('/mien/Interview-7'),)
    """
    wanted = words.casefold().split()
    return tuple(
        folder for folder in folders if all(word in f"{folder.parent.name} {folder.name}".casefold() for word in wanted)
    )


def read_recent(folder: Path) -> RecentSession:
    """Read what is shown of a session; never raises for one that is damaged, gone, or still being written."""
    journal = SessionFolder(folder).journal
    try:
        stat = journal.stat()
    except OSError:
        return RecentSession(folder, 0.0, completed=False)
    nothing = RecentSession(folder, stat.st_mtime, completed=False)
    if not SessionFolder(folder).parquet.is_file() and stat.st_size > _MAX_JOURNAL_BYTES:
        return nothing
    try:
        with open_session(folder) as session:
            return _described(session, stat.st_mtime)
    except (EngineError, OSError):
        return nothing


def _children(root: Path) -> list[Path]:
    try:
        return [path for path, _ in zip(root.iterdir(), range(_MAX_FOLDERS), strict=False)]
    except OSError:
        return []


def _described(session: Session, changed_s: float) -> RecentSession:
    states = np.concatenate([face.states for face in session.faces]) if session.faces else np.zeros(0, np.uint8)
    assessed = np.isin(states, (FaceState.ACCEPT, FaceState.AMBIGUOUS))
    return RecentSession(
        session.folder.path,
        changed_s,
        session.metadata is not None and session.metadata.completed,
        session.duration_s,
        len(session.faces),
        float(assessed.mean()) if len(states) else None,
        _thumbnail(session),
    )


def _thumbnail(session: Session) -> UInt8 | None:
    """The middle frame of the face that is seen longest, or of the session."""
    if session.video is None:
        return None
    longest = max(session.faces, key=lambda face: len(face.positions), default=None)
    position = len(session.frames) // 2 if longest is None else int(longest.positions[len(longest.positions) // 2])
    try:
        reader = ClipReader(session.video.path)
    except (EngineError, OSError):
        return None
    with contextlib.closing(reader), contextlib.suppress(EngineError, OSError):
        return fitted(reader.image_at(session.video_time_at(position)))
    return None


def fitted(image: UInt8) -> UInt8:
    """The middle (H, W, 3) of an image at the shape of thumbnails, (90, 160, 3)."""
    height, width = image.shape[:2]
    wide, high = THUMBNAIL_PX
    scale = max(wide / width, high / height)
    cut_width, cut_height = min(round(wide / scale), width), min(round(high / scale), height)
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    middle = image[top : top + cut_height, left : left + cut_width]
    resized: UInt8 = cv2.resize(middle, THUMBNAIL_PX, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return resized
