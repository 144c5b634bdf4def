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
from training.data.action_unit_faces import NO_FOLD, fold_of
from training.data.fer2013 import VOTE_COLUMNS, FerTable
from training.open_set import resting_faces
from training.open_set.resting_faces import read_resting_faces, read_resting_fer


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


def test_people_are_in_the_folds_of_their_names(tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray]) -> None:
    write_faces128(tmp_path, ["Bo", "Al"])
    assert _read(tmp_path).folds.tolist() == [fold_of("Al"), fold_of("Bo")]


@pytest.fixture
def fer(monkeypatch: pytest.MonkeyPatch) -> FerTable:
    """Six different images of Training that all ten raters call neutral."""
    votes = np.zeros((6, len(VOTE_COLUMNS)), np.int64)
    votes[:, VOTE_COLUMNS.index("neutral")] = 10
    images = np.full((6, 48, 48), 90, np.uint8) + np.arange(6, dtype=np.uint8)[:, None, None]
    table = FerTable(images, np.full(6, 6), votes, np.zeros(6, np.int64), np.ones(6, bool))
    monkeypatch.setattr(resting_faces.fer2013, "read_table", lambda folder: table)
    return table


def test_faces_of_fer_are_for_training_only_and_know_their_own_size(
    tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray], fer: FerTable
) -> None:
    found = read_resting_fer(tmp_path, tmp_path)
    assert found.names[0] == "ferplus:0"
    assert found.photographs.shape == (6, 128, 128)
    assert (found.folds == NO_FOLD).all()
    assert (found.sides_px == 48).all()
    assert found.points_px[0] == pytest.approx(in_photograph(mesh_points()), abs=1e-3)


def test_faces_of_fer_that_do_not_rest_or_leak_are_left_out(
    tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray], fer: FerTable
) -> None:
    fer.votes[0, [VOTE_COLUMNS.index("neutral"), VOTE_COLUMNS.index("sadness")]] = 8, 2  # too few call it neutral
    meshes[1][1] = 0.85  # an uncertain mesh
    meshes[0][2] = in_photograph(mesh_points(0.1)) / SIDE_PX  # parted lips
    meshes[0][3, 1, 0] += 0.1  # a turned head
    fer.split[4] = 2  # PrivateTest
    assert read_resting_fer(tmp_path, tmp_path).names == ("ferplus:5",)
    fer.images[5] = fer.images[4]  # the same image in PrivateTest
    with pytest.raises(SourceError, match="has no resting face"):
        read_resting_fer(tmp_path, tmp_path)


def test_sources_are_put_beside_each_other(
    tmp_path: Path, meshes: tuple[np.ndarray, np.ndarray], fer: FerTable
) -> None:
    write_faces128(tmp_path, ["Bo", "Al"])
    both = _read(tmp_path).beside(read_resting_fer(tmp_path, tmp_path))
    assert both.names[1:3] == ("Bo_0000.png", "ferplus:0")
    assert both.sides_px.tolist() == [128] * 2 + [48] * 6
    assert len(both.points_px) == len(both.photographs) == len(both.people) == len(both.folds) == 8
