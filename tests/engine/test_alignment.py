"""Alignment: the similarity, the view and its inverse, the input tensor, and that training crops alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alignment import (
    CROP_SIDE_PX,
    CROP_TEMPLATE,
    TEMPLATE,
    TEMPLATE_POINTS,
    ImageInput,
    align_face,
    similarity,
    view,
)
from engine.backends.contract import CropSpec
from engine.tracking.detector import FaceDetector
from engine.tracking.mesh import FaceMesh, roi_from_detection, roi_from_mesh
from engine.types import AlignedFace

PORTRAIT = Path(__file__).resolve().parents[2] / "assets" / "demo" / "portrait.jpg"
#: Positions in the template: eyes (mean of their corners) and mouth (mean of its corners).
EYES, MOUTH = TEMPLATE[:4].mean(0), TEMPLATE[6:].mean(0)


def moved_template(angle_rad: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cos, sin = math.cos(angle_rad) * scale, math.sin(angle_rad) * scale
    return TEMPLATE @ np.array([[cos, sin], [-sin, cos]]) + shift


def mesh_at(points: np.ndarray) -> np.ndarray:
    """A mesh (468, 3) with the given template points and all other points at their centre."""
    mesh = np.zeros((468, 3), np.float32)
    mesh[:, :2] = points.mean(0)
    mesh[list(TEMPLATE_POINTS), :2] = points
    return mesh


@given(
    angle_rad=st.floats(-3.1, 3.1),
    scale=st.floats(0.1, 500),
    x=st.floats(-1000, 1000),
    y=st.floats(-1000, 1000),
)
def test_a_similarity_is_recovered(angle_rad: float, scale: float, x: float, y: float) -> None:
    source = moved_template(angle_rad, scale, (x, y))
    moved = similarity(source, TEMPLATE)
    assert np.abs(source @ moved[:, :2].T + moved[:, 2] - TEMPLATE).max() < 1e-6
    assert np.linalg.det(moved[:, :2]) > 0  # never a reflection


def test_coinciding_points_do_not_divide_by_zero() -> None:
    assert np.isfinite(similarity(np.zeros((8, 2)), TEMPLATE)).all()


@pytest.mark.parametrize("scale", [40.0, 96.0, 300.0, 900.0])
def test_landmarks_of_the_crop_match_the_template(scale: float) -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    _, landmarks, _ = align_face(image, mesh_at(moved_template(0.3, scale, (100, 50))))
    assert np.abs(landmarks[list(TEMPLATE_POINTS)] - TEMPLATE).max() < 1e-4


@pytest.mark.parametrize("scale", [40.0, 96.0, 300.0])
def test_a_dot_in_the_frame_appears_at_its_landmark_in_the_crop(scale: float) -> None:
    points = moved_template(-0.2, scale, (200, 150))
    image = np.zeros((600, 600, 3), np.uint8)
    nose = points[5]
    cv2.circle(image, (round(float(nose[0])), round(float(nose[1]))), max(1, round(scale / 30)), (255, 255, 255), -1)
    crop, landmarks, frame_from_crop = align_face(image, mesh_at(points))
    weight = crop.astype(float)
    ys, xs = np.mgrid[: len(crop), : len(crop)]
    seen = np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()
    assert np.abs(seen - landmarks[TEMPLATE_POINTS[5]] * CROP_SIDE_PX).max() < 0.03 * CROP_SIDE_PX
    back = frame_from_crop[:, :2] @ seen + frame_from_crop[:, 2]
    assert np.abs(back - nose).max() < 0.03 * scale


def test_a_large_face_is_reduced_without_aliasing() -> None:
    """A one-pixel checkerboard has mean 127.5; plain sampling would give pixels near 0 and 255."""
    board = ((np.indices((1000, 1000)).sum(0) % 2) * 255).astype(np.uint8)
    crop, _, _ = align_face(board, mesh_at(moved_template(0.1, 800, (100, 50))))
    assert np.abs(crop.astype(float) - 127.5).mean() < 20


def test_beyond_the_border_the_edge_is_repeated() -> None:
    image = np.full((50, 50), 200, np.uint8)
    crop, _, _ = align_face(image, mesh_at(moved_template(0, 96, (-48, -48))))
    assert (crop == 200).all()


@pytest.mark.parametrize("angle_rad", [0.0, 0.7, math.pi])
@pytest.mark.parametrize("scale", [20.0, 90.0, 700.0])
@pytest.mark.parametrize("centre", [(160, 120), (0, 0), (319, 239), (-400, 100), (160, 900)])
def test_only_the_part_of_a_frame_that_is_needed_is_read_with_the_same_result(
    angle_rad: float, scale: float, centre: tuple[float, float]
) -> None:
    """Inside, across the border and beyond it: but for rounding, the plain transformation of the whole frame."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8), (0, 0), 2)
    points = moved_template(angle_rad, scale, (0, 0))
    crop, _, frame_from_crop = align_face(image, mesh_at(points - points.mean(0) + centre))
    finer = min(max(math.ceil(0.75 * scale / CROP_SIDE_PX), 1), 8)
    linear, shift = frame_from_crop[:, :2] / finer, frame_from_crop[:, 2]
    frame_from_fine = np.column_stack([linear, shift - linear @ np.full(2, (finer - 1) / 2)])
    size, flags = (CROP_SIDE_PX * finer,) * 2, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    plain = cv2.warpAffine(image, frame_from_fine, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    wanted = cv2.resize(cv2.cvtColor(plain, cv2.COLOR_RGB2GRAY), crop.shape, interpolation=cv2.INTER_AREA)
    assert np.abs(crop.astype(int) - wanted).max() <= 1


def test_the_view_at_full_size_is_the_crop_itself() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (96, 96), dtype=np.uint8)
    assert view(crop, 96) is crop
    assert view(crop, 48)[0, 0] == pytest.approx(crop[:2, :2].mean(), abs=1)


def test_live_and_training_crops_of_a_face_agree(face_models: None) -> None:
    """The portrait takes the live path in colour, and as 48 grey pixels like FER2013 the training path."""
    from training.data.meshes import _one_mesh  # the step without its pool of processes

    frame = cv2.cvtColor(np.asarray(cv2.imread(str(PORTRAIT))), cv2.COLOR_BGR2RGB)
    detection = FaceDetector().detect(frame)[0]
    network = FaceMesh()
    mesh, _ = network.locate(frame, roi_from_detection(detection))
    mesh, _ = network.locate(frame, roi_from_mesh(mesh))
    live, live_landmarks, frame_from_crop = align_face(frame, mesh)

    corners = np.array([[-0.1, -0.15], [1.15, 1.1]]) * CROP_SIDE_PX  # a looser framing, as FER2013 has
    (x0, y0), (x1, y1) = corners @ frame_from_crop[:, :2].T + frame_from_crop[:, 2]
    x0, y0 = max(x0, 0.0), max(y0, 0.0)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[int(y0) : int(y1), int(x0) : int(x1)]
    side = min(grey.shape)
    image = np.asarray(cv2.resize(grey[:side, :side], (48, 48), interpolation=cv2.INTER_AREA), np.uint8)
    points, presence = _one_mesh(network, image)
    assert presence > 0.9
    trained, trained_landmarks, _ = align_face(image, points * 48)

    for places in ([33, 133], [362, 263], [61, 291]):  # right eye, left eye, mouth
        apart = live_landmarks[places].mean(0) - trained_landmarks[places].mean(0)
        assert np.abs(apart).max() < 0.03
    assert np.abs(live_landmarks[[33, 133, 362, 263]].mean(0) - EYES).max() < 0.03
    assert np.abs(live_landmarks[[61, 291]].mean(0) - MOUTH).max() < 0.05  # the face smiles
    same = np.corrcoef(view(live, 48).ravel().astype(float), view(trained, 48).ravel().astype(float))[0, 1]
    assert same > 0.9


def image_input(side_px: int) -> ImageInput:
    return ImageInput(CropSpec(CROP_TEMPLATE, side_px, "grey", mean=0.5, std=0.25))


@pytest.mark.parametrize("side_px", [48, 96])
def test_the_input_tensor_is_the_normalised_view(face: Callable[..., AlignedFace], side_px: int) -> None:
    faces = [face(seed=1), face(seed=2)]
    tensor = image_input(side_px).batch(faces)
    assert (tensor.shape, tensor.dtype) == ((2, 1, side_px, side_px), np.float32)
    for image, one in zip(tensor, faces, strict=True):
        small = cv2.resize(one.crop, (side_px, side_px), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(image[0], (small / 255 - 0.5) / 0.25, atol=1e-6)


@pytest.mark.parametrize(("level", "value"), [(0, (0 - 0.5) / 0.25), (255, (1 - 0.5) / 0.25)])
def test_black_and_white_are_the_ends_of_the_range(face: Callable[..., AlignedFace], level: int, value: float) -> None:
    assert (image_input(48).batch([face(level)]) == value).all()


def test_batches_do_not_share_memory(face: Callable[..., AlignedFace]) -> None:
    images = image_input(48)
    first = images.batch([face(0)])
    images.batch([face(255)])
    assert (first == -2).all()
