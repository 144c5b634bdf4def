"""The program of a worker process: items come through a pipe, progress and reports go back."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection

from app.annotate import JobControl
from app.cluster.messages import PROGRESS, REPORT, STOP
from app.cluster.records import Item, WorkerSetup, from_json, to_json
from app.cluster.work import ItemWorker


def serve(pipe: Connection, setup: str) -> None:
    """Annotate the items that arrive, until the pipe is closed."""
    with contextlib.suppress(EOFError, OSError), ItemWorker(from_json(WorkerSetup, setup)) as work:
        listener = _PipeListener(pipe)
        while True:
            message = pipe.recv_bytes()
            if message == STOP:
                continue  # it had no source
            report = work.run(from_json(Item, message), listener, _PipeControl(pipe))
            pipe.send_bytes(REPORT + to_json(report).encode())


class _PipeControl(JobControl):
    """A control that the program at the other end of the pipe stops, by a message or by its end."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    @property
    def stopped(self) -> bool:
        """Whether to stop; read from the pipe, so that no thread is needed for it."""
        if not super().stopped:
            try:
                if self._pipe.poll():
                    self._pipe.recv_bytes()  # nothing but a stop is sent while a source is running
                    self.stop()
            except (EOFError, OSError):
                self.stop()
        return super().stopped


class _PipeListener:
    """A ProgressListener that sends what it receives."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._total = ""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Send the frames done before."""
        self._total = str(total or "")
        self.update(done)

    def update(self, done: int, file: str | None = None) -> None:
        """Send the number of frames."""
        with contextlib.suppress(OSError):  # the program has ended, which the control notices
            self._pipe.send_bytes(PROGRESS + f"{done}/{self._total}".encode())

    def end(self) -> None:
        """Nothing: the report follows."""
