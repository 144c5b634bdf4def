"""Measures ``mien annotate`` from outside, in a process of its own: time, processor time, memory of the whole run."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.bench.figures import AnnotateRun, EngineChoice, Percentiles
from app.bench.probes import peak_rss_mb, process_cpu_s
from app.session.journal import read_journal
from app.session.journal_lines import STAGES
from app.session.metadata import read_metadata
from engine.capture.opening import source_stem
from engine.errors import OutputError

#: Seconds between two checks of the journal, the error of the time to the first result.
_POLL_S: Final = 0.01
CHECKOUT: Final = Path(__file__).resolve().parents[2]
#: Start of the line of a frame in the journal; lines with the state of the pipeline start otherwise.
_FRAME_LINE: Final = b'{"frame":'
_STATE: Final = b'"snapshot":'


@dataclass(frozen=True, slots=True)
class _Mark:
    """What was measured when the journal had grown."""

    frames: int
    time_s: float  # since the start of the process
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class _Timing:
    first_s: float  # first frame in the journal
    warm: _Mark  # end of the warm-up
    last: _Mark  # last frame in the journal; processor time of the whole process
    total_s: float
    peak_rss_mb: float


def measure_annotate(clip: str, choice: EngineChoice, video: bool, warm_up_s: float) -> AnnotateRun:
    """Annotate a clip into a temporary folder and measure it.

    Args:
        clip: a source, as the user names it.
        choice: the runtime.
        video: write the annotated video.
        warm_up_s: time after the first result that the steady figures leave out; at most half of the run.

    Raises:
        OutputError: annotate failed; its message is included.
    """
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = Path(scratch) / source_stem(clip)
        command = annotate_command(clip, Path(scratch), choice, video)
        timing = _run(command, folder / "journal.jsonl", Path(scratch) / "messages.txt", warm_up_s)
        entries = list(read_journal(folder / "journal.jsonl"))
        models = read_metadata(folder / "metadata.json").models
    stage_ms = np.array([entry.stage_ms for entry in entries])  # (frames, stages)
    percentiles = np.percentile(stage_ms, (50, 95, 99), axis=0).round(2).T.tolist()
    frames, cpu_s = len(entries), timing.last.cpu_s or 0.0
    steady_frames = max(timing.last.frames - timing.warm.frames, 1)
    steady_cpu_s = None if timing.warm.cpu_s is None else cpu_s - timing.warm.cpu_s
    return AnnotateRun(
        frames=frames,
        faces_per_frame=round(
            statistics.fmean(sum(row.face_id is not None for row in entry.rows) for entry in entries), 2
        ),
        fps=round(frames / timing.total_s, 2),
        steady_fps=round(steady_frames / max(timing.last.time_s - timing.warm.time_s, 1e-9), 2),
        total_s=round(timing.total_s, 3),
        first_result_s=round(timing.first_s, 3),
        cpu_ms=round(1000 * cpu_s / frames, 3),
        steady_cpu_ms=None if steady_cpu_s is None else round(1000 * steady_cpu_s / steady_frames, 3),
        peak_rss_mb=round(timing.peak_rss_mb, 1),
        stage_wall_ms={name: Percentiles(*values) for name, values in zip(STAGES, percentiles, strict=True)},
        models=[f"{model.name} on {model.backend} {model.device}" for model in models],
    )


def annotate_command(clip: str, out: Path, choice: EngineChoice, video: bool) -> list[str]:
    """Command line of annotate; a precision is passed in a settings file that is written to ``out``."""
    command = [sys.executable, "-m", "app", "annotate", clip, "--out", str(out)]
    if choice.precision is not None:
        settings = out / "bench.toml"
        settings.write_text(f'[gpu]\nprecision = "{choice.precision}"\n', encoding="utf-8")
        command += ["--config", str(settings)]
    command += ["--backend", choice.backend] if choice.backend else []
    command += ["--threads", str(choice.threads)] if choice.threads else []
    return command + ([] if video else ["--no-video"])


def child_environment() -> dict[str, str]:
    """Environment in which a child process imports this program, also from a checkout."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return environment


def run_child(
    command: list[str], messages: Path, watch: Callable[[int, float], None], name: str
) -> tuple[float, float, float]:
    """Run a process to its end, calling ``watch(pid, seconds since its start)`` every hundredth of a second.

    Returns:
        Its seconds, its processor seconds and its highest resident memory in MB.

    Raises:
        OutputError: its exit status is not 0; the last line of its messages is included.
    """
    with messages.open("w", encoding="utf-8") as errors:
        start_s = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=CHECKOUT,  # Python looks for modules in the current folder first, which may be a stranger's
            env=child_environment(),
        )
        try:
            status, usage, passed_s = _wait(process.pid, start_s, watch)
        except BaseException:  # such as Ctrl-C
            process.kill()
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        lines = messages.read_text(encoding="utf-8").splitlines() or ["no message"]
        raise OutputError(f"{name} ended with status {process.returncode}: {lines[-1].removeprefix('mien: ')}")
    return passed_s, usage.ru_utime + usage.ru_stime, peak_rss_mb(usage)


def _wait(pid: int, start_s: float, watch: Callable[[int, float], None]) -> tuple[int, resource.struct_rusage, float]:
    """Watch a process until it ends: its status, what it used, and its seconds."""
    while True:
        finished, status, usage = os.wait4(pid, os.WNOHANG)
        now_s = time.perf_counter() - start_s
        if finished:
            return status, usage, now_s
        watch(pid, now_s)
        time.sleep(_POLL_S)


def _run(command: list[str], journal: Path, messages: Path, warm_up_s: float) -> _Timing:
    """Run annotate and watch its journal grow."""
    watch = _JournalWatch(journal)
    total_s, cpu_s, rss_mb = run_child(command, messages, watch.look, "annotate")
    marks = watch.marks or [_Mark(0, total_s, None)]
    first, last = marks[0], marks[-1]
    end_s = min(first.time_s + warm_up_s, (first.time_s + last.time_s) / 2)
    warm = next(mark for mark in marks if mark.time_s >= end_s)
    return _Timing(first.time_s, warm, _Mark(last.frames, last.time_s, cpu_s), total_s, rss_mb)


class _JournalWatch:
    """Counts the frames in a growing journal."""

    def __init__(self, path: Path) -> None:
        self.marks: list[_Mark] = []  # each time when there were more frames
        self._path = path
        self._offset = 0
        self._frames = 0

    def look(self, pid: int, now_s: float) -> None:
        """Read what is new; only whole lines count."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        new = sum(line.startswith(_FRAME_LINE) and _STATE not in line[:40] for line in whole.splitlines())
        if new:
            self._frames += new
            self.marks.append(_Mark(self._frames, now_s, process_cpu_s(pid)))
