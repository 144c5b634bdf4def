"""faces128: splits by identity, pseudo-labels, and reading the publisher's layout."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SourceError
from engine.facs import BP4D_UNITS
from engine.types import MESH_POINTS
from training.datasets import faces128
from training.datasets.faces128 import (
    TEST,
    TRAINING,
    UNIT_BLENDSHAPES,
    VALIDATION,
    occurrence_thresholds,
    read_faces128,
    soft_targets,
    split_of,
    unit_scores,
)

COLUMNS = sorted(set().union(*UNIT_BLENDSHAPES.values()))


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60))
def test_a_person_stands_in_one_split_only(names: list[str]) -> None:
    pictures = names + names[::-1]  # several pictures per person, in any order
    seen: dict[str, set[str]] = {}
    for name in pictures:
        seen.setdefault(name, set()).add(split_of(name))
    assert all(len(splits) == 1 and splits <= {TRAINING, VALIDATION, TEST} for splits in seen.values())


def test_splits_hold_their_shares_of_the_people() -> None:
    splits = [split_of(f"person {number}") for number in range(4000)]
    shares = [splits.count(name) / len(splits) for name in (TRAINING, VALIDATION, TEST)]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=4 * (0.7 * 0.3 / 4000) ** 0.5)


def _blendshapes(**given_scores: float) -> dict[str, np.ndarray]:
    return {name: np.array([given_scores.get(name, 0.0)], np.float32) for name in COLUMNS}


def test_sides_are_averaged_and_au6_needs_smile_and_squint() -> None:
    shapes = _blendshapes(mouthSmileLeft=0.8, mouthSmileRight=0.6, eyeSquintLeft=0.5, eyeSquintRight=0.3)
    scores = dict(zip(BP4D_UNITS, unit_scores(shapes)[0], strict=True))
    assert scores[12] == pytest.approx((0.8 + 0.6) / 2)
    assert scores[7] == pytest.approx((0.5 + 0.3) / 2)
    assert scores[6] == pytest.approx(min(0.7, 0.4))
    assert [unit for unit, score in scores.items() if score == 0] == [1, 2, 4, 10, 14, 15, 17, 23, 24]


def test_thresholds_hold_rates_between_5_and_50_percent() -> None:
    ranks = np.linspace(0, 1, 1001, dtype=np.float32)
    scores = np.stack([ranks * 0.1, ranks, ranks * 0.3 + 0.7], axis=1)  # hardly ever, fitting nowhere, always above 0.2
    thresholds = occurrence_thresholds(scores)
    assert thresholds == pytest.approx([0.095, 0.5, 0.85], abs=1e-3)
    assert (scores >= thresholds).mean(0) == pytest.approx([0.05, 0.5, 0.5], abs=2e-3)


def test_a_unit_with_a_fair_rate_keeps_the_fixed_threshold() -> None:
    scores = np.repeat(np.array([0.1, 0.3], np.float32), [80, 20])[:, np.newaxis]
    assert occurrence_thresholds(scores) == pytest.approx([0.2])


def test_soft_targets_cross_one_half_at_the_threshold() -> None:
    thresholds = np.array([0.2], np.float32)
    odds = 0.2 / 0.8
    half_odds = (odds / 2) / (1 + odds / 2)
    targets = soft_targets(np.array([[0.0], [half_odds], [0.2], [1.0]], np.float32), thresholds)[:, 0]
    assert targets[1:3] == pytest.approx([1 / (1 + 2**1.5), 0.5], abs=1e-6)
    assert 0 < targets[0] < 1e-4 < 1 - 1e-4 < targets[3] < 1


def _made_tree(folder: Path, people: list[str], presence: list[float]) -> None:
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
    """The same mesh for every picture, sure of all but the last."""
    mesh = np.random.default_rng(0).uniform(0.2, 0.8, (MESH_POINTS, 2)).astype(np.float32)

    def meshes(images: np.ndarray, cache: Path, workers: int) -> tuple[np.ndarray, np.ndarray]:
        presence = np.ones(len(images), np.float32)
        presence[-1] = 0.1
        return np.repeat(mesh[np.newaxis], len(images), axis=0), presence

    monkeypatch.setattr(faces128, "meshes_of", meshes)


@pytest.mark.usefixtures("_still_mesh")
def test_reading_keeps_rows_together_and_leaves_out_unsure_faces(tmp_path: Path) -> None:
    _made_tree(tmp_path / "data", ["A", "B", "A", "C"], [1.0, 0.2, 0.9, 1.0])
    faces = read_faces128(tmp_path / "data", tmp_path / "cache")
    assert faces.left_out == 2  # B by the publisher's presence, C by ours
    assert faces.identities.tolist() == ["A", "A"]
    assert faces.crops.shape == (2, 96, 96)
    assert faces.crops.mean(axis=(1, 2)) == pytest.approx([0.0, 20.0], abs=1.5)  # JPEG
    assert faces.scores[:, 0] == pytest.approx([0.0, 0.2])
    assert set(faces.splits) == {split_of("A")}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.csv is missing"):
        read_faces128(tmp_path, tmp_path)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    _made_tree(tmp_path, ["A"], [1.0])
    (tmp_path / "images" / "0.jpg").unlink()
    with pytest.raises(SourceError, match=r"0\.jpg is missing"):
        read_faces128(tmp_path, tmp_path)


def test_tables_of_different_pictures_are_refused(tmp_path: Path) -> None:
    _made_tree(tmp_path, ["A", "B"], [1.0, 1.0])
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_text(text.replace("1.jpg", "9.jpg"))
    with pytest.raises(SourceError, match="different images"):
        read_faces128(tmp_path, tmp_path)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    _made_tree(tmp_path, ["A"], [1.0])
    text = (tmp_path / "blendshapes.csv").read_text()
    (tmp_path / "blendshapes.csv").write_text(text.replace("browInnerUp", "brow"))
    with pytest.raises(SourceError, match="'browInnerUp'"):
        read_faces128(tmp_path, tmp_path)
