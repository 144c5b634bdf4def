"""Messages as JSON Lines on standard output, for a pipe into another program."""

from __future__ import annotations

import threading
from typing import Final, TextIO

from app.serve.messages import LiveFrame
from app.serve.state import OutputCounters, ServiceStatus
from engine.errors import ThreadStuckError
from engine.handover import DroppingQueue

#: Lines waiting for the reader; more are dropped.
_QUEUE: Final = 256
_STOP_S: Final = 1.0


class JsonLinesOutput:
    """Writes lines on a thread of its own; see `app.serve.state.LiveOutput`."""

    name = "json_lines"
    address = "standard output"

    def __init__(self, stream: TextIO) -> None:
        """``stream``: flushed after every line, not closed."""
        self._stream = stream
        self._lines: DroppingQueue[str] = DroppingQueue(_QUEUE)
        self._thread = threading.Thread(target=self._run, name="mien-json-lines")
        self._sent = 0

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send(self, frame: LiveFrame) -> None:
        """Publish a frame; never waits."""
        for message in frame.messages:
            self._lines.put(message.json())

    def report(self, status: ServiceStatus) -> None:
        """Publish a change of state."""
        self._lines.put(status.json())

    def counters(self) -> OutputCounters:
        """Messages so far."""
        return OutputCounters(self._sent, self._lines.dropped, 0 if self._lines.ended else 1)

    def close(self) -> None:
        """Write the lines that wait, and stop.

        Raises:
            ThreadStuckError: the reader of the pipe takes nothing.
        """
        self._lines.end()
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            raise ThreadStuckError("the reader of standard output takes nothing: end it")

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._stream.write(line + "\n")
                self._stream.flush()
                self._sent += 1
        except (OSError, ValueError):  # the reader has gone
            self._lines.close()
