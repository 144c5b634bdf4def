"""What the commands print besides their results, their exit statuses, and the end by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from app.printable import printable, without_password
from app.remedies import cli_text
from app.termination import note_signal
from engine.errors import EngineError, ThreadStuckError
from engine.files import cache_folder, write_text
from engine.native_log import message_on_stderr

if TYPE_CHECKING:  # these import the video libraries
    from app.annotate import JobControl, ProgressListener
    from app.export.command import Exported

#: Exit statuses.
INTERNAL_ERROR: Final = 1
USER_ERROR: Final = 2
OUTPUT_CLOSED: Final = 141  # as of a program that SIGPIPE ends

#: Tracebacks of this run; a batch may have several.
_tracebacks: Final[deque[str]] = deque(maxlen=50)

#: Messages and progress; results go to standard output.
errors: Final = Console(stderr=True)


def report(error: Exception) -> int:
    """Print why a command failed, and return its exit status. A thread that is stuck ends the process here."""
    if isinstance(error, BrokenPipeError):  # such as ``mien doctor | head -1``
        return OUTPUT_CLOSED
    if not isinstance(error, EngineError):
        print_internal_error(error)
        return INTERNAL_ERROR
    print_error(cli_text(error))
    if isinstance(error, ThreadStuckError):
        os._exit(USER_ERROR)  # a normal exit would wait for the stuck thread, which may hold the camera
    return USER_ERROR


def print_error(message: str) -> None:
    """Print one line that starts with the name of the program."""
    print_note(f"mien: {' '.join(message.split())}")


def print_note(message: str) -> None:
    """Print a message, without passwords and without control characters of file names."""
    with message_on_stderr():
        errors.print(printable(without_password(message)), markup=False, highlight=False, soft_wrap=True)


def print_result(text: object) -> None:
    """Print a line on standard output, for people and scripts."""
    typer.echo(printable(str(text)))


def print_internal_error(error: Exception) -> None:
    """Save the traceback of a bug, and print how to report it."""
    path = _save_traceback(error)
    request = f"the file {path}" if path is not None else "the output of 'mien --debug ...'"
    kind = "" if str(error).startswith("internal error: ") else f"internal error: {type(error).__name__}: "
    print_error(f"{kind}{error}; please report it with {request}")


def print_saved_traceback(error: Exception) -> None:
    """Save the traceback of an error that is no bug, and print where."""
    path = _save_traceback(error)
    if path is not None:
        print_error(f"what its worker reported is in {path}")


def _save_traceback(error: Exception) -> Path | None:
    """Write the tracebacks of this run, up to so many, to a file; None if it cannot be written."""
    path = cache_folder() / "last-error.txt"
    _tracebacks.append(without_password("".join(traceback.format_exception(error))))
    try:
        write_text(path, "\n".join(_tracebacks))
    except OSError:
        return None
    return path


def print_exported(exported: Exported) -> None:
    """Print the files of an export."""
    for remark in exported.remarks:
        print_error(remark)
    for path in exported.written:
        print_result(path)


def new_progress() -> ProgressListener:
    """A bar in a terminal, lines elsewhere."""
    from app.progress import PlainProgress, TerminalProgress

    return TerminalProgress(errors) if errors.is_terminal else PlainProgress(errors)


@contextlib.contextmanager
def stop_on_signal() -> Iterator[JobControl]:
    """Yield a control that the first Ctrl-C or SIGTERM stops; a second one interrupts what is running.

    After SIGTERM the program ends within a limit; see app/termination.py.
    """
    from app.annotate import JobControl

    control = JobControl()

    def stop(number: int, frame: FrameType | None) -> None:
        note_signal(number)
        if control.stopped:
            raise KeyboardInterrupt
        control.stop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield control
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
