"""Errors of the engine and the app: a problem in one line, and a typed remedy where its wording is the front end's."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Remedy(Enum):
    """What the user can do, where the command line names an option and the window a button (`app/remedies.py`).

    A remedy that is the same everywhere, such as installing a package, is part of the problem's text instead.
    """

    RESUME_OR_RESTART = "resume or restart"
    RESTART = "restart"
    RESTART_OR_OTHER_FOLDER = "restart or other folder"
    FREE_SPACE = "free space"  # then resume
    FREE_SPACE_OR_OTHER_FOLDER = "free space or other folder"  # nothing to resume: recordings, snapshots
    PUT_SOURCE_BACK = "put source back"  # then resume
    ANNOTATE_AGAIN = "annotate again"
    REPLACE_OR_OTHER_FOLDER = "replace or other folder"  # files of an earlier export


class EngineError(Exception):
    """Base of every error that the user can fix; the command line prints it and exits with status 2.

    Attributes:
        problem: one line without a final full stop; names the value at fault. `str` of the error is the problem.
        remedy: what to do, where that depends on the front end.
    """

    def __init__(self, problem: str, remedy: Remedy | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


class SourceError(EngineError):
    """A camera, file, folder or stream cannot be opened or read."""


class FaceModelError(EngineError):
    """A face network is missing, damaged or cannot be fetched."""


class ModelError(EngineError):
    """A model file cannot be loaded: missing, damaged, or not the file that its contract names."""


class ContractError(ModelError):
    """A contract is missing or does not match its model or this engine."""


class BackendError(EngineError):
    """None of the configured inference backends can run the model here."""


class ConfigError(EngineError):
    """A setting is unknown, has the wrong type, or is out of range."""


class OutputError(EngineError):
    """A file of a session cannot be read or written, or finished results would be overwritten."""


class RuntimeStateError(EngineError):
    """A command is not legal in the current state."""


class ThreadStuckError(EngineError):
    """A thread did not stop within its time limit."""


def error_of(work: Callable[[], object]) -> Exception | None:
    """Run the work of a thread and return the error that ended it, for the thread that waits; None if it succeeded."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 (the top of a thread, where an uncaught error would be lost)
        return error
    return None
