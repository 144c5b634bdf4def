"""Meshes of images: the mean face, and the cache, without the mesh network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from training.data import meshes
from training.data.meshes import mean_mesh, meshes_of


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
