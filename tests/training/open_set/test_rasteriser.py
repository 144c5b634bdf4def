"""Which triangle a pixel shows, and where in it; normals of known surfaces."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BackendError
from training.open_set.rasteriser import cast, grid, vertex_normals

#: Two triangles of the same outline at heights 0 and 5, and one beside them.
VERTICES = np.array(
    [[0, 0, 0], [8, 0, 0], [0, 8, 0], [0, 0, 5], [8, 0, 5], [0, 8, 5], [20, 0, 1], [28, 0, 1], [20, 8, 1]], np.float32
)
TRIANGLES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]], np.int32)
POINTS = np.array([[2, 2], [21, 1], [9, 9], [1, 4]], np.float32)


@pytest.fixture(autouse=True)
def _ray_caster() -> None:
    pytest.importorskip("embreex")


def test_nearer_triangle_is_visible() -> None:
    hits = cast(VERTICES, TRIANGLES, POINTS)
    assert hits.rays.tolist() == [0, 1, 3]  # the third hits nothing
    assert hits.triangles.tolist() == [1, 2, 1]


def test_triangles_that_are_not_selected_are_skipped_and_indices_are_kept() -> None:
    hits = cast(VERTICES, TRIANGLES, POINTS, np.array([True, False, True]))
    assert hits.triangles.tolist() == [0, 2, 0]


def test_back_of_a_triangle_is_visible_too() -> None:
    assert cast(VERTICES, TRIANGLES[:, ::-1], POINTS).triangles.tolist() == [1, 2, 1]


def test_values_are_interpolated_within_the_triangle() -> None:
    hits = cast(VERTICES, TRIANGLES, POINTS)
    values = np.array([0, 0, 0, 10, 20, 40, 7, 7, 7], np.float32)
    at_2_2 = 10 * (8 - 2 - 2) / 8 + 20 * 2 / 8 + 40 * 2 / 8
    at_1_4 = 10 * (8 - 1 - 4) / 8 + 20 * 1 / 8 + 40 * 4 / 8
    assert hits.blend(values, TRIANGLES) == pytest.approx([at_2_2, 7, at_1_4], abs=1e-5)


@given(st.floats(0.1, 7.8), st.floats(0.05, 0.95))
def test_interpolated_positions_equal_the_point(x: float, share: float) -> None:
    point = np.array([[x, share * (8 - x)]], np.float32)
    hits = cast(VERTICES, TRIANGLES, point)
    assert hits.weights.sum() == pytest.approx(1, abs=1e-6)
    assert hits.blend(VERTICES, TRIANGLES)[0] == pytest.approx([*point[0], 5], abs=1e-4)


def test_missing_ray_caster_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embreex.rtcore_scene", None)
    with pytest.raises(BackendError, match="pip install embreex"):
        cast(VERTICES, TRIANGLES, POINTS)


def test_grid_lists_the_centres_of_pixels_or_subpixels() -> None:
    assert grid(2).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert grid(2, 2)[:5].tolist() == [[-0.25, -0.25], [0.25, -0.25], [0.75, -0.25], [1.25, -0.25], [-0.25, 0.25]]
    assert grid(5, 2).mean(0).tolist() == [2, 2]


def test_plane_has_one_normal() -> None:
    corners = np.array([[0, 0, 0], [4, 0, 0], [4, 3, 0], [0, 3, 0]], np.float32)
    normals = vertex_normals(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    assert normals.tolist() == [[0, 0, 1]] * 4


def test_normals_of_a_sphere_point_outwards() -> None:
    steps = 24
    polar, around = np.meshgrid(
        np.linspace(0.2, np.pi - 0.2, steps), np.arange(steps) * 2 * np.pi / steps, indexing="ij"
    )
    sphere = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    number = np.arange(steps * steps).reshape(steps, steps)
    a, b = number[:-1], number[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    triangles = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]).astype(np.int32)
    normals = vertex_normals((7 * sphere).reshape(-1, 3).astype(np.float32), triangles).reshape(steps, steps, 3)
    inner = slice(1, -1)  # the rims lack triangles on one side
    assert np.einsum("ijk,ijk->ij", normals[inner], sphere[inner]).min() > np.cos(np.deg2rad(3))


def test_vertex_without_a_triangle_has_a_zero_normal() -> None:
    assert vertex_normals(np.zeros((4, 3), np.float32), np.array([[0, 1, 2]], np.int32)).tolist() == [[0, 0, 0]] * 4
