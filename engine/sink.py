"""Where results go: the one interface of everything that records or sends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.handover import Handover
from engine.types import FrameResult


class FrameSink(Protocol):
    """Takes the results of a run in their order.

    The runtime gives each sink a thread of its own, from which all calls come.
    """

    def open(self) -> None:
        """Called once, before the first result. When it raises, nothing else is called."""

    def write(self, result: FrameResult) -> None:
        """Called for each result. When it raises, `close` is next."""

    def close(self, completed: bool) -> None:
        """Called once, in the end; ``completed`` says that the source was read to its end and nothing failed."""


@dataclass(frozen=True, slots=True)
class SinkCounters:
    """What became of the results for one sink."""

    written: int
    dropped: int


class SinkLane:
    """A sink with the results that wait for it."""

    def __init__(self, sink: FrameSink, results: Handover[FrameResult]) -> None:
        self.sink = sink
        self.results = results
        self.written = 0

    def counters(self) -> SinkCounters:
        """What became of the results so far."""
        return SinkCounters(self.written, self.results.dropped)

    def run(self, is_completed: Callable[[], bool]) -> None:
        """Open the sink, write what comes until the end mark, close the sink; called on its thread."""
        self.sink.open()
        completed = False
        try:
            while (result := self.results.get()) is not None:
                self.sink.write(result)
                self.written += 1
            completed = is_completed()
        finally:
            self.sink.close(completed)
