"""Annotate many sources, one after another: a failure ends its own source only, and the end is a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from app.annotate import JobControl, Outcome, ProgressListener
from app.printable import without_password
from app.remedies import DISK_FULL, cli_text, output_errors
from app.session.folder import SessionFolder
from app.session.identity import source_path
from app.sources import GivenSource
from engine.capture.redaction import redact_url
from engine.capture.source import path_text
from engine.errors import BackendError, EngineError, FaceModelError, ModelError, ThreadStuckError, error_of
from engine.files import write_text

#: In the folder for results: a line per source that failed, with a tab between source and reason.
FAILED_FILE: Final = "failed.txt"


class ItemState(str, Enum):
    """How a source of a batch ended."""

    DONE = "done"
    FINISHED_BEFORE = "finished before"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not started"


class WorkerTracebackError(Exception):
    """Cause of an error that a worker met: the text is its traceback there."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One source of a batch, and how it ended."""

    source: GivenSource
    folder: SessionFolder
    state: ItemState
    outcome: Outcome | None = None
    problem: str = ""  # with its remedy on the command line
    error: Exception | None = None
    is_bug: bool = False  # the program failed, not the source
    address: str | None = None  # of the session, if it is not in a folder of this machine


def affects_every_source(error: Exception) -> bool:
    """Whether an error would end every other source as well: models missing, disk full, a stuck thread."""
    if isinstance(error, (FaceModelError, ModelError, BackendError, ThreadStuckError)):
        return True
    cause = error.__cause__
    return isinstance(error, EngineError) and isinstance(cause, OSError) and cause.errno in DISK_FULL


def state_after(error: Exception, control: JobControl) -> ItemState:
    """How a source ended with an error: interrupted if its job was stopped and only a thread was late to end.

    On a busy machine a thread may need longer than the limit; the session can be resumed nevertheless.
    """
    is_late = isinstance(error, ThreadStuckError) and control.stopped
    return ItemState.INTERRUPTED if is_late else ItemState.FAILED


def run_batch(
    sources: Sequence[tuple[GivenSource, SessionFolder]],
    annotate_one: Callable[[GivenSource, SessionFolder], Outcome],
    control: JobControl,
    ended: Callable[[ItemResult], None],
) -> list[ItemResult]:
    """Annotate sources until all have ended, one blocks all others, or the control stops them.

    Args:
        sources: each with its folder.
        annotate_one: see `app.annotate.annotate`.
        control: once stopped, no further source starts.
        ended: receives the result of each source that was started.

    Returns:
        A result per source, in order.
    """
    results: list[ItemResult] = []
    is_blocked = False
    for source, folder in sources:
        if is_blocked or control.stopped:
            results.append(ItemResult(source, folder, ItemState.NOT_STARTED))
            continue
        result = _run_one(source, folder, annotate_one, control)
        is_blocked = result.error is not None and affects_every_source(result.error)
        results.append(result)
        ended(result)
    return results


def _run_one(
    source: GivenSource,
    folder: SessionFolder,
    annotate_one: Callable[[GivenSource, SessionFolder], Outcome],
    control: JobControl,
) -> ItemResult:
    outcomes: list[Outcome] = []
    error = error_of(lambda: outcomes.append(annotate_one(source, folder)))  # a bug that one meets costs no other
    if isinstance(error, BrokenPipeError):
        raise error  # the output has no reader any more: see app/cli.py
    if isinstance(error, EngineError):
        return ItemResult(source, folder, state_after(error, control), problem=cli_text(error), error=error)
    if error is not None:
        problem = f"internal error: {type(error).__name__}: {error}"
        return ItemResult(source, folder, ItemState.FAILED, problem=problem, error=error, is_bug=True)
    outcome = outcomes[0]
    if not outcome.finished:
        return ItemResult(source, folder, ItemState.INTERRUPTED, outcome)
    state = ItemState.FINISHED_BEFORE if outcome.skipped else ItemState.DONE
    return ItemResult(source, folder, state, outcome)


def summary_lines(results: Sequence[ItemResult]) -> list[str]:
    """The table at the end of a batch, as lines of aligned columns."""
    table = [("state", "frames", "faces", "rows", "source")]
    for result in results:
        counts = result.outcome.counts if result.outcome is not None else None
        numbers = ("-", "-", "-") if counts is None else (str(counts.frames), str(counts.faces), str(counts.rows))
        remark = result.problem or (result.outcome.fault if result.outcome is not None else None) or ""
        name = _shown(result.source)
        table.append((result.state.value, *numbers, f"{name}: {remark}" if remark else name))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    return [
        "  ".join((row[0].ljust(widths[0]), *(row[place].rjust(widths[place]) for place in (1, 2, 3)), row[4]))
        for row in table
    ]


def write_failed(out: Path, results: Sequence[ItemResult]) -> Path | None:
    """Write ``failed.txt``: the sources of this batch that failed, and those of earlier batches not run again.

    A source that was not started because another failed is listed too. Without any, the file is deleted.

    Returns:
        The file; None if nothing failed.

    Raises:
        OutputError: it cannot be written.
    """
    path = out / FAILED_FILE
    names = {_listed(result.source) for result in results}
    lines: dict[str, str] = {}
    is_blocked = False  # by the failure of the source before; otherwise the user stopped the batch
    for result in results:
        if result.state is ItemState.FAILED or (result.state is ItemState.NOT_STARTED and is_blocked):
            lines[_listed(result.source)] = result.problem or "not started after the failure above"
        is_blocked = result.state is ItemState.FAILED or (is_blocked and result.state is ItemState.NOT_STARTED)
    with output_errors(path):
        try:
            before = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            before = []
        kept = [line for line in before if line.partition("\t")[0] not in names]
        if not lines and not kept:
            path.unlink(missing_ok=True)
            return None
        new = [f"{name}\t{without_password(' '.join(problem.split()))}" for name, problem in lines.items()]
        write_text(path, "".join(f"{line}\n" for line in (*kept, *new)), 0o600)  # it names what was filmed
    return path if lines else None


def _listed(source: GivenSource) -> str:
    """A source as one line of ``failed.txt``: absolute, with line breaks and tabs escaped, without passwords."""
    text = source_path(source.spec) or (redact_url(source.spec) if "://" in source.spec else source.spec)
    text = without_password(text)
    return path_text(text.translate({ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"}))


def _shown(source: GivenSource) -> str:
    return redact_url(source.spec) if "://" in source.spec else path_text(without_password(source.spec))


class NumberedProgress:
    """A ProgressListener that puts the place in the batch before each name: ``[3/17] clip.mp4``."""

    def __init__(self, listener: ProgressListener, total: int) -> None:
        self._listener = listener
        self._total = total
        self.place = 0  # of the current source, from 1

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Pass on, with the number."""
        self._listener.begin(f"[{self.place}/{self._total}] {name}" if self._total > 1 else name, total, done)

    def update(self, done: int, file: str | None = None) -> None:
        """Pass on."""
        self._listener.update(done, file)

    def end(self) -> None:
        """Pass on."""
        self._listener.end()
