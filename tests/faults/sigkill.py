"""Kill ``annotate`` with SIGKILL at random moments, resume it, and compare the table with that of an undisturbed run.

A session is killed up to four times: the resumed run is killed too, and so on, before it may end.

``python -m tests.faults.sigkill --runs 200`` writes two figures to docs/results/trust.json:

- sigkill_runs_recovered_of_200: killed runs whose journal could be read after the kill, and whose session in the end
  has the table of an undisturbed one, in everything but processing times.
- sigkill_worst_loss_s: most seconds of video that were in the journal and had to be analysed again.

Every run is a process of its own. It is forked from this one after the imports, which are most of its start. With
``--state FILE`` the kills are kept there, and a later call adds to them.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from app.cli import app as mien
from app.session.folder import SessionFolder, SessionState
from app.session.journal import find_resume_point, read_journal
from tests.faults.figures import record
from tests.faults.films import make_film

FRAMES: Final = 60
FPS: Final = 30
#: Kills of one session: the resumed run is killed too.
CHAIN: Final = 4
_COLUMN_OF_TIMES: Final = "latency_ms"
#: Longest run of a healthy process on a busy machine.
_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Kill:
    """What one kill did."""

    journaled: int  # frames in the journal at the kill
    lost_s: float  # seconds of video that had to be analysed again
    recovered: bool


def annotate(film: Path, out: Path, *options: str, is_due: Callable[[float], bool] = lambda passed_s: False) -> bool:
    """Run annotate in a process of its own; True if it ended by itself with exit status 0, False if it was killed.

    ``is_due`` is asked every few milliseconds, with the seconds since the start, whether to kill it.
    """
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        status = 1
        try:
            mien(["annotate", str(film), "--out", str(out), *options], prog_name="mien", standalone_mode=False)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os._exit(status)
    began_s = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        passed_s = time.monotonic() - began_s
        if is_due(passed_s) or passed_s > _LIMIT_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if passed_s > _LIMIT_S:
                raise TimeoutError(f"annotate did not end within {_LIMIT_S:.0f} s")
            return False
        time.sleep(0.004)


def moment(journal: Path, chance: random.Random, length_s: float) -> Callable[[float], bool]:
    """A random moment: every fourth by the clock, the others a little after a random number of frames.

    By the clock alone, most kills on a busy machine come before the first frame.
    """
    if chance.random() < 0.25:
        after_s = chance.uniform(0.0, length_s)
        return lambda passed_s: passed_s >= after_s
    frames, more_s = chance.randint(1, FRAMES), chance.uniform(0.0, 0.1)
    reached_s: list[float] = []

    def is_due(passed_s: float) -> bool:
        if not reached_s and journal.exists() and journal.read_bytes().count(b',"rows":') >= frames:
            reached_s.append(passed_s)
        return bool(reached_s) and passed_s >= reached_s[0] + more_s

    return is_due


def table(folder: Path) -> list[list[str]]:
    """Rows of faces.csv without the times."""
    with (folder / "faces.csv").open(newline="") as handle:
        rows = list(csv.reader(handle))
    place = rows[0].index(_COLUMN_OF_TIMES)
    return [row[:place] + row[place + 1 :] for row in rows]


def kill_chain(
    film: Path, out: Path, expected: list[list[str]], count: int, chance: random.Random, length_s: float
) -> list[Kill]:
    """Kill a run, its resumed run, and so on, then let it end and compare; fewer kills if it ends before."""
    shutil.rmtree(out, ignore_errors=True)
    folder = SessionFolder(out / film.stem)
    found: list[tuple[int, float]] = []
    for _ in range(count):
        annotate(film, out, "--no-video", "--resume", is_due=moment(folder.journal, chance, length_s))
        if folder.state() is SessionState.FINISHED:
            break
        journaled, lost = 0, 0
        if folder.journal.exists():
            point = find_resume_point(folder.journal)  # raises OutputError if the journal cannot be read
            journaled = sum(1 for _ in read_journal(folder.journal))
            lost = journaled - (point.frames if point is not None else 0)
        found.append((journaled, lost / FPS))
    done = annotate(film, out, "--no-video", "--resume")
    recovered = done and folder.state() is SessionState.FINISHED and table(folder.path) == expected
    return [Kill(journaled, lost_s, recovered) for journaled, lost_s in found]


def campaign(runs: int, seed: int, minutes: float, folder: Path, state: Path | None = None) -> list[Kill]:
    """Kill ``runs`` runs, or as many as the minutes allow, at random moments; those that the state holds count too."""
    film = make_film(folder / "film.mp4", FRAMES, 640, 360, FPS)
    began_s = time.monotonic()
    if not annotate(film, folder / "whole", "--no-video"):
        raise RuntimeError("the undisturbed run failed")
    length_s = time.monotonic() - began_s
    expected = table(folder / "whole" / film.stem)
    chains = read_chains(state)
    kills = [kill for chain in chains for kill in chain]
    while len(kills) < runs and time.monotonic() - began_s < minutes * 60:
        count, chance = min(CHAIN, runs - len(kills)), random.Random(f"{seed} {len(chains)}")
        chains.append(kill_chain(film, folder / "killed", expected, count, chance, length_s))
        kills += chains[-1]
        if state is not None:
            with state.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps([asdict(kill) for kill in chains[-1]]) + "\n")
        print(f"{len(kills)}/{runs}", *chains[-1], flush=True)  # noqa: T201 (a script)
    return kills


def read_chains(state: Path | None) -> list[list[Kill]]:
    """The kills of each session in a file of ``--state``, one session per line."""
    if state is None or not state.exists():
        return []
    lines = state.read_text(encoding="utf-8").splitlines()
    return [[Kill(**kill) for kill in json.loads(line)] for line in lines]


def main(arguments: list[str]) -> int:
    """Run the campaign and write its figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time, with fewer runs")
    parser.add_argument("--state", type=Path, help="file of the kills so far, to which these are added")
    chosen = parser.parse_args(arguments)
    state = None if chosen.state is None else chosen.state.absolute()
    with tempfile.TemporaryDirectory(prefix="mien-sigkill-") as scratch, contextlib.chdir(scratch):
        kills = campaign(chosen.runs, chosen.seed, chosen.minutes, Path(scratch), state)
    recovered = sum(kill.recovered for kill in kills)
    command = f"python -m tests.faults.sigkill --runs {chosen.runs} --seed {chosen.seed}"
    record("sigkill_runs_recovered_of_200", recovered, len(kills), command)
    record("sigkill_worst_loss_s", round(max(kill.lost_s for kill in kills), 2), len(kills), command)
    return 0 if recovered == len(kills) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
