"""The work of one worker: annotate one source after another, with one open engine."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from app.annotate import JobControl, Outcome, ProgressListener, annotate
from app.batch import ItemState, affects_every_source, state_after
from app.cluster.records import Item, Report, WorkerSetup
from app.cluster.remote import RemoteSession, fetch, is_remote, shown
from app.engine_cache import EngineCache
from app.export.command import Exported, export_session
from app.export.job import ExportChoice
from app.printable import without_password
from app.remedies import cli_text
from app.session.folder import SessionFolder
from app.sources import open_given
from engine.capture.source import FrameSource
from engine.errors import EngineError, ThreadStuckError, error_of


class ItemWorker:
    """Annotates items for one batch; a context manager that closes the engine."""

    def __init__(self, setup: WorkerSetup, engines: EngineCache | None = None) -> None:
        """Nothing is opened yet. ``engines`` is replaced in tests."""
        self._setup = setup
        self._engines = engines or EngineCache(setup.settings, setup.tracker)

    def __enter__(self) -> ItemWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engines.close()

    def run(self, item: Item, listener: ProgressListener, control: JobControl) -> Report:
        """Annotate a source and export its session; never raises, whatever the source does."""
        reports: list[Report] = []
        error = error_of(lambda: reports.append(self._run(item, listener, control)))
        if error is None:
            return reports[0]
        if isinstance(error, ThreadStuckError):
            self._engines.abandon()  # the thread still uses one
        is_bug = not isinstance(error, EngineError)
        problem = f"internal error: {type(error).__name__}: {error}" if is_bug else cli_text(error)
        trace = without_password("".join(traceback.format_exception(error))) if is_bug else ""
        blocks = affects_every_source(error)
        state = state_after(error, control)
        return Report(item.place, state, problem=problem, is_bug=is_bug, traceback=trace, blocks=blocks)

    def _run(self, item: Item, listener: ProgressListener, control: JobControl) -> Report:
        if not is_remote(item.spec) and not is_remote(item.folder):
            outcome = self._annotate(item, item.spec, SessionFolder(Path(item.folder)), listener, control)
            return _report(item, outcome, self._export(outcome, control))
        target = RemoteSession(item.folder)
        source = fetch(item.spec)
        if target.is_done(source) and not self._setup.options.force:
            return Report(item.place, ItemState.FINISHED_BEFORE)
        with tempfile.TemporaryDirectory(prefix="mien-") as scratch, _named(item, scratch):
            path = source.copy_to(Path(scratch))
            folder = SessionFolder(Path(scratch) / "session")
            outcome = self._annotate(item, path, folder, listener, control)
            exported = self._export(outcome, control)
            if not outcome.finished:
                return Report(item.place, ItemState.INTERRUPTED)
            written = tuple(target.publish(folder, source))
        report = _report(item, outcome, exported)
        fault = None if report.fault is None else _renamed(report.fault, item, scratch)
        remarks = tuple(_renamed(remark, item, scratch) for remark in report.remarks)
        return dataclasses.replace(report, fault=fault, remarks=remarks, written=written)

    def _annotate(
        self, item: Item, spec: str, folder: SessionFolder, listener: ProgressListener, control: JobControl
    ) -> Outcome:
        def open_source(name: str) -> FrameSource:
            return open_given(name, item.file, self._setup.recursive, self._setup.settings.capture)

        options = self._setup.options
        if item.again and not options.force:
            options = options.resumed()
        return annotate(spec, folder, open_source, self._engines.engine_for, options, listener, control)

    def _export(self, outcome: Outcome, control: JobControl) -> Exported:
        """Export a finished session; without the annotated video, the summary page has no pictures either."""
        if not self._setup.formats or not outcome.finished:
            return Exported((), ())
        choice = ExportChoice(self._setup.formats, replace=True, pictures=self._setup.options.video)
        silent = _Silent()
        return export_session(outcome.folder.path, choice, None, lambda: control.stopped, silent, skip_impossible=True)


class _Silent:
    """A ProgressListener for exports, which take little of the time."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Nothing."""

    def update(self, done: int, file: str | None = None) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def _named(item: Item, scratch: str) -> Iterator[None]:
    """Errors name the addresses that the user gave, not the copies in the temporary folder."""
    try:
        yield
    except EngineError as error:
        error.problem = _renamed(error.problem, item, scratch)
        error.args = (error.problem,)
        raise


def _renamed(text: str, item: Item, scratch: str) -> str:
    """A text with the addresses of the session and of the source in place of those in the temporary folder."""
    return text.replace(f"{scratch}/session", shown(item.folder)).replace(scratch, shown(item.spec).rpartition("/")[0])


def _report(item: Item, outcome: Outcome, exported: Exported) -> Report:
    state = ItemState.FINISHED_BEFORE if outcome.skipped else ItemState.DONE
    return Report(
        item.place,
        state if outcome.finished else ItemState.INTERRUPTED,
        outcome.counts,
        outcome.fault,
        remarks=exported.remarks,
        written=tuple(map(str, exported.written)),
    )
