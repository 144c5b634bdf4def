"""Visible triangle of each pixel, by Intel's Embree ray caster on the CPU: needs no screen and no GPU."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import BackendError
from engine.types import Float32, Int64
from training.open_set.face_model import Int32


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Ray hits; P of the R rays hit a triangle."""

    rays: Int64  # (P,) numbers of the rays
    triangles: Int64  # (P,) the nearest triangle of each
    weights: Float32  # (P, 3) of its corners; their sum is 1

    def blend(self, values: Float32, corners: Int32) -> Float32:
        """Values (V,) or (V, C) of the vertices at the points of the hits, (P,) or (P, C)."""
        taken = values[corners[self.triangles]]  # (P, 3) or (P, 3, C)
        return np.asarray(np.einsum("pk,pk...->p...", self.weights, taken), np.float32)


def cast(vertices: Float32, triangles: Int32, points: Float32, chosen: npt.NDArray[np.bool_] | None = None) -> Hits:
    """Cast rays along -z at points (R, 2) of a mesh: vertices (V, 3) in pixels, nearer is larger z; triangles (T, 3).

    Only triangles selected by ``chosen`` (T,) can be hit; hit numbers refer to all triangles.

    Raises:
        BackendError: the ray caster is not installed.
    """
    rows = np.arange(len(triangles)) if chosen is None else np.flatnonzero(chosen)
    origins = np.column_stack([points, np.full(len(points), float(vertices[:, 2].max()) + 1.0)]).astype(np.float32)
    directions = np.zeros_like(origins)
    directions[:, 2] = -1.0
    numbers, u, v = _nearest(vertices, triangles[rows], origins, directions)
    rays = np.flatnonzero(numbers >= 0)
    u, v = u[rays], v[rays]
    weights = np.stack([1 - u - v, u, v], axis=1).astype(np.float32)
    return Hits(rays, rows[numbers[rays]].astype(np.int64), weights)


def _nearest(
    vertices: Float32, triangles: Int32, origins: Float32, directions: Float32
) -> tuple[Int32, Float32, Float32]:
    """The first triangle that each ray (R, 3) hits, -1 for none, and Embree's u and v in it; (R,) each."""
    try:  # imported here, so that only rendering needs it
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise BackendError(
            f"embreex, the ray caster, cannot be imported on {platform.machine()} ({error}): pip install embreex, or "
            "render the set on an x86-64 machine"
        ) from None
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(triangles))
    found = scene.run(origins, directions, output=1)
    return found["primID"], found["u"], found["v"]


def grid(side_px: int, finer: int = 1) -> Float32:
    """Centres (R, 2), x then y in pixels, of the cells of a square image, row by row; ``finer`` squared per pixel."""
    cells = (np.arange(side_px * finer, dtype=np.float32) + 0.5) / finer - 0.5
    x, y = np.meshgrid(cells, cells)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def vertex_normals(vertices: Float32, triangles: Int32) -> Float32:
    """Unit normals (V, 3), the mean over a vertex's triangles by area."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    across = np.repeat(np.cross(b - a, c - a), 3, axis=0)  # (3 T, 3), one for each corner
    corners = triangles.ravel()
    total = np.stack([np.bincount(corners, across[:, axis], len(vertices)) for axis in range(3)], axis=1)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9), np.float32)
