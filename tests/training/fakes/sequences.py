"""Synthetic recordings, and face networks that place a face in the middle of every image that is not dark."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.facs import BP4D_UNITS
from engine.tracking.mesh import FaceRoi
from engine.types import MESH_POINTS, FaceDetection
from training.data import face_sequences

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


class FakeMesh:
    """A mesh in the middle of the square; with a high presence unless the image is dark."""

    def __init__(self, threads: int = 1) -> None:
        self._face = _face()

    def locate(self, image: np.ndarray, roi: FaceRoi) -> tuple[np.ndarray, float]:
        mesh = np.zeros((MESH_POINTS, 3), np.float32)
        mesh[:, :2] = (self._face - 0.5) * roi.side_px / 1.5 + (roi.centre_x_px, roi.centre_y_px)
        return mesh, 0.1 if image.mean() < DARK else 1.0


class FakeDetector:
    """One face in the middle of every image; counts its calls."""

    calls = 0

    def __init__(self, threads: int = 1) -> None:
        pass

    def detect(self, image: np.ndarray) -> list[FaceDetection]:
        FakeDetector.calls += 1
        height, width = image.shape[:2]
        box = np.array([0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height], np.float32)
        landmarks = np.tile(box[:2], (6, 1))
        landmarks[1, 0] = box[2]
        return [FaceDetection(box, landmarks, 0.9)]


def use_fake_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put both in the place of the real networks."""
    FakeDetector.calls = 0
    monkeypatch.setattr(face_sequences, "FaceMesh", FakeMesh)
    monkeypatch.setattr(face_sequences, "FaceDetector", FakeDetector)


def start_worker_with_fake_networks() -> None:
    """Put both in the place of the real networks, for good: for a process of its own."""
    use_fake_networks(pytest.MonkeyPatch())


def plain_image(brightness: int) -> np.ndarray:
    """A plain image (64, 64, 3)."""
    return np.full((SIDE_PX, SIDE_PX, 3), brightness, np.uint8)


_COLUMNS: Final = tuple(range(0, 46))  # the first names the frame numbers, the others the units


def write_coding(path: Path, rows: list[tuple[int, dict[int, int]]], columns: tuple[int, ...] = _COLUMNS) -> None:
    """A file of BP4D's codes: per row the frame number and the codes that are not 0, by unit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        lines = csv.writer(handle)
        lines.writerow(columns)
        for frame, codes in rows:
            # What is not one of the twelve is mostly not coded.
            lines.writerow((frame, *(codes.get(unit, 0 if unit in BP4D_UNITS else 9) for unit in columns[1:])))


def _write_images(folder: Path, frames: dict[str, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, brightness in frames.items():
        cv2.imwrite(str(folder / f"{name}.jpg"), plain_image(brightness))


def write_bp4d(root: Path) -> Path:
    """A tree of BP4D: two recordings of a woman of fold 1, one of a man of fold 3 that begins with a dark image."""
    occurrence = root / "AUCoding" / "AU_OCC"
    write_coding(occurrence / "F001_T1.csv", [(2440, {12: 1}), (2441, {12: 1, 6: 9, 1: 9})])
    write_coding(occurrence / "F001_T2.csv", [(721, {24: 1})])
    write_coding(occurrence / "M015_T8.csv", [(7, {1: 1, 2: 1}), (8, {})])
    _write_images(root / "BP4D-training" / "F001" / "T1", {"2440": 100, "2441": 110, "2442": 115})
    _write_images(root / "BP4D-training" / "F001" / "T2", {"0721": 120})
    _write_images(root / "BP4D-training" / "M015" / "T8", {"007": 0, "008": 140})
    return root
