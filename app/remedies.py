"""Remedies of errors, worded for each front end: options of the command line, or buttons of the window."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from engine.errors import EngineError, OutputError, Remedy

#: Remedies as options of ``mien annotate``.
CLI_REMEDIES: Final[Mapping[Remedy, str]] = {
    Remedy.RESUME_OR_RESTART: "use --resume to continue, or --force to start again",
    Remedy.RESTART: "use --force to start again",
    Remedy.RESTART_OR_OTHER_FOLDER: "use --force to write it again, or choose another --out",
    Remedy.FREE_SPACE: "free space or choose another --out, then use --resume",
    Remedy.FREE_SPACE_OR_OTHER_FOLDER: "free space or choose another folder",
    Remedy.OTHER_FOLDER: "choose another --out",
    Remedy.PERMISSIONS: "check its permissions, or choose another --out",
    Remedy.CHECK_DISK: "check that its disk is connected and sound",
    Remedy.IN_USE: "wait until that program ends, or choose another --out",
    Remedy.PUT_SOURCE_BACK: "put it back and use --resume",
    Remedy.ANNOTATE_AGAIN: "use --force to annotate the source again",
    Remedy.REPLACE_OR_OTHER_FOLDER: "use --force to replace it, or choose another --out",
}

#: Remedies as buttons and pages of the window.
WINDOW_REMEDIES: Final[Mapping[Remedy, str]] = {
    Remedy.RESUME_OR_RESTART: 'choose "Start again", or add it with another folder',
    Remedy.RESTART: 'choose "Start again"',
    Remedy.RESTART_OR_OTHER_FOLDER: 'choose "Start again", or add it with another folder',
    Remedy.FREE_SPACE: "free space, then start the queue",
    Remedy.FREE_SPACE_OR_OTHER_FOLDER: "free space or choose another folder in the settings",
    Remedy.OTHER_FOLDER: "choose another folder",
    Remedy.PERMISSIONS: "check its permissions, or choose another folder",
    Remedy.CHECK_DISK: "check that its disk is connected and sound",
    Remedy.IN_USE: 'wait until that program ends, then choose "Retry"',
    Remedy.PUT_SOURCE_BACK: 'put it back and choose "Retry"',
    Remedy.ANNOTATE_AGAIN: "annotate the source again",
    Remedy.REPLACE_OR_OTHER_FOLDER: "choose another folder, or allow replacing files",
}


#: Errors of a full disk.
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PERMISSIONS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
#: The path itself cannot be used.
_BAD_PATH: Final = frozenset(
    {errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
)


@contextlib.contextmanager
def output_errors(path: Path, remedy: Remedy = Remedy.FREE_SPACE, *, action: str = "written") -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError that names ``path`` and the remedy for its cause.

    Args:
        path: the file or folder.
        remedy: for a full disk.
        action: what cannot be done: ``written`` or ``read``.

    Raises:
        OutputError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} cannot be {action} ({error.strerror or error})", _remedy_for(error, remedy)
        ) from error


def _remedy_for(error: OSError, disk_full: Remedy) -> Remedy:
    if error.errno in _PERMISSIONS:
        return Remedy.PERMISSIONS
    if error.errno in _BAD_PATH:
        return Remedy.OTHER_FOLDER
    return disk_full if error.errno in DISK_FULL else Remedy.CHECK_DISK


def cli_text(error: Exception) -> str:
    """Problem and remedy in one line for a terminal."""
    return _text(error, CLI_REMEDIES)


def window_text(error: Exception) -> str:
    """Problem and remedy in one line for the window."""
    return _text(error, WINDOW_REMEDIES)


def _text(error: Exception, remedies: Mapping[Remedy, str]) -> str:
    if isinstance(error, EngineError) and error.remedy is not None:
        return f"{error.problem}: {remedies[error.remedy]}"
    return str(error)
