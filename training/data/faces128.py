"""faces128: grey news photographs with blendshape scores, read as pseudo-labels for the units of the open set.

Folder: ``images/*.jpg`` (128x128 grey), ``labels.csv`` (image, identity, expression), ``blendshapes.csv`` (image,
presence, 52 scores 0-1 of MediaPipe's blendshape network). The publisher's ``landmarks.npy`` is not used: crops come
from the mesh network that the engine runs, so that live and training crops agree.

The scores are the output of a model, not FACS coding by people. Which of them count, and the score from which a unit
occurs, is in training/configs/pseudo_units.toml with the reasons: AU6 (cheekSquint) and AU9 (noseSneer), for instance,
are 0 on every image. No blendshape is AU25, parted lips: jawOpen is the jaw, which a smile that shows teeth does not
move, and mouthClose is close to 0 everywhere. Its score is therefore measured in the mesh: the distance of the inner
lips over that of the outer eye corners. Turning a face shortens the latter, so turned faces score a little higher.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import align_face
from engine.config import read_toml
from engine.errors import ConfigError, SourceError
from engine.facs import OPEN_UNITS, unit_code
from engine.types import Float32, UInt8
from training import CONFIGS
from training.data.action_unit_faces import UnitFaces, fold_of
from training.data.meshes import MIN_PRESENCE, meshes_of

#: Side of the images.
SIDE_PX: Final = 128
#: Thresholds and masked units, with the reasons.
PSEUDO_UNITS: Final = CONFIGS / "pseudo_units.toml"

#: Unit to the blendshapes whose mean is its score; left and right are averaged, because single sides are noisy on
#: turned faces. AU25 comes from the mesh (`lip_distance`).
UNIT_BLENDSHAPES: Final[dict[int, tuple[str, ...]]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    5: ("eyeWideLeft", "eyeWideRight"),
    6: ("cheekSquintLeft", "cheekSquintRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    9: ("noseSneerLeft", "noseSneerRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    14: ("mouthDimpleLeft", "mouthDimpleRight"),
    15: ("mouthFrownLeft", "mouthFrownRight"),
    17: ("mouthShrugLower",),
    20: ("mouthStretchLeft", "mouthStretchRight"),
    23: ("mouthRollLower", "mouthRollUpper"),
    24: ("mouthPressLeft", "mouthPressRight"),
    26: ("jawOpen",),
    43: ("eyeBlinkLeft", "eyeBlinkRight"),
}
#: Mesh points: middle of the upper and of the lower inner lip, outer eye corners.
_LIPS: Final = (13, 14)
_EYES: Final = (33, 263)
#: Slope of the soft target in the logit of the score: at half the odds of the threshold the target is 0.26.
_TARGET_SLOPE: Final = 1.5
#: Scores are stored with four decimals; the logit clips them to this distance from 0 and 1.
_SCORE_STEP: Final = 1e-4


@dataclass(frozen=True, slots=True)
class PseudoUnit:
    """The score from which a unit occurs, or that its scores are not used."""

    unit: int = 0  # FACS number
    threshold: float = 0.0  # 0-1, for unmasked units
    masked: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if self.masked == (0 < self.threshold < 1) or not self.why:
            raise ConfigError(
                f"{unit_code(self.unit)} needs either a threshold between 0 and 1 or masked = true, and a why"
            )


@dataclass(frozen=True, slots=True)
class PseudoUnits:
    """One entry for each unit of the open set."""

    units: tuple[PseudoUnit, ...] = ()

    def __post_init__(self) -> None:
        if tuple(sorted(entry.unit for entry in self.units)) != OPEN_UNITS:
            raise ConfigError(f"pseudo-labels need one entry for each of the units {OPEN_UNITS}")

    def thresholds(self) -> Float32:
        """Thresholds (18,) in the order of OPEN_UNITS; infinite where a unit is masked."""
        by_unit = {entry.unit: np.inf if entry.masked else entry.threshold for entry in self.units}
        return np.array([by_unit[unit] for unit in OPEN_UNITS], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Faces128Scores:
    """Faces with a reliable mesh, in the order of labels.csv, before scores become labels."""

    crops: UInt8  # (N, 96, 96) canonical view
    scores: Float32  # (N, 18) pseudo-scores 0-1 in the order of OPEN_UNITS
    people: npt.NDArray[np.str_]  # (N,)
    expressions: npt.NDArray[np.str_]  # (N,) label of volunteers, or "unlabelled"
    left_out: int  # images without a reliable mesh


def read_faces128(folder: Path, cache: Path, workers: int = 2) -> UnitFaces:
    """Faces with pseudo-labels for the 18 units of the open set; masked units are unknown.

    Raises:
        SourceError, FaceModelError: as in `read_scores`.
    """
    return pseudo_labelled(read_scores(folder, cache, workers), read_toml(PseudoUnits, PSEUDO_UNITS))


def pseudo_labelled(faces: Faces128Scores, pseudo: PseudoUnits) -> UnitFaces:
    """Labels from scores: occurrence from the threshold on, and targets that rise with the score."""
    thresholds = pseudo.thresholds()
    known = np.isfinite(thresholds)
    targets = np.zeros_like(faces.scores)
    targets[:, known] = soft_targets(faces.scores[:, known], thresholds[known])
    return UnitFaces(
        units=OPEN_UNITS,
        crops=faces.crops,
        occurs=faces.scores >= thresholds,
        known=np.repeat(known[np.newaxis], len(faces.people), axis=0),
        targets=targets,
        people=faces.people,
        folds=np.array([fold_of(str(person)) for person in faces.people], np.int64),
        sources=np.full(len(faces.people), "faces128"),
        expressions=faces.expressions,
    )


def read_scores(folder: Path, cache: Path, workers: int = 2) -> Faces128Scores:
    """Read the publisher's layout, find the meshes (cached in ``cache``) and crop the canonical views.

    Raises:
        SourceError: a file is missing or does not fit the others.
        FaceModelError: the mesh network is not on this machine.
    """
    labels = read_table(folder / "labels.csv", ("image", "identity", "expression"))
    names = sorted({"presence"}.union(*UNIT_BLENDSHAPES.values()))
    shapes = read_table(folder / "blendshapes.csv", ("image", *names))
    if labels["image"] != shapes["image"]:
        raise SourceError(f"{folder}: labels.csv and blendshapes.csv list different images: unpack the data again")
    values = {name: read_numbers(folder, name, shapes[name]) for name in names}
    images = np.stack([read_image(folder / "images" / name) for name in labels["image"]])
    points, presence = meshes_of(images, cache, workers)
    kept = np.flatnonzero((presence >= MIN_PRESENCE) & (values["presence"] >= MIN_PRESENCE))
    return Faces128Scores(
        crops=np.stack([align_face(images[row], points[row] * SIDE_PX)[0] for row in kept]),
        scores=unit_scores(values, lip_distance(points))[kept],
        people=np.array(labels["identity"])[kept],
        expressions=np.array(labels["expression"])[kept],
        left_out=len(images) - len(kept),
    )


def unit_scores(blendshapes: Mapping[str, Float32], lips: Float32) -> Float32:
    """Scores (N, 18) of the units from named blendshape scores (N,) and `lip_distance` (N,)."""
    scores = {unit: np.mean([blendshapes[name] for name in names], axis=0) for unit, names in UNIT_BLENDSHAPES.items()}
    scores[25] = lips
    return np.stack([scores[unit] for unit in OPEN_UNITS], axis=1, dtype=np.float32)


def lip_distance(points: Float32) -> Float32:
    """Distance (N,) of the inner lips over that of the outer eye corners, of meshes (N, 468, 2); 1 at most."""
    lips, eyes = (np.linalg.norm(points[:, first] - points[:, last], axis=1) for first, last in (_LIPS, _EYES))
    return np.asarray(np.minimum(lips / np.maximum(eyes, 1e-6), 1.0), np.float32)


def soft_targets(scores: Float32, thresholds: Float32) -> Float32:
    """Targets (N, K) 0-1: one half at the threshold, rising with the logit of the score."""
    distance = _logit(scores) - _logit(thresholds)
    return np.asarray(1.0 / (1.0 + np.exp(-_TARGET_SLOPE * distance)), np.float32)


def _logit(p: Float32) -> Float32:
    clipped = np.clip(p, _SCORE_STEP, 1 - _SCORE_STEP)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def read_table(path: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Named columns of a table as text.

    Raises:
        SourceError: the file is missing, lacks a column or has no rows.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to the unpacked faces128 folder") from None
    absent = [name for name in columns if not rows or name not in rows[0]]
    if absent:
        raise SourceError(f"{path} has no column {absent[0]!r} or no rows: unpack the data again")
    return {name: [row[name] for row in rows] for name in columns}


def read_numbers(folder: Path, name: str, texts: list[str]) -> Float32:
    """A column (N,) of blendshapes.csv as numbers.

    Raises:
        SourceError: a text is not a number.
    """
    try:
        return np.array(texts, np.float32)
    except ValueError as error:
        raise SourceError(
            f"{folder / 'blendshapes.csv'}: column {name!r} has a value that is not a number ({error})"
        ) from None


def read_image(path: Path) -> UInt8:
    """A grey image (128, 128).

    Raises:
        SourceError: it is missing, cannot be read, or has another size.
    """
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE_PX, SIDE_PX):
        raise SourceError(f"{path} is missing or not a {SIDE_PX}x{SIDE_PX} image: unpack the data again")
    return np.asarray(image, np.uint8)
