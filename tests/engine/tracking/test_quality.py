"""Face quality: each reason alone, and sharpness against known blur."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alignment import CROP_SIDE_PX, align_face
from engine.config import QualityConfig
from engine.tracking.detector import FaceDetector
from engine.tracking.mesh import FaceMesh, roi_from_detection, roi_from_mesh
from engine.tracking.quality import assess_quality, eye_distance_px, sharpness
from engine.tracking.track_book import Sighting, TrackBook, TrackingConfig
from engine.types import FaceTrack, Float32, Frame, HeadPose, QualityReason, UInt8

MeshMaker = Callable[..., Float32]
CONFIG = QualityConfig()
FRAME = Frame(np.full((480, 640, 3), 120, np.uint8), 0, 0.0, "made up")
#: Fine, even detail: sharp by any measure.
DETAIL: UInt8 = np.random.default_rng(3).integers(60, 200, (CROP_SIDE_PX, CROP_SIDE_PX)).astype(np.uint8)


def _track(mesh: Float32, **changes: object) -> FaceTrack:
    book = TrackBook(TrackingConfig(confirm_s=0.0))
    track = book.update(FRAME, [Sighting(mesh, roi_from_mesh(mesh), 0.99, 0.9)])[0]
    return dataclasses.replace(track, **{"pose": HeadPose(0.0, 0.0, 0.0), **changes})  # type: ignore[arg-type]


def _reasons(track: FaceTrack, crop: UInt8 = DETAIL, config: QualityConfig = CONFIG) -> tuple[QualityReason, ...]:
    return assess_quality(FRAME, track, crop, config).reasons


def test_a_good_face_has_no_reason_and_a_high_score(make_mesh: MeshMaker) -> None:
    quality = assess_quality(FRAME, _track(make_mesh(320, 240, 150)), DETAIL, CONFIG)
    assert quality.reasons == ()
    assert quality.score > 0.8


def test_a_small_face_is_told_by_the_distance_of_its_eyes(make_mesh: MeshMaker) -> None:
    eyes_px = eye_distance_px(make_mesh(0, 0, 100))
    limit = 100 * CONFIG.min_eye_distance_px / eyes_px
    assert _reasons(_track(make_mesh(320, 240, limit * 0.95))) == (QualityReason.TOO_SMALL,)
    assert _reasons(_track(make_mesh(320, 240, limit * 1.05))) == ()


def test_a_face_too_coarse_for_the_mesh_counts_as_too_small(make_mesh: MeshMaker) -> None:
    assert _reasons(_track(make_mesh(320, 240, 150), score=0.2)) == (QualityReason.TOO_SMALL,)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_face_is_turned_away_beyond_yaw_or_pitch_but_not_by_roll(make_mesh: MeshMaker, sign: int) -> None:
    mesh = make_mesh(320, 240, 150)
    away = (QualityReason.TURNED_AWAY,)
    assert _reasons(_track(mesh, pose=HeadPose(sign * (CONFIG.max_yaw_deg + 1), 0, 0))) == away
    assert _reasons(_track(mesh, pose=HeadPose(0, sign * (CONFIG.max_pitch_deg + 1), 0))) == away
    within = HeadPose(sign * (CONFIG.max_yaw_deg - 1), sign * (CONFIG.max_pitch_deg - 1), sign * 80)
    assert _reasons(_track(mesh, pose=within)) == ()


def test_a_turned_face_is_not_a_small_one(make_mesh: MeshMaker) -> None:
    mesh = make_mesh(0, 0, 100)
    turned = mesh.copy()
    turned[:, 0], turned[:, 2] = (mesh[:, 0] + mesh[:, 2]) / 2**0.5, (mesh[:, 2] - mesh[:, 0]) / 2**0.5
    assert eye_distance_px(turned) == pytest.approx(eye_distance_px(mesh), rel=1e-3)


def test_a_dark_face_is_told(make_mesh: MeshMaker) -> None:
    track = _track(make_mesh(320, 240, 150))
    dark = (DETAIL * (CONFIG.min_brightness * 0.9 / DETAIL.mean())).astype(np.uint8)
    assert _reasons(track, dark) == (QualityReason.DARK,)


def test_a_face_that_leaves_the_frame_is_cut_off(make_mesh: MeshMaker) -> None:
    mesh = make_mesh(0, 240, 150)
    x = np.sort(mesh[:, 0])
    for share, reasons in ((0.85, ()), (0.75, (QualityReason.CUT_OFF,))):
        moved = mesh - np.array([x[round(len(x) * (1 - share))], 0, 0], np.float32)
        assert _reasons(_track(np.asarray(moved, np.float32))) == reasons


def test_an_even_crop_is_blurred(make_mesh: MeshMaker) -> None:
    even = np.full((CROP_SIDE_PX, CROP_SIDE_PX), 120, np.uint8)
    assert sharpness(even) == 0
    assert _reasons(_track(make_mesh(320, 240, 150)), even) == (QualityReason.BLURRED,)


def test_several_reasons_are_all_told_and_the_score_is_the_worst(make_mesh: MeshMaker) -> None:
    black = np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)
    quality = assess_quality(FRAME, _track(make_mesh(320, 240, 20)), black, CONFIG)
    assert set(quality.reasons) == {QualityReason.TOO_SMALL, QualityReason.BLURRED, QualityReason.DARK}
    assert quality.score == 0


def test_limits_of_zero_switch_parts_off(make_mesh: MeshMaker) -> None:
    off = QualityConfig(min_eye_distance_px=0.0, min_sharpness=0.0, min_brightness=0.0, min_inside=0.0)
    black = np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)
    assert assess_quality(FRAME, _track(make_mesh(320, 240, 20)), black, off).reasons == ()


@given(
    st.floats(10, 200), st.floats(-90, 90), st.floats(-90, 90), st.floats(-100, 700), st.floats(0.1, 1), st.floats(0, 1)
)
def test_there_is_a_reason_exactly_when_the_score_is_below_one_half(
    make_mesh: MeshMaker, size_px: float, yaw: float, pitch: float, x: float, light: float, presence: float
) -> None:
    track = _track(make_mesh(x, 240, size_px), pose=HeadPose(yaw, pitch, 0), score=presence)
    quality = assess_quality(FRAME, track, (DETAIL * light).astype(np.uint8), CONFIG)
    assert 0 <= quality.score <= 1
    assert bool(quality.reasons) is (quality.score < 0.5)


def test_sharpness_falls_with_blur_and_ignores_light_and_contrast() -> None:
    values = [sharpness(cv2.GaussianBlur(DETAIL, (0, 0), blur)) for blur in (0.5, 1, 2, 3, 4)]
    assert values == sorted(values, reverse=True)
    assert sharpness((DETAIL * 0.4 + 20).astype(np.uint8)) == pytest.approx(sharpness(DETAIL), rel=0.02)


@pytest.fixture
def portrait_mesh(portrait: UInt8, face_models: None) -> Float32:
    network, roi = FaceMesh(), roi_from_detection(FaceDetector().detect(portrait)[0])
    for _ in range(3):
        mesh, _ = network.locate(portrait, roi)
        roi = roi_from_mesh(mesh)
    return mesh


def _seen_at(portrait: UInt8, mesh: Float32, scale: float, blur_crop_px: float) -> float:
    """Sharpness of the portrait at a size, with Gaussian blur told in pixels of the crop."""
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    crop_px_per_frame_px = CROP_SIDE_PX * 0.3574 / (eye_distance_px(mesh) * scale)  # eye distance in the template
    blurred = cv2.GaussianBlur(small, (0, 0), blur_crop_px / min(crop_px_per_frame_px, 1.0)) if blur_crop_px else small
    crop, _, _ = align_face(np.asarray(blurred, np.uint8), np.asarray(mesh * scale, np.float32))
    return sharpness(crop, crop_px_per_frame_px)


@pytest.mark.parametrize("scale", [1.0, 0.7, 0.5, 0.4])
def test_the_portrait_is_sharp_at_any_size_and_blurred_by_three_pixels(
    portrait: UInt8, portrait_mesh: Float32, scale: float
) -> None:
    assert _seen_at(portrait, portrait_mesh, scale, 0) > 1.5 * CONFIG.min_sharpness  # a small face is not a blurred one
    assert _seen_at(portrait, portrait_mesh, scale, 1) > CONFIG.min_sharpness
    assert _seen_at(portrait, portrait_mesh, scale, 3) < CONFIG.min_sharpness


def test_the_limit_is_the_portrait_under_a_blur_of_1_8_pixels(portrait: UInt8, portrait_mesh: Float32) -> None:
    assert _seen_at(portrait, portrait_mesh, 1.0, 1.8) == pytest.approx(CONFIG.min_sharpness, abs=0.03)


@pytest.mark.parametrize("direction", ["across", "down", "falling", "rising"])
def test_motion_blur_counts_although_it_leaves_one_direction_sharp(
    portrait: UInt8, portrait_mesh: Float32, direction: str
) -> None:
    crop, _, _ = align_face(portrait, portrait_mesh)
    across = np.zeros((13, 13), np.float32)
    across[6] = 1 / 13
    falling = np.eye(13, dtype=np.float32) / 13
    smear = {"across": across, "down": across.T, "falling": falling, "rising": falling[::-1]}[direction]
    moved = cv2.filter2D(crop, -1, smear)
    assert sharpness(np.asarray(moved, np.uint8)) < 0.55 * sharpness(crop)
