"""Run the live path for a long time and measure whether memory grows or frames take longer: ``make soak``.

The source is live and offers 30 images per second with up to eight faces in four quarters, of which one after the other
is empty for three seconds. Results are taken as the window takes them. ``python -m tests.faults.soak --minutes 60``
writes soak_1h_growth_mb to docs/results/trust.json and live_1h_growth_mb to docs/results/speed.json: the median of
anonymous memory in the last tenth less that in the first tenth after a warm-up. (Resident memory also has pages of
files, which the system drops when other programs need the memory.) A shorter run gives the growth of that run, and its
length is in the command. The rest is printed and becomes part of the command's note: frames offered, processed and
dropped, the processor time of a frame at the beginning and at the end, how old results were, and what was left open.
Ages of results mean something on a quiet machine only, processor times elsewhere too.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.capture.synthetic import SyntheticSource
from engine.config import EngineConfig, for_live
from engine.engine import Engine
from engine.runtime import Runtime
from engine.types import Float64, FrameResult, UInt8
from tests.faults.figures import record

FPS: Final = 30.0
#: The demo's pictures that are kept, each shown for two frames, and their size in the mosaic.
_PICTURES: Final = 100
_TILE: Final = (480, 270)
#: Frames after which a quarter is empty again, and for how many it is.
_ROUND: Final = 480
_EMPTY: Final = 90
_SAMPLE_S: Final = 2.0
_WARM_UP: Final = 0.1
#: A longer run than this many frames keeps the ages of the first ones only.
_MAX_FRAMES: Final = 4_000_000


class FourFaces(SyntheticSource):
    """The demo four times in one image, each at another moment, and each away for a while."""

    def __init__(self) -> None:
        super().__init__(fps=FPS, loop=True, live=True)
        total = self.info.frame_count or 240
        self._tiles = [_tile(super(FourFaces, self).draw(place * total // _PICTURES)) for place in range(_PICTURES)]
        self._empty = _tile(self._wall)

    def draw(self, index: int) -> UInt8:
        """The image of an index."""
        parts = [self._quarter(index, quarter) for quarter in range(4)]
        return np.vstack((np.hstack(parts[:2]), np.hstack(parts[2:])))

    def _quarter(self, index: int, quarter: int) -> UInt8:
        if (index - quarter * _ROUND // 4) % _ROUND < _EMPTY:
            return self._empty
        return self._tiles[(index // 2 + quarter * _PICTURES // 4) % _PICTURES]


def _tile(image: UInt8) -> UInt8:
    return np.asarray(cv2.resize(image, _TILE), np.uint8)


class Ages:
    """A sink that keeps how old each result was when it was handed out; its memory is taken at the start."""

    def __init__(self, frames: int) -> None:
        self.ms: Float64 = np.zeros(min(frames, _MAX_FRAMES))
        self.count = 0
        self.tracks: set[int] = set()
        self.faces = [1000, 0]  # least and most in a frame
        self._start_s: float | None = None

    def open(self) -> None:
        """Nothing is open."""

    def write(self, result: FrameResult) -> None:
        """Keep the age; the first result, which loads much, is the zero of the clock."""
        now_s = time.monotonic()
        self._start_s = self._start_s or now_s - result.frame.timestamp_s - result.times.total_ms / 1000
        if self.count < len(self.ms):
            self.ms[self.count] = (now_s - self._start_s - result.frame.timestamp_s) * 1000
            self.count += 1
        self.tracks.update(face.track.track_id for face in result.faces)
        self.faces = [min(self.faces[0], len(result.faces)), max(self.faces[1], len(result.faces))]

    def close(self, completed: bool) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Samples:
    """What was read every two seconds."""

    memory_mb: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    open: list[tuple[int, int]] = field(default_factory=list)  # threads and files

    def add(self, frames: int) -> None:
        """Read the process."""
        self.memory_mb.append(memory_mb())
        self.frames.append(frames)
        self.cpu_s.append(time.process_time())
        self.open.append((threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())))

    def growth_mb(self) -> float:
        """Median of the last tenth less that of the first after the warm-up."""
        first, last = _ends(len(self.memory_mb))
        return float(np.median(self.memory_mb[last]) - np.median(self.memory_mb[first]))

    def cpu_ms(self) -> tuple[float, float]:
        """Processor time per frame in these two tenths."""
        first, last = (self._cpu_ms(part) for part in _ends(len(self.memory_mb)))
        return first, last

    def _cpu_ms(self, part: slice) -> float:
        frames, cpu_s = self.frames[part], self.cpu_s[part]
        return 1000 * (cpu_s[-1] - cpu_s[0]) / max(frames[-1] - frames[0], 1)


def _ends(count: int) -> tuple[slice, slice]:
    """The first tenth after the warm-up, and the last; two samples at least."""
    start, length = round(count * _WARM_UP), max(count // 10, 2)
    return slice(start, start + length), slice(count - length, count)


def memory_mb() -> float:
    """Anonymous memory of this process, as in proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024


def soak(minutes: float) -> tuple[float, int, str]:
    """Run the live path; growth in MB, frames processed, and a line on everything else."""
    samples, ages = Samples(), Ages(round(minutes * 60 * FPS * 1.1))
    with FourFaces() as source, Engine.open(for_live(EngineConfig())) as engine:
        runtime = Runtime(source, engine, [ages], engine.config.runtime)
        runtime.start()
        end_s = time.monotonic() + minutes * 60
        while time.monotonic() < end_s:
            time.sleep(_SAMPLE_S)
            if runtime.latest() is not None:
                samples.add(runtime.counters().processed)
        runtime.stop()
        counters = runtime.counters()
    first, last = samples.cpu_ms()
    old = [np.percentile(ages.ms[: ages.count][part], (50, 95)) for part in _ends(ages.count)]
    threads, files = (samples.open[-1][kind] - samples.open[len(samples.open) // 10][kind] for kind in (0, 1))
    note = (
        f"{counters.captured} frames offered, {counters.processed} processed, {counters.dropped} dropped; processor "
        f"time {first:.1f} then {last:.1f} ms a frame; results {old[0][0]:.0f} then {old[1][0]:.0f} ms old at p50, "
        f"{old[0][1]:.0f} then {old[1][1]:.0f} at p95; {ages.faces[0]} to {ages.faces[1]} faces, {len(ages.tracks)} "
        f"tracks; {threads} threads and {files} files more at the end"
    )
    return samples.growth_mb(), counters.processed, note


def main(arguments: list[str]) -> int:
    """Measure and write the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--print", action="store_true", help="write no figure")
    chosen = parser.parse_args(arguments)
    growth_mb, frames, note = soak(chosen.minutes)
    print(f"{chosen.minutes:g} min: {growth_mb:+.1f} MB; {note}")  # noqa: T201 (a script)
    if not chosen.print:
        command = f"python -m tests.faults.soak --minutes {chosen.minutes:g} ({note})"
        record("soak_1h_growth_mb", round(growth_mb, 1), frames, command)
        record("live_1h_growth_mb", round(growth_mb, 1), frames, command, topic="speed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
