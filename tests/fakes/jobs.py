"""Jobs of the annotate queue."""

from __future__ import annotations

from pathlib import Path

from app.jobs.job_queue import EngineChoice, Job, JobResult, JobState


def fake_job(
    number: int, state: JobState = JobState.WAITING, done: int = 0, fault: str = "", total: int | None = 35
) -> Job:
    """Job ``number`` on /films/<number>.mp4 with ``total`` frames; started unless it is waiting."""
    started = state is not JobState.WAITING
    return Job(
        number,
        f"/films/{number}.mp4",
        Path(f"/results/{number}"),
        "balanced",
        {"speed": 12, "balanced": 35, "thorough": 35},
        state,
        done,
        total,
        tries=int(started),
        engine=EngineChoice() if started else None,
        result=JobResult(35, 2, 42) if state is JobState.DONE else None,
        fault=fault,
    )
