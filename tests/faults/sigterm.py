"""Send SIGTERM to ``annotate`` and ``serve`` in several states, and measure how long they take to end.

``python -m tests.faults.sigterm --runs 5`` writes sigterm_exit_s, the longest, to docs/results/trust.json.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.faults.figures import ROOT, record
from tests.faults.films import make_film
from tests.faults.mutated_videos import make_clips

#: Exit statuses that the command line documents: done, interrupted.
STATUSES: Final = (0, 130)
#: Frames of the film that is skipped in a resume.
_FILM_FRAMES: Final = 600


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the command line."""
    command = [sys.executable, "-m", "app", "annotate", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_service() -> subprocess.Popen[bytes]:
    """Start the service on the demo, and wait for its first result."""
    command = [sys.executable, "-m", "app", "serve", "demo", "--no-web", "--json-lines"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    while (line := process.stdout.readline()) and b'"faces"' not in line:
        pass
    threading.Thread(target=process.stdout.read, daemon=True).start()  # so that it need not wait for a reader
    return process


def seconds_to_end(process: subprocess.Popen[bytes]) -> float:
    """Send the signal and wait.

    Raises:
        AssertionError: the status is another.
    """
    begin_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    status = process.wait(120)
    if status not in STATUSES:
        raise AssertionError(f"exit status {status}")
    return time.monotonic() - begin_s


def while_starting(folder: Path, clip: Path, chance: random.Random) -> float:
    """At a random moment of the start, once the program handles signals."""
    process = start(str(clip), "--out", str(folder / "out"))
    while not _handles_sigterm(process.pid) and process.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 3))
    return seconds_to_end(process)


def while_connecting(folder: Path, clip: Path, chance: random.Random) -> float:
    """While a camera accepts the connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start(f"http://127.0.0.1:{server.getsockname()[1]}/live", "--out", str(folder / "out"))
        with server.accept()[0]:
            time.sleep(chance.uniform(0, 1))
            return seconds_to_end(process)


def while_analysing(folder: Path, clip: Path, chance: random.Random) -> float:
    """Once the journal is there: analysing, or writing the tables."""
    process = start(str(clip), "--out", str(folder / "out"), "--no-video")
    deadline_s = time.monotonic() + 120
    while not list(folder.glob("out/**/journal.jsonl")) and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.5))
    return seconds_to_end(process)


def while_resuming(folder: Path, clip: Path, chance: random.Random) -> float:
    """While a resumed session skips what was analysed before, or soon after."""
    before = make_film(folder / "film.mp4", _FILM_FRAMES, 640, 360, 25)
    metadata = folder / "out" / "film" / "metadata.json"
    process = start(str(before), "--out", str(folder / "out"), "--no-video")
    journal = metadata.with_name("journal.jsonl")
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b'"rows":') < 300):
        time.sleep(0.05)
    process.kill()
    process.wait()
    begun_ns = metadata.stat().st_mtime_ns
    process = start(str(before), "--out", str(folder / "out"), "--no-video", "--resume")
    while process.poll() is None and metadata.stat().st_mtime_ns == begun_ns:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.5))
    return seconds_to_end(process)


def while_serving(folder: Path, clip: Path, chance: random.Random) -> float:
    """While results are published."""
    process = start_service()
    time.sleep(chance.uniform(0, 1))
    return seconds_to_end(process)


def _handles_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


STATES: Final[tuple[Callable[[Path, Path, random.Random], float], ...]] = (
    while_starting,
    while_connecting,
    while_analysing,
    while_serving,
    while_resuming,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each state")
    runs = parser.parse_args(arguments).runs
    chance, longest_s, by_state = random.Random(3), 0.0, {}
    with tempfile.TemporaryDirectory() as root:
        clip = make_clips(Path(root))[0]
        for state in STATES:
            seconds = []
            for number in range(runs):
                folder = Path(root) / f"{state.__name__}-{number}"
                folder.mkdir()
                seconds.append(state(folder, clip, chance))
                print(state.__name__, f"{seconds[-1]:.2f}", flush=True)  # noqa: T201 (a script)
            by_state[state.__name__] = round(max(seconds), 2)
    longest_s = max(by_state.values())
    sys.stdout.write(f"{by_state}, load {os.getloadavg()[0]:.0f}\n")
    command = f"python -m tests.faults.sigterm --runs {runs} ({by_state}; load average {os.getloadavg()[0]:.0f})"
    record("sigterm_exit_s", longest_s, runs * len(STATES), command)
    return 0 if longest_s <= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
