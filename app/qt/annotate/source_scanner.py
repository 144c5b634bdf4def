"""Scans dropped paths and checks disk space off the main thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.jobs.job_queue import Job
from app.jobs.job_run import internal_error
from app.jobs.source_scan import Disk, ScanResult, SourceOpener, check_disk, scan_sources
from app.qt.background import Worker


@dataclass(frozen=True, slots=True)
class _Batch:
    """Specs added together."""

    specs: tuple[str, ...]
    out: Path
    preset: str
    taken: tuple[str, ...] = ()  # folder names reserved for other jobs


class SourceScanner(QObject):
    """Scans one batch of specs after another for sources, and checks the disk of the output folder."""

    #: A ScanResult, and the preset of its batch.
    scanned = Signal(object, str)
    #: A Disk, or None if unknown.
    disk_checked = Signal(object)
    #: `busy` has changed.
    busy_changed = Signal()

    def __init__(
        self,
        open_source: SourceOpener,
        jobs: Callable[[], tuple[Job, ...]],
        parent: QObject | None = None,
    ) -> None:
        """``jobs`` returns the jobs whose folders are reserved."""
        super().__init__(parent)
        self._jobs = jobs
        self._batches: deque[_Batch] = deque()
        self._scan_worker: Worker[_Batch, ScanResult] = Worker(
            "mien-scan-files",
            lambda batch: scan_sources(batch.specs, batch.out, batch.taken, open_source),
            self._finish,
            lambda error: self._finish(ScanResult(faults=(internal_error(error),))),
        )
        self._disk_worker: Worker[Path, Disk | None] = Worker(
            "mien-check-disk", check_disk, self.disk_checked.emit, lambda error: self.disk_checked.emit(None)
        )

    @property
    def busy(self) -> bool:
        """Whether a batch is being scanned or waits."""
        return bool(self._batches)

    def add(self, specs: tuple[str, ...], out: Path, preset: str) -> None:
        """Scan these; the result is emitted as `scanned`."""
        if not specs:
            return
        self._batches.append(_Batch(specs, out, preset))
        if len(self._batches) == 1:
            self._scan_next()

    def request_disk_check(self, out: Path) -> None:
        """Check the disk of a folder; the result is emitted as `disk_checked`."""
        self._disk_worker.submit(out)

    def shutdown(self) -> None:
        """Stop both threads.

        Raises:
            ThreadStuckError: a disk does not respond within ten seconds.
        """
        try:
            self._disk_worker.close()
        finally:
            self._scan_worker.close()

    def _scan_next(self) -> None:
        batch = self._batches[0]
        taken = tuple(job.folder.name for job in self._jobs() if job.folder.parent == batch.out)
        self._scan_worker.submit(_Batch(batch.specs, batch.out, batch.preset, taken))
        self.busy_changed.emit()

    def _finish(self, result: ScanResult) -> None:
        self.scanned.emit(result, self._batches.popleft().preset)
        if self._batches:
            self._scan_next()
        else:
            self.busy_changed.emit()
