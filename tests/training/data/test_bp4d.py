"""BP4D in synthetic trees of the publisher's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from engine.facs import BP4D_UNITS
from tests.training.fakes.sequences import use_fake_networks, write_bp4d, write_coding
from training.data.bp4d import list_bp4d, read_bp4d, read_coding


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_fake_networks(monkeypatch)
    return write_bp4d(tmp_path / "BP4D")


def _units(row: np.ndarray) -> list[int]:
    return [unit for unit, holds in zip(BP4D_UNITS, row, strict=True) if holds]


def test_faces_of_a_tree(tree: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    faces = read_bp4d(tree, tmp_path / "cache", 1, lines.append)
    assert faces.units == BP4D_UNITS
    assert faces.crops.mean(axis=(1, 2)) == pytest.approx([100, 110, 120, 140], abs=1.5)  # JPEG; the dark one is out
    assert [_units(row) for row in faces.occurs] == [[12], [12], [24], []]
    assert [_units(~row) for row in faces.known] == [[], [1, 6], [], []]
    assert np.array_equal(faces.targets, faces.occurs.astype(np.float32))
    assert faces.people.tolist() == ["F001", "F001", "F001", "M015"]
    assert faces.folds.tolist() == [1, 1, 1, 3]
    assert set(faces.sources) == {"bp4d"}
    assert "4 of 5 coded frames of 2 people" in lines[-2]
    assert "39 of 41 people are missing" in lines[-1]


def test_the_same_tree_gives_the_same_faces(tree: Path, tmp_path: Path) -> None:
    first, second = (read_bp4d(tree, tmp_path / name, 1) for name in ("one", "two"))
    for field in ("crops", "occurs", "known", "people", "folds"):
        assert np.array_equal(getattr(first, field), getattr(second, field))


def test_the_other_release_is_read_too(tree: Path) -> None:
    before = [(one.name, one.occurs.tolist()) for one in list_bp4d(tree)]
    (tree / "BP4D-training").rename(tree / "Sequences(2D+3D)")
    for path in (tree / "AUCoding" / "AU_OCC").iterdir():
        path.rename(tree / "AUCoding" / path.name)
    assert [(one.name, one.occurs.tolist()) for one in list_bp4d(tree)] == before


def test_columns_are_found_by_unit_number(tmp_path: Path) -> None:
    backwards = (0, *BP4D_UNITS[::-1])
    write_coding(tmp_path / "F001_T1.csv", [(5, {1: 1, 23: 9})], backwards)
    coding = read_coding(tmp_path / "F001_T1.csv")
    assert coding.frames == (5,)
    assert _units(coding.occurs[0]) == [1]
    assert _units(~coding.known[0]) == [23]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone does not exist"):
        list_bp4d(tmp_path / "gone")
    with pytest.raises(SourceError, match=r"no codes of occurrence such as AUCoding/AU_OCC/F001_T1\.csv"):
        list_bp4d(tmp_path)


def test_missing_images_are_named(tree: Path) -> None:
    (tree / "BP4D-training" / "F001" / "T1" / "2441.jpg").unlink()
    with pytest.raises(SourceError, match=r"no image of frame 2441 \(1 of the 2 frames in F001_T1\.csv"):
        list_bp4d(tree)
    (tree / "BP4D-training" / "F001" / "T1").rename(tree / "elsewhere")
    with pytest.raises(SourceError, match=r"T1 is missing, but .*F001_T1\.csv is there"):
        list_bp4d(tree)
    (tree / "BP4D-training").rename(tree / "BP4D")
    with pytest.raises(SourceError, match="no folder BP4D-training or"):
        list_bp4d(tree)


def test_a_broken_image_is_named(tree: Path, tmp_path: Path) -> None:
    (tree / "BP4D-training" / "F001" / "T2" / "0721.jpg").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"0721\.jpg cannot be read as an image"):
        read_bp4d(tree, tmp_path / "cache", 1)


def test_a_person_of_bp4d_plus_is_refused(tree: Path) -> None:
    write_coding(tree / "AUCoding" / "AU_OCC" / "F082_T1.csv", [(1, {})])
    with pytest.raises(SourceError, match=r"F082_T1\.csv: subject 'F082' .* 41 subjects"):
        list_bp4d(tree)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no column for unit 1, 2, 4,"),
        ("0,1,2,4,6,7,10,12,14,15,17,23\n1" + ",0" * 11, r"no column for unit 24: "),
        ("0,1,2,4,6,7,10,12,14,15,17,23,24\n", "no coded frame"),
        ("0,1,2,4,6,7,10,12,14,15,17,23,24\n1" + ",0" * 11, "line 2: not a frame number and 12 codes"),
        ("0,1,2,4,6,7,10,12,14,15,17,23,24\nx" + ",0" * 12, "line 2: not a frame number and 12 codes"),
        ("0,1,2,4,6,7,10,12,14,15,17,23,24\n1" + ",0" * 11 + ",5", "line 2: code '5' is not 0, 1 or 9"),
    ],
)
def test_a_coding_that_cannot_be_read_is_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "F001_T1.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=rf"F001_T1\.csv.*{fault}"):
        read_coding(path)
