"""The queue of annotate jobs: what waits, runs and is done, and which command is legal when.

One thread uses it. At most one job runs or stands paused; the others follow in the order of the list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from engine.config import TrackerName
from engine.errors import RuntimeStateError


class JobState(str, Enum):
    """Life of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # stands still and goes on at once
    DONE = "done"
    FAILED = "failed"  # `Job.fault` says why
    CANCELLED = "cancelled"  # what is done stays in its journal
    INTERRUPTED = "interrupted"  # the program ended while it ran; likewise


#: States in which a job holds the place of the one that runs.
ACTIVE: Final = (JobState.RUNNING, JobState.PAUSED)
#: States from which a job can be put in line again.
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
    "return to the queue": ACTIVE,
    "cancel": (JobState.WAITING, *ACTIVE, JobState.INTERRUPTED),
    "requeue": STOPPED,
    "set the preset of": (JobState.WAITING,),
    "remove": (JobState.WAITING, JobState.DONE, *STOPPED),
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What of the settings changes a result; a job goes on with what it was begun with."""

    backend: str | None = None  # None = the order of the engine's settings
    tracker: TrackerName = "litert"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a finished job holds."""

    frames: int  # analysed
    faces: int  # different face ids
    rows: int  # of the table


@dataclass(frozen=True, slots=True)
class Job:
    """One source on its way into its folder."""

    job_id: int
    spec: str
    folder: Path
    preset: str
    totals: dict[str, int | None] = field(default_factory=dict)  # frames that each preset analyses, as far as known
    state: JobState = JobState.WAITING
    done: int = 0  # frames that are analysed
    total: int | None = None  # frames that will be; None = not known
    tries: int = 0  # times that it got to work in its folder; from the second on it goes on from its journal
    engine: EngineChoice | None = None  # what it was begun with
    afresh: bool = False  # what its folder holds of an earlier try is to be written again
    result: JobResult | None = None  # of a job that is done
    fault: str = ""  # why it failed or was put back; of a job that is done, what of the source was lost

    @property
    def started(self) -> bool:
        """Whether its folder may hold a journal that can go on."""
        return self.tries > 0

    @property
    def resumes(self) -> bool:
        """Whether a job that runs goes on from its journal."""
        return self.tries > 1 and not self.afresh

    @property
    def name(self) -> str:
        """Short name of the source."""
        return Path(self.spec).name or self.spec


def _keep_nothing(jobs: tuple[Job, ...]) -> None:
    """For a queue that lives in memory only."""


class JobQueue:
    """Jobs in order. Every command checks that it is legal, and hands the jobs to ``keep`` when it changed them.

    All commands but `add` and `clear_done` take the id of a job.

    Raises:
        RuntimeStateError: the command is not legal in the job's state, or there is no such job; nothing is changed.
    """

    def __init__(self, jobs: tuple[Job, ...] = (), keep: Callable[[tuple[Job, ...]], None] = _keep_nothing) -> None:
        """Jobs that were running when they were written down are interrupted now.

        Args:
            jobs: of an earlier life, with different ids.
            keep: gets all jobs after every change that must outlive the program; progress is none.
        """
        self._jobs = tuple(
            dataclasses.replace(job, state=JobState.INTERRUPTED, afresh=False) if job.state in ACTIVE else job
            for job in jobs
        )
        self._next_id = 1 + max((job.job_id for job in jobs), default=0)
        self._keep = keep

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs in order."""
        return self._jobs

    @property
    def active(self) -> Job | None:
        """The job that runs or stands paused."""
        return next((job for job in self._jobs if job.state in ACTIVE), None)

    @property
    def next_queued(self) -> Job | None:
        """The job that is next in line."""
        return next((job for job in self._jobs if job.state is JobState.WAITING), None)

    def count_of(self, *states: JobState) -> int:
        """Number of jobs in these states."""
        return sum(job.state in states for job in self._jobs)

    def job(self, job_id: int) -> Job:
        """One job."""
        for job in self._jobs:
            if job.job_id == job_id:
                return job
        raise RuntimeStateError(f"job {job_id} is not in the queue any more")

    def add(self, spec: str, folder: Path, preset: str, totals: dict[str, int | None]) -> Job:
        """Put a source at the end of the line; ``totals`` are the frames that each preset analyses, None = unknown."""
        job = Job(self._next_id, spec, folder, preset, totals, total=totals.get(preset))
        self._next_id += 1
        self._set((*self._jobs, job))
        return job

    def start(self, job_id: int, engine: EngineChoice) -> Job:
        """Let a job run; a job that was begun before goes on with its own engine."""
        active = self.active
        if active is not None:
            raise RuntimeStateError(f"cannot begin job {job_id} while job {active.job_id} is {active.state.value}")
        job = self._legal("start", job_id)
        return self._change(job, state=JobState.RUNNING, engine=job.engine or engine, tries=job.tries + 1, fault="")

    def update_progress(self, job_id: int, done: int, total: int | None) -> Job:
        """Note how far it is; not kept, since the journal tells it again."""
        job = self._legal("update the progress of", job_id)
        return self._change(job, kept=False, done=done, total=total)

    def pause(self, job_id: int) -> Job:
        """Let it stand still."""
        return self._change(self._legal("pause", job_id), state=JobState.PAUSED)

    def resume(self, job_id: int) -> Job:
        """Let a paused job go on."""
        return self._change(self._legal("resume", job_id), state=JobState.RUNNING)

    def finish(self, job_id: int, result: JobResult | None, fault: str = "") -> Job:
        """It ran to its end; ``result`` is None where the folder was finished before."""
        job = self._legal("finish", job_id)
        done = result.frames if result is not None else job.done
        return self._change(job, state=JobState.DONE, done=done, result=result, fault=fault, afresh=False)

    def fail(self, job_id: int, fault: str, *, touched: bool = True) -> Job:
        """It cannot go on, for a reason of its own; not ``touched``: it did not get to work in its folder."""
        return self._end(self._legal("fail", job_id), JobState.FAILED, fault, touched)

    def interrupt(self, job_id: int, *, touched: bool = True) -> Job:
        """The program ends; not ``touched``: see `fail`."""
        return self._end(self._legal("interrupt", job_id), JobState.INTERRUPTED, "", touched)

    def return_to_queue(self, job_id: int, fault: str, *, touched: bool = True) -> Job:
        """It cannot go on now, for a reason that is not its own, such as a full disk: it waits where it stands."""
        return self._end(self._legal("return to the queue", job_id), JobState.WAITING, fault, touched)

    def cancel(self, job_id: int, *, touched: bool = True) -> Job:
        """Take it out of the line; not ``touched``, of one that runs: see `fail`."""
        job = self._legal("cancel", job_id)
        return self._end(job, JobState.CANCELLED, job.fault, touched or job.state not in ACTIVE)

    def requeue(self, job_id: int, *, afresh: bool = False) -> Job:
        """Put a stopped job in line again, where it stands: to go on from its journal, or ``afresh``.

        A job that starts afresh takes the settings of the day.
        """
        job = self._legal("requeue", job_id)
        new: dict[str, Any] = {"done": 0, "tries": 0, "engine": None, "afresh": True} if afresh else {}
        return self._change(job, state=JobState.WAITING, fault="", result=None, **new)

    def set_preset(self, job_id: int, preset: str) -> Job:
        """Choose how it is to be done; legal until it begins."""
        job = self._legal("set the preset of", job_id)
        if job.started:
            raise RuntimeStateError(f"job {job_id} ({job.name}) goes on as it was begun: start it again to change that")
        return self._change(job, preset=preset, total=job.totals.get(preset))

    def move(self, job_id: int, place: int) -> None:
        """Give it another place in the list, 0 = first; places beyond the ends are the ends."""
        job = self.job(job_id)
        others = [one for one in self._jobs if one is not job]
        others.insert(max(0, place), job)
        self._set(tuple(others))

    def remove(self, job_id: int) -> None:
        """Forget it; its files stay."""
        job = self._legal("remove", job_id)
        self._set(tuple(one for one in self._jobs if one is not job))

    def clear_done(self) -> None:
        """Forget all that are done; their files stay."""
        self._set(tuple(job for job in self._jobs if job.state is not JobState.DONE))

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

    def _change(self, job: Job, *, kept: bool = True, **fields: Any) -> Job:
        new = dataclasses.replace(job, **fields)
        self._set(tuple(new if one is job else one for one in self._jobs), kept=kept)
        return new

    def _set(self, jobs: tuple[Job, ...], *, kept: bool = True) -> None:
        if jobs == self._jobs:
            return
        self._jobs = jobs
        if kept:
            self._keep(jobs)
