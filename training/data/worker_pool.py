"""Worker processes for pictures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2


def worker_pool(
    workers: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """Processes that share one task; each should hold one core.

    OpenCV's threads end first: a process forked while they run inherits their locks without them, and the first call
    that changes their number waits for ever.
    """
    cv2.setNumThreads(1)
    return ProcessPoolExecutor(workers, initializer=initializer, initargs=initargs)
