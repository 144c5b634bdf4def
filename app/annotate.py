"""Annotating one source: run it, keep the journal, and turn that into tables, video and metadata at the end.

Order at the end: tables, video, metadata with ``completed``. Each takes its name only when whole, so whatever happens,
a folder is either finished or can go on from its journal.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from app.output import (
    FrameCounts,
    Metadata,
    ModelRecord,
    OutputFolder,
    OutputState,
    SourceRecord,
    check_same_run,
    file_sha256,
    now_utc,
    source_mark,
    write_metadata,
)
from app.video_writer import VideoSink
from engine.backends.contract import AUCalibration, ExpressionCalibration, ModelContract
from engine.capture.source import FrameSource
from engine.config import EngineConfig
from engine.errors import OutputError, SourceError
from engine.recording import (
    JournaledPipeline,
    JournalEntry,
    JournalSink,
    ResumePoint,
    RunHeader,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from engine.runtime import Runtime
from engine.sink import FrameSink
from engine.table import TableCounts, write_tables
from engine.types import Frame, FrameResult

#: Seconds between two looks at a running job.
_LOOK_EVERY_S: Final = 0.1
#: Steps between frames that differ by less are one rate: containers round times to a millisecond.
_SAME_STEP_S: Final = 0.0021


class ResumablePipeline(Protocol):
    """A pipeline whose state can be written down and put back."""

    def process(self, frame: Frame) -> FrameResult:
        """The result for one frame."""

    def snapshot(self) -> str:
        """State as text."""

    def restore(self, text: str) -> None:
        """Go on from a state."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A pipeline with what must be written down about it."""

    pipeline: ResumablePipeline
    fresh: str  # its state before the first frame
    expression: ModelContract
    action_units: ModelContract
    models: tuple[ModelRecord, ...]
    tracker: str
    config: EngineConfig


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """What the user asked for."""

    app_version: str
    resume: bool = False
    force: bool = False
    video: bool = True


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
    stop: threading.Event,
) -> Outcome:
    """Annotate one source into its folder. ``stop`` ends a live source well, and breaks off a file.

    Raises:
        OutputError: output in the way, or a file cannot be written; the journal stays.
        SourceError: the source cannot be opened, or a live one is lost; what came before is kept.
    """
    state = folder.state()
    if state is OutputState.FINISHED and options.resume and not options.force:
        return Outcome(folder, finished=True, before=True)
    check_free(folder, state, options)
    with open_source(spec) as source:
        return _Job(spec, folder, source, engine_for(source), options).run(watch, stop)


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
        self._header = run_header(spec, source, engine, options.app_version)
        self._resume = self._prepare_folder()
        self._video = VideoSink(folder.video, self._header) if options.video else None
        self._metadata = self._first_metadata()

    def run(self, watch: Watch, stop: threading.Event) -> Outcome:
        """From the first frame, or the resume point, to the last file."""
        try:
            write_metadata(self._folder.metadata, self._metadata)
            watch.begin(self._source.info.source_id, self._source.info.frame_count, self._done_before)
            try:
                return self._run(watch, stop)
            finally:
                watch.end()
        finally:
            if self._video is not None:
                self._video.discard()  # what has been published is not touched

    def _run(self, watch: Watch, stop: threading.Event) -> Outcome:
        if not self._catch_up(watch, stop):
            return Outcome(self._folder, finished=False)
        runtime = self._start()
        lost = None
        try:
            stopped = _drive(runtime, lambda: watch.update(self._done_before + runtime.counters().processed), stop)
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
        return self._resume.frame + 1 if self._resume is not None else 0

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

    def _catch_up(self, watch: Watch, stop: threading.Event) -> bool:
        """Bring source and pipeline to the resume point and draw the old frames again; False when stopped."""
        resume = self._resume
        self._engine.pipeline.restore(self._engine.fresh if resume is None else resume.snapshot)
        if resume is None:
            return True
        if self._video is None:
            self._source.skip_to(resume.frame + 1)
            return True
        self._video.open()
        for entry in _entries_until(self._folder.journal, resume.frame):
            frame = self._source.read()
            if stop.is_set():
                return False
            if frame is None or frame.index != entry.frame:
                raise OutputError(
                    f"{self._spec} does not fit the journal at frame {entry.frame}: use --force to start again"
                )
            self._video.write_rows(frame, entry.rows)
            watch.update(entry.frame + 1)
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
        source = dataclasses.replace(
            self._metadata.source,
            sha256=file_sha256(path) if not info.is_live and path.is_file() else None,
            fps_mode=_fps_mode(counts),
        )
        finished = dataclasses.replace(
            self._metadata,
            source=source,
            end=now_utc(),
            frames=FrameCounts(counts.frames + dropped, counts.frames, dropped, self._source.damaged),
            faces=counts.faces,
            resumed_at=tuple(resumed_frames(folder.journal)),
            fault=fault,
            completed=lost is None,
        )
        write_metadata(folder.metadata, finished)
        return Outcome(folder, finished=True, counts=counts, fault=fault)

    def _first_metadata(self) -> Metadata:
        info, engine, header = self._source.info, self._engine, self._header
        is_address = info.is_live or not Path(self._spec).exists()  # an address may hold a password
        shown = info.source_id if is_address else self._spec
        source = SourceRecord(shown, info.kind.value, None, info.width_px, info.height_px, info.fps, None)
        return Metadata(
            source=source,
            app_version=header.app_version,
            models=engine.models,
            thresholds={"tau_accept": header.tau_accept, "tau_ood": header.tau_ood},
            calibration=_calibrations(engine),
            labels=header.expressions,
            au_codes=header.au_codes,
            au_trusted=header.au_trusted,
            tracker=engine.tracker,
            config=dataclasses.asdict(engine.config),
            start=now_utc(),
        )


def run_header(spec: str, source: FrameSource, engine: Engine, app_version: str) -> RunHeader:
    """What is the same for all rows of a run."""
    expression, units = _calibration_pair(engine)
    config = engine.config
    parts = {part: dataclasses.asdict(getattr(config, part)) for part in ("tracking", "quality", "routing")}
    settings = {f"{part}.{key}": str(value) for part, values in parts.items() for key, value in values.items()}
    settings |= {f"{model.task} backend": f"{model.backend} {model.device}" for model in engine.models}
    mark = "" if source.info.is_live else source_mark(Path(spec))
    settings |= {"source file": mark, "tracker": engine.tracker}
    settings["action-unit model"] = engine.action_units.sha256
    codes = tuple(int(label.removeprefix("AU")) for label in engine.action_units.labels)
    return RunHeader(
        source_id=source.info.source_id,
        app_version=app_version,
        model_sha256=engine.expression.sha256,
        expressions=engine.expression.labels,
        au_codes=codes,
        au_thresholds=units.thresholds,
        au_trusted=tuple(code for code, trusted in zip(codes, units.trusted, strict=True) if trusted),
        tau_accept=expression.max_aleatoric,
        tau_ood=1.0 - expression.false_rejection,
        settings=settings,
    )


def _calibration_pair(engine: Engine) -> tuple[ExpressionCalibration, AUCalibration]:
    expression, units = engine.expression.calibration, engine.action_units.calibration
    if not isinstance(expression, ExpressionCalibration) or not isinstance(units, AUCalibration):
        raise TypeError("the two models of an engine are mixed up")
    return expression, units


def _calibrations(engine: Engine) -> dict[str, Any]:
    expression, units = _calibration_pair(engine)
    return {"expression": dataclasses.asdict(expression), "action_units": dataclasses.asdict(units)}


def _entries_until(journal: Path, last_frame: int) -> Iterator[JournalEntry]:
    for entry in read_journal(journal):
        if entry.frame > last_frame:
            return
        yield entry


def _drive(runtime: Runtime, look: Callable[[], None], stop: threading.Event) -> bool:
    """Run to the end; True when it was stopped before."""
    runtime.start()
    while not runtime.wait(_LOOK_EVERY_S):
        look()
        if stop.is_set():
            runtime.stop()
            return True
    look()
    return False


def _fps_mode(counts: TableCounts) -> str | None:
    if counts.frames < 3:
        return None
    return "cfr" if counts.longest_step_s - counts.shortest_step_s < _SAME_STEP_S else "vfr"
