"""faces128: pseudo-labels, and reading the publisher's layout."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.config import read_toml
from engine.errors import ConfigError, SourceError
from engine.facs import OPEN_UNITS
from engine.types import MESH_POINTS
from training.data import faces128
from training.data.action_unit_faces import fold_of
from training.data.faces128 import (
    PSEUDO_UNITS,
    UNIT_BLENDSHAPES,
    Faces128Scores,
    PseudoUnit,
    PseudoUnits,
    lip_distance,
    pseudo_labelled,
    read_faces128,
    read_scores,
    soft_targets,
    unit_scores,
)

COLUMNS = sorted(set().union(*UNIT_BLENDSHAPES.values()))


def _blendshapes(**given_scores: float) -> dict[str, np.ndarray]:
    return {name: np.array([given_scores.get(name, 0.0)], np.float32) for name in COLUMNS}


def test_sides_are_averaged_and_lips_are_measured() -> None:
    shapes = _blendshapes(mouthSmileLeft=0.8, mouthSmileRight=0.6, jawOpen=0.3)
    scores = dict(zip(OPEN_UNITS, unit_scores(shapes, np.array([0.2], np.float32))[0], strict=True))
    assert {unit: score for unit, score in scores.items() if score} == {
        12: pytest.approx((0.8 + 0.6) / 2),
        25: pytest.approx(0.2),
        26: pytest.approx(0.3),
    }


def test_lip_distance_is_over_that_of_the_eyes_whatever_the_size() -> None:
    points = np.zeros((1, MESH_POINTS, 2), np.float32)
    points[0, 33], points[0, 263] = [0.25, 0.4], [0.75, 0.4]
    points[0, 13], points[0, 14] = [0.5, 0.70], [0.5, 0.75]
    assert lip_distance(points) == pytest.approx([0.05 / 0.5])
    assert lip_distance(points * 0.3) == pytest.approx([0.05 / 0.5], rel=1e-5)
    assert lip_distance(np.zeros((1, MESH_POINTS, 2), np.float32)) == [0.0]


def test_every_unit_of_the_open_set_has_a_score_or_is_masked() -> None:
    pseudo = read_toml(PseudoUnits, PSEUDO_UNITS)
    assert {*UNIT_BLENDSHAPES, 25} == set(OPEN_UNITS)
    masked = [unit for unit, value in zip(OPEN_UNITS, pseudo.thresholds(), strict=True) if np.isinf(value)]
    assert {6, 9} <= set(masked)  # both are 0 on every image


def _pseudo(threshold: float, masked: tuple[int, ...] = ()) -> PseudoUnits:
    entries = [
        PseudoUnit(unit, masked=True, why="test") if unit in masked else PseudoUnit(unit, threshold, why="test")
        for unit in reversed(OPEN_UNITS)  # in any order
    ]
    return PseudoUnits(tuple(entries))


def test_labels_follow_the_thresholds_and_masked_units_are_not_known() -> None:
    scores = np.tile(np.array([[0.1], [0.3], [0.3]], np.float32), (1, len(OPEN_UNITS)))
    people = np.array(["A", "B", "A"])
    faces = pseudo_labelled(
        Faces128Scores(np.zeros((3, 96, 96), np.uint8), scores, people, people, 0), _pseudo(0.3, masked=(9,))
    )
    place = OPEN_UNITS.index(9)
    assert not faces.known[:, place].any()
    assert not faces.occurs[:, place].any()
    others = np.delete(np.arange(len(OPEN_UNITS)), place)
    assert faces.known[:, others].all()
    assert (faces.occurs[:, others] == [[False], [True], [True]]).all()
    assert faces.targets[1, others] == pytest.approx([0.5] * len(others))
    assert faces.folds.tolist() == [fold_of("A"), fold_of("B"), fold_of("A")]
    assert set(faces.sources) == {"faces128"}


@pytest.mark.parametrize(
    "entry", [{}, {"threshold": 0.2, "masked": True}, {"threshold": 1.5}, {"threshold": 0.2, "why": ""}]
)
def test_a_unit_needs_a_threshold_or_a_mask_and_a_reason(entry: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="AU9 needs either"):
        PseudoUnit(**{"unit": 9, "why": "test", **entry})  # type: ignore[arg-type]  # from parts


def test_a_missing_or_doubled_unit_is_refused() -> None:
    units = _pseudo(0.2).units
    for wrong in (units[1:], (*units, units[0])):
        with pytest.raises(ConfigError, match="one entry for each"):
            PseudoUnits(wrong)


def test_soft_targets_cross_one_half_at_the_threshold() -> None:
    thresholds = np.array([0.2], np.float32)
    odds = 0.2 / 0.8
    half_odds = (odds / 2) / (1 + odds / 2)
    targets = soft_targets(np.array([[0.0], [half_odds], [0.2], [1.0]], np.float32), thresholds)[:, 0]
    assert targets[1:3] == pytest.approx([1 / (1 + 2**1.5), 0.5], abs=1e-6)
    assert 0 < targets[0] < 1e-4 < 1 - 1e-4 < targets[3] < 1


def _fake_tree(folder: Path, people: list[str], presence: list[float]) -> None:
    (folder / "images").mkdir(parents=True)
    labels_path, shapes_path = folder / "labels.csv", folder / "blendshapes.csv"
    with labels_path.open("w", newline="") as labels, shapes_path.open("w", newline="") as shapes:
        label_rows, shape_rows = csv.writer(labels), csv.writer(shapes)
        label_rows.writerow(["image", "identity", "expression"])
        shape_rows.writerow(["image", "presence", *COLUMNS])
        for row, (person, score) in enumerate(zip(people, presence, strict=True)):
            label_rows.writerow([f"{row}.jpg", person, "neutral"])
            shape_rows.writerow([f"{row}.jpg", score, *([row / 10] * len(COLUMNS))])
            cv2.imwrite(str(folder / "images" / f"{row}.jpg"), np.full((128, 128), 10 * row, np.uint8))


@pytest.fixture
def _still_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same mesh for every image, sure of all but the last."""
    mesh = np.random.default_rng(0).uniform(0.2, 0.8, (MESH_POINTS, 2)).astype(np.float32)

    def meshes(images: np.ndarray, cache: Path, workers: int) -> tuple[np.ndarray, np.ndarray]:
        presence = np.ones(len(images), np.float32)
        presence[-1] = 0.1
        return np.repeat(mesh[np.newaxis], len(images), axis=0), presence

    monkeypatch.setattr(faces128, "meshes_of", meshes)


@pytest.mark.usefixtures("_still_mesh")
def test_reading_keeps_rows_together_and_leaves_out_unsure_faces(tmp_path: Path) -> None:
    _fake_tree(tmp_path / "data", ["A", "B", "A", "C"], [1.0, 0.2, 0.9, 1.0])
    faces = read_scores(tmp_path / "data", tmp_path / "cache")
    assert faces.left_out == 2  # B by the publisher's presence, C by ours
    assert faces.people.tolist() == ["A", "A"]
    assert faces.expressions.tolist() == ["neutral", "neutral"]
    assert faces.crops.shape == (2, 96, 96)
    assert faces.crops.mean(axis=(1, 2)) == pytest.approx([0.0, 20.0], abs=1.5)  # JPEG
    assert faces.scores[:, 0] == pytest.approx([0.0, 0.2])
    assert faces.scores[0, OPEN_UNITS.index(25)] == faces.scores[1, OPEN_UNITS.index(25)] > 0
    labelled = read_faces128(tmp_path / "data", tmp_path / "cache")
    assert labelled.units == OPEN_UNITS
    assert np.array_equal(labelled.crops, faces.crops)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.csv is missing"):
        read_faces128(tmp_path, tmp_path)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    _fake_tree(tmp_path, ["A"], [1.0])
    (tmp_path / "images" / "0.jpg").unlink()
    with pytest.raises(SourceError, match=r"0\.jpg is missing"):
        read_faces128(tmp_path, tmp_path)


def test_tables_of_different_images_are_refused(tmp_path: Path) -> None:
    _fake_tree(tmp_path, ["A", "B"], [1.0, 1.0])
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_text(text.replace("1.jpg", "9.jpg"))
    with pytest.raises(SourceError, match="different images"):
        read_faces128(tmp_path, tmp_path)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    _fake_tree(tmp_path, ["A"], [1.0])
    text = (tmp_path / "blendshapes.csv").read_text()
    (tmp_path / "blendshapes.csv").write_text(text.replace("browInnerUp", "brow"))
    with pytest.raises(SourceError, match="'browInnerUp'"):
        read_faces128(tmp_path, tmp_path)
