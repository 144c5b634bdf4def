"""Run the live path for a long time and measure whether memory grows or frames take longer: ``make soak``.

The source is live, 30 frames per second, with four faces that appear and leave, and results are taken as the window
takes them. ``python -m tests.faults.soak --minutes 60`` writes soak_1h_growth_mb to docs/results/trust.json: the
median of resident memory in the last tenth less that in the first tenth after a
warm-up. A shorter run gives the growth of that run, and its length is in the command.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.capture.synthetic import SyntheticSource
from engine.config import EngineConfig, for_live
from engine.engine import Engine
from engine.runtime import Runtime
from engine.types import UInt8
from tests.faults.figures import record

#: The demo's pictures that are kept, and their size in the mosaic.
_PICTURES: Final = 100
_TILE: Final = (480, 270)
_SAMPLE_S: Final = 2.0
_WARM_UP: Final = 0.1


class FourFaces(SyntheticSource):
    """The demo four times in one image, each at another moment."""

    def __init__(self) -> None:
        super().__init__(loop=True, live=True)
        total = self.info.frame_count or 200
        self._tiles = [
            np.asarray(cv2.resize(super(FourFaces, self).draw(place * total // _PICTURES), _TILE), np.uint8)
            for place in range(_PICTURES)
        ]

    def draw(self, index: int) -> UInt8:
        """The image of an index."""
        parts = [self._tiles[(index // 2 + quarter * _PICTURES // 4) % _PICTURES] for quarter in range(4)]
        return np.vstack((np.hstack(parts[:2]), np.hstack(parts[2:])))


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def soak(minutes: float) -> tuple[float, float, int]:
    """Run the live path; growth in MB, growth of the median processing time in ms, frames processed."""
    memory: list[float] = []
    times_ms: list[float] = []
    with FourFaces() as source, Engine.open(for_live(EngineConfig())) as engine:
        runtime = Runtime(source, engine, [], engine.config.runtime)
        runtime.start()
        end_s = time.monotonic() + minutes * 60
        while time.monotonic() < end_s:
            time.sleep(_SAMPLE_S)
            latest = runtime.latest()
            if latest is not None:
                memory.append(resident_mb())
                times_ms.append(latest.times.total_ms)
        runtime.stop()
        frames = runtime.counters().processed
    start = round(len(memory) * _WARM_UP)
    tenth = max(len(memory) // 10, 1)

    def change(values: list[float]) -> float:
        return float(np.median(values[-tenth:]) - np.median(values[start : start + tenth]))

    return change(memory), change(times_ms), frames


def main(arguments: list[str]) -> int:
    """Measure and write the figure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    chosen = parser.parse_args(arguments)
    growth_mb, slower_ms, frames = soak(chosen.minutes)
    print(f"{frames} frames in {chosen.minutes:g} min: {growth_mb:+.1f} MB, {slower_ms:+.1f} ms")  # noqa: T201 (a script)
    record(
        "soak_1h_growth_mb", round(growth_mb, 1), frames, f"python -m tests.faults.soak --minutes {chosen.minutes:g}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
