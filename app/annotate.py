"""Annotate one source: analyse its frames, write the journal, and at the end make tables, video and metadata from it.

The files at the end come in this order: tables, video, metadata with ``completed``. Each gets its name only when it is
complete, so a session is always either finished or can be resumed from its journal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.session.folder import SessionFolder, SessionState, check_same_session, source_sha256
from app.session.journal import (
    JournaledPipeline,
    JournalSink,
    ResumePoint,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from app.session.metadata import first_metadata, last_metadata, read_metadata, session_header, write_metadata
from app.session.table import TableCounts, write_tables
from app.session.video import VideoSink
from app.settings.presets import BALANCED, Preset
from engine.capture.source import FrameSource
from engine.capture.thinning import thinned
from engine.engine import Engine
from engine.errors import OutputError, Remedy, RuntimeStateError, SourceError
from engine.runtime import FrameSink, Runtime, RuntimeState

#: Seconds between two checks of a running job.
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """The user's choices for a job."""

    app_version: str
    resume: bool = False
    force: bool = False
    video: bool = True  # False: no annotated video, whatever the preset says
    preset: Preset = BALANCED


class JobControl:
    """Stops and pauses a job, from any thread or a signal handler; the job reacts within a tenth of a second.

    A paused file waits; frames of a paused live source are dropped. Stopping ends a pause.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running = threading.Event()  # cleared while paused
        self._running.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called; this is final."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the job is paused and not stopped."""
        return not self._running.is_set() and not self.stopped

    def stop(self) -> None:
        """Finish a live source, or interrupt a file, which can be resumed."""
        self._stop.set()
        self._running.set()

    def pause(self) -> None:
        """Wait until `resume` or `stop`."""
        self._running.clear()

    def resume(self) -> None:
        """Continue."""
        self._running.set()

    def wait_while_paused(self) -> None:
        """Block until the job is resumed or stopped."""
        while self.paused:
            self._running.wait(_POLL_S)


class ProgressListener(Protocol):
    """Receives the progress of a job, on the job's thread."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """A source starts with ``done`` of ``total`` frames analysed; None if the total is unknown."""

    def update(self, done: int) -> None:
        """``done`` frames are analysed."""

    def end(self) -> None:
        """The source has ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a job."""

    folder: SessionFolder
    finished: bool  # False: interrupted, can be resumed
    skipped: bool = False  # was already finished, so nothing was done
    counts: TableCounts | None = None
    fault: str | None = None  # what part of the source was lost


def annotate(
    spec: str,
    folder: SessionFolder,
    open_source: Callable[[str], FrameSource],
    engine_for: Callable[[FrameSource], Engine],
    options: AnnotateOptions,
    listener: ProgressListener,
    control: JobControl,
) -> Outcome:
    """Annotate one source into its folder.

    Args:
        spec: the source as the user named it.
        folder: where the session is written.
        open_source: see engine/capture/opening.py.
        engine_for: opens the engine, with the preset applied to its settings (`Preset.configured`).
        options: the user's choices.
        listener: receives the progress.
        control: stops or pauses the job.

    Raises:
        ValueError: the engine was opened without the preset.
        OutputError: the folder already holds a session, or a file cannot be written; the journal is kept.
        SourceError: the source cannot be opened, or a live one is lost; what came before is kept.
    """
    state = folder.state()
    if state is SessionState.FINISHED and options.resume and not options.force:
        return Outcome(folder, finished=True, skipped=True)
    check_free(folder, state, options)
    with open_source(spec) as opened:
        source = thinned(opened, options.preset.every_n_of(opened.info))
        engine = engine_for(source)
        if options.preset.configured(engine.config) != engine.config:
            raise ValueError(f"the engine was opened without the preset {options.preset.name}")
        return _Job(spec, folder, source, engine, options, listener, control).run()


def check_free(folder: SessionFolder, state: SessionState, options: AnnotateOptions) -> None:
    """Refuse to overwrite a session unless the options allow it.

    Raises:
        OutputError: the folder holds a session.
    """
    if options.force or state is SessionState.EMPTY:
        return
    if state is SessionState.FINISHED:
        raise OutputError(f"{folder.path} holds finished output", Remedy.RESTART_OR_OTHER_FOLDER)
    if not options.resume:
        raise OutputError(f"{folder.path} holds unfinished output", Remedy.RESUME_OR_RESTART)


class _Job:
    """One source with an open engine. `run` calls the other methods in the order in which they are written."""

    def __init__(
        self,
        spec: str,
        folder: SessionFolder,
        source: FrameSource,
        engine: Engine,
        options: AnnotateOptions,
        listener: ProgressListener,
        control: JobControl,
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._source = source
        self._engine = engine
        self._options = options
        self._listener = listener
        self._control = control
        self._header = session_header(spec, source, engine, options.app_version, preset=options.preset)
        self._resume = self._prepare_folder()
        has_video = options.video and options.preset.video
        self._video = VideoSink(folder.video, self._header) if has_video else None
        self._metadata = first_metadata(spec, source.info, engine, self._header, options.preset)
        if self._resume is not None:
            with contextlib.suppress(OutputError):  # without old metadata the session counts as started now
                self._metadata = dataclasses.replace(self._metadata, start=read_metadata(folder.metadata).start)

    def _prepare_folder(self) -> ResumePoint | None:
        """Make the folder ready for writing; return where to resume, if anywhere."""
        folder, resume = self._folder, None
        if self._options.resume and not self._options.force and self._source.info.is_live:
            raise OutputError(f"{self._source.info.source_id} is live and cannot be resumed", Remedy.RESTART)
        if folder.state() is SessionState.UNFINISHED and not self._options.force:
            resume = find_resume_point(folder.journal)
            if resume is not None:
                check_same_session(folder, read_header(folder.journal), self._header)
        if resume is None:
            folder.clear()
            folder.make()
        return resume

    def run(self) -> Outcome:
        """Process the source from the first frame, or the resume point, to the last file."""
        try:
            write_metadata(self._folder.metadata, self._metadata)
            self._listener.begin(self._source.info.source_id, self._source.info.frame_count, self._frames_before)
            try:
                if not self._catch_up():
                    return Outcome(self._folder, finished=False)
                return self._process()
            finally:
                self._listener.end()
        finally:
            if self._video is not None:
                self._video.discard()  # has no effect on a published video

    @property
    def _frames_before(self) -> int:
        """Frames analysed before this job resumed the session."""
        if self._resume is None:
            return 0
        return self._resume.frame // self._options.preset.every_n_of(self._source.info) + 1

    def _catch_up(self) -> bool:
        """Bring source and pipeline to the resume point and draw the earlier frames again; False when stopped."""
        resume = self._resume
        if resume is None:
            self._engine.reset()
            return True
        self._engine.restore(resume.snapshot)
        if self._video is None:
            self._source.skip_to(resume.frame + 1)
            return True
        self._video.open()
        for done, entry in enumerate(read_journal(self._folder.journal), start=1):
            if entry.frame > resume.frame:
                break
            self._control.wait_while_paused()
            if self._control.stopped:
                return False
            frame = self._source.read()
            if frame is None or frame.index != entry.frame:
                raise OutputError(f"{self._spec} does not match the journal at frame {entry.frame}", Remedy.RESTART)
            self._video.write_rows(frame, entry.rows)
            self._listener.update(done)
        return True

    def _process(self) -> Outcome:
        """Analyse all remaining frames and finish the session."""
        sinks: list[FrameSink] = [JournalSink(self._folder.journal, self._header, self._resume)]
        if self._video is not None:
            sinks.append(self._video)
        pipeline = JournaledPipeline(self._engine)
        runtime = Runtime(self._source, pipeline, sinks, self._engine.config.runtime)
        is_live, lost = self._source.info.is_live, None
        try:
            if not self._run_to_end(runtime) and not is_live:
                return Outcome(self._folder, finished=False)
        except SourceError as error:
            if not is_live:
                raise
            lost = error  # a live source cannot be resumed, so finish with what there is
        outcome = self._finish(runtime, lost)
        if lost is not None:
            raise SourceError(f"{lost} (what came before is in {self._folder.path})") from lost
        return outcome

    def _run_to_end(self, runtime: Runtime) -> bool:
        """Run the threads until the source ends; False when stopped before."""
        runtime.start()
        while not runtime.wait(_POLL_S):
            self._listener.update(self._frames_before + runtime.counters().processed)
            if self._control.stopped:
                runtime.stop()
                return False
            with contextlib.suppress(RuntimeStateError):  # the source ended meanwhile: `wait` returns next
                if self._control.paused and runtime.state is RuntimeState.RUNNING:
                    runtime.pause()
                elif not self._control.paused and runtime.state is RuntimeState.PAUSED:
                    runtime.resume()
        self._listener.update(self._frames_before + runtime.counters().processed)
        return True

    def _finish(self, runtime: Runtime, lost: SourceError | None) -> Outcome:
        """Write tables, video and metadata."""
        folder, info, path = self._folder, self._source.info, Path(self._spec)
        counts = write_tables(folder.journal, folder.csv, folder.parquet)
        if self._video is not None:
            self._video.publish()
        counters = runtime.counters()
        fault = str(lost) if lost is not None else self._source.fault()
        metadata = last_metadata(
            self._metadata,
            counts,
            dropped=counters.dropped + counters.sinks[0].dropped,  # frames that the journal missed count as dropped
            damaged=self._source.damaged,
            sha256=source_sha256(path) if not info.is_live and path.is_file() else None,
            resumed_at=tuple(resumed_frames(folder.journal)),
            fault=fault,
            completed=lost is None,
        )
        write_metadata(folder.metadata, metadata)
        return Outcome(folder, finished=True, counts=counts, fault=fault)
