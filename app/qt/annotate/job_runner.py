"""Runs the job queue: one job at a time on its own thread, saved after every change, reported by signals."""

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
from app.jobs.job_file import peek_jobs, read_jobs, write_jobs
from app.jobs.job_queue import ACTIVE, EngineChoice, Job, JobPart, JobQueue, JobState
from app.jobs.job_run import JobExecutor, JobOutcome, OutcomeKind, internal_error
from app.jobs.source_scan import FoundSource
from app.qt.annotate.job_view import JobView, Phase
from app.qt.background import Worker
from app.qt.sentences import fault_text, translated_fault
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.toasts import folder_action
from app.session.lock import FileLock, LockOwner, owner_of
from engine.errors import OutputError, Remedy

#: Topics of notices.
TOPIC: Final = "annotate"
#: Topic of the notice on jobs that an earlier run left.
INTERRUPTED_TOPIC: Final = "annotate-interrupted"
_SAVE_TOPIC: Final = "annotate-queue"
#: Seconds between two progress reports.
_REPORT_EVERY_S: Final = 0.1


class _ProgressRelay(QObject):
    """A ProgressListener that forwards progress to the main thread, at most ten times a second."""

    #: Job id, frames done, and frames in total (None = unknown).
    progressed = Signal(int, object, object)

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id
        self.started = False  # whether the job has written to its folder
        self.caught_up = False  # whether it is past the frames in its journal
        self._total: int | None = None
        self._done_before = 0
        self._reported_s = 0.0

    def begin(self, name: str, total: int | None, done: int) -> None:
        self._total, self._done_before = total, done
        self.started = True
        self.progressed.emit(self._job_id, done, total)

    def update(self, done: int, file: str | None = None) -> None:
        if done <= self._done_before:
            return
        self.caught_up = True
        now_s = time.monotonic()
        if now_s - self._reported_s >= _REPORT_EVERY_S or done == self._total:
            self._reported_s = now_s
            self.progressed.emit(self._job_id, done, self._total)

    def end(self) -> None:
        """Ignored: the outcome follows from the worker."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of one job."""

    job: Job
    relay: _ProgressRelay
    control: JobControl


class JobRunner(QObject):
    """Owns the queue and its threads. While `running`, each finished job is followed by the next waiting one."""

    #: The jobs or their progress have changed.
    changed = Signal()
    #: For the toasts of the window.
    noticed = Signal(Notice)
    #: The folder (pathlib.Path) of a finished job to review.
    open_requested = Signal(object)
    #: The folder (pathlib.Path) of a job that is done.
    finished = Signal(object)

    def __init__(
        self,
        queue_file: Path,
        executor: JobExecutor,
        current_engine: Callable[[], EngineChoice],
        parent: QObject | None = None,
    ) -> None:
        """Read the saved queue from ``queue_file``; no job runs before `start`.

        Args:
            queue_file: where the queue is kept between runs of the program.
            executor: runs the jobs; closed by the runner.
            current_engine: returns the engine settings for jobs that start now.
            parent: Qt parent.
        """
        super().__init__(parent)
        self.fault = ""  # a sentence if the file could not be used
        self.holder: LockOwner | None = None  # the program whose queue this is; here it is read only then
        self._lock = FileLock(lock_path(queue_file), queue_file)
        self._executor = executor
        self._current_engine = current_engine
        self._queue_file = queue_file
        self._running = self._shut_down = False
        self._run: _Run | None = None
        self._throughput = Throughput()
        self._preset_fps: dict[str, float] = {}
        self._saver: Worker[tuple[Job, ...], None] = Worker(
            "mien-save-jobs", lambda jobs: write_jobs(queue_file, jobs), self._saved, self._not_saved
        )
        self._worker: Worker[_Run | None, JobOutcome | None] = Worker(
            "mien-annotate", self._execute, self._finish, lambda error: self._finish(_internal(error))
        )
        self._queue = JobQueue()
        self._take_queue()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs in order."""
        return self._queue.jobs

    @property
    def running(self) -> bool:
        """Whether waiting jobs are started one after another."""
        return self._running

    @property
    def stopping(self) -> bool:
        """Whether the active job was told to stop but has not ended yet."""
        return self._run is not None and self._run.control.stopped

    def job(self, job_id: int) -> Job | None:
        """One job; None if it was removed."""
        return next((job for job in self.jobs if job.job_id == job_id), None)

    def views(self) -> tuple[JobView, ...]:
        """All jobs with their current phase, throughput and ETA."""
        fps = self.fps()
        return tuple(
            JobView(job, self._phase(job), fps, job_eta_s(job, fps)) if job.state in ACTIVE else JobView(job)
            for job in self.jobs
        )

    def fps(self) -> float | None:
        """Frames per second of the active job; None while unknown."""
        return self._throughput.fps(time.monotonic())

    def eta(self) -> QueueEta:
        """Time left for the whole queue."""
        return queue_eta(self.jobs, self.fps(), self._preset_fps)

    @property
    def is_mine(self) -> bool:
        """Whether the queue may be changed here; no command is legal otherwise."""
        return self.holder is None

    def reopen(self) -> None:
        """Read the queue of another program again, and take it over if that has ended."""
        if not self.is_mine:
            self._take_queue()
            self.changed.emit()

    def _take_queue(self) -> None:
        """Lock and read the saved queue; without the lock, read it only."""
        self.holder = None
        try:
            self._lock.acquire()
        except OutputError as error:
            if error.remedy is Remedy.IN_USE:  # else the first change reports that it cannot be saved
                self.holder = _holder_of(self._queue_file)
        saved = read_jobs(self._queue_file) if self.is_mine else peek_jobs(self._queue_file)
        self.fault = saved.fault
        if self.is_mine:
            self._queue = JobQueue(saved.jobs, self._saver.submit)
        else:
            self._queue = JobQueue(saved.jobs, run_elsewhere=True)

    def add(self, found: tuple[FoundSource, ...], preset: str) -> None:
        """Append sources to the queue."""
        for source in found:
            self._queue.add(source.spec, source.folder, preset, source.totals)
        self.changed.emit()

    def start(self) -> None:
        """Run the queue: requeue interrupted jobs, and resume the paused job or start the next."""
        self._running = True
        for topic in (TOPIC, INTERRUPTED_TOPIC):
            self.noticed.emit(Notice("", topic=topic))
        for job in self.jobs:
            if job.state is JobState.INTERRUPTED:
                self._queue.requeue(job.job_id)
        active = self._queue.active
        if active is None:
            self._start_next()
        elif active.state is JobState.PAUSED and self._run is not None:
            self._throughput.clear()
            self._run.control.resume()
            self._queue.resume(active.job_id)
        self.changed.emit()

    def pause(self) -> None:
        """Pause the running job, and start no other."""
        self._running = False
        active = self._queue.active
        if active is not None and active.state is JobState.RUNNING and self._run is not None and not self.stopping:
            self._run.control.pause()
            self._queue.pause(active.job_id)
            self._throughput.clear()
        self.changed.emit()

    def cancel(self, job_id: int) -> None:
        """Cancel a job; the active one ends after the current frame and keeps its journal.

        Raises:
            RuntimeStateError: it has ended.
        """
        active = self._queue.active
        if active is not None and active.job_id == job_id and self._run is not None:
            self._run.control.stop()
        else:
            self._queue.cancel(job_id)
        self.changed.emit()

    def requeue(self, job_id: int, *, afresh: bool = False) -> None:
        """Requeue a stopped job before all waiting ones, and run the queue unless a job is paused.

        Raises:
            RuntimeStateError: the job is not stopped.
        """
        self._queue.requeue(job_id, afresh=afresh)
        first = next(place for place, job in enumerate(self.jobs) if job.state is JobState.WAITING)
        place = next(place for place, job in enumerate(self.jobs) if job.job_id == job_id)
        self._queue.move(job_id, min(first, place))
        if self._queue.active is None:
            self.start()
        self.changed.emit()

    def set_preset(self, job_id: int, preset: str) -> None:
        """Change the preset of a job that has not started.

        Raises:
            RuntimeStateError: it has started.
        """
        self._queue.set_preset(job_id, preset)
        self.changed.emit()

    def set_part(self, job_id: int, part: JobPart) -> None:
        """Choose what a job analyses that has not started.

        Raises:
            RuntimeStateError: it has started.
        """
        self._queue.set_part(job_id, part)
        self.changed.emit()

    def move(self, job_id: int, steps: int) -> None:
        """Move a job up (negative) or down."""
        place = next((place for place, job in enumerate(self.jobs) if job.job_id == job_id), None)
        if place is not None:
            self._queue.move(job_id, place + steps)
        self.changed.emit()

    def remove(self, job_id: int) -> None:
        """Remove a job from the list; its files stay.

        Raises:
            RuntimeStateError: it is active.
        """
        self._queue.remove(job_id)
        self.changed.emit()

    def clear_done(self) -> None:
        """Remove all finished jobs from the list; their files stay."""
        self._queue.clear_done()
        self.changed.emit()

    def shutdown(self) -> None:
        """Interrupt the active job, save the queue, stop the threads and close the engine. A second call does nothing.

        Raises:
            ThreadStuckError: the job does not end within ten seconds; the queue is saved all the same.
        """
        if self._shut_down:
            return
        self._shut_down = True
        run, self._run = self._run, None
        if run is not None:
            run.control.stop()
            self._queue.interrupt(run.job.job_id, touched=run.relay.started)
        self._saver.close()
        if self.is_mine:
            with contextlib.suppress(OutputError):  # already reported with the change before
                write_jobs(self._queue_file, self.jobs)
        try:
            self._worker.close()
            self._executor.close()  # not reached if the worker is stuck, because it still uses the engine
        finally:
            self._lock.release()  # last: another window may then resume the job

    def _execute(self, run: _Run | None) -> JobOutcome | None:
        """Run a job on the worker thread; None closes the engine."""
        if run is None:
            self._executor.close()
            return None
        return self._executor.run(run.job, run.relay, run.control)

    def _start_next(self) -> None:
        job = self._queue.next_waiting if self._running else None
        if job is None:
            self._worker.submit(None)  # free the memory of the models
            if self._running:
                self._running = False
                self._report_end()
            return
        relay = _ProgressRelay(job.job_id)
        relay.progressed.connect(self._update_progress, Qt.ConnectionType.QueuedConnection)
        self._throughput.clear()
        self._run = _Run(self._queue.start(job.job_id, self._current_engine()), relay, JobControl())
        self._worker.submit(self._run)

    def _update_progress(self, job_id: int, done: int, total: int | None) -> None:
        if self._run is None or self._run.job.job_id != job_id:
            return
        job = self._queue.update_progress(job_id, done, total)
        if self._run.relay.caught_up and job.state is JobState.RUNNING:
            now_s = time.monotonic()
            self._throughput.add(now_s, done)
            fps = self._throughput.fps(now_s)
            if fps is not None:
                self._preset_fps[job.preset] = fps
        self.changed.emit()

    def _finish(self, outcome: JobOutcome | None) -> None:
        if outcome is None or self._run is None:
            return  # the engine was closed
        job_id, touched, folder = self._run.job.job_id, self._run.relay.started, self._run.job.folder
        self._run = None
        self._throughput.clear()
        if outcome.kind is OutcomeKind.FINISHED:
            self._queue.finish(job_id, outcome.result, outcome.fault)
            self.finished.emit(folder)
        elif outcome.kind is OutcomeKind.STOPPED:
            self._queue.cancel(job_id, touched=touched)
        elif outcome.kind is OutcomeKind.FAILED:
            self._queue.fail(job_id, outcome.fault, touched=touched)
        else:
            self._queue.postpone(job_id, outcome.fault, touched=touched)
            self._running = False
            text = self.tr("The queue has stopped: {fault}").format(fault=translated_fault(outcome.fault))
            self.noticed.emit(Notice(text, Severity.ERROR, TOPIC))
        self._start_next()
        self.changed.emit()

    def _report_end(self) -> None:
        done, failed = self._queue.count_of(JobState.DONE), self._queue.count_of(JobState.FAILED)
        finished = [job for job in self.jobs if job.state is JobState.DONE]
        actions: tuple[NoticeAction, ...] = ()
        if finished:
            folder = finished[-1].folder
            open_it = NoticeAction(self.tr("Open"), lambda: self.open_requested.emit(folder))
            actions = (open_it, folder_action(folder))
        if failed:
            text = self.tr("The queue is finished. Done: {done}. Failed: {failed}; the list shows the reasons.")
            self.noticed.emit(Notice(text.format(done=done, failed=failed), Severity.WARNING, TOPIC, actions))
        elif done:
            text = self.tr("The queue is finished. Done: {done}.").format(done=done)
            self.noticed.emit(Notice(text, topic=TOPIC, actions=actions))

    def _phase(self, job: Job) -> Phase:
        run = self._run
        if self.stopping:
            return Phase.STOPPING
        if run is None or not run.relay.started:
            return Phase.OPENING
        if job.total is not None and job.done >= job.total:
            return Phase.WRITING
        return Phase.ANALYSING if run.relay.caught_up or not job.done else Phase.CATCHING_UP

    def _saved(self, nothing: None) -> None:
        self.noticed.emit(Notice("", topic=_SAVE_TOPIC))

    def _not_saved(self, error: Exception) -> None:
        text = self.tr("The queue could not be saved for the next start: {fault}").format(fault=fault_text(error))
        self.noticed.emit(Notice(text, Severity.WARNING, _SAVE_TOPIC))


def lock_path(queue_file: Path) -> Path:
    """Names the program that has a queue now."""
    return queue_file.with_suffix(".lock")


def _holder_of(queue_file: Path) -> LockOwner:
    """The program that has the queue."""
    owner = None
    with contextlib.suppress(OutputError):
        owner = owner_of(lock_path(queue_file))
    return owner or LockOwner(0, "?", "another window")


def _internal(error: Exception) -> JobOutcome:
    return JobOutcome(OutcomeKind.FAILED, fault=internal_error(error))
