"""Files that are either complete or absent, hashes of files, and the user's folders: once for the whole project."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Folder name below the user's cache and settings; macOS and Windows capitalise programs' names.
_PROGRAM: Final = "mien" if sys.platform not in ("darwin", "win32") else "Mien"
_CHUNK_BYTES: Final = 1 << 20


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` to write to; it replaces ``path`` only if no exception is raised.

    Only one process may write a path at a time.

    Raises:
        OSError: the file cannot be written; ``path`` is unchanged.
    """
    part = create_part(path)
    try:
        yield part
        publish(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically, creating its folder.

    Raises:
        OSError: it cannot be written; ``path`` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def part_path(path: Path) -> Path:
    """Path of a file while it is being written: ``annotated.part.mp4`` for ``annotated.mp4``."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def create_part(path: Path) -> Path:
    """Create the empty temporary file for ``path``, replacing one that a crash left behind.

    Raises:
        OSError: it cannot be created.
    """
    part = part_path(path)
    part.unlink(missing_ok=True)
    # A symbolic link planted under this name in a shared folder must not redirect what is written.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(part, flags, 0o666))
    return part


def publish(part: Path, path: Path) -> None:
    """Rename a complete temporary file to ``path``, with its content on the disk before its name.

    Raises:
        OSError: the disk is full or failing; ``path`` is unchanged.
    """
    with part.open("rb+") as handle:
        os.fsync(handle.fileno())
    part.replace(path)
    if sys.platform != "win32":
        # Some file systems cannot sync a folder; the file is complete all the same.
        with contextlib.suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def sha256_of(path: Path) -> str:
    """Hex digest of a file of any size, read in blocks of 1 MiB.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """This user's folder for files that can be fetched or made again, such as ``~/.cache/mien``."""
    import platformdirs

    return platformdirs.user_cache_path(_PROGRAM, appauthor=False, opinion=False)


def settings_folder() -> Path:
    """This user's folder for settings, such as ``~/.config/mien``."""
    import platformdirs

    return platformdirs.user_config_path(_PROGRAM, appauthor=False, roaming=True)
