"""``evaluate au`` measures on people whom the model has not seen, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.contract import read_contract, write_contract
from tests.training.fakes.action_units import brightness_model, faulty_faces
from tests.training.fakes.expression import quiet
from training.action_units.export import held_out_fold, held_out_line
from training.cli.evaluate import measure_file
from training.data.action_unit_faces import FOLDS
from training.evaluation import action_units_file as units_file


def _model(folder: Path, *data: str) -> Path:
    """A model whose contract has these lines of data."""
    path = brightness_model(folder)
    write_contract(replace(read_contract(path), data=data), path)
    return path


@pytest.mark.parametrize("fold", FOLDS)
def test_the_held_out_fold_is_read_as_it_was_written(fold: int) -> None:
    assert held_out_fold(["faces128 (9 faces of 3 people)", held_out_line(fold)]) == fold


@pytest.mark.parametrize("line", ["", "fold held out for measuring", "trained with fold 2 held out for measuring"])
def test_other_lines_give_no_fold(line: str) -> None:
    assert held_out_fold([line]) is None


def test_people_of_the_training_folds_are_refused(tmp_path: Path) -> None:
    model = _model(tmp_path, "synthetic faces", held_out_line(2))
    fault = "held out fold 2 and was trained on the people of fold 1: give --test-fold 2"
    with pytest.raises(ValueError, match=fault):
        measure_file(model, faulty_faces(), 1, tmp_path / "report", report=quiet)
    assert not (tmp_path / "report").exists()


def test_a_model_without_a_held_out_fold_is_refused(tmp_path: Path) -> None:
    fault = r"names no held-out fold, so fold 1 may be people of its training: export its run again .* --test-fold N"
    with pytest.raises(ValueError, match=fault):
        measure_file(_model(tmp_path, "synthetic faces"), faulty_faces(), 1, tmp_path / "report", report=quiet)


def test_people_who_were_held_out_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_file, "TIMED_RUNS", 2)
    measure_file(_model(tmp_path, held_out_line(3)), faulty_faces(), 3, tmp_path / "report", report=quiet)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.json", "report.html"}
