"""Photographs of resting faces, the sources of the open set: faces128 and, where given, FERPlus Training.

Those of faces128 are chosen by its labels and machine scores, and their people are held out by fold as everywhere.
Those of FERPlus, 48 pixels wide, are more varied (women, children, all ages, soft images) and have no names: they are
for training only, and images rendered from them are as soft as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64, UInt8
from training.data import fer2013
from training.data.action_unit_faces import NO_FOLD, WEAK, fold_of
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
#: Of FERPlus: share of the votes for neutral, and of the mesh's presence.
_NEUTRAL_SHARE, _SURE_PRESENCE = 0.9, 0.9
#: Greatest distance of the lips' inner edges, in distances of the outer eye corners.
_MOST_GAP: Final = 0.03
_INNER_LIPS, _EYE_CORNERS, _NOSE = (13, 14), (33, 263), 1
#: Greatest sideways distance of the nose from the middle of the eyes, in the same unit, in photographs of FERPlus,
#: which are less often frontal: on turned heads the model's far half is stretched.
_MOST_TURN: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class RestingFaces:
    """N photographs in the order of their names."""

    names: tuple[str, ...]
    photographs: UInt8  # (N, 128, 128) grey
    points_px: Float32  # (N, 468, 2) face mesh
    people: npt.NDArray[np.str_]  # (N,)
    folds: Int64  # (N,) of the people; NO_FOLD: for training only
    sides_px: Int64  # (N,) of the photograph before it was enlarged

    def beside(self, other: RestingFaces) -> RestingFaces:
        """These photographs, then the others."""
        return RestingFaces(
            self.names + other.names,
            np.concatenate([self.photographs, other.photographs]),
            np.concatenate([self.points_px, other.points_px]),
            np.concatenate([self.people, other.people]),
            np.concatenate([self.folds, other.folds]),
            np.concatenate([self.sides_px, other.sides_px]),
        )


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
    people = np.array(labels["identity"])[rows]
    return RestingFaces(
        names=tuple(labels["image"][row] for row in rows),
        photographs=images[rows],
        points_px=points[rows] * SIDE_PX,
        people=people,
        folds=np.array([fold_of(str(person)) for person in people], np.int64),
        sides_px=np.full(len(rows), SIDE_PX, np.int64),
    )


def read_resting_fer(folder: Path, cache: Path, workers: int = 2) -> RestingFaces:
    """Choose the resting faces of FERPlus Training, without those that also occur in a test split.

    Raises:
        FileNotFoundError, ValueError: as in `read_table` of training/data/fer2013.py.
        SourceError: no face is resting.
    """
    table = fer2013.read_table(folder)
    points, presence = meshes_of(table.images, cache, workers)
    rests = (table.split == fer2013.SPLITS.index("Training")) & table.has_image
    rests &= ~fer2013.leaked(table.images, table.split)
    rests &= fer2013.vote_shares(table.votes)[:, EXPRESSIONS.index("neutral")] >= _NEUTRAL_SHARE
    rests &= presence >= _SURE_PRESENCE
    eyes = _apart(points, _EYE_CORNERS)
    rests &= _apart(points, _INNER_LIPS) < _MOST_GAP * eyes
    rests &= np.abs(points[:, _NOSE, 0] - points[:, _EYE_CORNERS, 0].mean(1)) < _MOST_TURN * eyes
    rows: Int64 = np.flatnonzero(rests)
    if not len(rows):
        raise SourceError(f"{folder} has no resting face: it needs images that the raters call neutral")
    names = tuple(f"{WEAK}:{row}" for row in rows)
    return RestingFaces(
        names=names,
        photographs=np.stack([_enlarged(image) for image in table.images[rows]]),
        points_px=points[rows] * SIDE_PX,
        people=np.array(names),
        folds=np.full(len(rows), NO_FOLD, np.int64),
        sides_px=np.full(len(rows), table.images.shape[1], np.int64),
    )


def _enlarged(image: UInt8) -> UInt8:
    return np.asarray(cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


def _apart(points: Float32, pair: tuple[int, int]) -> Float32:
    return np.asarray(np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=1), np.float32)
