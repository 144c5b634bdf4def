"""What paths that are dropped on the window stand for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from app.session.folder import OutputFolder


def dropped_session(paths: Iterable[str]) -> Path | None:
    """The first session among them: its folder, or its journal or metadata; None if there is none.

    Args:
        paths: local files and folders; empty texts stand for what is not local.
    """
    for path in filter(None, paths):
        for folder in (Path(path), Path(path).parent):
            files = OutputFolder(folder)
            if Path(path) in (folder, files.journal, files.metadata) and is_session(folder):
                return folder
    return None


def dropped_sources(paths: Iterable[str]) -> tuple[str, ...]:
    """Those that may be videos, pictures or folders of them: all that are there and no sessions."""
    return tuple(path for path in filter(None, paths) if _is_there(path) and dropped_session([path]) is None)


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # it may not be looked at
        return False


def is_session(folder: Path) -> bool:
    """Whether a folder holds what annotate or a recording wrote and Review can open."""
    try:
        return OutputFolder(folder).journal.is_file()
    except (OSError, ValueError):
        return False
