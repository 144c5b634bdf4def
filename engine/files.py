"""Files that are either complete or absent, hashes of files, and the user's folders: once for the whole project."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

#: Folder name below the user's cache and settings; macOS and Windows capitalise programs' names.
_PROGRAM: Final = "mien" if sys.platform not in ("darwin", "win32") else "Mien"
_CHUNK_BYTES: Final = 1 << 20


@contextlib.contextmanager
def atomic_write(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` to write to; it replaces ``path`` only if no exception is raised.

    Only one process may write a path at a time. The file has the permissions ``mode``, less the umask.

    Raises:
        OSError: the file cannot be written; ``path`` is unchanged.
    """
    part = create_part(path, mode)
    try:
        yield part
        publish(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a UTF-8 text file atomically, with the permissions ``mode`` less the umask, creating its folder.

    Raises:
        OSError: it cannot be written; ``path`` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, mode) as part:
        part.write_text(text, encoding="utf-8")


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Content of a regular file, whose size is checked before it is read.

    A pipe or device is refused without waiting for it, as a stranger's folder may hold one under any name.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than ``max_bytes`` (EFBIG).
    """
    with open_regular(path) as handle:
        size = os.fstat(handle.fileno()).st_size
        content = handle.read(max_bytes + 1) if size <= max_bytes else b""
    if max(size, len(content)) > max_bytes:
        raise OSError(errno.EFBIG, f"{size / 2**20:.1f} MiB, the limit is {max_bytes / 2**20:g}", str(path))
    return content


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading; a pipe or device is refused without waiting for it.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    # without O_NONBLOCK, opening a pipe waits for a writer
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can enter; missing parents follow the umask. An existing one keeps its mode.

    Raises:
        OSError: it cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_new(path: Path, mode: int = 0o666) -> int:
    """Create a file that must not exist, and open it for reading and writing; a link under this name is not followed.

    Raises:
        OSError: it exists or cannot be created.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, mode)


def part_path(path: Path) -> Path:
    """Path of a file while it is being written: ``annotated.part.mp4`` for ``annotated.mp4``."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def create_part(path: Path, mode: int = 0o666) -> Path:
    """Create the empty temporary file for ``path``, replacing one that a crash left behind.

    Raises:
        OSError: it cannot be created.
    """
    part = part_path(path)
    part.unlink(missing_ok=True)
    # A symbolic link planted under this name in a shared folder must not redirect what is written.
    os.close(open_new(part, mode))
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


def sha256_of(path: Path, before_block: Callable[[], None] = lambda: None) -> str:
    """Hex digest of a file of any size, read in blocks of 1 MiB.

    Args:
        path: the file.
        before_block: called before each block; what it raises ends the reading.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(path) as handle:
        return sha256_of_open(handle, before_block)


def sha256_of_open(handle: IO[bytes], before_block: Callable[[], None] = lambda: None) -> str:
    """Hex digest of an open file from its start, whatever its name refers to now; see `sha256_of`.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    handle.seek(0)
    while block := handle.read(_CHUNK_BYTES):
        before_block()
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
