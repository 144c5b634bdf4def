"""Which photographs of faces128 count as resting."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SourceError
from tests.training.fakes.faces128 import SCORES, write_faces128
from tests.training.fakes.head import SIDE_PX, in_photograph, mesh_points
from training.open_set import resting_faces
from training.open_set.resting_faces import read_resting_faces


@pytest.fixture
def meshes(monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Meshes and presences that the network finds, for a test to change."""
    points = np.tile(in_photograph(mesh_points()) / SIDE_PX, (6, 1, 1)).astype(np.float32)
    presence = np.ones(6, np.float32)
    monkeypatch.setattr(
        resting_faces,
        "meshes_of",
        lambda images, cache, workers: (points[: len(images)], presence[: len(images)]),
    )
    return points, presence


def _read(folder: Path) -> resting_faces.RestingFaces:
    return read_resting_faces(folder, folder / "cache")


def test_faces_are_ordered_by_name(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["Bo", "Al", "Cy", "Al"])
    found = _read(tmp_path)
    assert found.names == ("Al_0001.png", "Al_0003.png", "Bo_0000.png", "Cy_0002.png")
    assert found.people.tolist() == ["Al", "Al", "Bo", "Cy"]
    assert found.photographs.shape == (4, 128, 128)
    assert found.photographs[:, 64, 64].tolist() == [101, 103, 100, 102]  # each photograph keeps its name
    assert found.points_px == pytest.approx(np.tile(in_photograph(mesh_points()), (4, 1, 1)), abs=1e-3)


def test_only_faces_labelled_neutral_are_used(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["A", "B", "C"], expressions=["happiness", "neutral", "unlabelled"])
    assert _read(tmp_path).people.tolist() == ["B"]


@pytest.mark.parametrize("name", SCORES[1:])
def test_face_with_a_high_score_is_left_out(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray], name: str) -> None:
    write_faces128(tmp_path, ["A", "B"], scores={"A": {name: 0.41}, "B": {name: 0.39}})
    assert _read(tmp_path).people.tolist() == ["B"]


def test_face_with_parted_lips_is_left_out(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["A", "B"])
    meshes[0][0] = in_photograph(mesh_points(0.1)) / SIDE_PX  # .2 + .1 cm of an eye distance of 8.4 cm: above 3 %
    assert _read(tmp_path).people.tolist() == ["B"]


def test_face_with_an_uncertain_mesh_is_left_out(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["A", "B"])
    meshes[1][1] = 0.49
    assert _read(tmp_path).people.tolist() == ["A"]


def test_set_without_resting_faces_is_reported(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["A"], expressions=["anger"])
    with pytest.raises(SourceError, match="has no resting face"):
        _read(tmp_path)


def test_broken_folders_are_reported(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(SourceError, match="labels.csv is missing"):
        _read(tmp_path)
    write_faces128(tmp_path, ["A", "B"])
    cv2.imwrite(str(tmp_path / "images" / "A_0000.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(SourceError, match=r"A_0000.png is missing or not a 128x128 image"):
        _read(tmp_path)
    with (tmp_path / "blendshapes.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["image", *SCORES], ["other.png", *["0"] * len(SCORES)]])
    with pytest.raises(SourceError, match="list different images"):
        _read(tmp_path)
