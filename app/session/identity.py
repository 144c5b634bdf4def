"""Which source a session belongs to: the absolute path and the SHA-256 of what is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import SourceError
from engine.files import sha256_of

#: Stands for the hash of a picture that cannot be read.
_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """What distinguishes a source from all others; all None for a camera, an address or the demo."""

    path: str | None = None  # absolute, of a file or folder
    size_bytes: int | None = None  # of a file, or of all pictures together
    sha256: str | None = None  # of a file; for the pictures of a folder, of the list of their hashes and names


class HashingStoppedError(Exception):
    """Hashing was stopped by the caller."""


class SourceFiles:
    """The files that an opened source reads, and whether they change while it does."""

    def __init__(self, spec: str, files: Sequence[Path]) -> None:
        """Take down size and modification time of each file.

        Args:
            spec: the source as the user named it.
            files: `FrameSource.files` of the opened source.
        """
        self._spec = spec
        self._files = tuple(files)
        self._signature = self._stat()

    def identify(self, stopped: Callable[[], bool]) -> SourceIdentity:
        """Hash the files, which takes about a second per gigabyte.

        Raises:
            SourceError: a file changes meanwhile, or a video cannot be read.
            HashingStoppedError: ``stopped`` returned True.
        """

        def check() -> None:
            if stopped():
                raise HashingStoppedError

        if not self._files:
            return SourceIdentity(source_path(self._spec))
        folder = Path(self._spec)
        if folder.is_dir():
            digest = hashlib.sha256()
            for path in self._files:
                name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
                digest.update(f"{_hash_or_mark(path, check)}  ".encode() + name + b"\n")
            sha256 = digest.hexdigest()
        else:
            try:
                sha256 = sha256_of(self._files[0], check)
            except OSError as error:
                raise SourceError(
                    f"{self._spec} cannot be read ({error.strerror}): check its permissions and its disk"
                ) from error
        if self.changed():
            raise SourceError(f"{self._spec} is still being written: wait until it is complete")
        size = sum(entry[2] for entry in self._signature if entry is not None)
        return SourceIdentity(source_path(self._spec), size, sha256)

    def changed(self) -> tuple[Path, ...]:
        """The files whose content may have changed since this object was made.

        A file that was deleted, or replaced by another of the same name, has not: a video is read from the old one.
        """
        now = self._stat()
        return tuple(
            path
            for path, old, new in zip(self._files, self._signature, now, strict=True)
            if old is not None and new is not None and old[:2] == new[:2] and old != new
        )

    def _stat(self) -> list[tuple[int, int, int, int] | None]:
        """Device, inode, size and modification time of each file; None if it is gone."""
        entries: list[tuple[int, int, int, int] | None] = []
        for path in self._files:
            try:
                stat = path.stat()
            except OSError:
                entries.append(None)
            else:
                entries.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return entries


def source_path(spec: str) -> str | None:
    """Absolute path of a source that is a file or folder, links not followed; None for a camera, address or demo."""
    from engine.capture.opening import is_path_spec  # here, as it imports the video libraries

    return os.path.abspath(spec) if is_path_spec(spec) else None  # noqa: PTH100 (Path.absolute keeps "..")


def has_content(path: Path, size_bytes: int | None, sha256: str | None) -> bool:
    """Whether a file has this size and hash; False if it cannot be read, or either is unknown."""
    try:
        return (
            size_bytes is not None
            and path.is_file()
            and path.stat().st_size == size_bytes
            and sha256_of(path) == sha256
        )
    except OSError:
        return False


def _hash_or_mark(path: Path, before_block: Callable[[], None]) -> str:
    try:
        return sha256_of(path, before_block)
    except OSError:
        return _UNREADABLE
