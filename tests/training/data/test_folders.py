"""A folder per class: names of classes, what is taken and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data.folders import list_folders


def make(folder: Path, *files: str) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_classes_go_by_noun_or_adjective_in_any_case(tmp_path: Path) -> None:
    make(tmp_path / "train", "Happy/a.JPG", "sadness/b.png", "neutral/person 1/c.bmp", "FEARFUL/d.jpeg")
    named = {picture.name: EXPRESSIONS[picture.label] for picture in list_folders(tmp_path, "train")}
    assert named == {
        "Happy/a.JPG": "happiness",
        "sadness/b.png": "sadness",
        "neutral/person 1/c.bmp": "neutral",
        "FEARFUL/d.jpeg": "fear",
    }


def test_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "readme.txt", "anger/Thumbs.db", ".ipynb_checkpoints/x.jpg", "anger/a.jpg")
    assert [picture.name for picture in list_folders(tmp_path, ".")] == ["anger/a.jpg"]


def test_a_folder_not_named_after_an_expression_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/smirk/a.jpg")
    with pytest.raises(SourceError, match="smirk is not named after an expression: rename it to one of neutral, "):
        list_folders(tmp_path, "train")


def test_the_error_for_a_missing_split_names_the_expected_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="train is missing: expected a folder per expression"):
        list_folders(tmp_path, "train")
