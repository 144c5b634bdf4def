"""The keep list: it is read as it was written, and a list of other images is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data.keep_list import FLOOR, NO_LABEL, OTHER_LABEL, KeepList, read_keep_list, write_keep_list

NAMES = ("neutral", "happiness", "surprise")
FOUND = KeepList(
    rows=np.array([7, 3, 9, 4]),
    keep=np.array([True, False, False, True]),
    keep_probability=np.array([0.9, 0.1, 0.2, 0.3], np.float32),
    reward=np.array([0.8, 0.1, 0.3, 0.2], np.float32),
    probabilities=np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.4, 0.3, 0.3], [0.1, 0.6, 0.3]], np.float32),
    targets=np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]], np.float32),
    floored=np.array([False, False, False, True]),
)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "keep.csv"
    write_keep_list(FOUND, NAMES, path)
    return path


def test_reasons_distinguish_a_clear_other_expression_from_none() -> None:
    assert FOUND.reasons() == ["", OTHER_LABEL, NO_LABEL, FLOOR]


def test_an_expression_that_some_raters_chose_is_not_another_label() -> None:
    votes = KeepList(
        FOUND.rows[:1], np.array([False]), FOUND.keep_probability[:1], FOUND.reward[:1],
        np.array([[0.1, 0.9, 0.0]], np.float32), np.array([[0.7, 0.3, 0.0]], np.float32), np.array([False]),
    )  # fmt: skip
    assert votes.reasons() == [NO_LABEL]


def test_lines_are_in_the_order_of_the_rows(listed: Path) -> None:
    lines = listed.read_text().splitlines()
    assert lines[0] == "row,keep,keep_probability,reward,looks_like,looks_like_probability,reason"
    assert lines[1] == "3,0,0.1000,0.1000,happiness,0.7000,other_label"
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "4", "7", "9"]
    assert not list(listed.parent.glob("*.part*"))


def test_the_mask_follows_the_order_of_the_given_rows(listed: Path) -> None:
    assert read_keep_list(listed, np.array([9, 7, 4, 3])).tolist() == [False, True, True, False]


def test_images_missing_from_the_list_are_an_error(listed: Path) -> None:
    with pytest.raises(ValueError, match=r"lacks 1 of 5 training images \(first: row 11\)"):
        read_keep_list(listed, np.array([3, 4, 7, 9, 11]))


def test_a_list_of_more_images_is_an_error(listed: Path) -> None:
    with pytest.raises(ValueError, match="lists 4 images, the training set has 2"):
        read_keep_list(listed, np.array([3, 4]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no columns row and keep"),
        ("", "no columns row and keep"),
        ("row,keep\n1,yes\n", "keep of row 1 is 'yes'"),
        ("row,keep\n1\n", "keep of row 1 is None"),
        ("row,keep\nx,1\n", "row 'x' is not a number"),
        ("row,keep\n1,0\n", "keeps no image"),
    ],
)
def test_a_file_that_is_not_a_keep_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keep.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_keep_list(path, np.array([1]))


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.csv"):
        read_keep_list(tmp_path / "absent.csv", np.array([1]))
