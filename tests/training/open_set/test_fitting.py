"""Pose and identity of a synthetic head are recovered from its projected mesh points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.fakes.head import in_photograph, mesh_points
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel
from training.open_set.fitting import Fit, Fitter

TURNS = st.tuples(*[st.floats(-25, 25)] * 3)  # degrees
WEIGHTS = st.tuples(*[st.floats(-1.5, 1.5)] * 3)


@pytest.fixture(scope="module")
def fitter(model: FaceModel, binding: Binding) -> Fitter:
    return Fitter(model, binding)


def _seen(shape: np.ndarray, turn: np.ndarray, scale: float, shift: tuple[float, float]) -> np.ndarray:
    return (scale * shape @ turn.T)[:, :2] * (1, -1) + shift


@settings(max_examples=30)
@given(TURNS, WEIGHTS, st.floats(3, 8), st.floats(20, 100))
def test_pose_and_identity_are_recovered_from_projected_points(
    model: FaceModel,
    binding: Binding,
    fitter: Fitter,
    turn_deg: tuple[float, ...],
    weights: tuple[float, ...],
    scale: float,
    shift: float,
) -> None:
    turn = cv2.Rodrigues(np.deg2rad(np.array(turn_deg)))[0]
    shape = (model.neutral + np.tensordot(weights, model.identity, 1)).astype(np.float32)
    points = _seen(binding.points(shape), turn, scale, (shift, 64.0))
    fit = fitter.fit(points.astype(np.float32))
    away_deg = np.rad2deg(np.arccos(np.clip((np.trace(turn.T @ fit.turn) - 1) / 2, -1, 1)))
    assert away_deg < 4
    assert fit.scale == pytest.approx(scale, rel=0.05)
    assert fit.error_px < 0.1 * scale  # a tenth of a centimetre of a face 18 cm high
    assert np.sqrt(np.square(fit.shape - shape).sum(1).mean()) < 0.2  # cm
    placed = fit.place(fit.shape, fit.turn)
    assert np.abs(binding.points(placed)[:, :2] - points).max() < 0.12 * scale
    assert np.abs(fit.correction_px).max() < 0.3 * scale
    assert np.abs(fit.turn @ fit.turn.T - np.eye(3)).max() < 1e-5
    assert np.linalg.det(fit.turn) == pytest.approx(1, abs=1e-5)


def test_residual_of_the_shapes_is_spread_over_the_mesh(model: FaceModel, binding: Binding, fitter: Fitter) -> None:
    points = in_photograph(mesh_points())
    away = mesh_points() - (0, 2)
    swirl = np.exp(-np.square(away).sum(1) / (2 * 1.5**2))[:, np.newaxis] * away[:, ::-1]
    moved = points + 4 * swirl
    fit = fitter.fit(moved.astype(np.float32))
    assert fit.error_px > fitter.fit(points).error_px
    uncorrected = Fit(fit.shape, fit.turn, fit.scale, fit.shift_px, np.zeros_like(fit.correction_px), fit.error_px)

    def off(some: Fit) -> float:
        return float(np.linalg.norm(binding.points(some.place(some.shape, some.turn))[:, :2] - moved, axis=1).mean())

    assert off(fit) < 0.7 * off(uncorrected)


def test_shape_is_placed_by_rotation_scale_shift_and_correction() -> None:
    shape = np.array([[1, 2, 3], [0, 0, -1]], np.float32)
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)  # x goes to y, y to -x
    correction = np.array([[0.5, 0], [0, -0.25]], np.float32)
    fit = Fit(shape, np.eye(3, dtype=np.float32), 10.0, np.array([60, 70], np.float32), correction, 0.0)
    assert fit.place(shape, fit.turn).tolist() == [[60 + 10 + 0.5, 70 - 20, 30], [60, 70 - 0.25, -10]]
    assert fit.place(shape, quarter).tolist() == [[60 - 20 + 0.5, 70 - 10, 30], [60, 70 - 0.25, -10]]
