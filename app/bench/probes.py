"""The machine, what else runs on it, and what nvidia-smi and tegrastats report while something is measured."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.bench.figures import Energy, GpuUse, Machine, Surroundings

if TYPE_CHECKING:
    import resource

#: Time between two readings of nvidia-smi and tegrastats.
_EVERY_MS: Final = 500
#: How long a reader may take to end.
_END_S: Final = 5.0
_GPU_FIELDS: Final = "utilization.gpu,memory.used,power.draw"
#: A rail of tegrastats: name, present milliwatts, mean milliwatts; without "mW" on older boards.
_RAIL: Final = re.compile(r"\b((?:VDD|VIN|POM|CV|SOC)\w*) (\d+)(?:mW)?/(\d+)(?:mW)?")
#: Rails that already hold the whole board.
_WHOLE_BOARD: Final = ("VDD_IN", "POM_5V_IN")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def machine() -> Machine:
    """This machine, and its load now."""
    name = _first(Path("/proc/cpuinfo"), r"^model name\s*: (.+)$") or platform.processor() or platform.machine()
    system = f"{platform.machine()} {platform.system()}"
    return Machine(name, os.cpu_count() or 1, system, platform.python_version(), _load_1m())


class Probes:
    """Observes the machine from `start` to `stop`."""

    def __init__(self) -> None:
        self._start_s = 0.0
        self._busy_s: float | None = None
        self._own_s = 0.0
        self._gpu: _Reader | None = None
        self._power: _Reader | None = None

    def start(self) -> None:
        """Start observing."""
        nvidia_smi = ("nvidia-smi", f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits", f"-lms={_EVERY_MS}")
        self._gpu = _Reader.of(*nvidia_smi)
        self._power = _Reader.of("tegrastats", "--interval", str(_EVERY_MS))
        self._busy_s, self._own_s, self._start_s = _busy_s(), _own_s(), time.monotonic()

    def stop(self) -> Surroundings:
        """Stop observing. Processor time counts as ours only of child processes that have ended."""
        passed_s = time.monotonic() - self._start_s
        busy_s, own_s = _busy_s(), _own_s()
        foreign = None
        if busy_s is not None and self._busy_s is not None and passed_s > 0:
            foreign = round(max(busy_s - self._busy_s - (own_s - self._own_s), 0.0) / passed_s, 2)
        gpu = None if self._gpu is None else gpu_use(self._gpu.lines())
        return Surroundings(foreign, gpu, None if self._power is None else energy(self._power.lines(), passed_s))


class _Reader:
    """A program that prints a line per reading until it is ended, into a file, which never makes it wait."""

    def __init__(self, command: list[str]) -> None:
        self._output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (`lines` closes it)
        try:
            self._process = subprocess.Popen(
                command, stdout=self._output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            )
        except OSError:
            self._output.close()
            raise

    @classmethod
    def of(cls, program: str, *options: str) -> _Reader | None:
        """Start it; None if it is not installed or cannot be run."""
        path = shutil.which(program)
        if path is None:
            return None
        with contextlib.suppress(OSError):
            return cls([path, *options])
        return None

    def lines(self) -> list[str]:
        """End it; its lines."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._output as output:
            output.seek(0)
            return output.read().splitlines()


def gpu_use(lines: list[str]) -> GpuUse | None:
    """Read the lines of nvidia-smi: percent, megabytes and watts, separated by commas; None without a reading."""
    rows = [[_number(cell) for cell in line.split(",")] for line in lines]
    rows = [row for row in rows if len(row) == 3 and row[0] is not None and row[1] is not None]
    if not rows:
        return None
    watts = [row[2] for row in rows if row[2] is not None]
    return GpuUse(
        utilisation_percent=round(statistics.fmean(row[0] or 0.0 for row in rows), 1),
        memory_mb=max(row[1] or 0.0 for row in rows),
        power_w=round(statistics.fmean(watts), 2) if watts else None,
    )


def energy(lines: list[str], seconds: float) -> Energy | None:
    """Read the rails in the lines of tegrastats; None without one.

    A rail that holds the whole board is used alone; otherwise the rails are added up.
    """
    readings = [{name: int(now) for name, now, _ in _RAIL.findall(line)} for line in lines]
    readings = [rails for rails in readings if rails]
    if not readings:
        return None
    names = set(readings[0])
    whole = [name for name in _WHOLE_BOARD if name in names]
    used = whole[:1] or sorted(names)
    watts = statistics.fmean(sum(rails.get(name, 0) for name in used) for rails in readings) / 1000
    return Energy(round(watts, 3), round(watts * seconds, 2), " + ".join(used))


def process_cpu_s(pid: int) -> float | None:
    """Processor time of a running process with all its threads; None where /proc does not have it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S  # user and system


def program_cpu_s() -> float:
    """Processor time of this process and its children, such as the one that decodes; of running ones on Linux."""
    running: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            running += map(int, path.read_text(encoding="ascii").split())
    return _own_s() + sum(process_cpu_s(pid) or 0.0 for pid in running)


def own_rss_mb() -> float | None:
    """Resident memory of this process; None where /proc does not have it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def peak_rss_mb(usage: resource.struct_rusage) -> float:
    """Highest resident memory of a process that has ended."""
    return usage.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))  # bytes there, kilobytes elsewhere


def _busy_s(path: Path = Path("/proc/stat")) -> float | None:
    """Processor time of all programs since the machine started; None where /proc does not have it."""
    try:
        fields = path.read_text(encoding="ascii").splitlines()[0].split()[1:]
    except OSError:
        return None
    ticks = [int(field) for field in fields[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS_PER_S  # without idle and waiting for a disk


def _own_s() -> float:
    """Processor time of this process and its children that have ended."""
    import resource  # Windows has none; settings read the name of the processor from this file

    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _load_1m() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def _first(path: Path, pattern: str) -> str | None:
    with contextlib.suppress(OSError):
        found = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        return None if found is None else found[1].strip()
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "[N/A]"
        return None
