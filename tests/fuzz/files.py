"""Feed damaged models, contracts, settings and journals to the code that reads them.

``python -m tests.fuzz.files --models 2000 --texts 2000 --journals 400`` writes mutated_models_handled_of_2000 to
docs/results/trust.json. *Handled* means that the file was refused with an error of the program in one line, or opened;
that this process went on; and that neither took more than 30 s. A model that passes the strict reader is opened by a
child process with limits, as the program does it; one child takes many models, and is replaced when it crashes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from app.review.session import open_session
from app.session.folder import SessionFolder
from app.session.journal import find_resume_point, resumed_frames
from app.session.metadata import read_metadata
from app.session.table import write_tables
from app.settings.preferences import load_preferences
from engine.backends.contract import contract_path
from engine.backends.model_file import read_model
from engine.backends.trial import MEMORY_LIMIT_BYTES, TIME_LIMIT_S, open_with_limits
from engine.config import load_config
from engine.errors import EngineError
from tests.fakes.models import make_action_unit_model, make_expression_model
from tests.fakes.sessions import labelled_face, low_quality_face, write_session
from tests.fuzz.mutations import changed, damaged, json_bytes

LIMIT_S: Final = 30.0
SETTINGS: Final = b"""threads = 2
backends = ["onnxruntime"]
[tracking]
detect_every_s = 0.25
max_faces = 8
threads = 1
[quality]
max_yaw_deg = 45.0
[routing]
smoothing_s = 0.5
max_labels = 3
[runtime]
file_queue = 4
stop_s = 2.0
[gpu]
precision = "fp16"
max_faces = 8
"""
#: Names of how a file was handled, with how often.
Tally = Counter[str]


class Opener:
    """Opens models in a child process."""

    def __init__(self) -> None:
        self._child: multiprocessing.Process | None = None
        self._pipe: Connection | None = None

    def open(self, path: Path) -> str:
        """How the child handled the model."""
        if self._child is None or not self._child.is_alive():
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._child = context.Process(target=_open_all, args=(other,))  # type: ignore[assignment]
            self._child.start()
            other.close()
        assert self._pipe is not None
        try:
            self._pipe.send(path)
            if not self._pipe.poll(TIME_LIMIT_S):
                self.close()
                return "ended after its time limit"
            return str(self._pipe.recv())
        except (EOFError, OSError):
            self.close()
            return "ended its process"

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child.close()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None


def _open_all(pipe: Connection) -> None:
    """The child: open one model after another."""
    limited = False
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        try:
            open_with_limits(read_model(path), 0 if limited else MEMORY_LIMIT_BYTES, 36_000)
            answer = "opened"
        except (EngineError, MemoryError) as error:
            answer = f"refused by the runtime ({type(error).__name__})"
        limited = True
        pipe.send(answer)


def fuzz_models(count: int, seed: int, folder: Path) -> Tally:
    """Open models with damage whose contract names their hash, so that only their content can be refused.

    Raises:
        AssertionError: one was not handled.
    """
    chance, tally, opener = random.Random(seed), Tally(), Opener()
    bases = [make_expression_model(folder / "e"), make_action_unit_model(folder / "a")]
    contents = {path: (path.read_bytes(), json.loads(contract_path(path).read_text())) for path in bases}
    with contextlib.closing(opener):
        for _ in range(count):
            path = chance.choice(bases)
            content, contract = contents[path]
            mutated = damaged(content, chance)
            path.write_bytes(mutated)
            sha256 = hashlib.sha256(mutated).hexdigest()
            contract_path(path).write_text(json.dumps(contract | {"sha256": sha256}))
            begin_s = time.monotonic()
            tally[_model_handled(path, opener)] += 1
            assert time.monotonic() - begin_s < LIMIT_S, "too slow"
    return tally


def _model_handled(path: Path, opener: Opener) -> str:
    try:
        read_model(path)
    except EngineError as error:
        return _refused(error, "refused by the reader")
    return opener.open(path)


def fuzz_texts(count: int, seed: int, folder: Path) -> Tally:
    """Read contracts, settings, preferences and metadata with damage to bytes or values.

    Raises:
        AssertionError: one was not handled.
    """
    chance, tally = random.Random(seed), Tally()
    model = make_expression_model(folder / "e")
    session = write_session(folder / "session", [(labelled_face(1, "happiness"),)], tables=False)
    readers: tuple[tuple[str, Path, Callable[[Path], object]], ...] = (
        ("contract", contract_path(model), lambda path: read_model(model)),
        ("settings", folder / "settings.toml", load_config),
        ("preferences", folder / "desktop.json", load_preferences),
        ("metadata", session.metadata, read_metadata),
    )
    (folder / "settings.toml").write_bytes(SETTINGS)
    (folder / "desktop.json").write_text(json.dumps({"theme": "dark", "threads": 2, "sessions": ["a"], "limits": None}))
    whole = {name: path.read_bytes() for name, path, _ in readers}
    for _ in range(count):
        name, path, read = chance.choice(readers)
        is_json = name != "settings"
        if is_json and chance.random() < 0.7:
            path.write_bytes(json_bytes(changed(json.loads(whole[name]), chance)))
        else:
            path.write_bytes(damaged(whole[name], chance))
        tally[f"{name} {_outcome(lambda path=path, read=read: read(path))}"] += 1  # type: ignore[misc]
        path.write_bytes(whole[name])
    return tally


def fuzz_journals(count: int, seed: int, folder: Path) -> Tally:
    """Read damaged journals as review, as the tables' writer and as a resume do.

    Raises:
        AssertionError: one was not handled.
    """
    chance, tally = random.Random(seed), Tally()
    faces = [(labelled_face(1, "happiness"),), (), (labelled_face(2, "fear", "surprise"), low_quality_face(3))]
    session = write_session(folder / "journal", [faces[place % 3] for place in range(30)], state_bytes=40, tables=False)
    _review(session)  # whole, it is read
    whole = session.journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    readers: dict[str, Callable[[SessionFolder], object]] = {
        "review": _review,
        "tables": lambda files: write_tables(files.journal, files.csv, files.parquet),
        "resume": lambda files: (find_resume_point(files.journal), resumed_frames(files.journal)),
    }
    for _ in range(count):
        session.journal.write_bytes(_damaged_journal(whole, lines, chance))
        for name, read in readers.items():
            tally[f"{name} {_outcome(lambda read=read: read(session))}"] += 1  # type: ignore[misc]
            session.csv.unlink(missing_ok=True)
            session.parquet.unlink(missing_ok=True)
    return tally


def _damaged_journal(whole: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return damaged(whole, chance)
    result = list(lines)
    place = chance.randrange(len(result))
    if kind == 1:
        result[place] = chance.choice(lines)
    else:
        result[place] = json_bytes(changed(json.loads(lines[place]), chance)) + b"\n"
    return b"".join(result)


def _review(files: SessionFolder) -> None:
    with open_session(files.path) as session:
        for position in range(len(session.frames)):
            session.rows_at(position)
            session.video_time_at(position)


def _refused(error: EngineError, outcome: str) -> str:
    assert "\n" not in str(error), error
    return outcome


def _outcome(read: Callable[[], object]) -> str:
    begin_s = time.monotonic()
    try:
        read()
        outcome = "read"
    except EngineError as error:
        outcome = _refused(error, "refused")
    assert time.monotonic() - begin_s < LIMIT_S, "too slow"
    return outcome


def main(arguments: list[str]) -> int:
    """Run the three parts and write the figure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, number in (("models", 2000), ("texts", 2000), ("journals", 400), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=number)
    chosen = parser.parse_args(arguments)
    parts: tuple[tuple[str, int, Any], ...] = (
        ("texts", chosen.texts, fuzz_texts),
        ("journals", chosen.journals, fuzz_journals),
        ("models", chosen.models, fuzz_models),
    )
    for name, count, fuzz in parts:
        with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as folder:
            tally = fuzz(count, chosen.seed, Path(folder))
        print(name, dict(tally), flush=True)  # noqa: T201 (a script)
        if name == "models" and count:
            from tests.faults.figures import record

            command = f"python -m tests.fuzz.files --models {count} --seed {chosen.seed}"
            record("mutated_models_handled_of_2000", tally.total(), count, command)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
