"""Head pose: a canonical face turned by known angles must give them back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.pose import FACE_MM, POSE_POINTS, head_pose, pose_of, rotation_of
from engine.types import MESH_POINTS, Float32, HeadPose

WIDTH, HEIGHT = 640, 360
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def _seen_from_afar(pose: HeadPose, px_per_mm: float = 1.0) -> Float32:
    """Mesh of the canonical face around the middle of the image, as the network gives it: without perspective."""
    mesh = np.zeros((MESH_POINTS, 3), np.float32)
    mesh[POSE_POINTS] = px_per_mm * FACE_MM @ rotation_of(pose).T + (WIDTH / 2, HEIGHT / 2, 0)
    return mesh


def _seen_from(pose: HeadPose, distance_mm: float, focal_px: float = WIDTH) -> Float32:
    """Mesh of the canonical face as a camera at this distance projects it."""
    turned = FACE_MM @ rotation_of(pose).T
    depth = turned[:, 2] + distance_mm
    mesh = np.zeros((MESH_POINTS, 3), np.float32)
    mesh[POSE_POINTS, :2] = turned[:, :2] / depth[:, np.newaxis] * focal_px + (WIDTH / 2, HEIGHT / 2)
    mesh[POSE_POINTS, 2] = turned[:, 2] / distance_mm * focal_px
    return mesh


def _angles(pose: HeadPose) -> list[float]:
    return [getattr(pose, name) for name in ANGLES]


poses = st.builds(HeadPose, st.floats(-85, 85), st.floats(-80, 80), st.floats(-175, 175))


@given(poses, st.floats(0.1, 8))
def test_known_angles_come_back(pose: HeadPose, px_per_mm: float) -> None:
    assert _angles(head_pose(_seen_from_afar(pose, px_per_mm))) == pytest.approx(_angles(pose), abs=0.1)


@given(poses)
def test_angles_and_rotation_are_inverse(pose: HeadPose) -> None:
    rotation = rotation_of(pose)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert _angles(pose_of(rotation)) == pytest.approx(_angles(pose), abs=1e-6)


@given(st.floats(-40, 40), st.floats(-30, 30), st.floats(450, 3000))
def test_a_near_camera_changes_the_angles_little(yaw_deg: float, pitch_deg: float, distance_mm: float) -> None:
    pose = HeadPose(yaw_deg, pitch_deg, 0)
    assert _angles(head_pose(_seen_from(pose, distance_mm))) == pytest.approx(_angles(pose), abs=5)


def test_signs_are_those_of_the_image() -> None:
    nose = POSE_POINTS.tolist().index(4)
    forward = FACE_MM[nose] - FACE_MM.mean(0)
    assert (rotation_of(HeadPose(30, 0, 0)) @ forward)[0] > 0  # yaw: the nose moves to the right edge
    assert (rotation_of(HeadPose(0, 30, 0)) @ [0, 0, -1])[1] < 0  # pitch: the face looks up (y points down)
    assert (rotation_of(HeadPose(0, 0, 30)) @ [1, 0, 0])[1] > 0  # roll: clockwise, what was right goes down


@pytest.mark.parametrize("place", [(0, 0), (-250, -120), (280, 140)])
def test_a_face_that_looks_into_the_camera_has_no_angles_wherever_it_is(place: tuple[float, float]) -> None:
    frontal = _seen_from(HeadPose(0, 0, 0), distance_mm=1500)
    frontal[:, :2] += np.array(place, np.float32)
    assert _angles(head_pose(frontal)) == pytest.approx([0, 0, 0], abs=1.5)


def test_noise_of_a_pixel_moves_a_frontal_face_by_a_few_degrees() -> None:
    random = np.random.default_rng(1)
    frontal = _seen_from_afar(HeadPose(0, 0, 0), 0.5)  # 70 pixels wide
    for _ in range(200):
        noisy = frontal + random.normal(0, 1, frontal.shape).astype(np.float32)
        assert max(abs(angle) for angle in _angles(head_pose(noisy))) < 5


def test_a_head_seen_from_behind_has_its_turn() -> None:
    assert head_pose(_seen_from_afar(HeadPose(150, 0, 0))).yaw_deg == pytest.approx(150, abs=0.1)


@pytest.mark.parametrize("value", [0.0, 100.0, math.nan, math.inf])
def test_a_collapsed_mesh_gives_finite_angles(value: float) -> None:
    assert np.isfinite(_angles(head_pose(np.full((MESH_POINTS, 3), value, np.float32)))).all()
