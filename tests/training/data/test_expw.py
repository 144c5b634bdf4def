"""ExpW on a synthetic label list."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data.expw import SPLITS, list_expw, split_of


def write_list(folder: Path, lines: list[str]) -> None:
    (folder / "label").mkdir()
    (folder / "label" / "label.lst").write_text("\n".join(lines) + "\n")


def test_boxes_and_labels_are_put_in_our_order(tmp_path: Path) -> None:
    write_list(tmp_path, [f"{label}.jpg 2 11 22 33 44 81.5 {label}" for label in range(7)])
    pictures = [picture for split in SPLITS for picture in list_expw(tmp_path, split)]
    named = {picture.name: EXPRESSIONS[picture.label] for picture in pictures}
    order = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert named == {f"{label}.jpg#2": name for label, name in enumerate(order)}
    assert {picture.box for picture in pictures} == {(22, 11, 33, 44)}  # the list gives top, left, right, bottom
    assert pictures[0].path.parent == tmp_path / "image" / "origin"


def test_splits_hold_their_shares() -> None:
    splits = [split_of(f"photograph {number}") for number in range(4000)]
    shares = [splits.count(name) / len(splits) for name in SPLITS]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=4 * (0.7 * 0.3 / 4000) ** 0.5)


def test_splits_share_no_photograph_and_have_their_shares(tmp_path: Path) -> None:
    write_list(tmp_path, [f"{photo}.jpg {face} 0 0 9 9 50 0" for photo in range(2000) for face in range(2)])
    photos = {split: [picture.path.name for picture in list_expw(tmp_path, split)] for split in SPLITS}
    kinds = [set(names) for names in photos.values()]
    assert sum(len(kind) for kind in kinds) == len(set.union(*kinds)) == 2000
    assert all(len(names) == 2 * len(set(names)) for names in photos.values())
    deviation = (0.7 * 0.3 / 2000) ** 0.5
    assert [len(kind) / 2000 for kind in kinds] == pytest.approx([0.70, 0.15, 0.15], abs=4 * deviation)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg 0 1 2 3 4 50 7", "line 1: unknown label '7'; labels are 0 to 6"),
        ("a.jpg 0 1 2 x 4 50 6", "line 1: the box .* is not four whole numbers"),
        ("a.jpg 0 1 2 3 4 6", "line 1: 7 columns, not 8"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, message: str) -> None:
    write_list(tmp_path, [line])
    with pytest.raises(SourceError, match=message):
        list_expw(tmp_path, "training")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"label\.lst is missing"):
        list_expw(tmp_path, "training")
