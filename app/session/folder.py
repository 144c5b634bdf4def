"""The folder of a session: its files, its state, its name, and whether it may be resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.remedies import output_errors
from engine.errors import OutputError, Remedy
from engine.facs import unit_code
from engine.files import make_private, open_regular, part_path, read_bytes
from engine.records import MAX_JSON_BYTES

if TYPE_CHECKING:  # imports numpy, which the first page of the window does without
    from app.session.rows import SessionHeader

#: Bytes at the start of a source file that, with its length, identify it.
_HEAD_BYTES: Final = 1 << 20


class SessionState(str, Enum):
    """What a folder holds."""

    EMPTY = "empty"  # no file of a session
    UNFINISHED = "unfinished"  # a journal that can be resumed
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """The files of one session."""

    path: Path

    @property
    def journal(self) -> Path:
        """Written frame by frame while the session runs; all other files are made from it."""
        return self.path / "journal.jsonl"

    @property
    def csv(self) -> Path:
        """Table as text."""
        return self.path / "faces.csv"

    @property
    def parquet(self) -> Path:
        """The same table as Parquet."""
        return self.path / "faces.parquet"

    @property
    def video(self) -> Path:
        """The source with the overlay."""
        return self.path / "annotated.mp4"

    @property
    def recording(self) -> Path:
        """The frames of a live recording without overlay; such a session has no `video`."""
        return self.path / "video.mp4"

    @property
    def notes(self) -> Path:
        """Labels and markers that people set in Review; `clear` never deletes them."""
        return self.path / "review.json"

    @property
    def metadata(self) -> Path:
        """Models, settings and source; written at the start and, with ``completed`` true, as the very last file."""
        return self.path / "metadata.json"

    @property
    def lock(self) -> Path:
        """Names the program that writes to the folder now (app/session/lock.py)."""
        return self.path / "session.lock"

    @property
    def notes_lock(self) -> Path:
        """Names the window that may change the notes now (app/session/lock.py)."""
        return self.path / "review.lock"

    def state(self) -> SessionState:
        """Determine the state from the files of the folder.

        Raises:
            OutputError: it cannot be read.
        """
        with output_errors(self.path, action="read"):
            if _is_completed(self.metadata):
                return SessionState.FINISHED
            if self.journal.exists():
                return SessionState.UNFINISHED
            results = (self.csv, self.parquet, self.video, self.recording)
            return SessionState.FINISHED if any(path.exists() for path in results) else SessionState.EMPTY

    def make(self) -> None:
        """Create the folder, for its owner only: it will hold faces. An existing folder keeps its mode.

        Raises:
            OutputError: it cannot be created.
        """
        with output_errors(self.path):
            make_private(self.path)

    def clear(self) -> None:
        """Delete the files that a session writes, and nothing else.

        Review notes are kept, since people made them. They name the session that they belong to
        (app/review/notes.py), so that Review warns when it is another one.

        Raises:
            OutputError: a file cannot be deleted.
        """
        # metadata first: a partly cleared folder must not count as finished
        for path in (self.metadata, self.csv, self.parquet, self.video, self.recording, self.journal):
            with output_errors(path):
                path.unlink(missing_ok=True)
                part_path(path).unlink(missing_ok=True)


def _is_completed(path: Path) -> bool:
    try:
        raw = json.loads(read_bytes(path, MAX_JSON_BYTES))
    except (FileNotFoundError, ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and raw.get("completed") is True


def is_session(folder: Path) -> bool:
    """Whether a folder holds a journal, so that Review can open it."""
    try:
        return SessionFolder(folder).journal.is_file()
    except (OSError, ValueError):
        return False


def dropped_session(paths: Iterable[str]) -> Path | None:
    """Find the first session among dropped paths: a folder, or the journal or metadata in it.

    Args:
        paths: local files and folders; empty strings stand for items that are not local.
    """
    for path in filter(None, paths):
        for folder in (Path(path), Path(path).parent):
            files = SessionFolder(folder)
            if Path(path) in (folder, files.journal, files.metadata) and is_session(folder):
                return folder
    return None


def dropped_sources(paths: Iterable[str]) -> tuple[str, ...]:
    """Select the dropped paths that may be videos, images or folders of them: they exist and are not sessions."""
    return tuple(path for path in filter(None, paths) if _exists(path) and dropped_session([path]) is None)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # no permission, or too long a name
        return False


def check_same_session(folder: SessionFolder, before: SessionHeader, now: SessionHeader) -> None:
    """Refuse to resume a session with another program version, model, setting or source.

    Raises:
        OutputError: naming the first difference.
    """
    pairs = {
        "app version": (before.app_version, now.app_version),
        "expression model": (before.model_sha256, now.model_sha256),
        "list of trusted action units": (_listed(before.au_trusted), _listed(now.au_trusted)),
    }
    names = sorted(before.settings | now.settings)
    pairs |= {name: (before.settings.get(name, ""), now.settings.get(name, "")) for name in names}
    for name, (old, new) in pairs.items():
        if old != new:
            raise OutputError(
                f"{folder.path} was started with another {name} ({_short(old)}, now {_short(new)})", Remedy.RESTART
            )


def _listed(codes: tuple[int, ...]) -> str:
    return " ".join(map(unit_code, codes)) or "none"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}..."


def source_mark(path: Path) -> str:
    """Identify a source file without reading all of it, by its length and a hash of its first MiB; "" if no file."""
    if not path.is_file():
        return ""
    with open_regular(path) as handle:
        head = hashlib.sha256(handle.read(_HEAD_BYTES)).hexdigest()
        return f"{os.fstat(handle.fileno()).st_size}:{head[:16]}"
