"""Position of the face-mesh points on the morphable face.

No such table is published, so it is measured: the model is rendered under several lights, the engine's mesh network
reads the renderings (presence above .99), and each point is bound to the triangle rendered there. The mouth is rendered
slightly open, so that points of the upper and lower lip bind to their own lip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from engine.errors import SourceError
from engine.tracking.mesh import FaceMesh, FaceRoi, roi_from_mesh
from engine.types import Float32, Int64, UInt8
from training.data.meshes import MIN_PRESENCE
from training.open_set.face_model import FaceModel, Part
from training.open_set.rasteriser import Hits, cast, grid, vertex_normals

_SIDE_PX: Final = 384
_PX_PER_CM: Final = 12.8
_OPEN: Final = 0.25  # weight of jawOpen
_LIGHTS: Final = ((0.3, 0.4, 0.85), (-0.3, 0.4, 0.85), (0.0, 0.6, 0.8), (0.0, 0.1, 1.0))
#: Grey levels of the parts in the rendering, in the order of Part; only contrast matters.
_TONES: Final = np.array([1.0, 0.3, 0.4, 1.1, 1.2, 0.25], np.float32)
_STEPS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """The 468 mesh points on the model's skin."""

    corners: Int64  # (468, 3) vertices
    weights: Float32  # (468, 3), sum 1

    def points(self, vertices: Float32) -> Float32:
        """Positions (..., 468, D) of the mesh points for vertices (..., V, D)."""
        return np.asarray(np.einsum("pk,...pkd->...pd", self.weights, vertices[..., self.corners, :]), np.float32)


def bind_mesh(model: FaceModel, network: FaceMesh) -> Binding:
    """Find the mesh points on the model; takes about a second.

    Raises:
        SourceError: the mesh network finds no face in the rendering: the model file is damaged.
    """
    opened = model.neutral + _OPEN * model.expression[model.shape_rows(("jawOpen",))[0]]
    placed = opened * np.array([_PX_PER_CM, -_PX_PER_CM, _PX_PER_CM], np.float32)
    placed = placed + np.array([_SIDE_PX / 2, _SIDE_PX / 2, 0], np.float32)
    points = np.mean([_read(drawing, network) for drawing in _drawings(placed, model)], axis=0)
    skin = np.flatnonzero(model.parts == Part.SKIN)
    hits = cast(placed, model.triangles[skin], _inside(points, placed, model, skin))
    return Binding(model.triangles[skin][hits.triangles].astype(np.int64), hits.weights)


def _drawings(placed: Float32, model: FaceModel) -> list[UInt8]:
    hits = cast(placed, model.triangles, grid(_SIDE_PX))
    normals = vertex_normals(placed * np.array([1, -1, 1], np.float32), model.triangles)
    facing = hits.blend(normals, model.triangles)
    tones = _TONES[model.parts[hits.triangles]]
    drawings = []
    for light in _LIGHTS:
        grey = np.full(_SIDE_PX * _SIDE_PX, 30.0, np.float32)
        grey[hits.rays] = tones * (60 + 130 * np.clip(facing @ np.array(light, np.float32), 0, 1))
        drawings.append(np.clip(grey.reshape(_SIDE_PX, _SIDE_PX), 0, 255).astype(np.uint8))
    return drawings


def _read(drawing: UInt8, network: FaceMesh) -> Float32:
    colour = np.asarray(cv2.cvtColor(drawing, cv2.COLOR_GRAY2RGB), np.uint8)
    roi = FaceRoi(_SIDE_PX / 2, _SIDE_PX / 2, 0.9 * _SIDE_PX, 0.0)
    for _ in range(_STEPS):
        mesh, presence = network.locate(colour, roi)
        if presence < MIN_PRESENCE:
            raise SourceError("no face is found in a rendering of the face model: the model file is damaged")
        roi = roi_from_mesh(mesh)
    return np.asarray(mesh[:, :2], np.float32)


def _inside(points: Float32, placed: Float32, model: FaceModel, skin: Int64) -> Float32:
    """Points (468, 2), those outside the outline or over an eye moved to the nearest position where a ray hits skin."""
    seen: Hits = cast(placed, model.triangles[skin], points)
    lost = np.setdiff1d(np.arange(len(points)), seen.rays)
    cells = grid(_SIDE_PX)
    shown = cells[cast(placed, model.triangles[skin], cells).rays]
    moved: Float32 = points.copy()
    for row in lost:
        moved[row] = shown[np.argmin(np.square(shown - points[row]).sum(1))]
    return moved
