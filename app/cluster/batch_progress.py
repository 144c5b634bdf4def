"""Progress of a batch with several workers in one line: sources, failures and ETA."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.status import Status

from app.batch import ItemState
from app.cluster.records import Item, Report
from app.jobs.job_eta import rounded_eta

#: Seconds between two lines without a terminal, and between two changes of the line of a terminal.
_LINE_EVERY_S: Final = 5.0
_CHANGE_EVERY_S: Final = 0.5
#: Seconds before there is an ETA.
_ETA_AFTER_S: Final = 2.0


class BatchProgress:
    """One line for all workers. Sources count by their size, since the time that they take is in proportion to it."""

    def __init__(
        self, items: Sequence[Item], workers: int, console: Console, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is shown yet; ``now`` gives seconds."""
        self._weight = sum(item.weight for item in items)
        self._total = len(items)
        self._workers = workers
        self._console = console
        self._now = now
        self._start_s = now()
        self._shown_s = self._start_s
        self._ended = self._failed = 0
        self._ended_weight = self._skipped_weight = 0
        self._running: dict[int, float] = {}  # weight done, by place of the source
        self._status: Status | None = None

    def update(self, item: Item, share: float) -> None:
        """A share of a source is done."""
        self._running[item.place] = share * item.weight
        self._show()

    def end(self, item: Item, report: Report) -> None:
        """A source has ended."""
        self._running.pop(item.place, None)
        self._ended += 1
        self._failed += report.state is ItemState.FAILED
        if report.state is ItemState.DONE:
            self._ended_weight += item.weight
        else:
            self._skipped_weight += item.weight  # took no time
        self._show()

    def close(self) -> None:
        """Show the last state."""
        if self._status is not None:
            self._status.stop()
        self._console.print(self.line(), markup=False, highlight=False, soft_wrap=True)

    def line(self) -> str:
        """Such as ``12 of 1000 sources, 1 failed, 2 workers, about 10 min left``."""
        failed = f", {self._failed} failed" if self._failed else ""
        workers = "1 worker" if self._workers == 1 else f"{self._workers} workers"
        return f"{self._ended} of {self._total} sources{failed}, {workers}{self._left()}"

    def _left(self) -> str:
        seconds = self._now() - self._start_s
        done = self._ended_weight + sum(self._running.values())
        left = self._weight - self._skipped_weight - done
        if done <= 0 or seconds < _ETA_AFTER_S or left <= 0:
            return ""
        eta = rounded_eta(seconds * left / done)
        parts = ((eta.hours, "h"), (eta.minutes, "min"), (eta.seconds, "s"))
        return f", about {' '.join(f'{number} {unit}' for number, unit in parts if number)} left"

    def _show(self) -> None:
        now_s = self._now()
        if now_s - self._shown_s < (_CHANGE_EVERY_S if self._console.is_terminal else _LINE_EVERY_S):
            return
        self._shown_s = now_s
        if not self._console.is_terminal:
            self._console.print(self.line(), markup=False, highlight=False, soft_wrap=True)
            return
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(self.line())
