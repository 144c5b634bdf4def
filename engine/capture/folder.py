"""The files of a folder, with or without its subfolders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import SourceError

#: A subfolder with this file holds results of this program.
_SESSION_FILE: Final = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The content of a folder without hidden files and folders."""

    files: tuple[Path, ...]  # in the order in which people count, each folder's own files first
    subfolders: tuple[Path, ...]  # those that were not read
    unreadable: tuple[tuple[Path, str], ...]  # subfolders that cannot be read, each with a sentence
    sessions: tuple[Path, ...]  # subfolders with results of this program, which are not sources


def list_files(folder: Path, recursive: bool = False) -> FolderFiles:
    """List a folder; with ``recursive`` also its subfolders, each once, links followed.

    Raises:
        SourceError: the folder itself cannot be read.
    """
    files, subfolders, sessions = [], [], []
    unreadable: list[tuple[Path, str]] = []
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            stat = place.stat()
            entries = sorted((item for item in place.iterdir() if not item.name.startswith(".")), key=natural_key)
        except OSError as error:
            problem = f"{place} cannot be read ({error.strerror}): check its permissions"
            if place == folder:
                raise SourceError(problem) from None
            unreadable.append((place, problem))
            continue
        if stat.st_ino and (stat.st_dev, stat.st_ino) in seen:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        if place != folder and any(item.name == _SESSION_FILE for item in entries):
            sessions.append(place)
            continue
        folders = [item for item in entries if item.is_dir()]
        files += [item for item in entries if item.is_file()]
        if recursive:
            waiting += reversed(folders)
        else:
            subfolders += folders
    return FolderFiles(tuple(files), tuple(subfolders), tuple(unreadable), tuple(sessions))


def natural_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Order in which people count: face2 before face10.

    >>> [path.name for path in sorted([Path("face10.png"), Path("face2.png")], key=natural_key)]
    ['face2.png', 'face10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name
