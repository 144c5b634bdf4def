"""Where file dialogs open: never in the working folder of the program, which says nothing to the user."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QStandardPaths


def nearest_folder(path: Path) -> str:
    """The path, or the nearest folder above it that exists."""
    for folder in (path, *path.parents):
        try:
            if folder.is_dir():
                return str(folder)
        except OSError:
            continue
    return str(Path.home())


def videos_folder() -> str:
    """The user's folder of videos, or the home folder."""
    return nearest_folder(Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MoviesLocation)))
