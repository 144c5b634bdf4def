"""A frontal face as a mesh: eyes, lips, nose and outline where they are in a crop, the rest spread over the face."""

from __future__ import annotations

import numpy as np

from engine.types import MESH_POINTS, Float32
from training.data.covers import _EYES, _JAW, _LIPS


def frontal_mesh() -> Float32:
    """Points (468, 2), x y in 0-1 of the crop; the face fills most of it."""
    number = np.arange(MESH_POINTS)
    radius, angle = 0.4 * np.sqrt((number + 0.5) / MESH_POINTS), number * 2.399963  # a sunflower covers evenly
    points = np.stack([0.5 + 0.85 * radius * np.cos(angle), 0.52 + 1.1 * radius * np.sin(angle)], 1)
    for eye, across in zip(_EYES, (0.325, 0.675), strict=True):
        points[list(eye)] = _ring(across, 0.37, 0.077, 0.025, len(eye))
    points[list(_LIPS)] = _ring(0.5, 0.77, 0.143, 0.063, len(_LIPS))
    turn = np.linspace(np.pi, 0, len(_JAW))  # from the right temple over the chin to the left one
    points[list(_JAW)] = np.stack([0.5 + 0.37 * np.cos(turn), 0.45 + 0.53 * np.sin(turn)], 1)
    points[168], points[4] = (0.5, 0.355), (0.5, 0.57)
    return points.astype(np.float32)


def _ring(across: float, down: float, width: float, height: float, count: int) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([across + width * np.cos(turn), down + height * np.sin(turn)], 1)
