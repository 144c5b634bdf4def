"""Locks of session folders, of notes and of the job queue: only one program at a time writes to each.

A lock is the operating system's lock on a file, such as ``session.lock``, which ends with the process that holds it,
however it ends. The file names the holder for the message that another program shows. Where a file system has no
locks, the named process is looked up instead.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from app.printable import without_password
from app.remedies import output_errors
from app.session.folder import SessionFolder
from engine.capture.redaction import redact_url
from engine.errors import OutputError, Remedy
from engine.files import make_private, read_bytes

#: Errors of a file system without locks.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", 0)})
#: Errors of a lock that another process holds.
_HELD: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK})
#: Attempts, and seconds between two: another program may test the lock for a moment (`lock_owner`).
_TRIES: Final = 3
_BETWEEN_S: Final = 0.05
#: Longer commands, such as one with a thousand files, are shortened in the lock file.
_MAX_COMMAND: Final = 200
_MAX_LOCK_BYTES: Final = 2**16
#: A link under the name of the lock is not followed, a pipe not waited for.
_SAFELY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
#: Windows locks bytes, and a locked byte cannot be read by others: this one is far behind the text.
_LOCKED_BYTE: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The program that holds a lock."""

    pid: int
    host: str
    command: str  # as typed, without passwords

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}: {self.command}"


class FileLock:
    """Reserves what a lock file stands for, for this process; a context manager.

    The folder is created if it is missing, and removed again on release if nothing was written to it.
    """

    def __init__(self, path: Path, of: Path) -> None:
        """Nothing is locked yet; ``of``: what it stands for, for messages."""
        self._path = path
        self._of = of
        self._file: int | None = None
        self._created: list[Path] = []  # folders, innermost first

    def acquire(self) -> None:
        """Take the lock, also from a process that has died.

        Raises:
            OutputError: another program holds it, or the folder cannot be written to.
        """
        try:
            with output_errors(self._of):
                self._created = _make_folders(self._path.parent)
                for attempt in range(_TRIES):
                    if attempt:
                        time.sleep(_BETWEEN_S)
                    self._file = _open_locked(self._path)
                    if self._file is not None:
                        _write_owner(self._file)
                        return
            owner = _read_owner(self._path)
            raise OutputError(f"{self._of} is in use by {owner or 'another program'}", Remedy.IN_USE)
        except OutputError:
            self.release()
            raise

    def release(self) -> None:
        """Give the lock back. A second call does nothing."""
        handle, self._file = self._file, None
        if handle is not None:
            # On Windows an open file cannot be deleted. Elsewhere it is deleted while it is still locked.
            if sys.platform == "win32":
                os.close(handle)
            with contextlib.suppress(OSError):
                self._path.unlink()
            if sys.platform != "win32":
                os.close(handle)
        for path in self._created:
            with contextlib.suppress(OSError):  # no longer empty
                path.rmdir()
        self._created = []

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class SessionLock(FileLock):
    """Reserves a session folder for the program that writes its results."""

    def __init__(self, folder: SessionFolder) -> None:
        """Nothing is locked yet."""
        super().__init__(folder.lock, folder.path)


def lock_owner(folder: SessionFolder) -> LockOwner | None:
    """The program that writes the results of a session folder now; None if there is none. Creates nothing.

    Raises:
        OutputError: the lock cannot be tested.
    """
    return owner_of(folder.lock)


def owner_of(path: Path) -> LockOwner | None:
    """The program that holds the lock of this file now; None if there is none. Creates nothing.

    Raises:
        OutputError: the lock cannot be tested.
    """
    with output_errors(path):
        try:
            handle = os.open(path, os.O_RDWR | _SAFELY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return None if _try_lock(handle, path) else _read_owner(path) or LockOwner(0, "?", "another program")
        finally:
            os.close(handle)


def _make_folders(path: Path) -> list[Path]:
    """Create a folder and its missing parents; return those created, innermost first."""
    missing = []
    for each in (path, *path.parents):
        if each.exists():
            break
        missing.append(each)
    make_private(path)
    return missing


def _open_locked(path: Path) -> int | None:
    """Open and lock the file; None if another process holds it.

    The holder deletes the file, so it may be another one by the time that the lock is granted: then try again.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, 0o666)
        try:
            if not _try_lock(handle, path):
                os.close(handle)
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _try_lock(handle: int, path: Path) -> bool:
    """Lock an open file; False if another process holds it."""
    try:
        _lock(handle)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        owner = _read_owner(path)
        return owner is None or (owner.host == platform.node() and not _is_running(owner.pid))
    return True


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        import msvcrt

        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _is_running(pid: int) -> bool:
        """Signal 0 would end the process on Windows, so every process counts as running."""
        return pid > 0

else:

    def _lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_running(pid: int) -> bool:
        if pid == os.getpid():
            return False  # a number that was reused: this process holds no lock that it could meet here
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # of another user
            return True
        return True


def _write_owner(handle: int) -> None:
    owner = LockOwner(os.getpid(), platform.node(), _command())
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, (json.dumps(asdict(owner)) + "\n").encode())


def _read_owner(path: Path) -> LockOwner | None:
    """The holder that the file names; None if it names none."""
    try:
        raw: Any = json.loads(read_bytes(path, _MAX_LOCK_BYTES))
        return LockOwner(int(raw["pid"]), str(raw["host"]), str(raw["command"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _command() -> str:
    """The command line of this process without passwords of addresses, shortened."""
    name = Path(sys.argv[0]).name
    words = ["mien" if name == "__main__.py" else name, *sys.argv[1:]]
    text = shlex.join(redact_url(word) if "://" in word else without_password(word) for word in words)
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= _MAX_COMMAND else f"{text[:_MAX_COMMAND]}..."
