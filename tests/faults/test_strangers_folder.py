"""Processes that the program starts never import modules that lie in the folder it was started from.

Python looks for modules in the current folder first if it is started with ``-m`` or ``-c``, and that folder may hold
videos from a stranger, with a ``numpy.py`` among them.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from app.bench.annotate_run import run_child
from app.cluster.processes import ProcessCrew
from engine.backends.trial import try_model
from engine.errors import OutputError
from tests.app.cluster.conftest import items_of, setup_of, write_face_clips
from training.data.meshes import worker_pool

CHECKOUT = Path(__file__).resolve().parents[2]
#: Imported by every Python that does some work, from the standard library and from others.
NAMES = (
    "numpy",
    "onnxruntime",
    "cv2",
    "json",
    "pickle",
    "socket",
    "struct",
    "multiprocessing",
    "runpy",
    "engine",
    "app",
)


@pytest.fixture
def visited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is a stranger's; this file exists once one of its modules was imported."""
    mark = tmp_path / "visited"
    folder = tmp_path / "stranger"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\nraise SystemExit(5)\n")
    monkeypatch.chdir(folder)
    return mark


def test_the_trap_catches_a_python_that_looks_there(visited: Path) -> None:
    assert subprocess.run([sys.executable, "-c", "import numpy"], check=False).returncode == 5
    assert visited.read_text() == "numpy"


def test_the_trial_of_a_model_does_not(visited: Path, tmp_path: Path) -> None:
    from engine.backends.model_file import MODELS_FOLDER, read_model

    try_model(read_model(MODELS_FOLDER / "action_units.onnx"), time_limit_s=120.0)
    assert not visited.exists()


def test_the_runs_of_bench_do_not(visited: Path, tmp_path: Path) -> None:
    messages = tmp_path / "messages.txt"
    run_child([sys.executable, "-m", "app", "--version"], messages, lambda pid, now_s: None, "version")
    with pytest.raises(OutputError, match="ended with status"):  # of the worker itself: it has no job
        run_child([sys.executable, "-m", "app.bench.worker"], messages, lambda pid, now_s: None, "worker")
    assert not visited.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no safe path")
def test_workers_do_not(visited: Path, tmp_path: Path) -> None:
    crew = ProcessCrew(1, setup_of())
    crew._setup = "no setup"  # so that it ends after its imports
    try:
        crew.start(0, items_of(write_face_clips(tmp_path, 1, frames=1), tmp_path / "out")[0])
        events = []
        while not events:
            events = list(crew.wait(1.0))
    finally:
        crew.close()
    (event,) = events
    assert event.reason == "exit status 1"  # of the error in its setup; a module from the folder gives 5
    assert not visited.exists()
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no safe path")
def test_workers_of_training_do_not(visited: Path) -> None:
    with worker_pool(2) as pool:
        assert pool.submit(cv2.getNumThreads).result() == 1  # core for each
    assert not visited.exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_every_python_that_is_started_names_its_folder() -> None:
    """In app, engine and training: whoever adds a process with ``-m`` must choose its current folder."""
    started, without = 0, []
    for path in sorted(file for part in ("app", "engine", "training") for file in (CHECKOUT / part).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "sys.executable" not in text:
            continue
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) in {"subprocess.run", "subprocess.Popen"}:
                started += 1
                if "cwd" not in {keyword.arg for keyword in call.keywords}:
                    without.append(f"{path.relative_to(CHECKOUT)}:{call.lineno}")
    assert started >= 4
    assert without == []
