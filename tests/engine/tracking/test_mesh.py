"""The mesh: squares around faces, cutting them out, what a plausible mesh is, and the network itself."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.detector import FaceDetector
from engine.tracking.mesh import FaceMesh, FaceRoi, cut_square, is_plausible, roi_from_detection, roi_from_mesh
from engine.types import FaceDetection, Float32, UInt8

MeshMaker = Callable[..., Float32]
PICTURE = np.zeros((480, 640, 3), np.uint8)


def test_square_of_a_detection_is_half_as_large_again_and_turned_with_the_eyes() -> None:
    landmarks = np.zeros((6, 2), np.float32)
    landmarks[0], landmarks[1] = (110, 100), (130, 120)  # right eye, left eye: 45 degrees, clockwise
    roi = roi_from_detection(FaceDetection(np.array([100, 90, 140, 150], np.float32), landmarks, 0.9))
    assert (roi.centre_x_px, roi.centre_y_px, roi.side_px) == (120, 120, 60 * 1.5)
    assert roi.angle_rad == pytest.approx(math.pi / 4)


@given(st.floats(-170, 170), st.floats(20, 300), st.floats(-500, 500), st.floats(-500, 500))
def test_square_of_a_mesh_turns_grows_and_moves_with_it(
    make_mesh: MeshMaker, roll_deg: float, size_px: float, x: float, y: float
) -> None:
    upright = roi_from_mesh(make_mesh(0, 0, 100))
    roi = roi_from_mesh(make_mesh(x, y, size_px, roll_deg))
    turn, scale = math.radians(roll_deg), size_px / 100
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    assert roi.side_px == pytest.approx(upright.side_px * scale, rel=1e-3)
    assert math.remainder(roi.angle_rad - turn, 2 * math.pi) == pytest.approx(0, abs=1e-3)
    assert roi.centre_x_px == pytest.approx(x + cos * upright.centre_x_px - sin * upright.centre_y_px, abs=0.1)
    assert roi.centre_y_px == pytest.approx(y + sin * upright.centre_x_px + cos * upright.centre_y_px, abs=0.1)


def test_cutting_a_turned_square_puts_its_corner_first() -> None:
    picture = PICTURE.copy()
    picture[200:220, 300:320] = 255
    roi = FaceRoi(310, 210, 20, math.pi / 2)  # a quarter turn clockwise: the crop's x axis points down
    crop, frame_from_crop = cut_square(picture, roi, 40)
    assert crop.shape == (40, 40, 3)
    assert crop[3:-3, 3:-3].min() == 255
    corners = np.array([[0, 0, 1], [40, 0, 1], [0, 40, 1]]) @ frame_from_crop.T
    np.testing.assert_allclose(corners, [[320, 200], [320, 220], [300, 200]], atol=1e-3)


def test_a_square_outside_the_picture_repeats_its_edge() -> None:
    picture = PICTURE.copy()
    picture[:, :5] = 90
    crop, _ = cut_square(picture, FaceRoi(-50, 100, 40, 0.0), 16)
    assert set(np.unique(crop)) == {90}


def test_a_mesh_in_the_middle_of_its_square_is_plausible(make_mesh: MeshMaker) -> None:
    for roll_deg in (0.0, 80.0, -120.0):
        mesh = make_mesh(300, 200, 80, roll_deg)
        roi = roi_from_mesh(mesh)
        assert is_plausible(mesh, roi, roi, PICTURE)


@pytest.mark.parametrize(
    "change",
    [
        {"side_px": 400.0},  # the mesh has collapsed
        {"side_px": 50.0},  # it is far larger than the square
        {"centre_x_px": 400.0},  # it ran out of the square
        {"angle_rad": math.pi},  # it stands on its head
    ],
)
def test_a_mesh_that_does_not_fit_its_square_is_not_plausible(make_mesh: MeshMaker, change: dict[str, float]) -> None:
    mesh = make_mesh(300, 200, 80)
    own = roi_from_mesh(mesh)
    assert not is_plausible(mesh, own, dataclasses.replace(own, **change), PICTURE)


def test_a_mesh_outside_the_picture_or_without_numbers_is_not_plausible(make_mesh: MeshMaker) -> None:
    for mesh in (make_mesh(-30, 200, 80), make_mesh(300, 700, 80), np.full((468, 3), np.nan, np.float32)):
        own = roi_from_mesh(mesh)
        assert not is_plausible(mesh, own, own, PICTURE)


@pytest.mark.usefixtures("face_models")
def test_the_mesh_settles_on_the_portrait_and_is_denied_beside_it(portrait: UInt8) -> None:
    network = FaceMesh()
    roi = roi_from_detection(FaceDetector().detect(portrait)[0])
    for _ in range(3):
        mesh, presence = network.locate(portrait, roi)
        roi = roi_from_mesh(mesh)
    assert presence > 0.99
    again, _ = network.locate(portrait, roi)
    eyes_px = float(np.linalg.norm(mesh[33] - mesh[263]))
    assert float(np.abs(again - mesh)[:, :2].max()) < 0.05 * eyes_px
    left_eye, nose, chin = mesh[263], mesh[1], mesh[152]
    assert left_eye[1] < nose[1] < chin[1]
    assert network.locate(portrait, FaceRoi(60, 440, 120, 0.0))[1] < 0.5


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_squares_on_two_threads_give_the_same_meshes_in_the_same_order(portrait: UInt8, count: int) -> None:
    network = FaceMesh()
    first = roi_from_detection(FaceDetector().detect(portrait)[0])
    rois = [dataclasses.replace(first, centre_x_px=first.centre_x_px + 4 * place) for place in range(count)]
    wanted = network.locate_all(portrait, rois, together=False)
    found = network.locate_all(portrait, rois, together=True)
    used = [thread.name for thread in threading.enumerate() if thread.name == "mien-mesh"]
    network.close()
    assert len(used) == (count > 1)
    assert len(found) == len(wanted) == count
    for (mesh, presence), (other, same) in zip(found, wanted, strict=True):
        assert np.array_equal(mesh, other)
        assert presence == same
