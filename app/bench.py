"""Measure ``mien annotate`` from outside, in a separate process: time and memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.remedies import output_errors
from app.session.journal import read_journal
from app.session.journal_lines import STAGES
from app.session.metadata import read_metadata
from engine.capture.opening import source_stem
from engine.errors import OutputError
from engine.files import write_text
from engine.records import json_text

#: Seconds between two checks of the journal, the error of the time to the first result.
_POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class StageFigures:
    """Times of one stage."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class BenchFigures:
    """Results of a measurement."""

    clip: str
    frames: int
    fps: float  # from the first frame in the journal to the last
    first_result_s: float  # from the start of the process to the first frame in the journal
    total_s: float  # of the process
    peak_rss_mb: float
    stages: dict[str, StageFigures]
    video: bool
    models: list[str]  # with backend and device
    machine: str
    cores: int


def measure(clip: str, backend: str | None, threads: int | None, video: bool) -> BenchFigures:
    """Annotate a clip into a temporary folder and measure it.

    Raises:
        OutputError: annotate failed; its message is included.
    """
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        command = [sys.executable, "-m", "app", "annotate", clip, "--out", scratch]
        command += ["--backend", backend] if backend else []
        command += ["--threads", str(threads)] if threads else []
        command += [] if video else ["--no-video"]
        folder = Path(scratch) / source_stem(clip)
        timing = _run(command, folder / "journal.jsonl", Path(scratch) / "messages.txt")
        stage_ms = [entry.stage_ms for entry in read_journal(folder / "journal.jsonl")]
        models = read_metadata(folder / "metadata.json").models
    p50, p95 = np.percentile(np.array(stage_ms), (50, 95), axis=0)  # of (frames, stages)
    return BenchFigures(
        clip=clip,
        frames=len(stage_ms),
        fps=round((len(stage_ms) - 1) / max(timing.last_s - timing.first_s, 1e-9), 1),
        first_result_s=round(timing.first_s, 2),
        total_s=round(timing.total_s, 2),
        peak_rss_mb=round(timing.peak_rss_mb, 1),
        stages={
            name: StageFigures(round(float(low), 2), round(float(high), 2))
            for name, low, high in zip(STAGES, p50, p95, strict=True)
        },
        video=video,
        models=[f"{model.name} on {model.backend} {model.device}" for model in models],
        machine=f"{platform.machine()} {platform.system()}",
        cores=os.cpu_count() or 1,
    )


def show(figures: BenchFigures, console: Console) -> None:
    """Print the results."""
    table = Table(show_edge=False, show_header=False)
    table.add_row("clip", Text(f"{figures.clip}, {figures.frames} frames"))
    table.add_row("frames per second", f"{figures.fps:.1f}")
    table.add_row("first result", f"{figures.first_result_s:.2f} s after the start")
    table.add_row("whole run", f"{figures.total_s:.2f} s")
    table.add_row("peak memory", f"{figures.peak_rss_mb:.0f} MB")
    for name, stage in figures.stages.items():
        table.add_row(name, f"{stage.p50_ms:.2f} ms median, {stage.p95_ms:.2f} ms for 95 %")
    for model in figures.models:
        table.add_row("model", Text(model))
    console.print(table)


def write(figures: BenchFigures, path: Path) -> None:
    """Write the results as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    with output_errors(path):
        write_text(path, json_text(figures))


@dataclass(frozen=True, slots=True)
class _Timing:
    first_s: float
    last_s: float
    total_s: float
    peak_rss_mb: float


def _run(command: list[str], journal: Path, messages: Path) -> _Timing:
    """Run annotate and watch its journal grow; times are in seconds since its start."""
    checkout = str(Path(__file__).resolve().parents[1])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))
    first_s = last_s = 0.0
    size = 0
    with messages.open("w", encoding="utf-8") as errors:
        start_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        while True:
            finished, status, usage = os.wait4(process.pid, os.WNOHANG)
            now_s = time.perf_counter() - start_s
            if finished:
                break
            new_size = _size(journal)
            if new_size > size:
                first_s = first_s or (now_s if _has_frame(journal) else 0.0)
                size, last_s = new_size, now_s
            time.sleep(_POLL_S)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        lines = messages.read_text(encoding="utf-8").splitlines() or ["no message"]
        raise OutputError(f"annotate ended with status {process.returncode}: {lines[-1].removeprefix('mien: ')}")
    per_mb = 1 << (20 if sys.platform == "darwin" else 10)  # bytes there, kilobytes elsewhere
    return _Timing(first_s, last_s, now_s, usage.ru_maxrss / per_mb)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _has_frame(journal: Path) -> bool:
    return any(True for _ in read_journal(journal))
