"""Covers: which part is hidden is measured on the mesh, and each drawing hides the part that it is for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.types import COVERED_PARTS, Float32, QualityReason
from tests.training.fakes.meshes import frontal_mesh
from training.data.covers import DRAWN_COVERS, covered_parts, drawn_cover, plain_cover

MOUTH, EYES, SIDE = (COVERED_PARTS.index(part) for part in COVERED_PARTS)
SIZE = 96


@pytest.fixture(scope="module")
def mesh() -> Float32:
    """Points of an average face in 0-1 of its crop."""
    return frontal_mesh()


def half(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[rows, columns] = True
    return mask


def test_halves_hide_what_lies_in_them(mesh: Float32) -> None:
    everything, upper, lower = slice(None), slice(0, 45), slice(60, None)
    assert covered_parts(half(lower, everything), mesh)[[MOUTH, EYES]].tolist() == [1, 0]
    assert covered_parts(half(upper, everything), mesh)[EYES] == 1
    assert covered_parts(half(everything, slice(0, 48)), mesh)[SIDE] == 1
    assert covered_parts(half(slice(0, 0), everything), mesh).tolist() == [0, 0, 0]


def test_a_whole_face_hidden_is_no_side(mesh: Float32) -> None:
    assert covered_parts(np.ones((SIZE, SIZE), bool), mesh).tolist() == [1, 1, 0]


def test_one_eye_hidden_is_not_both_and_half_a_mouth_is_neither(mesh: Float32) -> None:
    found = covered_parts(half(slice(None), slice(0, 48)), mesh)
    assert found[EYES] == 0
    assert np.isnan(found[MOUTH])


@pytest.mark.parametrize("name", DRAWN_COVERS)
def test_a_drawing_hides_its_part_of_any_face(mesh: Float32, name: str) -> None:
    part, draw = DRAWN_COVERS[name]
    crop = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    for seed in range(20):
        covered, mask = draw(crop, mesh, np.random.default_rng(seed))
        parts = covered_parts(mask, mesh)
        assert parts[COVERED_PARTS.index(part)] != 0  # of a microphone it may be most of the mouth, but not all
        assert not np.array_equal(covered[mask], crop[mask])
        others = [place for place in COVERED_PARTS if place not in (part, QualityReason.MOUTH_COVERED)]
        assert all(parts[COVERED_PARTS.index(other)] != 1 for other in others)


def test_the_seed_decides_the_drawing(mesh: Float32) -> None:
    crop = np.full((SIZE, SIZE), 128, np.uint8)
    first, again, other = (drawn_cover("hand", crop, mesh, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_plain_cover_changes_its_own_pixels_alone(mesh: Float32) -> None:
    random = np.random.default_rng(0)
    crop, other = random.integers(0, 256, (2, SIZE, SIZE), dtype=np.uint8)
    for _ in range(50):
        covered, mask = plain_cover(crop, mesh, other, random)
        assert np.array_equal(covered[~mask], crop[~mask])
