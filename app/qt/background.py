"""Workers: one named thread each, with results delivered as signals on the main thread.

Besides engine/runtime.py the only place that creates threads. They are Python threads, not Qt's: Python lists a thread
created by Qt as alive for ever, and the tests check that none is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from engine.errors import ThreadStuckError, error_of
from engine.handover import LatestSlot

Request = TypeVar("Request")
Answer = TypeVar("Answer")

#: Seconds after which a worker that has not ended counts as stuck.
_CLOSE_S = 10.0


class _Signals(QObject):
    """Delivers results on the thread that created it, in the order of the requests."""

    answered = Signal(object)
    failed = Signal(object)

    def __init__(self, on_answer: Callable[[Any], None], on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.is_open = True  # checked at each delivery: queued signals may arrive after the end
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
    """Processes requests one by one on a thread of its own; a newer request replaces one that is still waiting.

    Each processed request gives one answer or one error on the main thread. After `close` nothing is delivered.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Request], Answer],
        on_answer: Callable[[Answer], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """The thread starts with the first request; ``name`` it after its task, such as ``mien-open``."""
        self._work = work
        self._slot: LatestSlot[tuple[Request]] = LatestSlot()
        self._signals = _Signals(on_answer, on_error)
        self._thread = threading.Thread(target=self._run, name=name)
        self._started = self._closed = False

    def submit(self, request: Request) -> None:
        """Queue a request in place of one that is still waiting; ignored after `close`."""
        if self._closed:
            return
        self._slot.put((request,))
        if not self._started:
            self._started = True
            self._thread.start()

    def close(self) -> None:
        """Drop the waiting request, wait for the current one, and stop delivery. Idempotent.

        Raises:
            ThreadStuckError: the current request takes more than ten seconds.
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
            self._process(waiting[0])

    def _process(self, request: Request) -> None:
        answers: list[Answer] = []
        error = error_of(lambda: answers.append(self._work(request)))
        if error is not None:
            self._signals.failed.emit(error)
        else:
            self._signals.answered.emit(answers[0])
