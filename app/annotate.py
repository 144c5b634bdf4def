"""Annotating one source: run it, keep the journal, and turn that into tables, video and metadata at the end.

Order at the end: tables, video, metadata with ``completed``. Each takes its name only when whole, so whatever happens,
a folder is either finished or can go on from its journal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.session.folder import OutputFolder, OutputState, check_same_run, file_sha256, read_metadata, write_metadata
from app.session.journal import (
    JournaledPipeline,
    JournalEntry,
    JournalSink,
    ResumePoint,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from app.session.metadata import Engine, first_metadata, last_metadata, run_header
from app.session.table import TableCounts, write_tables
from app.session.video import VideoSink
from app.settings.presets import BALANCED, Preset
from engine.capture.source import FrameSource
from engine.capture.thinning import thinned
from engine.errors import OutputError, RuntimeStateError, SourceError
from engine.runtime import Runtime, RuntimeState
from engine.sink import FrameSink

__all__ = ["AnnotateOptions", "Engine", "JobControl", "Outcome", "Watch", "annotate", "check_free", "run_header"]

#: Seconds between two looks at a running job.
_LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """What the user asked for."""

    app_version: str
    resume: bool = False
    force: bool = False
    video: bool = True  # False: no annotated video, whatever the preset says
    preset: Preset = BALANCED


class JobControl:
    """What somebody asks of a job, from any thread or a signal handler; the job obeys within a tenth of a second.

    A paused file waits; of a paused live source, what comes is dropped. A job that is stopped is not paused any more.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._going = threading.Event()  # cleared while paused
        self._going.set()

    @property
    def stopped(self) -> bool:
        """Whether the job was told to stop, for good."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the job was told to stand still."""
        return not self._going.is_set() and not self.stopped

    def stop(self) -> None:
        """End a live source well, or break off a file, which can be resumed."""
        self._stop.set()
        self._going.set()

    def pause(self) -> None:
        """Stand still until `resume` or `stop`."""
        self._going.clear()

    def resume(self) -> None:
        """Go on."""
        self._going.set()

    def wait_while_paused(self) -> None:
        """Come back when the job may go on or must stop."""
        while self.paused:
            self._going.wait(_LOOK_EVERY_S)


class Watch(Protocol):
    """Who looks on while a job runs."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """A source begins; ``total`` frames, as far as known."""

    def update(self, done: int) -> None:
        """So many frames are done."""

    def end(self) -> None:
        """The source has ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    folder: OutputFolder
    finished: bool  # False: interrupted, can be resumed
    before: bool = False  # was finished before and left alone
    counts: TableCounts | None = None
    fault: str | None = None  # what of the source was lost


def annotate(
    spec: str,
    folder: OutputFolder,
    open_source: Callable[[str], FrameSource],
    engine_for: Callable[[FrameSource], Engine],
    options: AnnotateOptions,
    watch: Watch,
    control: JobControl,
) -> Outcome:
    """Annotate one source into its folder.

    Args:
        spec: the source as the user named it.
        folder: where the results go.
        open_source: see engine/capture/opening.py.
        engine_for: opens the engine, with the preset laid over its settings (`Preset.configured`).
        options: what the user asked for.
        watch: who looks on.
        control: by whom the job is stopped or paused.

    Raises:
        ValueError: the engine was opened without the preset.
        OutputError: output in the way, or a file cannot be written; the journal stays.
        SourceError: the source cannot be opened, or a live one is lost; what came before is kept.
    """
    state = folder.state()
    if state is OutputState.FINISHED and options.resume and not options.force:
        return Outcome(folder, finished=True, before=True)
    check_free(folder, state, options)
    with open_source(spec) as opened:
        source = thinned(opened, options.preset.every_n_of(opened.info))
        engine = engine_for(source)
        if options.preset.configured(engine.config) != engine.config:
            raise ValueError(f"the engine was opened without the preset {options.preset.name}")
        return _Job(spec, folder, source, engine, options).run(watch, control)


def check_free(folder: OutputFolder, state: OutputState, options: AnnotateOptions) -> None:
    """Refuse to overwrite.

    Raises:
        OutputError: the folder holds output that the options do not allow to touch.
    """
    if options.force or state is OutputState.EMPTY:
        return
    if state is OutputState.FINISHED:
        raise OutputError(
            f"{folder.path} holds finished output: use --force to write it again, or choose another --out"
        )
    if not options.resume:
        raise OutputError(f"{folder.path} holds unfinished output: use --resume to go on, or --force to start again")


class _Job:
    """One source on its way into its folder."""

    def __init__(
        self, spec: str, folder: OutputFolder, source: FrameSource, engine: Engine, options: AnnotateOptions
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._source = source
        self._engine = engine
        self._options = options
        self._header = run_header(spec, source, engine, options.app_version, preset=options.preset)
        self._resume = self._prepare_folder()
        has_video = options.video and options.preset.video
        self._video = VideoSink(folder.video, self._header) if has_video else None
        self._metadata = first_metadata(spec, source.info, engine, self._header, options.preset)
        if self._resume is not None:
            with contextlib.suppress(OutputError):  # else the run counts as begun now
                self._metadata = dataclasses.replace(self._metadata, start=read_metadata(folder.metadata).start)

    def run(self, watch: Watch, control: JobControl) -> Outcome:
        """From the first frame, or the resume point, to the last file."""
        try:
            write_metadata(self._folder.metadata, self._metadata)
            watch.begin(self._source.info.source_id, self._source.info.frame_count, self._done_before)
            try:
                return self._run(watch, control)
            finally:
                watch.end()
        finally:
            if self._video is not None:
                self._video.discard()  # what has been published is not touched

    def _run(self, watch: Watch, control: JobControl) -> Outcome:
        if not self._catch_up(watch, control):
            return Outcome(self._folder, finished=False)
        runtime = self._start()
        lost = None
        try:
            stopped = _drive(runtime, lambda: watch.update(self._done_before + runtime.counters().processed), control)
        except SourceError as error:
            if not self._source.info.is_live:
                raise
            lost, stopped = error, True  # a live source cannot go on later: finish what there is
        if stopped and not self._source.info.is_live:
            return Outcome(self._folder, finished=False)
        outcome = self._finish(runtime, lost)
        if lost is not None:
            raise SourceError(f"{lost} (what came before is in {self._folder.path})") from lost
        return outcome

    @property
    def _done_before(self) -> int:
        if self._resume is None:
            return 0
        return self._resume.frame // self._options.preset.every_n_of(self._source.info) + 1

    def _prepare_folder(self) -> ResumePoint | None:
        """Make the folder ready to be written; where to go on, if anywhere."""
        folder, resume = self._folder, None
        if self._options.resume and not self._options.force and self._source.info.is_live:
            raise OutputError(
                f"{self._source.info.source_id} is live and cannot be resumed: use --force to start again"
            )
        if folder.state() is OutputState.UNFINISHED and not self._options.force:
            resume = find_resume_point(folder.journal)
            if resume is not None:
                check_same_run(folder, read_header(folder.journal), self._header)
        if resume is None:
            folder.clear()
            folder.make()
        return resume

    def _catch_up(self, watch: Watch, control: JobControl) -> bool:
        """Bring source and pipeline to the resume point and draw the old frames again; False when stopped."""
        resume = self._resume
        self._engine.pipeline.restore(self._engine.fresh if resume is None else resume.snapshot)
        if resume is None:
            return True
        if self._video is None:
            self._source.skip_to(resume.frame + 1)
            return True
        self._video.open()
        for done, entry in enumerate(_entries_until(self._folder.journal, resume.frame)):
            control.wait_while_paused()
            if control.stopped:
                return False
            frame = self._source.read()
            if frame is None or frame.index != entry.frame:
                raise OutputError(
                    f"{self._spec} does not fit the journal at frame {entry.frame}: use --force to start again"
                )
            self._video.write_rows(frame, entry.rows)
            watch.update(done + 1)
        return True

    def _start(self) -> Runtime:
        sinks: list[FrameSink] = [JournalSink(self._folder.journal, self._header, self._resume)]
        if self._video is not None:
            sinks.append(self._video)
        pipeline = JournaledPipeline(self._engine.pipeline)
        return Runtime(self._source, pipeline, sinks, self._engine.config.runtime)

    def _finish(self, runtime: Runtime, lost: SourceError | None) -> Outcome:
        folder, info = self._folder, self._source.info
        counts = write_tables(folder.journal, folder.csv, folder.parquet)
        if self._video is not None:
            self._video.publish()
        counters = runtime.counters()
        dropped = counters.dropped + counters.sinks[0].dropped  # a frame that missed the journal is not in the table
        path = Path(self._spec)
        fault = str(lost) if lost is not None else self._source.fault()
        finished = last_metadata(
            self._metadata,
            counts,
            dropped,
            self._source.damaged,
            sha256=file_sha256(path) if not info.is_live and path.is_file() else None,
            resumed_at=tuple(resumed_frames(folder.journal)),
            fault=fault,
            completed=lost is None,
        )
        write_metadata(folder.metadata, finished)
        return Outcome(folder, finished=True, counts=counts, fault=fault)


def _entries_until(journal: Path, last_frame: int) -> Iterator[JournalEntry]:
    for entry in read_journal(journal):
        if entry.frame > last_frame:
            return
        yield entry


def _drive(runtime: Runtime, look: Callable[[], None], control: JobControl) -> bool:
    """Run to the end; True when it was stopped before."""
    runtime.start()
    while not runtime.wait(_LOOK_EVERY_S):
        look()
        if control.stopped:
            runtime.stop()
            return True
        _obey(runtime, control)
    look()
    return False


def _obey(runtime: Runtime, control: JobControl) -> None:
    """Pause or go on as asked; of a run that ends by itself meanwhile, `wait` tells."""
    with contextlib.suppress(RuntimeStateError):
        if control.paused and runtime.state is RuntimeState.RUNNING:
            runtime.pause()
        elif not control.paused and runtime.state is RuntimeState.PAUSED:
            runtime.resume()
