"""Face meshes of training images, found once by the network that the engine runs, and cached.

A training image shows one face and little else, so no detector is needed: the mesh network starts from several squares
on the image, follows its own points for a few steps as the tracker does, and the start with the best presence wins.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from engine.alignment import TEMPLATE, TEMPLATE_POINTS, similarity
from engine.files import atomic_write
from engine.safe_path import safe_path
from engine.tracking.mesh import FaceMesh, FaceRoi, roi_from_mesh
from engine.types import MESH_POINTS, Float32, Float64, UInt8

#: Below this presence a mesh is not trusted (the network's own threshold in the published graph).
MIN_PRESENCE: Final = 0.5
#: Sides of the first squares in units of the image's side, tried until the presence is high.
_START_SCALES: Final = (1.3, 1.0, 1.7)
_STEPS: Final = 3
_SURE: Final = 0.98
_BLOCK: Final = 500


@contextmanager
def worker_pool(
    workers: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[Executor]:
    """Workers that share one task, with one core each: processes, or a thread of this process if there is one worker.

    Processes are started anew, never forked: a fork inherits the locks of threads that it does not have (Embree's,
    OpenCV's, torch's), and may wait for them for ever. So functions and arguments must be picklable.
    """
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:  # the limits are those of the process, also where the initialiser sets them
            with threadpool_limits(1), ThreadPoolExecutor(1, initializer=initializer, initargs=initargs) as thread:
                yield thread
        finally:
            cv2.setNumThreads(threads)
        return
    context = multiprocessing.get_context("spawn")
    with safe_path(), ProcessPoolExecutor(workers, context, _start_worker, (initializer, initargs)) as processes:
        yield processes


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    cv2.setNumThreads(1)
    if initializer is not None:
        initializer(*initargs)


def meshes_of(images: UInt8 | Sequence[UInt8], cache: Path, workers: int = 2) -> tuple[Float32, Float32]:
    """Meshes of N grey square images (S, S) uint8; their sides may differ.

    Returns points (N, 468, 2) float32 in 0-1 of the image's side and presence (N,) float32. Results are
    cached in ``cache`` under the hash of the images.
    """
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.tobytes())
    path = cache / f"meshes_{digest.hexdigest()[:16]}.npz"
    if path.is_file():
        with np.load(path) as cached:
            return cached["points"].astype(np.float32), cached["presence"]
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    with worker_pool(min(workers, len(blocks))) as pool:
        found = list(pool.map(_block_meshes, blocks))
    points = np.concatenate([block[0] for block in found])
    presence = np.concatenate([block[1] for block in found])
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        np.savez(part, points=points.astype(np.float16), presence=presence)
    return points.astype(np.float16).astype(np.float32), presence


def _block_meshes(images: UInt8 | Sequence[UInt8]) -> tuple[Float32, Float32]:
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


def mean_mesh(points: Float32) -> Float32:
    """Mean face (468, 2) of meshes (N, 468, 2) in the canonical view, 0-1.

    It replaces the mesh where the network finds no face (3.7 % of FER2013: profiles, faces on their side, very small
    ones), so that such an image keeps its own framing and no test image is left out.
    """
    shapes = points[:: max(1, len(points) // 2000)].astype(np.float64)
    placed = [_into_view(shape) for shape in shapes]
    return np.asarray(np.mean(placed, axis=0), np.float32)


def _into_view(shape: Float64) -> Float64:
    moved = similarity(shape[list(TEMPLATE_POINTS)], TEMPLATE)
    return np.asarray(shape @ moved[:, :2].T + moved[:, 2], np.float64)
