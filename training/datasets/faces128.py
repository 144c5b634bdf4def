"""faces128: grey news photographs with blendshape scores, read as pseudo-labels for the twelve BP4D units.

Folder: ``images/*.jpg`` (128x128 grey), ``labels.csv`` (image, identity, expression), ``blendshapes.csv`` (image,
presence, 52 scores 0-1 of MediaPipe's blendshape network). The publisher's ``landmarks.npy`` is not used: crops come
from the mesh network that the engine runs, so that live and training crops agree.

The scores are a model's opinion, not FACS coding by people. AU1, AU2, AU4 and AU12 are close to their blendshapes. AU6
is not measured at all: cheekSquint is 0 on every picture, so AU6 here is "smiling with narrowed eyes". AU14 and AU15
rarely get a score above 0.2, so their labels mean "among the faces with the highest scores". AU10, AU23 and AU24 are
rough.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import align_picture
from engine.errors import SourceError
from engine.facs import BP4D_UNITS
from engine.types import Float32, UInt8
from training.datasets.meshes import MIN_PRESENCE, meshes_of

TRAINING, VALIDATION, TEST = "training", "validation", "test"
#: Shares of the identities, by a hash of the name.
_SHARES: Final = ((TRAINING, 0.70), (VALIDATION, 0.85), (TEST, 1.0))  # upper ends
_SIDE_PX: Final = 128

#: Unit to the blendshapes whose mean is its score; left and right are averaged, because single sides are noisy in
#: turned faces. AU6 is made of two of these in `unit_scores`.
UNIT_BLENDSHAPES: Final[dict[int, tuple[str, ...]]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    14: ("mouthDimpleLeft", "mouthDimpleRight"),
    15: ("mouthFrownLeft", "mouthFrownRight"),
    17: ("mouthShrugLower",),
    23: ("mouthRollLower", "mouthRollUpper"),
    24: ("mouthPressLeft", "mouthPressRight"),
}
#: A unit occurs from this score on ...
_OCCURRENCE_SCORE: Final = 0.2
#: ... unless fewer or more training faces than these shares would show it; then the quantile at the bound decides.
_RATE_BOUNDS: Final = (0.05, 0.5)
#: Slope of the soft target in the logit of the score: at half the odds of the threshold the target is 0.26.
_TARGET_SLOPE: Final = 1.5
#: Scores are printed with four decimals; 0 and 1 mean less and more than the last one.
_SCORE_STEP: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Faces128:
    """The faces on which the mesh network is sure, in the order of labels.csv."""

    crops: UInt8  # (N, 96, 96) canonical view
    scores: Float32  # (N, 12) pseudo-scores 0-1 in the order of BP4D_UNITS
    identities: npt.NDArray[np.str_]  # (N,)
    expressions: npt.NDArray[np.str_]  # (N,) label of volunteers, "unlabelled" where there is none
    splits: npt.NDArray[np.str_]  # (N,) training, validation or test
    left_out: int  # pictures without a sure mesh

    def thresholds(self) -> Float32:
        """Occurrence thresholds (12,), from the training identities alone."""
        return occurrence_thresholds(self.scores[self.splits == TRAINING])


def split_of(identity: str) -> str:
    """The split of a person, the same on every machine: all pictures of a person fall in one split."""
    share = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64
    return next(name for name, upper in _SHARES if share < upper)


def unit_scores(blendshapes: Mapping[str, Float32]) -> Float32:
    """Scores (N, 12) of the units from named blendshape scores (N,)."""
    scores = {unit: np.mean([blendshapes[name] for name in names], axis=0) for unit, names in UNIT_BLENDSHAPES.items()}
    scores[6] = np.minimum(scores[12], scores[7])  # cheekSquint carries no signal
    return np.stack([scores[unit] for unit in BP4D_UNITS], axis=1, dtype=np.float32)


def occurrence_thresholds(scores: Float32) -> Float32:
    """The score (K,) from which each unit counts as present, from training scores (N, K).

    0.2 where that gives a rate of 5 to 50 %, else the score that gives the nearer bound.
    """
    rarest, commonest = _RATE_BOUNDS
    low, high = np.quantile(scores, [1 - commonest, 1 - rarest], axis=0)
    return np.asarray(np.clip(_OCCURRENCE_SCORE, low, high), np.float32)


def soft_targets(scores: Float32, thresholds: Float32) -> Float32:
    """Targets (N, K) 0-1: one half at the threshold, rising with the logit of the score."""
    distance = _logit(scores) - _logit(thresholds)
    return np.asarray(1.0 / (1.0 + np.exp(-_TARGET_SLOPE * distance)), np.float32)


def _logit(p: Float32) -> Float32:
    clipped = np.clip(p, _SCORE_STEP, 1 - _SCORE_STEP)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def read_faces128(folder: Path, cache: Path, workers: int = 2) -> Faces128:
    """Read the publisher's layout, find the meshes (cached in ``cache``) and cut the canonical views.

    Raises:
        SourceError: a file is missing or does not fit the others.
        FaceModelError: the mesh network is not on this machine.
    """
    labels = _read_table(folder / "labels.csv", ("image", "identity", "expression"))
    names = sorted({"presence"}.union(*UNIT_BLENDSHAPES.values()))
    shapes = _read_table(folder / "blendshapes.csv", ("image", *names))
    if labels["image"] != shapes["image"]:
        raise SourceError(f"{folder}: labels.csv and blendshapes.csv list different images: unpack the data again")
    values = {name: _numbers(folder, name, shapes[name]) for name in names}
    images = np.stack([_read_image(folder / "images" / name) for name in labels["image"]])
    points, presence = meshes_of(images, cache, workers)
    kept = np.flatnonzero((presence >= MIN_PRESENCE) & (values["presence"] >= MIN_PRESENCE))
    crops = np.stack([align_picture(images[row], points[row] * _SIDE_PX)[0] for row in kept])
    identities = np.array(labels["identity"])[kept]
    return Faces128(
        crops=crops,
        scores=unit_scores(values)[kept],
        identities=identities,
        expressions=np.array(labels["expression"])[kept],
        splits=np.array([split_of(str(identity)) for identity in identities]),
        left_out=len(images) - len(kept),
    )


def _read_table(path: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to the unpacked faces128 folder") from None
    absent = [name for name in columns if not rows or name not in rows[0]]
    if absent:
        raise SourceError(f"{path} has no column {absent[0]!r} or no rows: unpack the data again")
    return {name: [row[name] for row in rows] for name in columns}


def _numbers(folder: Path, name: str, texts: list[str]) -> Float32:
    try:
        return np.array(texts, np.float32)
    except ValueError as error:
        raise SourceError(f"{folder / 'blendshapes.csv'}: column {name!r} is not all numbers ({error})") from None


def _read_image(path: Path) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (_SIDE_PX, _SIDE_PX):
        raise SourceError(f"{path} is missing or no {_SIDE_PX}x{_SIDE_PX} picture: unpack the data again")
    return np.asarray(image, np.uint8)
