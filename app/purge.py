"""Find and delete what the program has stored about people and machine: sessions, snapshots, cache, preferences.

Only files that the program writes are deleted, only in its own folders and in the folders for results, and a link is
never followed. What others put into a session folder stays, and with it the folder.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.batch import FAILED_FILE
from app.export.command import EXPORT_FOLDER
from app.remedies import output_errors
from app.session.folder import SessionFolder, is_session
from app.session.lock import lock_owner
from app.settings.preferences import load_preferences, preferences_path
from engine.errors import OutputError
from engine.files import cache_folder, part_path, settings_folder

#: Files of snapshots (app/live/snapshot.py).
_SNAPSHOTS: Final = "mien-????????-??????-*.png"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored, each list sorted."""

    sessions: tuple[Path, ...] = ()  # folders
    files: tuple[Path, ...] = ()  # snapshots, lists of failed sources, preferences
    folders: tuple[Path, ...] = ()  # the program's own, deleted whole
    in_use: tuple[str, ...] = ()  # sentences: what stays because a program writes to it

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not (self.sessions or self.files or self.folders)


def find_stored(results: Iterable[Path] = (), *, sessions: bool = True, cache: bool = True) -> Stored:
    """List what the program has stored. Deletes nothing.

    Args:
        results: folders for results besides those of the window's preferences.
        sessions: include sessions, snapshots and lists of failed sources.
        cache: include the cache (face networks, engines, the last error) and the preferences.
    """
    found_sessions: list[Path] = []
    files: list[Path] = []
    folders: list[Path] = []
    in_use: list[str] = []
    preferences = preferences_path()
    if sessions:
        chosen = load_preferences(preferences)
        places = dict.fromkeys((*results, chosen.recordings, chosen.annotations))
        for place in filter(_is_real_folder, places):
            for folder in _sessions_in(place):
                owner = _owner(folder)
                if owner is None:
                    found_sessions.append(folder)
                else:
                    in_use.append(f"{folder} is in use by {owner}: it stays")
            files += [path for path in (*place.glob(_SNAPSHOTS), place / FAILED_FILE) if _is_real_file(path)]
    if cache:
        folders += [folder for folder in (cache_folder(), settings_folder()) if _is_real_folder(folder)]
        if _is_real_file(preferences) and not any(preferences.is_relative_to(folder) for folder in folders):
            files.append(preferences)
    return Stored(tuple(sorted(set(found_sessions))), tuple(sorted(set(files))), tuple(folders), tuple(in_use))


def delete_stored(stored: Stored) -> list[str]:
    """Delete what `find_stored` listed; return a sentence for everything that stays.

    Raises:
        OutputError: something cannot be deleted; what came before is deleted.
    """
    kept = list(stored.in_use)
    for folder in stored.sessions:
        owner = _owner(folder)  # again: time has passed since the listing
        if owner is not None:
            kept.append(f"{folder} is in use by {owner}: it stays")
            continue
        _delete_session(SessionFolder(folder))
        if folder.exists():
            kept.append(f"{folder} holds files that are not of the session: they stay")
    for path in stored.files:
        _unlink(path)
    for folder in stored.folders:
        with output_errors(folder):
            shutil.rmtree(folder)  # refuses a link, and follows none below
    return kept


def _delete_session(session: SessionFolder) -> None:
    exports = session.path / EXPORT_FOLDER
    if _is_real_folder(exports):
        with output_errors(exports):
            shutil.rmtree(exports)
    # The journal last: without it the folder is no longer found as a session.
    for path in (session.metadata, session.csv, session.parquet, session.video, session.recording, session.notes):
        _unlink(path)
        _unlink(part_path(path))
    _unlink(session.lock)
    _unlink(session.journal)
    with contextlib.suppress(OSError):  # not empty
        session.path.rmdir()


def _unlink(path: Path) -> None:
    with output_errors(path):
        path.unlink(missing_ok=True)  # of a link, the link


def _sessions_in(place: Path) -> list[Path]:
    """Session folders directly in a folder, and the folder itself."""
    with contextlib.suppress(OSError):
        return [folder for folder in (place, *place.iterdir()) if _is_real_folder(folder) and is_session(folder)]
    return []


def _owner(folder: Path) -> str | None:
    try:
        owner = lock_owner(SessionFolder(folder))
    except OutputError:
        return "a program that cannot be determined"
    return None if owner is None else str(owner)


def _is_real_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir() and not path.is_symlink()
    return False


def _is_real_file(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and not path.is_symlink()
    return False
