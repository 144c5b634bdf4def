"""Benchmark of the start of the window: from the start of the process to the first painted window.

Each start is the command ``mien`` in a process of its own, on Qt's offscreen platform and with the preferences of an
earlier start. It reports the painted window as services report readiness (app/serve/systemd.py).
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench.probes import process_cpu_s
from engine.errors import EngineError

#: Time limit of a start, and of an end.
_LIMIT_S: Final = 60.0
_END_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class StartFigures:
    """Seconds from the start of the process to the painted window."""

    starts: int
    median_s: float
    lowest_s: float
    highest_s: float
    cpu_s: float | None  # processor time of the process until then; median; None where /proc does not have it


def can_measure_start() -> bool:
    """Whether this system has the sockets that the window reports through; Windows has not."""
    return hasattr(socket, "AF_UNIX") and sys.platform != "win32"


def window_command() -> list[str]:
    """The installed command ``mien`` of this Python; without one, the same program as a module."""
    script = Path(sys.executable).with_name("mien")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "app"]


def measure_start(starts: int, command: list[str] | None = None) -> StartFigures:
    """Start the window so many times, after one start that writes byte code and preferences and does not count.

    Raises:
        EngineError: the window ends, or is not painted within a minute.
    """
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = Path(scratch)
        measured = [_start(command or window_command(), folder) for _ in range(starts + 1)][1:]
    walls_s = [wall_s for wall_s, _ in measured]
    cpus_s = [cpu_s for _, cpu_s in measured if cpu_s is not None]
    return StartFigures(
        starts=starts,
        median_s=round(statistics.median(walls_s), 2),
        lowest_s=round(min(walls_s), 2),
        highest_s=round(max(walls_s), 2),
        cpu_s=round(statistics.median(cpus_s), 2) if cpus_s else None,
    )


def _start(command: list[str], folder: Path) -> tuple[float, float | None]:
    """Wall time and processor time of one start in seconds."""
    address = folder / "ready"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    places = (str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH", ""))  # this program, no other
    environment |= {
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "NOTIFY_SOCKET": str(address),
        "MIEN_CONFIG": str(folder / "desktop.json"),
        "QT_QPA_PLATFORM": "offscreen",
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, (folder / "output.txt").open("wb") as output:
        ready.bind(str(address))
        ready.settimeout(0.2)
        start_s = time.perf_counter()
        program = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            if not _is_painted(ready, program, start_s):
                raise EngineError(f"the window was not painted: {_last_line(output.name)}")
            return time.perf_counter() - start_s, process_cpu_s(program.pid)
        finally:
            _end(program)
            address.unlink()


def _is_painted(ready: socket.socket, program: subprocess.Popen[bytes], start_s: float) -> bool:
    """Wait until the window is painted; False if the program ends instead, or after a minute."""
    while time.perf_counter() - start_s < _LIMIT_S:
        try:
            ready.recv(64)
        except TimeoutError:
            if program.poll() is not None:
                break
        else:
            return True
    return False


def _last_line(output: str) -> str:
    """The last line that the program wrote: its error, if it has ended with one."""
    lines = Path(output).read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "run 'mien' to see why")


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        program.send_signal(signal.SIGTERM)
    try:
        program.wait(_END_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
