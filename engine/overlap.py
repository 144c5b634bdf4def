"""Work on a second thread while the first does something else: networks let go of Python's lock while they run.

The networks of one group of a file's frames run while the next group is tracked (engine/hindsight.py). Of a live frame,
both networks run at the same time (engine/pipeline.py), and half of the known faces are followed on each thread
(engine/tracking/mesh.py).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

from engine.errors import RuntimeStateError, error_of
from engine.handover import BlockingQueue

T = TypeVar("T")
_Job: TypeAlias = tuple[Callable[[], T], "Future[T]"]


class SideThread(Generic[T]):
    """Does pieces of work in their order on a thread of its own, which starts with the first. One thread may use it.

    The thread ends with `end`, or when this object is no longer referred to, as that of an engine that was abandoned.
    """

    def __init__(self, name: str) -> None:
        """``name``: of the thread."""
        self._name = name
        self._thread: threading.Thread | None = None
        self._abandoned: weakref.finalize[[], SideThread[T]] | None = None  # ends the thread with this object
        self._jobs: BlockingQueue[_Job[T]] = BlockingQueue(1)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Start work; the future has its value or its error. Waits while another piece of work is queued.

        Raises:
            RuntimeStateError: the thread was ended meanwhile.
        """
        if self._thread is None:
            self._jobs = BlockingQueue(1)
            # A daemon, unlike the threads of an executor: work that is stuck, as in a driver that hangs, must not keep
            # the program alive. It refers to the queue alone.
            self._thread = threading.Thread(target=_serve, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()
            self._abandoned = weakref.finalize(self, self._jobs.end)
        future = Future[T]()
        if not self._jobs.put((work, future)):
            raise RuntimeStateError(f"{self._name} was ended while it was given work: start anew")
        return future

    def end(self) -> None:
        """Finish the work that was started and end the thread; the next `start` begins another."""
        if self._thread is not None:
            self._jobs.end()
            self._thread.join()
            self._thread = None
        if self._abandoned is not None:
            self._abandoned.detach()  # one is left behind for each thread otherwise
            self._abandoned = None


def _serve(jobs: BlockingQueue[_Job[T]]) -> None:
    while (job := jobs.get()) is not None:
        _finish(*job)
        del job  # what the work refers to is let go before the next piece of work


def _finish(work: Callable[[], T], future: Future[T]) -> None:
    error = error_of(lambda: future.set_result(work()))
    if error is not None:
        future.set_exception(error)
