"""The queue of annotate jobs: the state of each job, and which command is legal in which state.

For one thread. At most one job is running or paused; the others follow in the order of the list.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from engine.config import TrackerName
from engine.errors import RuntimeStateError


class JobState(str, Enum):
    """State of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"  # see `Job.fault`
    CANCELLED = "cancelled"  # its journal is kept
    INTERRUPTED = "interrupted"  # the program ended while it ran; its journal is kept


#: States of the current job.
ACTIVE: Final = (JobState.RUNNING, JobState.PAUSED)
#: States from which a job can be requeued.
STOPPED: Final = (JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)

#: The states in which each command is legal.
_LEGAL: Final[dict[str, tuple[JobState, ...]]] = {
    "start": (JobState.WAITING,),
    "update the progress of": ACTIVE,
    "pause": (JobState.RUNNING,),
    "resume": (JobState.PAUSED,),
    "finish": ACTIVE,
    "fail": ACTIVE,
    "interrupt": ACTIVE,
    "postpone": ACTIVE,
    "cancel": (JobState.WAITING, *ACTIVE, JobState.INTERRUPTED),
    "requeue": STOPPED,
    "set the preset of": (JobState.WAITING,),
    "choose the part of": (JobState.WAITING,),
    "remove": (JobState.WAITING, JobState.DONE, *STOPPED),
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Engine settings that affect results; a resumed job keeps those that it started with."""

    backend: str | None = None  # None = the configured order of backends
    tracker: TrackerName = "litert"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class JobResult:
    """Counts of a finished job."""

    frames: int  # analysed
    faces: int  # distinct face ids
    rows: int  # of the table


@dataclass(frozen=True, slots=True)
class JobPart:
    """What of a source is analysed, and how. ValueError for an empty range or a step below 1."""

    start_s: float = 0.0  # of videos only, like the end
    end_s: float | None = None  # None = to the end
    every: int | None = None  # every n-th frame; None = as the preset does
    baseline: bool = False  # subtract the neutral baseline of each face, from frames accepted as neutral; of videos

    def __post_init__(self) -> None:
        end_s = math.inf if self.end_s is None else self.end_s
        if not 0.0 <= self.start_s < end_s or (self.every is not None and self.every < 1):
            raise ValueError("a part of a source is empty")


@dataclass(frozen=True, slots=True)
class Job:
    """One source to annotate. ValueError for a negative count."""

    job_id: int
    spec: str
    folder: Path
    preset: str
    totals: dict[str, int | None] = field(default_factory=dict)  # frames to analyse by preset; None = unknown
    state: JobState = JobState.WAITING
    done: int = 0  # frames analysed
    total: int | None = None  # frames to analyse; None = unknown
    tries: int = 0  # runs that wrote to its folder; from the second on it resumes from its journal
    engine: EngineChoice | None = None  # settings that it started with
    afresh: bool = False  # overwrite what an earlier run left in its folder
    result: JobResult | None = None  # of a finished job
    part: JobPart = JobPart()
    fault: str = ""  # why it failed or went back to waiting; of a finished job, what part of the source was lost

    def __post_init__(self) -> None:
        if min(self.done, self.tries, self.total or 0, *(count or 0 for count in self.totals.values())) < 0:
            raise ValueError("a count is negative")

    @property
    def started(self) -> bool:
        """Whether its folder may hold a journal to resume from."""
        return self.tries > 0

    @property
    def resumes(self) -> bool:
        """Whether this run resumes from the journal."""
        return self.tries > 1 and not self.afresh

    @property
    def name(self) -> str:
        """File name of the source."""
        return Path(self.spec).name or self.spec


def _total_of(job: Job, part: JobPart, preset: str) -> int | None:
    """Frames to analyse; None = unknown, as for a range: the first run finds out."""
    if (part.start_s, part.end_s) != (0.0, None):
        return None
    if part.every is None:
        return job.totals.get(preset)
    counts = [count for count in job.totals.values() if count is not None]
    return -(-max(counts) // part.every) if counts else None  # some preset analyses every frame


def _discard(jobs: tuple[Job, ...]) -> None:
    """Save nothing, for a queue in memory only."""


class JobQueue:
    """Jobs in order. Every command checks that it is legal, and passes the jobs to ``save`` if it changed them.

    All commands but `add` and `clear_done` take the id of a job.

    Raises:
        RuntimeStateError: the command is not legal in the job's state, or there is no such job; nothing changes.
    """

    def __init__(
        self,
        jobs: tuple[Job, ...] = (),
        save: Callable[[tuple[Job, ...]], None] = _discard,
        *,
        run_elsewhere: bool = False,
    ) -> None:
        """Mark jobs that were running when they were saved as interrupted.

        Args:
            jobs: saved by an earlier run of the program; their ids differ.
            save: receives all jobs after every change other than of progress.
            run_elsewhere: another program has the queue, so a job that was running still is.
        """
        self._jobs = tuple(
            dataclasses.replace(job, state=JobState.INTERRUPTED, afresh=False)
            if job.state in ACTIVE and not run_elsewhere
            else job
            for job in jobs
        )
        self._next_id = 1 + max((job.job_id for job in jobs), default=0)
        self._save = save

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs in order."""
        return self._jobs

    @property
    def active(self) -> Job | None:
        """The running or paused job."""
        return next((job for job in self._jobs if job.state in ACTIVE), None)

    @property
    def next_waiting(self) -> Job | None:
        """The first waiting job."""
        return next((job for job in self._jobs if job.state is JobState.WAITING), None)

    def count_of(self, *states: JobState) -> int:
        """Number of jobs in these states."""
        return sum(job.state in states for job in self._jobs)

    def job(self, job_id: int) -> Job:
        """One job."""
        for job in self._jobs:
            if job.job_id == job_id:
                return job
        raise RuntimeStateError(f"job {job_id} is no longer in the queue")

    def add(self, spec: str, folder: Path, preset: str, totals: dict[str, int | None]) -> Job:
        """Append a source; ``totals`` are the frames to analyse by preset, None = unknown."""
        job = Job(self._next_id, spec, folder, preset, totals, total=totals.get(preset))
        self._next_id += 1
        self._replace((*self._jobs, job))
        return job

    def start(self, job_id: int, engine: EngineChoice) -> Job:
        """Run a waiting job; a job that was started before keeps its engine settings."""
        active = self.active
        if active is not None:
            raise RuntimeStateError(f"cannot start job {job_id} while job {active.job_id} is {active.state.value}")
        job = self._legal("start", job_id)
        return self._change(job, state=JobState.RUNNING, engine=job.engine or engine, tries=job.tries + 1, fault="")

    def update_progress(self, job_id: int, done: int, total: int | None) -> Job:
        """Set the number of frames done; not saved, because the journal has it."""
        job = self._legal("update the progress of", job_id)
        return self._change(job, save=False, done=done, total=total)

    def pause(self, job_id: int) -> Job:
        """Pause the running job."""
        return self._change(self._legal("pause", job_id), state=JobState.PAUSED)

    def resume(self, job_id: int) -> Job:
        """Resume the paused job."""
        return self._change(self._legal("resume", job_id), state=JobState.RUNNING)

    def finish(self, job_id: int, result: JobResult | None, fault: str = "") -> Job:
        """Mark the current job as done; ``result`` is None if its folder was already complete."""
        job = self._legal("finish", job_id)
        done = result.frames if result is not None else job.done
        return self._change(job, state=JobState.DONE, done=done, result=result, fault=fault, afresh=False)

    def fail(self, job_id: int, fault: str, *, touched: bool = True) -> Job:
        """Mark the current job as failed; ``touched``: whether it wrote to its folder."""
        return self._end(self._legal("fail", job_id), JobState.FAILED, fault, touched)

    def interrupt(self, job_id: int, *, touched: bool = True) -> Job:
        """Mark the current job as interrupted by the end of the program; ``touched``: see `fail`."""
        return self._end(self._legal("interrupt", job_id), JobState.INTERRUPTED, "", touched)

    def postpone(self, job_id: int, fault: str, *, touched: bool = True) -> Job:
        """Let the current job wait again, after a problem that is not its own, such as a full disk."""
        return self._end(self._legal("postpone", job_id), JobState.WAITING, fault, touched)

    def cancel(self, job_id: int, *, touched: bool = True) -> Job:
        """Cancel a job; ``touched``, of the current job: see `fail`."""
        job = self._legal("cancel", job_id)
        return self._end(job, JobState.CANCELLED, job.fault, touched or job.state not in ACTIVE)

    def requeue(self, job_id: int, *, afresh: bool = False) -> Job:
        """Requeue a stopped job, resuming from its journal or starting ``afresh``.

        A job that starts afresh uses the current settings.
        """
        job = self._legal("requeue", job_id)
        new: dict[str, Any] = {"done": 0, "tries": 0, "engine": None, "afresh": True} if afresh else {}
        return self._change(job, state=JobState.WAITING, fault="", result=None, **new)

    def set_preset(self, job_id: int, preset: str) -> Job:
        """Change the preset; legal until the job has started."""
        job = self._legal("set the preset of", job_id)
        if job.started:
            raise RuntimeStateError(
                f"job {job_id} ({job.name}) resumes with the preset that it started with: start it again to change that"
            )
        return self._change(job, preset=preset, total=_total_of(job, job.part, preset))

    def set_part(self, job_id: int, part: JobPart) -> Job:
        """Choose what is analysed; legal until the job has started."""
        job = self._legal("choose the part of", job_id)
        if job.started:
            raise RuntimeStateError(
                f"job {job_id} ({job.name}) resumes with the part that it started with: start it again to change that"
            )
        return self._change(job, part=part, total=_total_of(job, part, job.preset))

    def move(self, job_id: int, place: int) -> None:
        """Move a job to another index, clipped to the list."""
        job = self.job(job_id)
        others = [other for other in self._jobs if other is not job]
        others.insert(max(0, place), job)
        self._replace(tuple(others))

    def remove(self, job_id: int) -> None:
        """Remove a job from the list; its files stay."""
        job = self._legal("remove", job_id)
        self._replace(tuple(other for other in self._jobs if other is not job))

    def clear_done(self) -> None:
        """Remove all finished jobs from the list; their files stay."""
        self._replace(tuple(job for job in self._jobs if job.state is not JobState.DONE))

    def _legal(self, command: str, job_id: int) -> Job:
        job, legal = self.job(job_id), _LEGAL[command]
        if job.state not in legal:
            needed = " or ".join(state.value for state in legal)
            raise RuntimeStateError(
                f"cannot {command} job {job_id} ({job.name}), which is {job.state.value}: it must be {needed}"
            )
        return job

    def _end(self, job: Job, state: JobState, fault: str, touched: bool) -> Job:
        if touched:
            return self._change(job, state=state, fault=fault, afresh=False)
        engine = job.engine if job.tries > 1 else None
        return self._change(job, state=state, fault=fault, tries=job.tries - 1, engine=engine)

    def _change(self, job: Job, *, save: bool = True, **fields: Any) -> Job:
        new = dataclasses.replace(job, **fields)
        self._replace(tuple(new if other is job else other for other in self._jobs), save=save)
        return new

    def _replace(self, jobs: tuple[Job, ...], *, save: bool = True) -> None:
        if jobs == self._jobs:
            return
        self._jobs = jobs
        if save:
            self._save(jobs)
