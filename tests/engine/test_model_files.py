"""Where models are looked for."""

from __future__ import annotations

import pytest

from engine.errors import ModelError
from engine.model_files import MODELS_FOLDER, model_path


def test_models_stand_in_assets_beside_the_package():
    assert MODELS_FOLDER.parts[-2:] == ("assets", "models")
    assert (MODELS_FOLDER.parents[1] / "engine" / "model_files.py").is_file()


def test_a_folder_given_comes_before_the_models_of_the_program(tmp_path):
    (tmp_path / "expression.onnx").write_bytes(b"a network")
    assert model_path("expression", tmp_path) == tmp_path / "expression.onnx"


def test_a_missing_model_is_named_with_its_place_and_a_remedy(tmp_path):
    with pytest.raises(ModelError, match=r"action_units\.onnx is missing: name a folder that holds it"):
        model_path("action_units", tmp_path)


def test_a_model_missing_from_the_program_asks_for_a_new_installation(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.model_files.MODELS_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="install the program again"):
        model_path("expression")


def test_an_unknown_task_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="unknown task 'age': known are expression, action_units"):
        model_path("age", tmp_path)
