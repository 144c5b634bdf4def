"""Give the sources of a batch to workers, one at a time each, until every source has ended exactly once.

A worker that ends unexpectedly loses the source that it had, nothing else: another one takes it up again, once, from
its journal if there is one.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster.records import Ended, Item, Lost, Progressed, Report
from engine.errors import RuntimeStateError

#: Seconds after which a stop of the user is noticed.
_WAIT_S: Final = 0.2
#: So many workers lost in a row, and one for each worker, end the batch: none of them can work.
_MAX_LOST: Final = 3

Event = Progressed | Ended | Lost


class Crew(Protocol):
    """Workers with numbers from 0; each has at most one source."""

    size: int

    def start(self, worker: int, item: Item) -> None:
        """Give a source to an idle worker; one that was lost is replaced first."""

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """What the workers report, as soon as there is anything; nothing after the timeout."""

    def stop(self) -> None:
        """Ask all workers to interrupt their sources, which can be resumed."""

    def close(self) -> None:
        """End all workers."""


class BatchListener(Protocol):
    """Receives what happens to a batch."""

    def progress(self, item: Item, share: float) -> None:
        """This share of a source is done, 0-1."""

    def lost(self, item: Item, reason: str) -> None:
        """A worker was lost with a source, which another one takes up again."""

    def ended(self, item: Item, report: Report) -> None:
        """A source has ended for good."""


def dispatch(
    items: Sequence[Item], crew: Crew, control: JobControl, listener: BatchListener, *, retry_failed: bool = False
) -> list[Report]:
    """Run all items.

    Args:
        items: with the places 0, 1, 2 ...
        crew: without sources.
        control: once stopped, running sources are interrupted and no further one starts.
        listener: of progress and results.
        retry_failed: try sources that failed once more at the end.

    Returns:
        A report for each item, in order.
    """
    return _Batch(items, crew, control, listener, retry_failed).run()


class _Batch:
    def __init__(
        self, items: Sequence[Item], crew: Crew, control: JobControl, listener: BatchListener, retry_failed: bool
    ) -> None:
        self._items = items
        self._crew = crew
        self._control = control
        self._listener = listener
        self._retry_failed = retry_failed
        self._waiting = deque(items)
        self._running: dict[int, Item] = {}  # by worker
        self._reports: dict[int, Report] = {}  # by place
        self._otherwise: dict[int, Report] = {}  # of sources that are to be tried again, if they are not
        self._stopping = False
        self._blocked = False
        self._lost_in_a_row = 0

    def run(self) -> list[Report]:
        while True:
            if self._control.stopped and not self._stopping:
                self._stopping = True
                self._crew.stop()
            self._start()
            if not self._running:
                break
            for event in self._crew.wait(_WAIT_S):
                self._take(event)
        for item in self._waiting:
            if item.place in self._otherwise:
                self._finish(item, self._otherwise[item.place])
        return [self._reports.get(item.place, Report(item.place, ItemState.NOT_STARTED)) for item in self._items]

    def _start(self) -> None:
        for worker in range(self._crew.size):
            if self._stopping or self._blocked or not self._waiting:
                return
            if worker not in self._running:
                self._running[worker] = self._waiting.popleft()
                self._crew.start(worker, self._running[worker])

    def _take(self, event: Event) -> None:
        if isinstance(event, Progressed):
            item = self._running.get(event.worker)
            if item is not None and event.total:
                self._listener.progress(item, min(event.done / event.total, 1.0))
            return
        item = self._running.pop(event.worker, None)
        if item is None and isinstance(event, Lost):
            return  # it was idle, and is replaced when it is needed
        if item is None:
            raise RuntimeStateError(f"worker {event.worker} reports a source that it was not given")
        if isinstance(event, Lost):
            self._lose(item, event)
        else:
            self._lost_in_a_row = 0
            self._end(item, event.report)

    def _lose(self, item: Item, event: Lost) -> None:
        self._lost_in_a_row += 1
        if item.again or self._lost_in_a_row >= _MAX_LOST + self._crew.size:
            self._blocked = self._blocked or self._lost_in_a_row >= _MAX_LOST + self._crew.size
            problem = f"{item.spec} was not annotated: its worker ended ({event.reason})"
            self._finish(item, Report(item.place, ItemState.FAILED, problem=problem, traceback=event.detail))
        else:
            self._listener.lost(item, event.reason)
            self._otherwise[item.place] = Report(item.place, ItemState.INTERRUPTED)
            self._waiting.appendleft(dataclasses.replace(item, again=True))

    def _end(self, item: Item, report: Report) -> None:
        self._blocked = self._blocked or report.blocks
        if report.state is ItemState.FAILED and self._retry_failed and not item.again:
            self._otherwise[item.place] = report
            self._waiting.append(dataclasses.replace(item, again=True))
        else:
            self._finish(item, report)

    def _finish(self, item: Item, report: Report) -> None:
        self._reports[item.place] = report
        self._listener.ended(item, report)
