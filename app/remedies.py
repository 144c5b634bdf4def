"""Remedies of errors, worded for each front end: options of the command line, or buttons of the window."""

from __future__ import annotations

import contextlib
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
    Remedy.PUT_SOURCE_BACK: 'put it back and choose "Retry"',
    Remedy.ANNOTATE_AGAIN: "annotate the source again",
    Remedy.REPLACE_OR_OTHER_FOLDER: "choose another folder, or allow replacing files",
}


@contextlib.contextmanager
def output_errors(path: Path, remedy: Remedy = Remedy.FREE_SPACE) -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError that names ``path``, the file that is written.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})", remedy) from error


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
