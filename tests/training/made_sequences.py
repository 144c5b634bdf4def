"""Recordings made on the spot, and face networks that place a face in the middle of every picture that is not dark."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.tracking.mesh import FaceRoi
from engine.types import MESH_POINTS, FaceDetection
from training.datasets import face_sequences

#: Pictures darker than this show no face.
DARK: Final = 20
SIDE_PX: Final = 64
_CHIN, _FOREHEAD, _RIGHT, _LEFT, _LIP = 152, 10, 234, 454, 13


def _face() -> np.ndarray:
    """A plausible mesh (468, 2) that fills the square 0-1."""
    face = np.full((MESH_POINTS, 2), 0.5, np.float32)
    face[list(TEMPLATE_POINTS)] = TEMPLATE
    edges = {_FOREHEAD: (0.5, 0), _CHIN: (0.5, 1), _RIGHT: (0, 0.5), _LEFT: (1, 0.5), _LIP: (0.5, 0.7)}
    for point, place in edges.items():
        face[point] = place
    return face


class MadeMesh:
    """A mesh in the middle of the square; sure of itself unless the picture is dark."""

    def __init__(self, threads: int = 1) -> None:
        self._face = _face()

    def locate(self, image: np.ndarray, roi: FaceRoi) -> tuple[np.ndarray, float]:
        mesh = np.zeros((MESH_POINTS, 3), np.float32)
        mesh[:, :2] = (self._face - 0.5) * roi.side_px / 1.5 + (roi.centre_x_px, roi.centre_y_px)
        return mesh, 0.1 if image.mean() < DARK else 1.0


class MadeDetector:
    """One face in the middle of every picture; counts how often it is asked."""

    asked = 0

    def __init__(self, threads: int = 1) -> None:
        pass

    def detect(self, image: np.ndarray) -> list[FaceDetection]:
        MadeDetector.asked += 1
        height, width = image.shape[:2]
        box = np.array([0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height], np.float32)
        landmarks = np.tile(box[:2], (6, 1))
        landmarks[1, 0] = box[2]
        return [FaceDetection(box, landmarks, 0.9)]


def use_made_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put both in the place of the real networks."""
    MadeDetector.asked = 0
    monkeypatch.setattr(face_sequences, "FaceMesh", MadeMesh)
    monkeypatch.setattr(face_sequences, "FaceDetector", MadeDetector)


def picture(brightness: int) -> np.ndarray:
    """A plain picture (64, 64, 3)."""
    return np.full((SIDE_PX, SIDE_PX, 3), brightness, np.uint8)
