"""Identity and pose of the morphable face from the mesh points of a photograph.

Scaled orthographic projection and linear shapes, solved alternately: the pose for a given shape (least squares, then
the nearest rotation), the shape for a given pose (ridge regression with a standard normal prior on identity weights).
The residual of about a pixel is interpolated smoothly over the mesh, so that the model's lids and lips coincide with
those of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import Float32, Float64
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel

#: Shapes that model how this person's resting face differs from the model's, besides identity.
_RESTING: Final = (
    "browDown_L",
    "browDown_R",
    "browInnerUp_L",
    "browInnerUp_R",
    "browOuterUp_L",
    "browOuterUp_R",
    "eyeBlink_L",
    "eyeBlink_R",
    "eyeWide_L",
    "eyeWide_R",
    "jawOpen",
    "mouthClose",
    "mouthFrown_L",
    "mouthFrown_R",
    "mouthPucker",
    "mouthSmile_L",
    "mouthSmile_R",
)
_RESTING_STD: Final = 0.2  # prior of their weights
_NOISE_CM: Final = 0.3  # of a mesh point: about one pixel of a face of 128 pixels
_ROUNDS: Final = 6
#: Width (cm on the neutral face) over which the residuals are interpolated, and their noise share.
_SPREAD_CM: Final = 1.2
_SPREAD_NOISE: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A person's resting face in a image; pixels of the image, x right, y down, z to the viewer."""

    shape: Float32  # (V, 3) in cm
    turn: Float32  # (3, 3) rotation of the shape
    scale: float  # pixels per cm
    shift_px: Float32  # (2,)
    correction_px: Float32  # (V, 2) smooth remainder
    error_px: float  # root mean square distance of the mesh points before the correction

    def place(self, shape: Float32, turn: Float32) -> Float32:
        """Vertices (V, 3) in the image of a shape (V, 3) in cm under a rotation (3, 3)."""
        turned = self.scale * (shape @ turn.T)
        placed = turned * np.array([1, -1, 1], np.float32)
        placed[:, :2] += self.shift_px + self.correction_px
        return np.asarray(placed, np.float32)


class Fitter:
    """Fits one model to many images; precomputes everything that does not depend on the image."""

    def __init__(self, model: FaceModel, binding: Binding) -> None:
        self._model, self._binding = model, binding
        self._resting = model.expression[model.shape_rows(_RESTING)]
        self._mean = binding.points(model.neutral).astype(np.float64)  # (468, 3)
        shapes = np.concatenate([binding.points(model.identity), binding.points(self._resting)])
        self._shapes = shapes.astype(np.float64)  # (100 + R, 468, 3)
        prior = np.ones(len(shapes))
        prior[len(model.identity) :] = _RESTING_STD**-2
        self._prior = prior
        self._spread = _spread_matrix(model.neutral, binding.points(model.neutral))  # (V, 468)

    def fit(self, points_px: Float32) -> Fit:
        """Fit to mesh points (468, 2) in pixels of the image."""
        points = points_px.astype(np.float64) * np.array([1, -1])
        weights = np.zeros(len(self._shapes))
        for _ in range(_ROUNDS):
            current = self._mean + np.tensordot(weights, self._shapes, 1)
            turn, scale, shift = _pose(current, points)
            weights = self._weights(points, turn, scale, shift)
        current = self._mean + np.tensordot(weights, self._shapes, 1)
        turn, scale, shift = _pose(current, points)
        left = (points - (scale * current @ turn[:2].T + shift)) * np.array([1, -1])
        split = len(self._model.identity)
        shape = self._model.neutral + np.tensordot(weights[:split].astype(np.float32), self._model.identity, 1)
        shape = shape + np.tensordot(weights[split:].astype(np.float32), self._resting, 1)
        return Fit(
            shape=np.asarray(shape, np.float32),
            turn=turn.astype(np.float32),
            scale=scale,
            shift_px=(shift * np.array([1, -1])).astype(np.float32),
            correction_px=np.asarray(self._spread @ left.astype(np.float32), np.float32),
            error_px=float(np.sqrt(np.square(left).sum(1).mean())),
        )

    def _weights(self, points: Float64, turn: Float64, scale: float, shift: Float64) -> Float64:
        """Weights of identity and resting shapes for a known pose; points (468, 2), y up."""
        seen = np.einsum("spd,cd->spc", self._shapes, turn[:2]).reshape(len(self._shapes), -1)  # in cm
        left = ((points - shift) / scale - self._mean @ turn[:2].T).reshape(-1)
        return np.asarray(np.linalg.solve(seen @ seen.T + np.diag(self._prior) * _NOISE_CM**2, seen @ left))


def _pose(shape: Float64, points: Float64) -> tuple[Float64, float, Float64]:
    """Rotation (3, 3), scale and shift (2,) that bring a shape (P, 3) closest to points (P, 2), y up."""
    centre, middle = shape.mean(0), points.mean(0)
    linear = np.linalg.lstsq(shape - centre, points - middle, rcond=None)[0].T  # (2, 3)
    left, sizes, right = np.linalg.svd(linear, full_matrices=False)
    turn = left @ right  # the nearest rows of a rotation
    scale = float(sizes.mean())
    return np.vstack([turn, np.cross(turn[0], turn[1])]), scale, middle - scale * turn @ centre


def _spread_matrix(vertices: Float32, points: Float32) -> Float32:
    """Matrix (V, P) that interpolates values at points (P, 3) to vertices (V, 3): kernel ridge regression."""
    at_points = _kernel(points, points).astype(np.float64) + _SPREAD_NOISE * np.eye(len(points))
    return np.asarray(np.linalg.solve(at_points, _kernel(points, vertices).astype(np.float64)).T, np.float32)


def _kernel(a: Float32, b: Float32) -> Float32:
    apart = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.asarray(np.exp(-np.maximum(apart, 0) / (2 * _SPREAD_CM**2)), np.float32)
