"""Unplug and replug a fake camera in real time, and measure how soon that is found and how soon frames come again.

``python -m tests.faults.camera_cycles --count 100`` writes camera_cycles_recovered_of_100 to docs/results/trust.json:
the cycles in which the loss was found within 2 s and frames came again within 5 s of the plug. Only `cv2.VideoCapture`
is replaced; the runtime, the reconnecting source and the camera's reader are those of the program.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final
from unittest import mock

import cv2
import numpy as np

from engine.capture.camera import LOST_S
from engine.capture.opening import open_lasting
from engine.capture.reconnecting import ConnectionState, ReconnectingSource
from engine.config import CaptureConfig, RuntimeConfig
from engine.runtime import Runtime
from engine.types import UInt8
from tests.fakes.engines import FakePipeline
from tests.faults.figures import record

FOUND_S: Final = 2.0
RESUMED_S: Final = 5.0
#: The clock of the checks is coarse, and a read takes up to this long.
_TICK_S: Final = 0.05
FPS: Final = 30.0
#: What a camera does when it is unplugged, or nearly so.
WAYS: Final = ("reads fail", "repeats the last picture", "reads take a second and fail")


class Device:
    """The camera that all captures open."""

    def __init__(self) -> None:
        self.plugged = True
        self.way = WAYS[0]
        self.size = (48, 64)
        self.number = 0
        self.open_captures = 0
        self.last: UInt8 = np.zeros((48, 64, 3), np.uint8)


class FakeCapture:
    """Stands for `cv2.VideoCapture`; holds a file while it is open, as a device does."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._handle = os.open(os.devnull, os.O_RDONLY) if device.plugged else -1
        device.open_captures += self.isOpened()

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return self._handle >= 0

    def set(self, prop: int, value: float) -> bool:
        return True

    def get(self, prop: int) -> float:
        return FPS if prop == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, UInt8 | None]:
        device = self._device
        time.sleep(1 / FPS)
        if not device.plugged:
            if device.way == WAYS[1]:
                return True, device.last
            time.sleep(1.0 if device.way == WAYS[2] else 0.0)
            return False, None
        device.number += 1
        device.last = np.full((*device.size, 3), device.number % 256, np.uint8)
        return True, device.last

    def release(self) -> None:
        if self.isOpened():
            os.close(self._handle)
            self._handle = -1
            self._device.open_captures -= 1


@dataclass(frozen=True, slots=True)
class Cycle:
    """One plug cycle."""

    found_s: float
    resumed_s: float


def run(count: int) -> list[Cycle]:
    """Run the cycles; each way of failing in turn, every fourth camera coming back with another size."""
    device = Device()
    cycles = []
    with mock.patch.object(cv2, "VideoCapture", side_effect=lambda number, backend: FakeCapture(device)):
        source = open_lasting("0", limits=CaptureConfig(frozen_s=LOST_S))
        assert isinstance(source, ReconnectingSource)
        runtime = Runtime(source, FakePipeline(), [], RuntimeConfig())
        runtime.start()
        for number, way in zip(range(count), cycle(WAYS), strict=False):
            _wait_for_frame(runtime, 60)
            device.way, device.plugged = way, False
            start_s = time.monotonic()
            while source.state is ConnectionState.CONNECTED and time.monotonic() - start_s < 60:
                time.sleep(_TICK_S / 2)
            found_s = time.monotonic() - start_s
            device.size = (48, 64) if number % 4 else (72, 96)
            device.plugged = True
            cycles.append(Cycle(found_s, _wait_for_frame(runtime, 60)))
        runtime.stop()
    assert device.open_captures == 0
    return cycles


def _wait_for_frame(runtime: Runtime, limit_s: float) -> float:
    """Seconds until another frame was processed."""
    start_s, before = time.monotonic(), runtime.counters().processed
    while runtime.counters().processed <= before and time.monotonic() - start_s < limit_s:
        time.sleep(_TICK_S / 2)
    return time.monotonic() - start_s


def open_files() -> int:
    """Open files of this process; 0 where the system does not list them."""
    files = Path("/proc/self/fd")
    return len(list(files.iterdir())) if files.is_dir() else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args(arguments).count
    run(1)  # what is imported and allocated once is no leak
    threads, files = threading.active_count(), open_files()
    cycles = run(count)
    assert (threading.active_count(), open_files()) == (threads, files)
    limit_s = FOUND_S + 1 / FPS + _TICK_S
    recovered = sum(each.found_s <= limit_s and each.resumed_s <= RESUMED_S for each in cycles)
    worst = f"found after {max(each.found_s for each in cycles):.2f} s at most"
    worst += f", frames again after {max(each.resumed_s for each in cycles):.2f} s at most"
    sys.stdout.write(f"{recovered} of {count} recovered, {worst}\n")
    record("camera_cycles_recovered_of_100", recovered, count, f"python -m tests.faults.camera_cycles ({worst})")
    return 0 if recovered == count else 1


if __name__ == "__main__":
    sys.exit(main())
