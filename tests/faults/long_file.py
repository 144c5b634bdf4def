"""Peak memory of ``annotate`` on a film of hours against one of two minutes, both 1080p and made on the spot.

``python -m tests.faults.long_file --hours 2 --fps 30`` writes long_file_peak_memory_ratio to docs/results/trust.json,
and with it the processor time per frame of each tenth, without the start, as other programs change wall times more.
Fewer frames per second make it faster; the short film has the same rate, so with few of them its tables are shorter
than one block of the writer.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from tests.faults.figures import ROOT, record
from tests.faults.films import make_film

#: Length of the part that is encoded; the film repeats it.
_PART_S: Final = 120
_SIZE: Final = (1920, 1080)
#: Share of the film before the first of the tenths: start and warm-up.
_START: Final = 0.01


@dataclass(slots=True)
class Run:
    """One run of annotate."""

    count: int = 0  # frames that were analysed, by the metadata
    peak_mb: float = 0.0  # largest resident memory of the program
    frames: list[int] = field(default_factory=list)  # in the journal, read every second ...
    cpu_s: list[float] = field(default_factory=list)  # ... and the processor time so far, of the decoder too

    def cpu_ms(self, begin: float, end: float) -> float:
        """Processor time per frame between two shares of the film."""
        first, last = begin * self.frames[-1], end * self.frames[-1]
        from_s, to_s = np.interp((first, last), self.frames, self.cpu_s)
        return float(1000 * (to_s - from_s) / (last - first))


def annotated(film: Path, out: Path) -> Run:
    """Run annotate without the video that it writes."""
    run, done = Run(), threading.Event()
    child = subprocess.Popen(
        [sys.executable, "-m", "app", "annotate", str(film), "--out", str(out), "--no-video"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    watcher = threading.Thread(target=_watch, args=(child.pid, SessionFolder(out / film.stem).journal, run, done))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    done.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"annotate failed with exit status {child.returncode}")
    run.peak_mb = usage.ru_maxrss / 1024  # KiB on Linux
    run.count = read_metadata(SessionFolder(out / film.stem).metadata).frames.analysed
    return run


def _watch(pid: int, journal: Path, run: Run, done: threading.Event) -> None:
    """Count the lines of the journal and the processor time while it grows."""
    lines = position = 0
    while not done.wait(1.0):
        with contextlib.suppress(OSError, IndexError):  # not started, or ended meanwhile
            with journal.open("rb") as file:
                file.seek(position)
                new = file.read()
            position, lines = position + len(new), lines + new.count(b',"ms":[')  # saved states have no times
            if new:  # not while tables are written
                run.frames.append(lines)
                run.cpu_s.append(_cpu_s(pid))


def _cpu_s(pid: int) -> float:
    """Processor time of a process, of those that it started, and of those that have ended, as in proc(5)."""
    own = [int(value) for value in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]
    children = " ".join(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children")).split()
    running = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in children]
    return (sum(own) + sum(int(value) for each in running for value in each)) / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> int:
    """Measure and write the figure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--fps", type=int, default=30)
    chosen = parser.parse_args(arguments)
    repeat = round(chosen.hours * 3600 / _PART_S)
    with tempfile.TemporaryDirectory(prefix="mien-long-") as scratch:
        folder = Path(scratch)
        short = make_film(folder / "short.mp4", _PART_S * chosen.fps, *_SIZE, chosen.fps)
        long = make_film(folder / "long.mp4", _PART_S * chosen.fps, *_SIZE, chosen.fps, repeat)
        runs = [annotated(film, folder / "out") for film in (short, long)]
    peaks = [run.peak_mb for run in runs]
    frames = runs[1].count
    edges = np.linspace(_START, 1, 11)
    tenths = " ".join(f"{runs[1].cpu_ms(*ends):.1f}" for ends in pairwise(edges))
    note = f"{peaks[0]:.0f} and {peaks[1]:.0f} MB; processor time per frame in each tenth: {tenths} ms"
    print(f"{frames} frames, {note}")  # noqa: T201 (a script)
    command = f"python -m tests.faults.long_file --hours {chosen.hours:g} --fps {chosen.fps} ({note})"
    record("long_file_peak_memory_ratio", round(peaks[1] / peaks[0], 3), frames, command)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
