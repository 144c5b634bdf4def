"""The morphable face of ICT-FaceKit (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020).

Its light model is under the MIT licence: a mesh with 100 identity shapes and expression shapes named after ARKit, which
its README ties to FACS units. It has no skin colours. Units: centimetres, x to the face's left, y up, z to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from engine.errors import SourceError
from engine.types import Float32, Int64

Int32 = npt.NDArray[np.int32]

FILE_NAME: Final = "ict_facekit_light.npz"


class Part(IntEnum):
    """Part of the face that a triangle belongs to."""

    SKIN = 0
    SOCKET = 1  # inside of the mouth and of the eye holes
    GUMS = 2
    TEETH = 3
    SCLERA = 4
    IRIS = 5


_MATERIAL_PARTS: Final = {
    "M_Face": Part.SKIN,
    "M_BackHead": Part.SOCKET,
    "M_GumsTongue": Part.GUMS,
    "M_Teeth": Part.TEETH,
    "M_ScleraLeft": Part.SCLERA,
    "M_ScleraRight": Part.SCLERA,
    "M_IrisLeft": Part.IRIS,
    "M_IrisRight": Part.IRIS,
}
#: Vertices of the back of the head and the neck (geometry 1 in the README): behind the photograph's own background.
_HEAD_AND_NECK: Final = (9409, 11248)
#: Eyeballs and teeth further back than this (in z) are never visible.
_HIDDEN_Z: Final = {Part.SCLERA: 8.0, Part.IRIS: 8.0, Part.TEETH: 7.5, Part.GUMS: 7.5}


@dataclass(frozen=True, slots=True, eq=False)
class FaceModel:
    """The parts of the face visible from the front; V vertices, T triangles."""

    neutral: Float32  # (V, 3)
    identity: Float32  # (100, V, 3) shapes for unit-normal weights
    expression: Float32  # (E, V, 3) shapes for weights 0-1
    names: tuple[str, ...]  # (E,) of the expression shapes
    triangles: Int32  # (T, 3)
    parts: npt.NDArray[np.uint8]  # (T,) Part
    neighbours: Int64  # (E2,) vertices next to vertex 0, then next to vertex 1, and so on; a shared edge counts twice
    neighbour_counts: Int64  # (V,) number of neighbours of each vertex, at least one

    def shape_rows(self, names: tuple[str, ...]) -> Int64:
        """Rows of named expression shapes.

        Raises:
            SourceError: the model has no such shape.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            raise SourceError(f"the face model has no shape {absent[0]!r}: pass {FILE_NAME} of ICT-FaceKit Light")
        return np.array([self.names.index(name) for name in names], np.int64)


def read_face_model(folder: Path) -> FaceModel:
    """Read the packed light model from ``folder``.

    Raises:
        SourceError: the file is missing or is not that model.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as packed:
            return _visible_model({name: packed[name] for name in _ARRAYS})
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to the folder of ICT-FaceKit Light") from None
    except (KeyError, IndexError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise SourceError(f"{path} is not the packed ICT-FaceKit Light model ({error}): fetch it again") from None


_ARRAYS: Final = (
    "neutral",
    "faces",
    "face_material",
    "materials",
    "expression_names",
    "expression_delta_i16",
    "expression_scale",
    "identity_delta_i16",
    "identity_scale",
)


def _visible_model(packed: dict[str, npt.NDArray[np.generic]]) -> FaceModel:
    neutral = np.asarray(packed["neutral"], np.float32)
    triangles, parts = _triangles(packed, neutral)
    if not len(triangles):
        raise ValueError("no polygon has a material of the face")
    used, flat = np.unique(triangles, return_inverse=True)
    corners = flat.reshape(-1, 3)
    own = np.concatenate([corners, corners]).ravel()
    other = np.concatenate([np.roll(corners, 1, axis=1), np.roll(corners, -1, axis=1)]).ravel()
    return FaceModel(
        neutral=neutral[used],
        identity=_unpacked(packed["identity_delta_i16"], packed["identity_scale"], used),
        expression=_unpacked(packed["expression_delta_i16"], packed["expression_scale"], used),
        names=tuple(str(name) for name in packed["expression_names"]),
        triangles=corners.astype(np.int32),
        parts=parts,
        neighbours=other[np.argsort(own, kind="stable")].astype(np.int64),
        neighbour_counts=np.bincount(own).astype(np.int64),
    )


def _unpacked(deltas: npt.NDArray[np.generic], scales: npt.NDArray[np.generic], used: Int32) -> Float32:
    """Shapes (E, V, 3) of the used vertices; the file holds int16 and a scale for each shape."""
    chosen = np.asarray(deltas[:, used], np.float32)
    return chosen * np.asarray(scales, np.float32)[:, np.newaxis, np.newaxis]


def _triangles(packed: dict[str, npt.NDArray[np.generic]], neutral: Float32) -> tuple[Int32, npt.NDArray[np.uint8]]:
    """Visible triangles (T, 3) and their parts (T,); polygons have three or four corners, -1 marks a missing one."""
    polygons = np.asarray(packed["faces"], np.int32)
    names = [str(name) for name in packed["materials"]]
    part_of = np.array([_MATERIAL_PARTS.get(name, -1) for name in names], np.int16)
    parts = part_of[np.asarray(packed["face_material"], np.int64)]
    corners = np.where(polygons < 0, polygons[:, :1], polygons)
    seen = parts >= 0
    seen &= ~((corners >= _HEAD_AND_NECK[0]) & (corners < _HEAD_AND_NECK[1])).any(1)
    for part, nearest in _HIDDEN_Z.items():
        seen &= (parts != part) | (neutral[corners, 2].max(1) > nearest)
    polygons, parts = polygons[seen], parts[seen]
    four = polygons[:, 3] >= 0
    triangles = np.concatenate([polygons[:, :3], polygons[four][:, [0, 2, 3]]])
    return triangles, np.concatenate([parts, parts[four]]).astype(np.uint8)
