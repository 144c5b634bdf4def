"""Annotate one source: analyse its frames, write the journal, and at the end make tables, video and metadata from it.

The files at the end come in this order: tables, video, metadata with ``completed``. Each gets its name only when it is
complete, so a session is always either finished or can be resumed from its journal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from app.overlay.overlay import OverlayParts
from app.session.baselines import NeutralFrames, SessionBaselines, find_baselines, record_of
from app.session.folder import SessionFolder, SessionState, check_same_session
from app.session.identity import HashingStoppedError, SourceFiles, SourceIdentity, file_mark
from app.session.journal import (
    JournaledPipeline,
    JournalSink,
    ResumePoint,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from app.session.lock import SessionLock, lock_owner
from app.session.metadata import (
    SHA256_SETTING,
    first_metadata,
    last_metadata,
    read_metadata,
    session_header,
    write_metadata,
)
from app.session.sound import SoundTrack
from app.session.table import TableCounts, write_tables
from app.session.video import VideoSink
from app.settings.presets import BALANCED, Preset
from engine.capture.source import FrameSource, SourceInfo, SourceKind, source_name
from engine.capture.thinning import thinned
from engine.capture.time_range import TimeRange, within
from engine.engine import Engine
from engine.errors import ConfigError, OutputError, Remedy, RuntimeStateError, SourceError
from engine.hindsight import GROUP_FRAMES, Hindsight, centring_of
from engine.runtime import FrameSink, Runtime, RuntimeState

#: Seconds between two checks of a running job.
_POLL_S: Final = 0.1
#: Frames skipped between two looks at the control.
_SKIP_AT_ONCE: Final = 100
#: Settings of the header that `AnnotateOptions.selection` makes.
SELECTION_SETTINGS: Final = ("start_s", "end_s", "every_n", "au_baseline")
#: Files that a message names.
_MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """The user's choices for a job."""

    app_version: str
    resume: bool = False
    force: bool = False
    video: bool = True  # False: no annotated video, whatever the preset says
    preset: Preset = BALANCED
    excel: bool = False  # the text table starts with a byte order mark
    time_range: TimeRange = TimeRange()  # of videos and live sources; pictures are always read whole
    every: int | None = None  # analyse every n-th frame; None = as the preset does
    consent_note: str = ""  # see Metadata.consent_note
    baseline: NeutralFrames | None = None  # None = no baseline is subtracted from action units

    def resumed(self) -> AnnotateOptions:
        """The same choices for a session that may have been started."""
        return dataclasses.replace(self, resume=True)

    def for_kind(self, kind: SourceKind) -> AnnotateOptions:
        """The choices that count for a kind of source: images are not faces over time, so ``auto`` finds nothing."""
        if kind is SourceKind.PICTURES and self.baseline is not None and self.baseline.span_s is None:
            return dataclasses.replace(self, baseline=None)
        return self

    def every_n_of(self, info: SourceInfo) -> int:
        """Interval of analysed frames for a source."""
        return self.preset.every_n_of(info) if self.every is None else self.every

    def selection(self, info: SourceInfo) -> dict[str, str]:
        """Which frames are analysed, and which are neutral: settings that must not change, without the defaults."""
        settings = {}
        has_times = info.kind is not SourceKind.PICTURES
        if has_times and self.time_range.start_s > 0:
            settings["start_s"] = f"{self.time_range.start_s:.9g}"
        if has_times and self.time_range.end_s is not None:
            settings["end_s"] = f"{self.time_range.end_s:.9g}"
        if self.every is not None:
            settings["every_n"] = str(self.every)
        if self.baseline is not None:
            settings["au_baseline"] = self.baseline.text
        return settings


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

    def update(self, done: int, file: str | None = None) -> None:
        """``done`` frames are analysed, the last one of this picture; see Frame.file."""

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
    reopen_engine: Callable[[FrameSource], Engine] | None = None,
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
        reopen_engine: opens another engine when a live source's is stuck.

    Raises:
        ValueError: the engine was opened without the preset.
        OutputError: another program writes to the folder, it already holds a session, or a file cannot be written; the
            journal is kept.
        ConfigError: face crops are set, but the source is not images; or neutral frames are named, but it is images.
        SourceError: the source cannot be opened, or a live one is lost; what came before is kept.
    """
    with SessionLock(folder):
        state = folder.state()
        check_free(folder, state, options)
        before = file_mark(spec)
        to_read = _open_unless_stopped(spec, open_source, control)
        if to_read is None:
            return Outcome(folder, finished=False)
        options = options.for_kind(to_read.info.kind)
        with to_read as opened, SourceFiles(spec, opened.files, before) as files:
            try:
                identity = files.identify(lambda: control.stopped)
            except HashingStoppedError:
                return Outcome(folder, finished=False)
            if options.resume and not options.force and state is not SessionState.EMPTY:
                check_same_source(folder, spec, opened.info, identity)
                check_same_selection(folder, options.selection(opened.info))
                if state is SessionState.FINISHED:
                    return Outcome(folder, finished=True, skipped=True)
            source = thinned(within(opened, options.time_range), options.every_n_of(opened.info))
            engine = engine_for(source)
            if options.preset.configured(engine.config) != engine.config:
                raise ValueError(f"the engine was opened without the preset {options.preset.name}")
            _check_kind(source.info, engine, options)
            job = _Job(spec, folder, source, engine, options, listener, control, files, identity)
            job.reopen_engine = reopen_engine
            return job.run()


def _check_kind(info: SourceInfo, engine: Engine, options: AnnotateOptions) -> None:
    """Refuse what a kind of source cannot have.

    Raises:
        ConfigError: face crops in a video, neutral frames of images, or a baseline of a model without neutral logits.
    """
    if engine.config.tracking.face_crops and info.kind is not SourceKind.PICTURES:
        raise ConfigError(f"{info.source_id} is not an image: only images can be face crops")
    if options.baseline is None:
        return
    if info.kind is SourceKind.PICTURES:
        raise ConfigError(f"{info.source_id} is images: a baseline needs a face over time, so turn it off")
    if not engine.action_units.calibration.neutral:
        raise ConfigError(f"{engine.action_units.name!r} has no neutral logits: turn the baseline off")


def _open_unless_stopped(
    spec: str, open_source: Callable[[str], FrameSource], control: JobControl
) -> FrameSource | None:
    """The open source; None if it failed because of the signal that also stopped the job."""
    try:
        return open_source(spec)
    except SourceError:
        if control.stopped:
            return None
        raise


def check_start(folder: SessionFolder, options: AnnotateOptions) -> None:
    """Refuse a folder that another program writes to, or whose session the options do not allow to overwrite.

    Raises:
        OutputError: likewise. A folder that cannot be read is reported when its turn comes.
    """
    try:
        owner = lock_owner(folder)
        state = folder.state()
    except OutputError:
        return
    if owner is not None:
        raise OutputError(f"{folder.path} is in use by {owner}", Remedy.IN_USE)
    check_free(folder, state, options)


def check_free(folder: SessionFolder, state: SessionState, options: AnnotateOptions) -> None:
    """Refuse to overwrite a session unless the options allow it.

    Raises:
        OutputError: the folder holds a session.
    """
    if options.force or state is SessionState.EMPTY:
        return
    if state is SessionState.FINISHED and not options.resume:
        raise OutputError(f"{folder.path} holds finished output", Remedy.RESTART_OR_OTHER_FOLDER)
    if not options.resume:
        raise OutputError(f"{folder.path} holds unfinished output", Remedy.RESUME_OR_RESTART)


def check_same_source(folder: SessionFolder, spec: str, info: SourceInfo, identity: SourceIdentity) -> None:
    """Refuse to resume or skip a session of another source, or of a file that was replaced since.

    Raises:
        OutputError: naming the difference.
    """
    before, path = _recorded_source(folder, info, identity)
    if before is None or before == identity.sha256:
        return
    if path is not None and path != identity.path:
        problem = f"{folder.path} holds the session of another source, {path}"
    else:
        problem = f"{spec} has changed since {folder.path} was written"
    raise OutputError(problem, Remedy.RESTART_OR_OTHER_FOLDER)


def check_same_selection(folder: SessionFolder, now: Mapping[str, str]) -> None:
    """Refuse to resume or skip a session of other frames of the source.

    Raises:
        OutputError: naming the difference.
    """
    try:
        settings = read_header(folder.journal).settings
    except OutputError:
        return  # nothing to resume, or damaged, which is reported next
    for name in SELECTION_SETTINGS:
        before = settings.get(name, "")
        if before != now.get(name, ""):
            raise OutputError(
                f"{folder.path} was written with another {name} ({before or 'none'}, now {now.get(name) or 'none'})",
                Remedy.RESTART_OR_OTHER_FOLDER,
            )


def _recorded_source(
    folder: SessionFolder, info: SourceInfo, identity: SourceIdentity
) -> tuple[str | None, str | None]:
    """Hash and path of the source of a session; the hash is None where there is nothing to compare.

    Raises:
        OutputError: the session is of another kind of source, or does not record it.
    """
    try:
        source = read_metadata(folder.metadata).source
        kind, sha256, path = source.kind, source.sha256, source.path
    except OutputError:  # the header of the journal has the hash too
        kind, path = info.kind.value, None
        try:
            sha256 = read_header(folder.journal).settings.get(SHA256_SETTING) or None
        except OutputError:
            if folder.state() is SessionState.UNFINISHED:
                return None, None  # the journal ends within its first line
            sha256 = None
    if kind != info.kind.value or (identity.sha256 is not None and sha256 is None):
        raise OutputError(
            f"{folder.path} holds a session that does not record {info.source_id} as its source",
            Remedy.RESTART_OR_OTHER_FOLDER,
        )
    return sha256, path


def _pipeline(engine: Engine, info: SourceInfo) -> JournaledPipeline | Hindsight:
    """The engine with its state in the results; those of a video wait for what comes later in it."""
    if info.is_live or info.kind is SourceKind.PICTURES:
        return JournaledPipeline(engine)
    track_all = JournaledPipeline(engine, tentative=True).track_all
    centring = centring_of(engine.config, engine.expression.calibration)
    return Hindsight(track_all, engine.config.tracking.confirm_s, centring=centring)


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
        files: SourceFiles,
        identity: SourceIdentity,
    ) -> None:
        self.reopen_engine: Callable[[FrameSource], Engine] | None = None
        self._spec = spec
        self._files = files
        self._folder = folder
        self._source = source
        self._engine = engine
        self._options = options
        self._listener = listener
        self._control = control
        header = session_header(spec, source, engine, options.app_version, None, options.preset, identity)
        selection = options.selection(source.info)
        self._header = dataclasses.replace(header, settings=header.settings | selection)
        self._pipeline = _pipeline(engine, source.info)
        self._resume = self._prepare_folder()
        has_video = options.video and options.preset.video
        is_video_file = source.info.kind is SourceKind.VIDEO and len(source.files) == 1
        sound = SoundTrack(source.files[0]) if is_video_file else None
        start_s = options.time_range.start_s if source.info.kind is not SourceKind.PICTURES else 0.0
        # the baseline is known only when the video has been drawn
        parts = None if options.baseline is None else OverlayParts(units=False)
        self._video = (
            VideoSink(folder.video, self._header, sound=sound, start_s=start_s, parts=parts) if has_video else None
        )
        self._metadata = first_metadata(spec, source.info, engine, self._header, options.preset, identity)
        self._metadata = dataclasses.replace(self._metadata, consent_note=options.consent_note)
        config = self._metadata.config
        config["preset"]["every_n"] = options.every_n_of(source.info)
        config["frames"] = dataclasses.asdict(options.time_range)
        if source.info.kind is SourceKind.PICTURES:
            self._metadata = dataclasses.replace(self._metadata, files=source.names)
        if self._resume is not None:
            with contextlib.suppress(OutputError):  # without old metadata the session counts as started now
                before = read_metadata(folder.metadata)
                consent_note = options.consent_note or before.consent_note
                self._metadata = dataclasses.replace(self._metadata, start=before.start, consent_note=consent_note)

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
        return self._resume.frames

    def _catch_up(self) -> bool:
        """Bring source and pipeline to the resume point and draw the earlier frames again; False when stopped."""
        resume = self._resume
        if resume is None:
            self._engine.reset()
            return True
        stages, snapshot = self._pipeline, resume.snapshot
        self._engine.restore(stages.restore(snapshot) if isinstance(stages, Hindsight) else snapshot)
        if self._video is None:
            return self._skip_to(resume.frame + 1)
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
            self._listener.update(done, frame.file)
        return True

    def _skip_to(self, frame_index: int) -> bool:
        """Skip to a frame, which takes minutes in a long video; False when stopped."""
        for index in (*range(0, frame_index, _SKIP_AT_ONCE), frame_index):
            self._source.skip_to(index)
            self._control.wait_while_paused()
            if self._control.stopped:
                return False
        return True

    def _process(self) -> Outcome:
        """Analyse all remaining frames and finish the session."""
        sinks: list[FrameSink] = [JournalSink(self._folder.journal, self._header, self._resume)]
        if self._video is not None:
            sinks.append(self._video)
        is_live, lost = self._source.info.is_live, None
        # A file is resumed instead, so that no frame is missing.
        rebuild = self._rebuild if is_live and self.reopen_engine is not None else None
        config, pipeline = self._engine.config.runtime, self._pipeline
        if not is_live:  # a group of frames of a video at once, or an image in all its parts, with time to wait
            config = dataclasses.replace(config, stuck_s=config.stuck_s * GROUP_FRAMES)
        runtime = Runtime(self._source, pipeline, sinks, config, rebuild)
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

    def _rebuild(self) -> JournaledPipeline:
        """Another engine in place of one that is stuck, with its tracks and averages lost; on the inference thread."""
        assert self.reopen_engine is not None
        self._engine = self.reopen_engine(self._source)
        return JournaledPipeline(self._engine)

    def _run_to_end(self, runtime: Runtime) -> bool:
        """Run the threads until the source ends; False when stopped before."""
        runtime.start()
        while not runtime.wait(_POLL_S):
            self._report(runtime)
            if self._control.stopped:
                runtime.stop()
                return False
            with contextlib.suppress(RuntimeStateError):  # the source ended meanwhile: `wait` returns next
                if self._control.paused and runtime.state is RuntimeState.RUNNING:
                    runtime.pause()
                elif not self._control.paused and runtime.state is RuntimeState.PAUSED:
                    runtime.resume()
        self._report(runtime)
        return True

    def _report(self, runtime: Runtime) -> None:
        latest = runtime.latest()
        file = None if latest is None else latest.frame.file
        self._listener.update(self._frames_before + runtime.counters().processed, file)

    def _finish(self, runtime: Runtime, lost: SourceError | None) -> Outcome:
        """Write tables, video and metadata."""
        folder = self._folder
        baselines = self._baselines()
        by_face = None if baselines is None else baselines.by_face()  # as Review and exports read them
        counts = write_tables(folder.journal, folder.csv, folder.parquet, excel=self._options.excel, baselines=by_face)
        if self._video is not None:
            self._video.publish()
        counters = runtime.counters()
        fault = str(lost) if lost is not None else self._fault()
        metadata = last_metadata(
            self._metadata,
            counts,
            dropped=counters.dropped + counters.sinks[0].dropped,  # frames that the journal missed count as dropped
            damaged=self._source.damaged,
            unread=self._source.unread,
            resumed_at=tuple(resumed_frames(folder.journal)),
            fault=fault,
            completed=lost is None,
            baselines=baselines,
        )
        write_metadata(folder.metadata, metadata)
        return Outcome(folder, finished=True, counts=counts, fault=fault)

    def _baselines(self) -> SessionBaselines | None:
        """The baseline of every face over the whole session, if one was asked for."""
        chosen = self._options.baseline
        if chosen is None:
            return None
        usual = np.array(self._engine.action_units.calibration.neutral, np.float32)
        rows = (row for entry in read_journal(self._folder.journal) for row in entry.rows)
        return record_of(chosen.text, find_baselines(rows, chosen, usual))

    def _fault(self) -> str | None:
        """What part of the source was lost, or changed while it was read."""
        faults = [self._source.fault(), self._video.fault if self._video is not None else None]
        changed = self._files.changed()
        if changed:
            names = ", ".join(source_name(path) for path in changed[:_MAX_NAMED])
            more = f" and {len(changed) - _MAX_NAMED} more" if len(changed) > _MAX_NAMED else ""
            faults.append(f"{names}{more} changed during the analysis: use --force once the content is final")
        return "; ".join(fault for fault in faults if fault) or None
