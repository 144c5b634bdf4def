"""``mien-train reproduce expression`` runs every step once, in order, and names its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import reproduce
from training.cli.main import app
from training.cli.reproduce import run_steps


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
