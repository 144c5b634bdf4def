"""Photographs of resting faces, the sources of the open set: from faces128, by its labels and machine scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import SourceError
from engine.types import Float32, Int64, UInt8
from training.data.faces128 import SIDE_PX, read_image, read_numbers, read_table
from training.data.meshes import MIN_PRESENCE, meshes_of

#: A face is resting if volunteers label it neutral and none of these scores is above its limit.
_LIMITS: Final = {
    "browInnerUp": 0.4,
    "browDownLeft": 0.4,
    "browDownRight": 0.4,
    "browOuterUpLeft": 0.4,
    "browOuterUpRight": 0.4,
    "eyeBlinkLeft": 0.4,
    "eyeBlinkRight": 0.4,
    "mouthFrownLeft": 0.4,
    "mouthFrownRight": 0.4,
    "mouthPressLeft": 0.4,
    "mouthPressRight": 0.4,
    "mouthRollLower": 0.4,
    "mouthSmileLeft": 0.4,
    "mouthSmileRight": 0.4,
    "mouthStretchLeft": 0.4,
    "mouthStretchRight": 0.4,
    "mouthUpperUpLeft": 0.4,
    "mouthUpperUpRight": 0.4,
}
#: Greatest distance of the lips' inner edges, in distances of the outer eye corners.
_MOST_GAP: Final = 0.03
_INNER_LIPS, _EYE_CORNERS = (13, 14), (33, 263)


@dataclass(frozen=True, slots=True, eq=False)
class RestingFaces:
    """N photographs in the order of their names."""

    names: tuple[str, ...]
    photographs: UInt8  # (N, 128, 128) grey
    points_px: Float32  # (N, 468, 2) face mesh
    people: npt.NDArray[np.str_]  # (N,)


def read_resting_faces(folder: Path, cache: Path, workers: int = 2) -> RestingFaces:
    """Choose the resting faces of an unpacked faces128 folder; meshes are kept in ``cache``.

    Raises:
        SourceError: a file is missing or broken, or no face is resting.
    """
    labels = read_table(folder / "labels.csv", ("image", "identity", "expression"))
    names = ("presence", *_LIMITS)
    scores = read_table(folder / "blendshapes.csv", ("image", *names))
    if labels["image"] != scores["image"]:
        raise SourceError(f"{folder}: labels.csv and blendshapes.csv list different images: unpack the data again")
    images = np.stack([read_image(folder / "images" / name) for name in labels["image"]])
    points, presence = meshes_of(images, cache, workers)
    rests = (np.array(labels["expression"]) == "neutral") & (presence >= MIN_PRESENCE)
    for name, limit in _LIMITS.items():
        rests &= read_numbers(folder, name, scores[name]) < limit
    rests &= _apart(points, _INNER_LIPS) < _MOST_GAP * _apart(points, _EYE_CORNERS)
    rows: Int64 = np.flatnonzero(rests)
    if not len(rows):
        raise SourceError(f"{folder} has no resting face: it needs images labelled neutral with a closed mouth")
    rows = rows[np.argsort(np.array(labels["image"])[rows], kind="stable")]
    return RestingFaces(
        names=tuple(labels["image"][row] for row in rows),
        photographs=images[rows],
        points_px=points[rows] * SIDE_PX,
        people=np.array(labels["identity"])[rows],
    )


def _apart(points: Float32, pair: tuple[int, int]) -> Float32:
    return np.asarray(np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=1), np.float32)
