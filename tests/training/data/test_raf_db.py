"""RAF-DB on a synthetic tree: which image, which class, and lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data.raf_db import list_raf_db


def write_list(folder: Path, text: str) -> Path:
    (folder / "EmoLabel").mkdir()
    path = folder / "EmoLabel" / "list_patition_label.txt"
    path.write_text(text)
    return path


def test_labels_are_mapped_to_our_order_and_the_aligned_image_is_named(tmp_path: Path) -> None:
    lines = [f"train_{number:05}.jpg {number}" for number in range(1, 8)]
    write_list(tmp_path, "\n".join([*lines, "test_0001.jpg 4", ""]))
    train = list_raf_db(tmp_path, "train")
    named = [EXPRESSIONS[picture.label] for picture in train]
    assert named == ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    assert train[0].path == tmp_path / "Image" / "aligned" / "train_00001_aligned.jpg"
    assert train[0].box is None
    assert [picture.name for picture in list_raf_db(tmp_path, "test")] == ["test_0001.jpg"]


@pytest.mark.parametrize("label", ["0", "8", "", "happy", "²", "-1"])
def test_an_unknown_label_is_named_with_its_line(tmp_path: Path, label: str) -> None:
    write_list(tmp_path, f"train_00001.jpg 1\ntest_0001.jpg {label}\n")
    with pytest.raises(SourceError, match=rf"line 2: unknown label '{label}'; labels are 1 to 7"):
        list_raf_db(tmp_path, "train")


def test_a_name_of_neither_split_is_refused(tmp_path: Path) -> None:
    write_list(tmp_path, "trian_00001.jpg 1\n")
    with pytest.raises(SourceError, match="line 1: 'trian_00001.jpg' starts with neither"):
        list_raf_db(tmp_path, "train")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"list_patition_label\.txt is missing"):
        list_raf_db(tmp_path, "train")


def test_a_split_that_raf_db_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no split 'validation': use train or test"):
        list_raf_db(tmp_path, "validation")
