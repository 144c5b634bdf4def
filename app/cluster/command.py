"""``mien annotate`` with several workers: list the sources, run them, and give the results that a batch gives."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from app.annotate import JobControl, Outcome, check_start
from app.batch import FAILED_FILE, ItemResult, ItemState, WorkerTracebackError, write_failed
from app.cluster.batch_progress import BatchProgress
from app.cluster.dispatch import Crew, dispatch
from app.cluster.processes import ProcessCrew
from app.cluster.records import Item, Report, WorkerChoice, WorkerSetup
from app.cluster.remote import copy_file, find_remote, is_remote, session_address, shown
from app.session.folder import SessionFolder
from app.session.naming import session_folders
from app.sources import GivenSource, GivenSources, SourceFault, find_sources
from app.terminal import errors, print_error, print_note
from engine.capture.opening import is_live_spec
from engine.errors import ConfigError, EngineError


def annotate_with_workers(
    given: Sequence[str],
    out: str,
    workers: WorkerChoice,
    setup: WorkerSetup,
    control: JobControl,
    ended: Callable[[ItemResult, Report], None],
) -> list[ItemResult]:
    """Annotate all sources.

    On a cluster, sources that are done are skipped, and those that failed are tried twice.

    Args:
        given: files, folders and addresses, as typed.
        out: folder or address for the sessions.
        workers: number and kind.
        setup: of all sources.
        control: stops the batch.
        ended: receives each result.

    Raises:
        ConfigError: a source is live, the cluster cannot be reached, or a package is missing.
        OutputError: a session folder is in use, or holds a session that the options do not allow to overwrite.
    """
    sources, sizes = _find(given, setup.recursive)
    for line in sources.left_out:
        print_note(line)
    items = _items(sources.found, sizes, out)
    if not is_remote(out):
        for item in items:
            check_start(SessionFolder(Path(item.folder)), setup.options)
    faults = [*sources.faults, *(SourceFault(spec, f"{spec} holds no pictures or videos") for spec in sources.empty)]
    results = [
        ItemResult(GivenSource(fault.spec), SessionFolder(Path(out)), ItemState.FAILED, problem=fault.problem)
        for fault in faults
    ]
    for result in results:
        print_error(result.problem)
    if not items:
        return results
    crew = _crew(workers, setup, len(items))
    listener = _Listener(sources.found, items, crew.size, ended)
    try:
        reports = dispatch(items, crew, control, listener, retry_failed=workers.on is not None)
    finally:
        crew.close()
        listener.close()
    return results + [_result(sources.found[report.place], items[report.place], report) for report in reports]


def list_failed(out: str, results: Sequence[ItemResult]) -> str | None:
    """As `app.batch.write_failed`, also at an address.

    Raises:
        OutputError: it cannot be written.
    """
    if not is_remote(out):
        path = write_failed(Path(out), results)
        return None if path is None else str(path)
    address = f"{out.rstrip('/')}/{FAILED_FILE}"
    with tempfile.TemporaryDirectory(prefix="mien-") as scratch:
        copy = Path(scratch) / FAILED_FILE
        copy_file(address, copy, to_address=False)
        failed = write_failed(Path(scratch), results)
        copy_file(address, copy, to_address=True)
    return None if failed is None else address


def _find(given: Sequence[str], recursive: bool) -> tuple[GivenSources, dict[str, int | None]]:
    """All sources, and the size in bytes of each where it is known."""
    found: dict[str, GivenSource] = {}
    parts = []
    sizes: dict[str, int | None] = {}
    for spec in given:
        if is_remote(spec):
            listed, of_files = find_remote(spec, recursive)
            parts.append(listed)
            sizes |= of_files
        elif is_live_spec(spec):
            raise ConfigError(f"{spec} is live and cannot be given to a worker: leave out --workers and --on")
    paths = [spec for spec in given if not is_remote(spec)]
    local = find_sources(paths, recursive)
    sizes |= {source.spec: _size(Path(source.spec)) for source in local.found}
    parts.append(local)
    for part in parts:
        found |= {source.spec: source for source in part.found}
    return GivenSources(
        tuple(found.values()),
        tuple(spec for part in parts for spec in part.empty),
        tuple(line for part in parts for line in part.left_out),
        tuple(fault for part in parts for fault in part.faults),
    ), sizes


def _size(path: Path) -> int | None:
    try:
        files = path.iterdir() if path.is_dir() else (path,)
        return sum(file.stat().st_size for file in files if file.is_file())
    except OSError:
        return None


def _items(sources: Sequence[GivenSource], sizes: dict[str, int | None], out: str) -> list[Item]:
    """An item for each source; folders at addresses have names that do not depend on the other sources."""
    specs = [source.spec for source in sources]
    if is_remote(out) or any(map(is_remote, specs)):
        base = out if is_remote(out) else str(Path(out).absolute())
        folders = [session_address(base, spec if is_remote(spec) else _absolute(spec)) for spec in specs]
    else:
        folders = [str(folder.path.absolute()) for folder in session_folders(Path(out), specs)]
    return [
        Item(place, spec if is_remote(spec) else _absolute(spec), folder, source.file, sizes.get(spec))
        for place, (source, spec, folder) in enumerate(zip(sources, specs, folders, strict=True))
    ]


def _absolute(spec: str) -> str:
    """A path that an actor with another working directory finds too; the demo stays as it is."""
    path = Path(spec)
    return str(path.absolute()) if path.exists() else spec


def _crew(workers: WorkerChoice, setup: WorkerSetup, sources: int) -> Crew:
    """No more workers than sources."""
    if workers.on is None:
        return ProcessCrew(min(workers.count or 1, sources), setup)
    from app.cluster.ray_actors import RayCrew

    crew = RayCrew(workers.count, setup, workers.address, workers.gpus)
    crew.size = min(crew.size, sources)
    return crew


class _Listener:
    """A BatchListener that shows the progress and passes on the results."""

    def __init__(
        self,
        sources: Sequence[GivenSource],
        items: Sequence[Item],
        workers: int,
        ended: Callable[[ItemResult, Report], None],
    ) -> None:
        self._sources = sources
        self._progress = BatchProgress(items, workers, errors)
        self._ended = ended

    def progress(self, item: Item, share: float) -> None:
        """Show it."""
        self._progress.update(item, share)

    def lost(self, item: Item, reason: str) -> None:
        """Report it."""
        print_error(f"a worker ended ({reason}) with {item.spec}, which is given to another one")

    def ended(self, item: Item, report: Report) -> None:
        """Show and pass on."""
        self._progress.end(item, report)
        self._ended(_result(self._sources[item.place], item, report), report)

    def close(self) -> None:
        """Show the last state."""
        self._progress.close()


def _result(source: GivenSource, item: Item, report: Report) -> ItemResult:
    """The result that a batch without workers would have."""
    folder = SessionFolder(Path(item.folder))
    address = shown(item.folder) if is_remote(item.folder) or is_remote(item.spec) else None
    result = ItemResult(source, folder, report.state, address=address)
    if report.state is ItemState.FAILED:
        error: Exception = EngineError(report.problem)
        if report.is_bug:
            error = RuntimeError(report.problem)
        if report.traceback:
            error.__cause__ = WorkerTracebackError(report.traceback)
        return dataclasses.replace(result, problem=report.problem, error=error, is_bug=report.is_bug)
    if report.state is ItemState.NOT_STARTED:
        return result
    is_finished = report.state is not ItemState.INTERRUPTED
    skipped = report.state is ItemState.FINISHED_BEFORE
    return dataclasses.replace(
        result, problem=report.problem, outcome=Outcome(folder, is_finished, skipped, report.counts, report.fault)
    )
