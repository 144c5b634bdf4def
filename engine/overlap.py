"""Work on a second thread while the first does something else: networks let go of Python's lock while they run.

The networks of one group of a file's frames run while the next group is tracked (engine/hindsight.py), and both
networks of a live frame run at the same time (engine/pipeline.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from engine.errors import error_of
from engine.handover import BlockingQueue

T = TypeVar("T")


class SideThread(Generic[T]):
    """Does pieces of work in their order on a thread of its own, which starts with the first. One thread may use it."""

    def __init__(self, name: str) -> None:
        """``name``: of the thread."""
        self._name = name
        self._thread: threading.Thread | None = None
        self._jobs: BlockingQueue[tuple[Callable[[], T], Future[T]]] = BlockingQueue(1)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Start work; the future has its value or its error. Waits while another piece of work is queued."""
        if self._thread is None:
            self._jobs = BlockingQueue(1)
            # A daemon, unlike the threads of an executor: work that is stuck, as in a driver that hangs, must not keep
            # the program alive.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        future = Future[T]()
        self._jobs.put((work, future))
        return future

    def end(self) -> None:
        """Finish the work that was started and end the thread; the next `start` begins another."""
        if self._thread is not None:
            self._jobs.end()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            _finish(*job)


def _finish(work: Callable[[], T], future: Future[T]) -> None:
    error = error_of(lambda: future.set_result(work()))
    if error is not None:
        future.set_exception(error)
