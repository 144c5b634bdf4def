"""Which source a session belongs to: the absolute path and the SHA-256 of what is read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from engine.errors import SourceError
from engine.files import open_regular, sha256_of, sha256_of_open

#: Stands for the hash of a picture that cannot be read.
_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """What distinguishes a source from all others; all None for a camera, an address or the demo."""

    path: str | None = None  # absolute, of a file or folder
    size_bytes: int | None = None  # of a file, or of all pictures together
    sha256: str | None = None  # of a file; for the pictures of a folder, of the list of their hashes and names


@dataclass(frozen=True, slots=True)
class FileMark:
    """Which file this is, and when it was last written; differs whenever its content may."""

    device: int
    inode: int
    size_bytes: int
    written_ns: int
    changed_ns: int  # also of its owner, mode or name; unlike `written_ns`, no program can set it


class HashingStoppedError(Exception):
    """Hashing was stopped by the caller."""


class SourceFiles:
    """The files that an opened source reads, and whether they change while it does.

    A single file stays open here, so that its hash is that of the content that is read, whatever its name refers to
    later. The images of a folder are opened one by one when their turn comes: what was replaced before is a change.
    """

    def __init__(self, spec: str, files: Sequence[Path], before: FileMark | None = None) -> None:
        """Open a single file, and take down a mark of each.

        Args:
            spec: the source as the user named it.
            files: `FrameSource.files` of the opened source.
            before: `file_mark` of the source before it was opened; None where it need not be compared.

        Raises:
            SourceError: a single file cannot be opened, or was replaced while the source was opened.
        """
        self._spec = spec
        self._files = tuple(files)
        self._open: IO[bytes] | None = None
        if len(self._files) == 1 and not Path(spec).is_dir():
            try:
                self._open = open_regular(self._files[0])
            except OSError as error:
                raise self._unreadable(error) from error
            if before is not None and before != _mark_of(os.fstat(self._open.fileno())):
                self.close()
                raise SourceError(f"{spec} was replaced or changed while it was opened: wait until it is complete")
        self._marks = self._mark_all()
        self._sha256 = ""

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
        self._sha256 = self._hash(check)
        if self.changed():
            raise SourceError(f"{self._spec} is still being written: wait until it is complete")
        size = sum(mark.size_bytes for mark in self._marks if mark is not None)
        return SourceIdentity(source_path(self._spec), size, self._sha256)

    def changed(self) -> tuple[Path, ...]:
        """The files whose content is not the one that was hashed, or may not be.

        A video that was deleted, or replaced under its name, has not changed: it is read from the old file. Where only
        its times changed, as by renaming, it is hashed again.
        """
        now = self._mark_all()
        differing = tuple(path for path, old, new in zip(self._files, self._marks, now, strict=True) if old != new)
        if differing and self._open is not None and self._has_same_content(now[0]):
            self._marks = now
            return ()
        return differing

    def _has_same_content(self, now: FileMark | None) -> bool:
        """Whether the open file still has the hash, after a change of its times, name or owner."""
        before = self._marks[0]
        if self._open is None or now is None or before is None or now.size_bytes != before.size_bytes:
            return False
        try:
            return sha256_of_open(self._open) == self._sha256
        except OSError:
            return False

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._open is not None:
            self._open.close()

    def __enter__(self) -> SourceFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hash(self, check: Callable[[], None]) -> str:
        if self._open is not None:
            try:
                return sha256_of_open(self._open, check)
            except OSError as error:
                raise self._unreadable(error) from error
        folder, digest = Path(self._spec), hashlib.sha256()
        for path in self._files:
            name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
            digest.update(f"{_hash_or_mark(path, check)}  ".encode() + name + b"\n")
        return digest.hexdigest()

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self._spec} cannot be read ({error.strerror}): check its permissions and its disk")

    def _mark_all(self) -> list[FileMark | None]:
        if self._open is not None:
            return [_mark_of(os.fstat(self._open.fileno()))]
        return [file_mark(path) for path in self._files]


def file_mark(path: Path | str) -> FileMark | None:
    """The mark of a file; None if there is none."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return _mark_of(found) if stat.S_ISREG(found.st_mode) else None


def _mark_of(found: os.stat_result) -> FileMark:
    # On Windows, st_ctime is the time of creation, which never changes.
    return FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


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
