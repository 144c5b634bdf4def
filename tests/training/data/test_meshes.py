"""Meshes of images: the mean face, and the cache, without the mesh network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from training.data import meshes
from training.data.meshes import mean_mesh, meshes_of, worker_pool


def test_the_mean_mesh_of_moved_copies_is_the_face_in_the_view() -> None:
    shape = np.random.default_rng(0).random((468, 2)).astype(np.float32)
    shape[list(TEMPLATE_POINTS)] = TEMPLATE
    copies = np.stack([shape * 0.5, shape * 2 + 3, shape - 1]).astype(np.float32)
    assert np.abs(mean_mesh(copies) - shape).max() < 1e-4


def test_images_of_one_size_share_a_cache_as_array_and_as_list(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    whole = meshes.hashlib.sha256(images.tobytes()).hexdigest()[:16]
    points = np.full((3, 468, 2), 0.5, np.float16)
    np.savez(tmp_path / f"meshes_{whole}.npz", points=points, presence=np.ones(3, np.float32))
    for given in (images, list(images)):
        found, presence = meshes_of(given, tmp_path)
        assert found.dtype == np.float32
        assert found.shape == (3, 468, 2)
        assert presence.tolist() == [1, 1, 1]


def _blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def _start_worker() -> None:
    threadpool_limits(1)


def test_a_worker_in_this_process_leaves_the_numbers_of_threads_as_they_were() -> None:
    own = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with threadpool_limits(2):
            before = cv2.getNumThreads(), _blas_threads()
            with worker_pool(1, _start_worker) as pool:
                assert pool.submit(cv2.getNumThreads).result() == 1
                assert pool.submit(_blas_threads).result() <= {1}  # not every system's can be limited
            assert (cv2.getNumThreads(), _blas_threads()) == before
    finally:
        cv2.setNumThreads(own)
