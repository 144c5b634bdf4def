"""The queue at work: one job at a time on a thread of its own, kept on disk, told by signals on the main thread."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal

from app.annotate import JobControl
from app.jobs.job_eta import QueueEta, Throughput, job_eta_s, queue_eta
from app.jobs.job_file import read_jobs, write_jobs
from app.jobs.job_queue import ACTIVE, EngineChoice, Job, JobQueue, JobState
from app.jobs.job_run import JobExecutor, JobOutcome, OutcomeKind, internal_error
from app.jobs.source_scan import FoundSource
from app.qt.annotate.job_view import JobView, Phase
from app.qt.background import Worker
from app.qt.widgets.notice_bar import Notice, Severity
from app.remedies import window_text
from engine.errors import OutputError

#: Topics of notices.
TOPIC: Final = "annotate"
_KEEP_TOPIC: Final = "annotate-queue"
#: Seconds between two tellings of how far a job is.
_TELL_EVERY_S: Final = 0.1


class _ProgressRelay(QObject):
    """Looks on from the worker's thread and tells the main thread, ten times a second at most."""

    #: Id of the job, frames that are done, and frames that will be (None = unknown).
    counted = Signal(int, object, object)

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id
        self.started = False  # whether the job got to work in its folder
        self.going = False  # whether it is past what its journal held
        self._total: int | None = None
        self._before = 0
        self._told_s = 0.0

    def begin(self, name: str, total: int | None, done: int) -> None:
        """The source is open."""
        self._total, self._before = total, done
        self.started = True
        self.counted.emit(self._job_id, done, total)

    def update(self, done: int) -> None:
        """Frames are done; those that the journal held before are no news."""
        if done <= self._before:
            return
        self.going = True
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S or done == self._total:
            self._told_s = now_s
            self.counted.emit(self._job_id, done, self._total)

    def end(self) -> None:
        """The worker's answer tells the rest."""


@dataclass(frozen=True, slots=True)
class _Order:
    """One run of one job."""

    job: Job
    watch: _ProgressRelay
    control: JobControl


class JobRunner(QObject):
    """Owns the queue and the threads that work it. While it is going, one job follows the other."""

    #: Jobs, or how far one is, differ.
    changed = Signal()
    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)

    def __init__(
        self,
        queue_file: Path,
        engines: JobExecutor,
        current_engine: Callable[[], EngineChoice],
        parent: QObject | None = None,
    ) -> None:
        """Read the queue of the last time from ``queue_file``; nothing runs before `start`.

        ``engines`` belongs to the runner from now on; a job begins with the settings that ``current_engine`` gives.
        """
        super().__init__(parent)
        read = read_jobs(queue_file)
        self.fault = read.fault  # a sentence when the file could not be used
        self._engines = engines
        self._current_engine = current_engine
        self._queue_file = queue_file
        self._going = self._shut = False
        self._order: _Order | None = None
        self._pace = Throughput()
        self._rates: dict[str, float] = {}
        self._keeper: Worker[tuple[Job, ...], None] = Worker(
            "mien-keep-jobs", lambda jobs: write_jobs(queue_file, jobs), self._kept, self._not_kept
        )
        self._worker: Worker[_Order | None, JobOutcome | None] = Worker(
            "mien-annotate", self._work, self._ended, lambda error: self._ended(_internal(error))
        )
        self._queue = JobQueue(read.jobs, self._keeper.submit)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs in order."""
        return self._queue.jobs

    @property
    def going(self) -> bool:
        """Whether jobs run, one after the other."""
        return self._going

    @property
    def stopping(self) -> bool:
        """Whether the job that runs was told to stop and has not ended yet."""
        return self._order is not None and self._order.control.stopped

    def job(self, job_id: int) -> Job | None:
        """One job; None when it was removed."""
        return next((job for job in self.jobs if job.job_id == job_id), None)

    def views(self) -> tuple[JobView, ...]:
        """All jobs with what is known of them now."""
        fps = self.fps()
        return tuple(
            JobView(job, self._phase(job), fps, job_eta_s(job, fps)) if job.state in ACTIVE else JobView(job)
            for job in self.jobs
        )

    def fps(self) -> float | None:
        """Frames per second of the job that runs; None while it is not known."""
        return self._pace.fps(time.monotonic())

    def eta(self) -> QueueEta:
        """How long all that is in line will take."""
        return queue_eta(self.jobs, self.fps(), self._rates)

    def add(self, found: tuple[FoundSource, ...], preset: str) -> None:
        """Put sources at the end of the line."""
        for one in found:
            self._queue.add(one.spec, one.folder, preset, one.totals)
        self._tell()

    def start(self) -> None:
        """Let the queue go: the paused job goes on, and those that were interrupted are in line again."""
        self._going = True
        self.noticed.emit(Notice("", topic=TOPIC))
        for job in self.jobs:
            if job.state is JobState.INTERRUPTED:
                self._queue.requeue(job.job_id)
        active = self._queue.active
        if active is None:
            self._next()
        elif active.state is JobState.PAUSED and self._order is not None:
            self._pace.clear()
            self._order.control.resume()
            self._queue.resume(active.job_id)
        self._tell()

    def pause(self) -> None:
        """Let the running job stand still, and begin no other."""
        self._going = False
        active = self._queue.active
        if active is not None and active.state is JobState.RUNNING and self._order is not None and not self.stopping:
            self._order.control.pause()
            self._queue.pause(active.job_id)
            self._pace.clear()
        self._tell()

    def cancel(self, job_id: int) -> None:
        """Take a job out of the line; one that runs ends after the frame at hand, and its journal stays.

        Raises:
            RuntimeStateError: it has ended.
        """
        active = self._queue.active
        if active is not None and active.job_id == job_id and self._order is not None:
            self._order.control.stop()
        else:
            self._queue.cancel(job_id)
        self._tell()

    def requeue(self, job_id: int, *, afresh: bool = False) -> None:
        """Put a stopped job in line, before all that wait, and let the queue go unless it stands paused.

        Raises:
            RuntimeStateError: it was not stopped.
        """
        self._queue.requeue(job_id, afresh=afresh)
        first = next(place for place, job in enumerate(self.jobs) if job.state is JobState.WAITING)
        place = next(place for place, job in enumerate(self.jobs) if job.job_id == job_id)
        self._queue.move(job_id, min(first, place))
        if self._queue.active is None:
            self.start()
        self._tell()

    def set_preset(self, job_id: int, preset: str) -> None:
        """Choose how a job that was not begun is to be done.

        Raises:
            RuntimeStateError: it was begun.
        """
        self._queue.set_preset(job_id, preset)
        self._tell()

    def move(self, job_id: int, steps: int) -> None:
        """Move a job up (negative) or down."""
        place = next((place for place, job in enumerate(self.jobs) if job.job_id == job_id), None)
        if place is not None:
            self._queue.move(job_id, place + steps)
        self._tell()

    def remove(self, job_id: int) -> None:
        """Forget a job; its files stay.

        Raises:
            RuntimeStateError: it runs.
        """
        self._queue.remove(job_id)
        self._tell()

    def clear_done(self) -> None:
        """Forget all that are done; their files stay."""
        self._queue.clear_done()
        self._tell()

    def shutdown(self) -> None:
        """Stop the job that runs, keep the queue, end the threads and close the engine. A second call does nothing.

        Raises:
            ThreadStuckError: the job does not end within ten seconds; the queue is kept all the same.
        """
        if self._shut:
            return
        self._shut = True
        order, self._order = self._order, None
        if order is not None:
            order.control.stop()
            self._queue.interrupt(order.job.job_id, touched=order.watch.started)
        self._keeper.close()
        with contextlib.suppress(OutputError):  # was told with the change before
            write_jobs(self._queue_file, self.jobs)
        self._worker.close()
        self._engines.close()  # not when the worker is stuck, which still uses it

    def _work(self, order: _Order | None) -> JobOutcome | None:
        """On the worker's thread."""
        if order is None:
            self._engines.close()
            return None
        return self._engines.run(order.job, order.watch, order.control)

    def _next(self) -> None:
        job = self._queue.next_queued if self._going else None
        if job is None:
            self._worker.submit(None)  # nothing to do: give the memory of the models back
            if self._going:
                self._going = False
                self._tell_end()
            return
        watch = _ProgressRelay(job.job_id)
        watch.counted.connect(self._counted, Qt.ConnectionType.QueuedConnection)
        self._pace.clear()
        self._order = _Order(self._queue.start(job.job_id, self._current_engine()), watch, JobControl())
        self._worker.submit(self._order)

    def _counted(self, job_id: int, done: int, total: int | None) -> None:
        if self._order is None or self._order.job.job_id != job_id:
            return
        job = self._queue.update_progress(job_id, done, total)
        if self._order.watch.going and job.state is JobState.RUNNING:
            now_s = time.monotonic()
            self._pace.add(now_s, done)
            rate = self._pace.fps(now_s)
            if rate is not None:
                self._rates[job.preset] = rate
        self._tell()

    def _ended(self, ending: JobOutcome | None) -> None:
        if ending is None or self._order is None:
            return  # the engine was closed
        job_id, touched = self._order.job.job_id, self._order.watch.started
        self._order = None
        self._pace.clear()
        if ending.kind is OutcomeKind.FINISHED:
            self._queue.finish(job_id, ending.result, ending.fault)
        elif ending.kind is OutcomeKind.STOPPED:
            self._queue.cancel(job_id, touched=touched)
        elif ending.kind is OutcomeKind.FAILED:
            self._queue.fail(job_id, ending.fault, touched=touched)
        else:
            self._queue.return_to_queue(job_id, ending.fault, touched=touched)
            self._going = False
            told = self.tr("The queue stands still: {fault}").format(fault=ending.fault)
            self.noticed.emit(Notice(told, Severity.ERROR, TOPIC))
        self._next()
        self._tell()

    def _tell_end(self) -> None:
        done, failed = self._queue.count_of(JobState.DONE), self._queue.count_of(JobState.FAILED)
        if failed:
            told = self.tr("The queue has ended. Done: {done}. Failed: {failed}, see the list for the reasons.")
            self.noticed.emit(Notice(told.format(done=done, failed=failed), Severity.WARNING, TOPIC))
        elif done:
            self.noticed.emit(Notice(self.tr("The queue has ended. Done: {done}.").format(done=done), topic=TOPIC))

    def _phase(self, job: Job) -> Phase:
        order = self._order
        if order is None or not order.watch.started:
            return Phase.STOPPING if self.stopping else Phase.OPENING
        if self.stopping:
            return Phase.STOPPING
        if job.total is not None and job.done >= job.total:
            return Phase.WRITING
        return Phase.ANALYSING if order.watch.going or not job.done else Phase.CATCHING_UP

    def _kept(self, nothing: None) -> None:
        self.noticed.emit(Notice("", topic=_KEEP_TOPIC))

    def _not_kept(self, error: Exception) -> None:
        told = self.tr("The list of jobs is not kept for the next start: {fault}").format(fault=window_text(error))
        self.noticed.emit(Notice(told, Severity.WARNING, _KEEP_TOPIC))

    def _tell(self) -> None:
        self.changed.emit()


def _internal(error: Exception) -> JobOutcome:
    return JobOutcome(OutcomeKind.FAILED, fault=internal_error(error))
