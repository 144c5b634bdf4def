"""Work off the main thread: one named thread per worker, answers as signals.

Beside engine/runtime.py the only place that makes threads. They are Python's, not Qt's: Python counts a thread that Qt
made as alive for ever, and our tests insist that none is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from engine.errors import ThreadStuckError
from engine.handover import LatestSlot
from engine.thread_top import error_of

Request = TypeVar("Request")
Answer = TypeVar("Answer")

#: A worker that has not ended within so many seconds is stuck.
_CLOSE_S = 10.0


class _Signals(QObject):
    """Delivered on the thread that made it, in the order of the requests."""

    answered = Signal(object)
    failed = Signal(object)

    def __init__(self, on_answer: Callable[[Any], None], on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.is_open = True  # what was posted before the end is delivered after it, so each delivery asks
        self._on_answer, self._on_error = on_answer, on_error
        self.answered.connect(self._answer, Qt.ConnectionType.QueuedConnection)
        self.failed.connect(self._fail, Qt.ConnectionType.QueuedConnection)

    def _answer(self, answer: Any) -> None:
        if self.is_open:
            self._on_answer(answer)

    def _fail(self, error: Exception) -> None:
        if self.is_open:
            self._on_error(error)


class Worker(Generic[Request, Answer]):
    """Does one request after the other on a thread of its own; of those that wait only the newest is done.

    Every request that is done gives one answer or one error, on the main thread. After `close` nothing is delivered.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Request], Answer],
        on_answer: Callable[[Answer], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """The thread starts with the first request; ``name`` must tell what it does, as in ``mien-open``."""
        self._work = work
        self._slot: LatestSlot[tuple[Request]] = LatestSlot()
        self._signals = _Signals(on_answer, on_error)
        self._thread = threading.Thread(target=self._run, name=name)
        self._started = self._closed = False

    def ask(self, request: Request) -> None:
        """Hand a request over; it takes the place of one that still waits. Ignored after `close`."""
        if self._closed:
            return
        self._slot.put((request,))
        if not self._started:
            self._started = True
            self._thread.start()

    def close(self) -> None:
        """Drop what waits, wait for what is being done, and deliver nothing any more. A second call does nothing.

        Raises:
            ThreadStuckError: what is being done takes more than ten seconds.
        """
        if self._closed:
            return
        self._closed = True
        self._signals.is_open = False
        self._slot.close()
        if self._started:
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive():
                raise ThreadStuckError(f"{self._thread.name} did not end within {_CLOSE_S:.0f} s: end the program")

    def _run(self) -> None:
        while (waiting := self._slot.get()) is not None:
            self._do(waiting[0])

    def _do(self, request: Request) -> None:
        answers: list[Answer] = []
        error = error_of(lambda: answers.append(self._work(request)))
        if error is not None:
            self._signals.failed.emit(error)
        else:
            self._signals.answered.emit(answers[0])
