"""Run one job of the queue with the engine settings it started with, and report how it ended."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum

from app.annotate import AnnotateOptions, JobControl, Outcome, ProgressListener, annotate
from app.batch import affects_every_source
from app.engine_cache import EngineCache
from app.jobs.job_queue import EngineChoice, Job, JobResult
from app.jobs.source_scan import SourceOpener
from app.remedies import window_text
from app.session.baselines import NeutralFrames
from app.session.folder import SessionFolder
from app.settings.presets import preset_of
from app.settings.tuning import tuned
from engine.capture.opening import open_source
from engine.capture.time_range import TimeRange
from engine.config import EngineConfig
from engine.errors import EngineError


class OutcomeKind(str, Enum):
    """How a job ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # through its control; it can be resumed
    FAILED = "failed"  # because of the job itself
    BLOCKED = "blocked"  # because of something that affects every job: disk full, models missing


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended, and its result or error."""

    kind: OutcomeKind
    result: JobResult | None = None
    fault: str = ""


class JobExecutor:
    """Runs jobs one after the other, and keeps the engine open between jobs with the same settings."""

    def __init__(
        self,
        app_version: str,
        open_source: SourceOpener = open_source,
        engines: EngineCache | None = None,
    ) -> None:
        """``open_source`` and ``engines`` are replaced in tests; the executor closes ``engines``."""
        self._app_version = app_version
        self._open_source = open_source
        self._engines = engines or EngineCache()

    @property
    def open_source(self) -> SourceOpener:
        """Opens the sources of jobs."""
        return self._open_source

    def run(self, job: Job, listener: ProgressListener, control: JobControl) -> JobOutcome:
        """Run a started job until it ends.

        Raises:
            Exception: a bug in the program.
        """
        try:
            return self._run(job, listener, control)
        except EngineError as error:
            kind = OutcomeKind.BLOCKED if affects_every_source(error) else OutcomeKind.FAILED
            return JobOutcome(kind, fault=window_text(error))

    def close(self) -> None:
        """Close the engine; the next job opens it again."""
        self._engines.close()

    def _run(self, job: Job, listener: ProgressListener, control: JobControl) -> JobOutcome:
        preset = preset_of(job.preset)
        choice = job.engine or EngineChoice()
        self._engines.configure(preset.configured(config_of(choice)), choice.tracker)
        # a job that has not run before must not resume from what another job left in its folder
        options = AnnotateOptions(
            self._app_version,
            resume=job.resumes,
            force=job.afresh,
            preset=preset,
            time_range=TimeRange(job.part.start_s, job.part.end_s),
            every=job.part.every,
            baseline=NeutralFrames() if job.part.baseline else None,
        )
        outcome = annotate(
            job.spec,
            SessionFolder(job.folder),
            self._open_source,
            self._engines.engine_for,
            options,
            listener,
            control,
        )
        if not outcome.finished:
            return JobOutcome(OutcomeKind.STOPPED)
        return JobOutcome(OutcomeKind.FINISHED, _result_of(outcome), outcome.fault or "")


def config_of(choice: EngineChoice) -> EngineConfig:
    """Engine config for a job's settings."""
    config = EngineConfig(threads=choice.threads)
    if choice.backend is not None:
        config = dataclasses.replace(config, backends=(choice.backend,))
    return tuned(dataclasses.replace(config, tracking=dataclasses.replace(config.tracking, threads=choice.threads)))


def internal_error(error: Exception) -> str:
    """Message for an unexpected exception."""
    return f"internal error: {type(error).__name__}: {error}; please report it"


def _result_of(outcome: Outcome) -> JobResult | None:
    counts = outcome.counts
    return None if counts is None else JobResult(counts.frames, counts.faces, counts.rows)
