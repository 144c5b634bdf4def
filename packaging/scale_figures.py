"""Measure workers: every clip exactly once although one is killed, the overhead of Ray, and one against two processes.

    python packaging/scale_figures.py FOLDER --clips 1000 --paired 40 --out figures.json

FOLDER keeps clips and sessions, so an interrupted measurement continues. Processor times are those of this program and
all processes below it, Ray's own included, from the first clip after the warm-up to the last one; they hold on a busy
machine, wall times do not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from app.annotate import AnnotateOptions, JobControl
from app.batch import ItemState
from app.cluster.dispatch import Crew, dispatch
from app.cluster.processes import ProcessCrew
from app.cluster.ray_actors import RayCrew
from app.cluster.records import Item, Report, WorkerSetup
from engine.config import EngineConfig

ROOT = Path(__file__).parents[1]
FRAMES = 10
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run over some clips."""

    clips: int
    cpu_s: float
    wall_s: float


def make_clips(folder: Path, count: int) -> list[Path]:
    """Clips of 320 x 240 and ten frames with the face of the demo; each differs from the others."""
    portrait = cv2.imread(str(ROOT / "assets" / "demo" / "portrait.jpg"), cv2.IMREAD_COLOR_RGB)
    face = cv2.resize(portrait, (200, 200 * portrait.shape[0] // portrait.shape[1]))[:240]
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"clip{number:04d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        part = path.with_suffix(".part")
        with av.open(str(part), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for step in range(FRAMES):
                image = np.full((240, 320, 3), number % 256, np.uint8)
                left = (number // 8 + step) % 120
                image[: len(face), left : left + 200] = face
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = step, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        part.replace(path)
    return paths


def items_of(clips: Sequence[Path], out: Path) -> list[Item]:
    """An item for each clip."""
    return [Item(place, str(path), str(out / path.stem)) for place, path in enumerate(clips)]


class Listener:
    """Counts; kills the worker that holds the session of a clip once so many have ended."""

    def __init__(self, kill_after: int | None = None) -> None:
        self.ended_places: list[int] = []
        self.losses = 0
        self._kill_after = kill_after
        self.on_end: Callable[[int], None] = lambda count: None

    def progress(self, item: Item, share: float) -> None:
        """Kill, if it is time."""
        if self._kill_after is not None and len(self.ended_places) >= self._kill_after:
            try:
                pid = json.loads((Path(item.folder) / "session.lock").read_text())["pid"]
            except (OSError, ValueError):
                return
            self._kill_after = None
            os.kill(pid, signal.SIGKILL)

    def lost(self, item: Item, reason: str) -> None:
        """Count."""
        self.losses += 1

    def ended(self, item: Item, report: Report) -> None:
        """Count."""
        self.ended_places.append(item.place)
        self.on_end(len(self.ended_places))


def cpu_of(crew: Crew, others: Sequence[Crew]) -> float:
    """Processor seconds of this program and of the processes of a crew; all that is not of ``others`` is Ray's."""
    if isinstance(crew, ProcessCrew):
        return sum(cpu_by_process(os.getpid(), {os.getpid(), *crew.processes.values()}).values())
    foreign = {pid for other in others if isinstance(other, ProcessCrew) for pid in other.processes.values()}
    return sum(seconds for pid, seconds in cpu_by_process(os.getpid()).items() if pid not in foreign)


def cpu_by_process(pid: int, wanted: set[int] | None = None) -> dict[int, float]:
    """Processor seconds of a process and of all below it, or of those that are wanted."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(stat.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = sum(map(int, fields[11:15])) / TICKS
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return {number: seconds[number] for number in (wanted or below) if number in seconds}


def timed(crew: Crew, others: Sequence[Crew], items: Sequence[Item], warm_up: int) -> Run:
    """Run items; the first ones, in which engines are opened, do not count."""
    marks: list[tuple[float, float]] = []

    def mark(count: int) -> None:
        if count in (warm_up, len(items)):
            marks.append((cpu_of(crew, others), time.monotonic()))

    listener = Listener()
    listener.on_end = mark
    reports = dispatch(items, crew, JobControl(), listener)
    assert all(report.state is ItemState.DONE for report in reports), reports
    (cpu_0, wall_0), (cpu_1, wall_1) = marks
    return Run(len(items) - warm_up, cpu_1 - cpu_0, wall_1 - wall_0)


def exactly_once(clips: Sequence[Path], out: Path, setup: WorkerSetup) -> dict[str, int]:
    """Two Ray workers, one of which is killed after a tenth of the clips."""
    from app.session.journal import read_journal

    listener = Listener(kill_after=len(clips) // 10)
    crew = RayCrew(2, setup, None, 0.0)
    try:
        reports = dispatch(items_of(clips, out), crew, JobControl(), listener, retry_failed=True)
    finally:
        crew.close()
    frames = [[entry.frame for entry in read_journal(out / path.stem / "journal.jsonl")] for path in clips]
    once = sum(
        listener.ended_places.count(place) == 1
        and reports[place].state in (ItemState.DONE, ItemState.FINISHED_BEFORE)
        and frames[place] == list(range(FRAMES))
        for place in range(len(clips))
    )
    sessions = len(list(out.glob("*/metadata.json")))
    return {"clips": len(clips), "once": once, "sessions": sessions, "killed": listener.losses}


def main() -> None:
    """Measure, and write all runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--paired", type=int, default=40, help="clips of each paired run")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=["once", "paired", "all"], default="all")
    given = parser.parse_args()
    setup = WorkerSetup(AnnotateOptions("figures", resume=True, video=False), EngineConfig(), "litert")
    clips = make_clips(given.folder / "clips", max(given.clips, given.paired))
    result: dict[str, object] = json.loads(given.out.read_text()) if given.out.exists() else {}
    if given.only in ("once", "all"):
        result["exactly_once"] = exactly_once(clips[: given.clips], given.folder / "once", setup)
        given.out.write_text(json.dumps(result, indent=1))
    if given.only in ("paired", "all"):
        crews: dict[str, Callable[[], Crew]] = {
            "one process": lambda: ProcessCrew(1, setup),
            "two processes": lambda: ProcessCrew(2, setup),
            "two on Ray": lambda: RayCrew(2, setup, None, 0.0),
        }
        runs: dict[str, list[Run]] = {name: [] for name in crews}
        open_crews = {name: make() for name, make in crews.items()}
        try:
            for number in range(given.pairs):
                for name, crew in open_crews.items():
                    out = given.folder / "paired"
                    shutil.rmtree(out, ignore_errors=True)
                    warm_up = 4 if number == 0 else 1
                    others = [other for other in open_crews.values() if other is not crew]
                    runs[name].append(timed(crew, others, items_of(clips[: given.paired], out), warm_up))
                    print(number, name, runs[name][-1], flush=True)  # noqa: T201
        finally:
            for crew in open_crews.values():
                crew.close()
        result["runs"] = {name: [asdict(run) for run in each] for name, each in runs.items()}
        per_clip = {name: [run.cpu_s / run.clips for run in each] for name, each in runs.items()}
        pairs = [ray / plain - 1 for ray, plain in zip(per_clip["two on Ray"], per_clip["two processes"], strict=True)]
        result["ray_overhead_cpu"] = [statistics.median(pairs), min(pairs), max(pairs)]
        given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
