"""The teacher's commands: what they pass on, and the error without weights."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from training import CONFIGS
from training.cli import evaluate, fetch_trunk, fit
from training.cli import main as cli
from training.expression.fit_teacher import read_teacher_config
from training.layers.face_trunk_weights import default_path


def passed_on(monkeypatch: pytest.MonkeyPatch, module: ModuleType, function: str, *arguments: str) -> tuple[Any, ...]:
    """Positional arguments that a command passes to a function of its module."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(module, function, lambda *given: calls.append(given))
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exit_code == 0, result.output
    return calls[0]


def test_the_weights_go_to_the_users_cache_or_to_a_given_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert passed_on(monkeypatch, fetch_trunk, "fetch_trunk", "fetch-trunk")[0] == default_path()
    assert passed_on(monkeypatch, fetch_trunk, "fetch_trunk", "fetch-trunk", "--out", "trunk.npz")[0] == Path(
        "trunk.npz"
    )


@pytest.mark.parametrize(("options", "members"), [([], [0, 1, 2]), (["--member", "1", "--member", "4"], [1, 4])])
def test_fit_trains_all_members_or_the_named_ones(
    monkeypatch: pytest.MonkeyPatch, options: list[str], members: list[int]
) -> None:
    arguments = ("fit", "teacher", "--data", "fer", "--run", "run", *options)
    config, data, trunk, run, chosen, device, _ = passed_on(monkeypatch, fit, "fit_teacher", *arguments)
    assert config == read_teacher_config(CONFIGS / "teacher.toml")
    assert (data, trunk, run, device) == (Path("fer"), default_path(), Path("run"), "cpu")
    assert list(chosen) == members


def test_evaluate_reads_public_test_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "write_report", lambda report, path: None)
    arguments = ("evaluate", "teacher", "--data", "fer", "--run", "run", "--out", "teacher.json")
    run, data, cache, split, members = passed_on(monkeypatch, evaluate, "evaluate_teachers", *arguments)
    assert (run, data, cache, split, members) == (Path("run"), Path("fer"), Path("run/cache"), "PublicTest", None)


def test_missing_weights_are_one_line_with_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trunk = tmp_path / "none.npz"
    arguments = ["mien-train", "fit", "teacher", "--data", "fer", "--run", str(tmp_path), "--trunk", str(trunk)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "none.npz is missing: run 'mien-train fetch-trunk'" in capsys.readouterr().err
