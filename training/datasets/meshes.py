"""Face meshes of training pictures, by the same network that the engine runs, computed once and cached.

A training picture holds one face and little else, so no detector is asked: the mesh network starts from several squares
on the picture, follows its own points a few steps as the tracker does, and the start with the best presence wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.tracking.mesh import FaceMesh, FaceRoi, roi_from_mesh
from engine.types import MESH_POINTS, Float32, UInt8

#: Below this presence a mesh is not trusted (the network's own threshold in the published graph).
MIN_PRESENCE: Final = 0.5
#: Sides of the first squares in units of the picture's side, tried until the presence is high.
_START_SCALES: Final = (1.3, 1.0, 1.7)
_STEPS: Final = 3
_SURE: Final = 0.98
_BLOCK: Final = 500


def meshes_of(images: UInt8, cache: Path, workers: int = 2) -> tuple[Float32, Float32]:
    """Meshes of grey pictures (N, S, S) uint8.

    Returns points (N, 468, 2) float32 in 0-1 of the picture's side and presence (N,) float32. Results are kept in
    ``cache`` under the hash of the pictures, so a second call reads them.
    """
    digest = hashlib.sha256(images.tobytes()).hexdigest()[:16]
    path = cache / f"meshes_{digest}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return kept["points"].astype(np.float32), kept["presence"]
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(_block_meshes, blocks))
    points = np.concatenate([block[0] for block in found])
    presence = np.concatenate([block[1] for block in found])
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, points=points.astype(np.float16), presence=presence)
    partial.replace(path)
    return points.astype(np.float16).astype(np.float32), presence


def _block_meshes(images: UInt8) -> tuple[Float32, Float32]:
    network = FaceMesh(threads=1)
    points = np.empty((len(images), MESH_POINTS, 2), np.float32)
    presence = np.empty(len(images), np.float32)
    for row, image in enumerate(images):
        points[row], presence[row] = _one_mesh(network, image)
    return points, presence


def _one_mesh(network: FaceMesh, image: UInt8) -> tuple[Float32, float]:
    side = image.shape[0]
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    best, best_presence = np.zeros((MESH_POINTS, 2), np.float32), -1.0
    for roi in _start_squares(side):
        for _ in range(_STEPS):
            mesh, presence = network.locate(np.asarray(colour, np.uint8), roi)
            if presence < MIN_PRESENCE:
                break
            roi = roi_from_mesh(mesh)
        if presence > best_presence:
            best, best_presence = mesh[:, :2] / side, presence
        if presence >= _SURE:
            break
    return best, best_presence


def _start_squares(side: int) -> Iterator[FaceRoi]:
    for scale in _START_SCALES:
        yield FaceRoi(side / 2, side / 2, side * scale, 0.0)
