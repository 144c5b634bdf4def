"""The command ``mien annotate``, and the lines that it prints. Heavy modules are imported when needed."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_options import (
    AuBaseline,
    Backend,
    Cluster,
    ClusterAddress,
    ConfigFile,
    Excel,
    FaceCrops,
    FindSmall,
    Formats,
    GpuShare,
    MaxFaces,
    Threads,
    Tracker,
    TrackerName,
    Workers,
    engine_settings,
)
from app.settings.presets import PresetName
from app.terminal import (
    INTERNAL_ERROR,
    USER_ERROR,
    new_progress,
    print_error,
    print_exported,
    print_internal_error,
    print_note,
    print_result,
    print_saved_traceback,
    stop_on_signal,
)
from app.termination import INTERRUPTED
from app.version import app_version
from engine.errors import OutputError, ThreadStuckError

if TYPE_CHECKING:
    from app.annotate import AnnotateOptions, JobControl, Outcome
    from app.batch import ItemResult
    from app.cluster.records import Report, WorkerChoice, WorkerSetup
    from app.engine_cache import EngineCache
    from app.session.folder import SessionFolder
    from engine.capture.source import FrameSource
    from engine.config import EngineConfig


def annotate_command(
    sources: Annotated[
        list[str],
        typer.Argument(help="Videos, images, folders of them, a camera number (or camera:0), a URL, or demo."),
    ],
    out: Annotated[str, typer.Option("--out", help="Folder for results; each source gets a subfolder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Resume interrupted sessions.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start again and overwrite existing results.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read the subfolders of folders too.")] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Do not write the annotated video.")] = False,
    excel: Excel = False,
    start: Annotated[str, typer.Option("--start", help="Begin videos at this time: seconds, or mm:ss.")] = "0",
    end: Annotated[str | None, typer.Option("--end", help="End videos at this time: seconds, or mm:ss.")] = None,
    every: Annotated[int | None, typer.Option("--every", min=1, help="Analyse every n-th frame only.")] = None,
    max_faces: MaxFaces = None,
    find_small: FindSmall = False,
    face_crops: FaceCrops = False,
    preset: Annotated[
        PresetName,
        typer.Option("--preset", help="speed: fewer frames, no video; thorough: detects faces in every frame."),
    ] = "balanced",
    consent_note: Annotated[
        str,
        typer.Option("--consent-note", help="How the people in the source agreed; stored in metadata.json."),
    ] = "",
    au_baseline: AuBaseline = None,
    formats: Formats = None,
    config: ConfigFile = None,
    backend: Backend = None,
    tracker: Tracker = "litert",
    threads: Threads = None,
    workers: Workers = None,
    on: Cluster = None,
    ray_address: ClusterAddress = None,
    gpus_per_worker: GpuShare = 0.0,
) -> None:
    """Annotate videos, images or a camera: writes a table, an annotated video and metadata.

    Each video is a source with a subfolder of its own, and so are all images of a folder together. Cameras and URLs run
    until Ctrl-C. If a source fails, the others are still annotated; the summary at the end and failed.txt in --out list
    the failures, and the exit status is 2. Formats of other tools are written to the folder export in each session (see
    export-results). With --workers several sources are annotated at the same time, and with --on ray on a cluster;
    then sources and --out may also be addresses such as s3://bucket/videos, and what is done is skipped.
    """
    from app.annotate import AnnotateOptions
    from app.cluster.records import WorkerChoice, WorkerSetup
    from app.export.command import format_names
    from app.session.baselines import parse_baseline
    from app.settings.presets import preset_of
    from engine.capture.time_range import TimeRange, parse_time
    from engine.config import for_files

    time_range = TimeRange(parse_time(start), None if end is None else parse_time(end))
    given = engine_settings(config, backend, threads)
    baseline = parse_baseline(au_baseline or given.action_units.baseline)
    options = AnnotateOptions(
        app_version(), resume, force, not no_video, preset_of(preset), excel, time_range, every, consent_note, baseline
    )
    settings = for_files(options.preset.configured(given))
    settings = _with_tracking(settings, max_faces, find_small, face_crops)
    exported = format_names(formats) if formats else ()  # a missing package is reported before hours of work
    crew = WorkerChoice(workers, on, ray_address, gpus_per_worker)
    status = _annotate(sources, out, crew, WorkerSetup(options, settings, tracker, exported, recursive))
    if status:
        raise typer.Exit(status)


def _annotate(sources: list[str], out: str, crew: WorkerChoice, setup: WorkerSetup) -> int:
    """Annotate with this process or with others until a signal comes; return the exit status."""
    with stop_on_signal() as control:
        _check_cluster_options(crew.on, crew.address, crew.gpus)
        if crew.count is not None or crew.on is not None:
            return _annotate_with_workers(sources, out, crew, setup, control)
        parts = (setup.options, setup.settings, setup.tracker, control, setup.formats)
        return _annotate_all(sources, setup.recursive, Path(out), *parts)


def _check_cluster_options(on: str | None, address: str | None, gpus: float) -> None:
    """Refuse options of a cluster without one.

    Raises:
        ConfigError: naming the option.
    """
    from engine.errors import ConfigError

    for option, is_given in (("--ray-address", address is not None), ("--gpus-per-worker", gpus > 0)):
        if is_given and on is None:
            raise ConfigError(f"{option} needs a cluster: add --on ray, or leave it out")


def _with_tracking(settings: EngineConfig, max_faces: int | None, find_small: bool, face_crops: bool) -> EngineConfig:
    """Settings with the tracking options that are given; the others stay as they are configured."""
    given = settings.tracking
    tracking = dataclasses.replace(
        given,
        max_faces=max_faces or given.max_faces,
        find_small=find_small or given.find_small,
        face_crops=face_crops or given.face_crops,
    )
    return dataclasses.replace(settings, tracking=tracking)


def _annotate_all(
    given: list[str],
    recursive: bool,
    out: Path,
    options: AnnotateOptions,
    settings: EngineConfig,
    tracker: TrackerName,
    control: JobControl,
    formats: tuple[str, ...],
) -> int:
    """Annotate one source after another, and export each; return the exit status."""
    from app.annotate import annotate, check_start
    from app.batch import ItemResult, ItemState, NumberedProgress, run_batch, write_failed
    from app.engine_cache import EngineCache
    from app.session.folder import SessionFolder
    from app.session.naming import session_folders
    from app.sources import GivenSource, find_sources, open_given

    sources = find_sources(given, recursive)
    for line in sources.left_out:
        print_note(line)
    folders = session_folders(out, [source.spec for source in sources.found])
    for folder in folders:  # all before the first one, which may take hours
        check_start(folder, options)
    unusable = [(fault.spec, fault.problem) for fault in sources.faults]
    unusable += [(spec, f"{spec} holds neither pictures nor videos") for spec in sources.empty]
    results = [
        ItemResult(GivenSource(spec), SessionFolder(out), ItemState.FAILED, problem=problem)
        for spec, problem in unusable
    ]
    for result in results:
        print_error(result.problem)
    progress = NumberedProgress(new_progress(), len(folders))

    def annotate_one(source: GivenSource, folder: SessionFolder) -> Outcome:
        def open_labelled(spec: str) -> FrameSource:
            return open_given(spec, source.file, recursive, settings.capture)

        progress.place += 1
        outcome = annotate(
            source.spec, folder, open_labelled, cache.engine_for, options, progress, control, cache.reopen
        )
        if formats and outcome.finished:
            _export_annotated(folder.path, formats, options.video, control)
        return outcome

    with EngineCache(settings, tracker) as cache:
        if folders and _needs_video_engine(sources.found[0].spec, folders[0]):
            cache.prepare()
        pairs = list(zip(sources.found, folders, strict=True))
        results += run_batch(pairs, annotate_one, control, partial(_print_result, cache=cache))
    status = _finish_batch(results, partial(write_failed, out))
    if any(isinstance(result.error, ThreadStuckError) for result in results):
        sys.stdout.flush()
        os._exit(status)  # a normal exit would wait for the stuck thread, which may hold the disk
    return status


def _needs_video_engine(spec: str, folder: SessionFolder) -> bool:
    """Whether a source is a video file whose session is not finished; False if in doubt."""
    from app.session.folder import SessionState
    from engine.capture.opening import is_video

    try:
        return Path(spec).is_file() and is_video(Path(spec)) and folder.state() is not SessionState.FINISHED
    except (OSError, ValueError, OutputError):  # annotating it tells
        return False


def _annotate_with_workers(
    given: list[str], out: str, workers: WorkerChoice, setup: WorkerSetup, control: JobControl
) -> int:
    """Annotate several sources at the same time; return the exit status."""
    from app.cluster.command import annotate_with_workers, list_failed

    def print_ended(result: ItemResult, report: Report) -> None:
        _print_ending(result)
        for remark in report.remarks:
            print_error(remark)
        for path in report.written:
            print_result(path)

    if workers.on is not None and not setup.options.force:
        setup = dataclasses.replace(setup, options=setup.options.resumed())
    results = annotate_with_workers(given, out, workers, setup, control, print_ended)
    return _finish_batch(results, partial(list_failed, out))


def _print_result(result: ItemResult, cache: EngineCache) -> None:
    """Print how a source of a batch ended."""
    if isinstance(result.error, ThreadStuckError):
        cache.abandon()  # the thread still uses an engine
    _print_ending(result)


def _print_ending(result: ItemResult) -> None:
    from app.batch import WorkerTracebackError

    if result.is_bug and result.error is not None:
        print_internal_error(result.error)
    elif result.problem:
        print_error(result.problem)
        if result.error is not None and isinstance(
            result.error.__cause__, WorkerTracebackError
        ):  # of a lost worker, as the cluster reports it
            print_saved_traceback(result.error)
    if result.outcome is not None:
        _print_outcome(result.outcome, result.address)


def _finish_batch(results: list[ItemResult], list_failed: Callable[[Sequence[ItemResult]], str | Path | None]) -> int:
    """Print the summary of a batch of several sources and list the failures; return the exit status."""
    from app.batch import ItemState, summary_lines

    failed = [result for result in results if result.state is ItemState.FAILED]
    if len(results) > 1:
        for line in summary_lines(results):
            print_result(line)
        path = list_failed(results)
        if path is not None:
            print_error(f"{len(failed)} of {len(results)} sources failed: they are listed in {path}")
    if any(result.state is ItemState.INTERRUPTED for result in results):
        return INTERRUPTED
    if any(result.is_bug for result in failed):
        return INTERNAL_ERROR
    return USER_ERROR if failed else 0


def _export_annotated(folder: Path, formats: tuple[str, ...], pictures: bool, control: JobControl) -> None:
    """Export what a finished session has, also after an earlier Ctrl-C has ended its live source.

    Without the annotated video, the summary page has no pictures either.
    """
    from app.export.command import export_session
    from app.export.job import ExportChoice

    def never() -> bool:
        return False

    cancelled = never if control.stopped else lambda: control.stopped
    choice = ExportChoice(formats, replace=True, pictures=pictures)
    print_exported(export_session(folder, choice, None, cancelled, new_progress(), skip_impossible=True))


def _print_outcome(outcome: Outcome, address: str | None = None) -> None:
    """Print how a source ended that did not fail; the files of a session at an address are listed by its worker."""
    folder = outcome.folder
    if not outcome.finished and address is not None:
        print_error(f"interrupted: nothing was written to {address}; the same command starts it again")
        return
    if not outcome.finished:
        print_error(f"interrupted: run the same command with --resume to continue from {folder.journal}")
        return
    if outcome.skipped:
        print_result(f"{address or folder.path} is already finished")
        return
    if outcome.fault is not None:
        print_error(outcome.fault)
    counts = outcome.counts
    if counts is not None:
        typer.echo(f"{counts.frames} frames, {counts.faces} faces, {counts.rows} rows")
        if counts.crowded:
            print_error(
                f"up to {counts.left_out} faces at once were left out, in {counts.crowded} frames: raise --max-faces"
            )
    for path in (folder.video, folder.csv, folder.parquet, folder.metadata):
        if address is None and path.exists():
            print_result(path)
