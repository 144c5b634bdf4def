"""Looking at what was dropped and at the disk, off the main thread."""

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
    """What was given at once."""

    specs: tuple[str, ...]
    out: Path
    preset: str
    taken: tuple[str, ...] = ()  # names of folders that are promised


class SourceScanner(QObject):
    """Turns paths into sources with folders, one batch after the other, and looks at the disk of a folder."""

    #: An ScanResult, and the preset that it was given with.
    scanned = Signal(object, str)
    #: A Disk, or None where it cannot be told.
    disk_checked = Signal(object)
    #: Nothing waits to be looked at any more, or something does.
    busy_changed = Signal()

    def __init__(
        self,
        open_source: SourceOpener,
        jobs: Callable[[], tuple[Job, ...]],
        parent: QObject | None = None,
    ) -> None:
        """``jobs`` gives those whose folders are promised."""
        super().__init__(parent)
        self._jobs = jobs
        self._batches: deque[_Batch] = deque()
        self._looker: Worker[_Batch, ScanResult] = Worker(
            "mien-look-at-files",
            lambda batch: scan_sources(batch.specs, batch.out, batch.taken, open_source),
            self._took,
            lambda error: self._took(ScanResult(faults=(internal_error(error),))),
        )
        self._disk: Worker[Path, Disk | None] = Worker(
            "mien-look-at-disk", check_disk, self.disk_checked.emit, lambda error: self.disk_checked.emit(None)
        )

    @property
    def busy(self) -> bool:
        """Whether something waits to be looked at."""
        return bool(self._batches)

    def add(self, specs: tuple[str, ...], out: Path, preset: str) -> None:
        """Look at these; `scanned` tells what became of them."""
        if not specs:
            return
        self._batches.append(_Batch(specs, out, preset))
        if len(self._batches) == 1:
            self._look()

    def request_disk_check(self, out: Path) -> None:
        """`disk_checked` tells how much room there is."""
        self._disk.submit(out)

    def shutdown(self) -> None:
        """End both threads.

        Raises:
            ThreadStuckError: a disk does not answer within ten seconds.
        """
        try:
            self._disk.close()
        finally:
            self._looker.close()

    def _look(self) -> None:
        batch = self._batches[0]
        taken = tuple(job.folder.name for job in self._jobs() if job.folder.parent == batch.out)
        self._looker.submit(_Batch(batch.specs, batch.out, batch.preset, taken))
        self.busy_changed.emit()

    def _took(self, intake: ScanResult) -> None:
        self.scanned.emit(intake, self._batches.popleft().preset)
        if self._batches:
            self._look()
        else:
            self.busy_changed.emit()
