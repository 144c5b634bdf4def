"""What every runner shares: it reads frames, times a function on them, and prints one JSON line.

A runner is started with the Python of its own environment, which has NumPy but not Mien:

    python rivals/NAME.py FRAMES.npy '{"faces": 1, "weights": "FOLDER"}'

FRAMES.npy holds (N, H, W, 3) uint8 RGB. Its exit status is 3 if it cannot run here; the line then has the reason.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

#: First frames that do not count.
WARM_UP_FRAMES = 20
SKIPPED = 3

# Rivals that call home, or fetch weights that they do not find, fail at once instead of after minutes of retries.
for _name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ.setdefault(_name, "1")


def arguments() -> tuple[Any, dict[str, Any]]:
    """Frames (N, H, W, 3) uint8 RGB and the options."""
    import numpy as np

    return np.load(sys.argv[1], mmap_mode="r"), json.loads(sys.argv[2])


def report(frames: Any, process: Callable[[Any, int], int], **facts: object) -> None:
    """Call ``process(frame, index)``, which returns the number of faces, for each frame; print the figures.

    Processor time is that of the whole process, with all threads of its libraries.
    """
    faces, start_s, cpu_s = 0, 0.0, 0.0
    for index in range(len(frames)):
        frame = frames[index].copy()  # read from the disk here, not while it is timed
        before_s, before_cpu_s = time.perf_counter(), time.process_time()
        found = process(frame, index)
        if index >= WARM_UP_FRAMES:
            start_s += time.perf_counter() - before_s
            cpu_s += time.process_time() - before_cpu_s
            faces += found
    counted = len(frames) - WARM_UP_FRAMES
    figures = {"frames": counted, "faces": faces / counted, "wall_ms": 1000 * start_s / counted}
    print(json.dumps({**figures, "cpu_ms": 1000 * cpu_s / counted, **facts}))  # noqa: T201 (the result)


def skip(reason: str) -> None:
    """End because the rival cannot run here."""
    print(json.dumps({"skipped": " ".join(reason.split())[:300]}))  # noqa: T201 (the result)
    sys.exit(SKIPPED)
