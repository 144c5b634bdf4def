"""Head pose: a face projected with known angles must give them back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.pose import FACE_MM, POSE_POINTS, head_pose, pose_of, rotation_of
from engine.types import MESH_POINTS, Float32, HeadPose

WIDTH, HEIGHT = 640, 360
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def _projected(pose: HeadPose, distance_mm: float = 700.0, focal_px: float = WIDTH) -> Float32:
    """Mesh of the generic face before the middle of the camera; z in pixels, as the mesh network gives it."""
    turned = FACE_MM @ rotation_of(pose).T
    depth = turned[:, 2] + distance_mm
    mesh = np.zeros((MESH_POINTS, 3), np.float32)
    mesh[POSE_POINTS, 0] = turned[:, 0] / depth * focal_px + WIDTH / 2
    mesh[POSE_POINTS, 1] = turned[:, 1] / depth * focal_px + HEIGHT / 2
    mesh[POSE_POINTS, 2] = turned[:, 2] / distance_mm * focal_px
    return mesh


def _angles(pose: HeadPose) -> list[float]:
    return [getattr(pose, name) for name in ANGLES]


poses = st.builds(HeadPose, st.floats(-75, 75), st.floats(-50, 50), st.floats(-120, 120))


@given(poses, st.floats(400, 3000))
def test_known_angles_come_back(pose: HeadPose, distance_mm: float) -> None:
    assert _angles(head_pose(_projected(pose, distance_mm), WIDTH, HEIGHT)) == pytest.approx(_angles(pose), abs=0.1)


@given(poses)
def test_angles_and_rotation_are_inverse(pose: HeadPose) -> None:
    rotation = rotation_of(pose)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert _angles(pose_of(rotation)) == pytest.approx(_angles(pose), abs=1e-6)


def test_signs_are_those_of_the_picture() -> None:
    nose = POSE_POINTS.tolist().index(1)
    middle = FACE_MM.mean(0)
    forward = FACE_MM[nose] - middle
    assert (rotation_of(HeadPose(30, 0, 0)) @ forward)[0] > 0  # yaw: the nose moves to the right edge
    assert (rotation_of(HeadPose(0, 30, 0)) @ [0, 0, -1])[1] < 0  # pitch: the face looks up (y points down)
    assert (rotation_of(HeadPose(0, 0, 30)) @ [1, 0, 0])[1] > 0  # roll: clockwise, what was right goes down


@pytest.mark.parametrize("place", [(0, 0), (-250, -120), (280, 140)])
def test_a_face_that_looks_into_the_camera_has_no_angles_wherever_it_is(place: tuple[float, float]) -> None:
    frontal = _projected(HeadPose(0, 0, 0), distance_mm=5000)
    frontal[:, :2] += np.array(place, np.float32)
    assert _angles(head_pose(frontal, WIDTH, HEIGHT)) == pytest.approx([0, 0, 0], abs=1.5)


@given(st.floats(0.6, 1.8))
def test_a_wrong_focal_length_matters_little(factor: float) -> None:
    pose = HeadPose(25, -10, 15)
    mesh = _projected(pose, 900, WIDTH * factor)
    assert _angles(head_pose(mesh, WIDTH, HEIGHT)) == pytest.approx(_angles(pose), abs=4)


def test_noise_of_a_pixel_does_not_flip_a_frontal_face() -> None:
    random = np.random.default_rng(1)
    frontal = _projected(HeadPose(0, 0, 0), 1200)
    for _ in range(200):
        noisy = frontal + random.normal(0, 1, frontal.shape).astype(np.float32)
        assert max(abs(angle) for angle in _angles(head_pose(noisy, WIDTH, HEIGHT))) < 12


def test_where_pnp_fails_the_mesh_s_own_depth_is_used() -> None:
    # Seen from behind, no camera could have taken this; the solid fit still tells the turn of the mesh.
    behind = _projected(HeadPose(150, 0, 0))
    assert head_pose(behind, WIDTH, HEIGHT).yaw_deg == pytest.approx(150, abs=15)


@pytest.mark.parametrize("value", [0.0, 100.0, np.nan, np.inf])
def test_a_collapsed_mesh_gives_finite_angles(value: float) -> None:
    pose = head_pose(np.full((MESH_POINTS, 3), value, np.float32), WIDTH, HEIGHT)
    assert np.isfinite(_angles(pose)).all()
