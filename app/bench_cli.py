"""The command ``mien bench``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.cli_options import engine_settings
from app.terminal import print_note
from app.version import app_version
from app.window import no_window
from engine.errors import ConfigError

if TYPE_CHECKING:
    from app.bench.run import BenchPlan
    from engine.config import EngineConfig


def bench_command(
    clip: Annotated[str | None, typer.Argument(help="Video to measure with, or demo; default: drawn clips.")] = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Of drawn clips: 360p, 720p, 1080p.")] = "720p",
    faces: Annotated[str, typer.Option("--faces", help="Of drawn clips: numbers from 0 to 8.")] = "1",
    parts: Annotated[
        str,
        typer.Option(
            "--parts",
            help="annotate: the whole command; paced: latency in real time; fast: latency as fast as possible; "
            "stages: processor time by stage.",
        ),
    ] = "annotate,paced,fast,stages",
    backend: Annotated[
        str,
        typer.Option("--backend", help="Inference backends, as 'mien doctor' lists them; all = every installed one."),
    ] = "",
    precision: Annotated[str, typer.Option("--precision", help="On a GPU: fp32, fp16, int8.")] = "",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads per model.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1.0, help="Of video in each run; 10, and 20 with --gui.")
    ] = None,
    warm_up: Annotated[
        float, typer.Option("--warm-up", min=0.0, help="Seconds that the steady figures leave out.")
    ] = 2.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Runs of each measurement; with --gui: starts.")] = 3,
    fps: Annotated[float, typer.Option("--fps", min=1.0, help="Frames per second of the live source.")] = 30.0,
    no_video: Annotated[bool, typer.Option("--no-video", help="Measure without writing the video.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run to this file.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write bars to this page (HTML).")] = None,
    gui: Annotated[bool, typer.Option("--gui", help="Measure the window, offscreen.")] = False,
    hours: Annotated[float, typer.Option("--hours", min=0.01, help="With --gui: length of the session.")] = 2.0,
) -> None:
    """Measure this machine: frames per second, latency, processor time by stage, memory, start-up, and power.

    Each run is a process of its own. Sizes, faces, parts, backends and precisions are lists separated by commas; all
    combinations are measured, and the figures are medians, with the lowest and highest of the repeats.

    With --gui: time from the start of mien to the painted window, time per live frame on its main thread, and time to
    open a two-hour session.
    """
    if gui:
        _measure_window(seconds or 20.0, hours, repeats, engine_settings(None, backend or None, threads), json_file)
        return
    if not hasattr(os, "wait4"):
        raise ConfigError("mien bench needs Linux or macOS: only 'mien bench --gui' runs here")
    from app.bench.run import BenchPlan, installed_choices

    plan = BenchPlan(
        sizes=_names(sizes),
        faces=tuple(_number(word) for word in _names(faces)),
        clip=clip,
        choices=installed_choices(_names(backend), _names(precision), threads),
        parts=_names(parts),
        seconds=seconds or 10.0,
        warm_up_s=warm_up,
        repeats=repeats,
        paced_fps=fps,
        video=not no_video,
    )
    _measure(plan, json_file, plot)


def _measure(plan: BenchPlan, json_file: Path | None, plot: Path | None) -> None:
    from app.bench.clips import MAX_FACES, SIZES
    from app.bench.report import show, write_json, write_plot
    from app.bench.run import PARTS, measure

    for given, known, option in ((plan.sizes, tuple(SIZES), "--sizes"), (plan.parts, PARTS, "--parts")):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise ConfigError(f"{option}: {', '.join(unknown) or 'nothing'} is unknown: known are {', '.join(known)}")
    if not all(0 <= number <= MAX_FACES for number in plan.faces):
        raise ConfigError(f"--faces must be numbers from 0 to {MAX_FACES}")
    report = measure(plan, app_version(), print_note)
    show(report, Console())
    if json_file is not None:
        write_json(report, json_file)
    if plot is not None:
        write_plot(report, plot)


def _measure_window(seconds: float, hours: float, starts: int, settings: EngineConfig, json_file: Path | None) -> None:
    try:
        from app.qt.gui_bench import measure_window, show_figures, write_figures
    except ImportError as error:
        raise no_window(error) from None

    figures = measure_window(seconds, hours, starts, settings, print_note)
    show_figures(figures, Console())
    if json_file is not None:
        write_figures(figures, json_file)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in text.split(","))))


def _number(word: str) -> int:
    if not word.isdecimal():
        raise ConfigError(f"--faces: {word} is not a number")
    return int(word)
