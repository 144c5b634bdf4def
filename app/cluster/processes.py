"""Workers as processes of this machine, each with an engine of its own.

Messages are JSON over a pipe. A worker whose program has ended finds its pipe closed, stops, and leaves a session that
can be resumed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cluster.messages import REPORT, STOP
from engine.safe_path import safe_path

if TYPE_CHECKING:
    from app.cluster.dispatch import Event
    from app.cluster.records import Item, WorkerSetup

#: Seconds that a worker has to end, then to react to a signal.
_CLOSE_S: Final = 10.0
_KILL_S: Final = 2.0
_GPUS: Final = Path("/proc/driver/nvidia/gpus")


class ProcessCrew:
    """A Crew of processes, started when they get their first source."""

    def __init__(self, size: int, setup: WorkerSetup) -> None:
        """Nothing is started yet."""
        from app.cluster.records import to_json

        self.size = size
        self._setup = to_json(setup)
        # A fork would copy locks that other threads hold.
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, tuple[BaseProcess, Connection]] = {}

    def start(self, worker: int, item: Item) -> None:
        """Give a source to a worker; see Crew."""
        from app.cluster.records import to_json

        if worker not in self._workers:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=run_worker, args=(theirs, self._setup, worker, self.size), name=f"mien-worker-{worker}"
            )
            with safe_path():
                process.start()
            theirs.close()
            self._workers[worker] = process, ours
        with contextlib.suppress(OSError):  # it has just ended, which `wait` reports
            self._workers[worker][1].send_bytes(to_json(item).encode())

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Messages of the workers; see Crew."""
        pipes = {pipe: worker for worker, (_, pipe) in self._workers.items()}
        events: list[Event] = []
        for ready in wait(list(pipes), timeout_s):
            if isinstance(ready, Connection):
                events.append(self._event(pipes[ready]))
        return events

    def stop(self) -> None:
        """Ask all workers to stop; see Crew."""
        for _, pipe in self._workers.values():
            with contextlib.suppress(OSError):
                pipe.send_bytes(STOP)

    def close(self) -> None:
        """End all workers; see Crew."""
        for _, pipe in self._workers.values():
            pipe.close()
        for process, _ in self._workers.values():
            _end(process)
        self._workers.clear()

    @property
    def processes(self) -> dict[int, int]:
        """Process id of each worker."""
        return {worker: process.pid or 0 for worker, (process, _) in self._workers.items()}

    def _event(self, worker: int) -> Event:
        from app.cluster.records import Ended, Lost, Progressed, Report, from_json

        process, pipe = self._workers[worker]
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            pipe.close()
            process.join(_CLOSE_S)
            del self._workers[worker]
            code = process.exitcode
            _end(process)
            return Lost(worker, _reason(code))
        if message[:1] == REPORT:
            return Ended(worker, from_json(Report, message[1:]))
        done, _, total = message[1:].decode().partition("/")
        return Progressed(worker, int(done), int(total) if total else None)


def _end(process: BaseProcess) -> None:
    """Wait for the end of a process whose pipe is closed, and force it."""
    process.join(_CLOSE_S)
    if process.is_alive():
        process.terminate()
        process.join(_KILL_S)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _reason(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def run_worker(pipe: Connection, setup: str, worker: int, of: int) -> None:
    """The program of a worker: annotate the items that arrive, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the program passes it on
    _take_share(worker, of)
    from app.cluster.pipe_worker import serve  # imports numpy, which reads the number of threads then

    serve(pipe, setup)


def _take_share(worker: int, of: int) -> None:
    """Use this worker's part of the machine: its threads, and of several GPUs one in turn.

    Workers of one GPU take turns on it, which the driver organises.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // of, 1)))
    try:
        installed = [str(number) for number in range(len(list(_GPUS.iterdir())))]
    except OSError:
        installed = []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = installed if chosen is None else [name for name in chosen.split(",") if name.strip()]
    if len(gpus) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[worker % len(gpus)]
