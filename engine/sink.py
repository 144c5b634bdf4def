"""Where results go: the one interface of everything that records or sends on."""

from __future__ import annotations

from typing import Protocol

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
