"""``mien-train reproduce expression`` runs every step once, in order, and names its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.backends.contract import read_contract
from tests.training.fakes.expression import fake_faces
from tests.training.fakes.trunk import trunk_weights
from training.cli import reproduce
from training.cli.main import app
from training.cli.reproduce import QUICK, run_steps
from training.data.fer2013 import FerFaces
from training.evaluation import expression as evaluation
from training.expression import cover_head, export, faces, fit_teacher
from training.expression.cover_head import read_cover_config
from training.expression.fit_teacher import read_teacher_config
from training.expression.student import read_student_config


def test_steps_run_in_order_and_their_wall_time_is_reported() -> None:
    done: list[str] = []
    lines: list[str] = []
    run_steps((("first", lambda: done.append("a")), ("second", lambda: done.append("b"))), lines.append)
    assert done == ["a", "b"]
    assert lines == [
        "--- first",
        "--- first: 0 min 00 s",
        "--- second",
        "--- second: 0 min 00 s",
        "--- all: 0 min 00 s",
    ]


def test_a_step_that_fails_ends_the_chain() -> None:
    def fail() -> None:
        raise ValueError("no data")

    done: list[str] = []
    with pytest.raises(ValueError, match="no data"):
        run_steps((("first", fail), ("second", lambda: done.append("b"))), done.append)
    assert done == ["--- first"]


def test_the_chain_goes_from_the_trunk_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    names = ("fetch_trunk", "fit_teacher", "fit_student", "fit_cover_head", "export_expression", "evaluate_expression")
    for name in (*names, "write_expression_report"):
        monkeypatch.setattr(reproduce, name, lambda *_, called=name, **__: done.append(called))
    arguments = ["reproduce", "expression", "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "model.onnx")])
    assert result.exit_code == 0, result.output
    assert done == [*names, "write_expression_report"]
    assert "--- all: 0 min" in result.output


TEACHER = """members = 1
[model]
input_side_px = 72
[trainer]
epochs = 2
batch_size = 8
bf16 = false
save_every_s = 0
"""
STUDENT = """[model]
input_side_px = 96
network_side_px = 96
widths = [32, 64, 128, 256]
pretrained_trunk = true
landmarks = false
branches = 2
token_width = 16
anchors = 1
[versions]
count = 1
[trainer]
epochs = 2
batch_size = 8
bf16 = false
save_every_s = 0
"""
COVERED = "pictures = 16\nhidden = 4\nepochs = 1\n"
#: A line of each step, after which the process ends; the same line again for the next training.
LAST_LINES = ("epoch 1 of 2", "teacher 0 labelled", "epoch 1 of 2", "pictures; covered", "--- export")


class Killed(Exception):
    """The end of the process in the middle of a step."""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small settings for the whole chain; every split holds the same fake faces."""

    def read(folder: Path, split: str, cache: Path, side_px: int, **_: object) -> FerFaces:
        small = fake_faces()
        crops = np.kron(small.crops, np.ones((2, 2), np.uint8))[:, :side_px, :side_px]
        return replace(small, crops=np.ascontiguousarray(crops))

    for name, text in (("teacher", TEACHER), ("student", STUDENT), ("covered", COVERED)):
        (tmp_path / f"{name}.toml").write_text(text)
    for module in (faces, cover_head, export, evaluation):
        monkeypatch.setattr(module, "read_faces", read)
    monkeypatch.setattr(fit_teacher, "read_trunk", lambda path: trunk_weights())
    monkeypatch.setattr(reproduce, "fetch_trunk", lambda *_: None)
    monkeypatch.setattr(reproduce, "QUICK", tmp_path)
    return tmp_path


def test_a_chain_that_is_killed_in_every_step_resumes_to_a_model_with_its_contract(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    left: Iterator[str] = iter(LAST_LINES)
    due = next(left)

    def echo(line: str) -> None:
        nonlocal due
        lines.append(line)
        if due and due in line:
            due = next(left, "")
            raise Killed(line)

    monkeypatch.setattr(reproduce, "echo", echo)
    model = data / "out" / "expression.onnx"
    command = ["reproduce", "expression", "--quick", "--data", str(data), "--runs", str(data / "runs")]
    for _ in LAST_LINES:
        result = CliRunner().invoke(app, [*command, "--out", str(model), "--threads", "1"])
        assert isinstance(result.exception, Killed), result.output
    assert not model.exists()
    result = CliRunner().invoke(app, [*command, "--out", str(model), "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert sum("resuming at step" in line for line in lines) == 2, "a teacher and the student"
    assert sum("teacher 0 labelled" in line for line in lines) == 1, "the answers of the killed step are kept"
    assert read_contract(model).labels[0] == "neutral"
    assert (data / "runs" / "quick" / "report" / "report.html").is_file()
    assert lines[-1].startswith("--- all: ")


def test_the_quick_settings_have_the_shape_of_the_shipped_ones() -> None:
    teacher, student = read_teacher_config(QUICK / "teacher.toml"), read_student_config(QUICK / "student.toml")
    assert student.model == read_student_config(reproduce.CONFIGS / "student.toml").model
    assert student.model.branches == teacher.members + student.raters_branch
    assert 0 < teacher.faces == student.faces
    assert read_cover_config(QUICK / "covered.toml").pictures < 1000
