"""Peak memory of ``annotate`` on a film of hours against one of two minutes, both 1080p and made on the spot.

``python -m tests.faults.long_file --hours 2 --fps 30`` writes long_file_peak_memory_ratio to docs/results/trust.json,
and prints the processing time per frame of the first and the last tenth. Fewer frames per second make it faster; the
short film has the same rate, so with few of them its tables are shorter than one block of the writer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

from app.session.folder import SessionFolder
from app.session.journal import read_journal
from tests.faults.figures import ROOT, record
from tests.faults.films import make_film

#: Length of the part that is encoded; the film repeats it.
_PART_S: Final = 120
_SIZE: Final = (1920, 1080)


def peak_mb(film: Path, out: Path) -> float:
    """Largest resident memory of annotate and its processes, without the video that it writes."""
    child = subprocess.Popen(
        [sys.executable, "-m", "app", "annotate", str(film), "--out", str(out), "--no-video"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"annotate failed with exit status {child.returncode}")
    return usage.ru_maxrss / 1024  # KiB on Linux


def mean_ms(journal: Path, begin: int, end: int) -> float:
    """Mean processing time of frames from ``begin`` to ``end``."""
    times = [sum(entry.stage_ms) for entry in islice(read_journal(journal), begin, end)]
    return sum(times) / len(times)


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
        peaks = [peak_mb(film, folder / "out") for film in (short, long)]
        journal = SessionFolder(folder / "out" / "long").journal
        frames = sum(1 for _ in read_journal(journal))
        tenth = frames // 10
        first, last = mean_ms(journal, 0, tenth), mean_ms(journal, frames - tenth, frames)
    print(f"{frames} frames, {peaks[0]:.0f} and {peaks[1]:.0f} MB, {first:.1f} and {last:.1f} ms per frame")  # noqa: T201
    command = f"python -m tests.faults.long_file --hours {chosen.hours:g} --fps {chosen.fps}"
    record("long_file_peak_memory_ratio", round(peaks[1] / peaks[0], 3), frames, command)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
