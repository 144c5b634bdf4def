"""News photographs of faces128 in the canonical view, split into people that are measured and people to train on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import align_face
from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64, UInt8
from training.data.meshes import MIN_PRESENCE, meshes_of

#: Faces measured, drawn by the seed.
MEASURED: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class NewsFaces:
    """Faces with a reliable mesh."""

    crops: UInt8  # (N, 96, 96) grey
    landmarks: Float32  # (N, 468, 2) 0-1
    people: npt.NDArray[np.str_]  # (N,)
    labels: Int64  # (N,) of volunteers, index into EXPRESSIONS, -1 = none


def measured_news(folder: Path, cache: Path, seed: int = 0) -> NewsFaces:
    """The faces on which models are measured.

    Raises:
        FileNotFoundError: labels.csv or an image is missing.
    """
    return _read(folder, cache, seed, measured=True)


def other_news(folder: Path, cache: Path, seed: int = 0) -> NewsFaces:
    """All faces of people without a measured face, for training.

    Raises:
        FileNotFoundError: labels.csv or an image is missing, or every person is measured.
    """
    return _read(folder, cache, seed, measured=False)


def _read(folder: Path, cache: Path, seed: int, *, measured: bool) -> NewsFaces:
    path = folder / "labels.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: point to the unpacked faces128 folder")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    images = np.stack([_read_grey(folder / "images" / row["image"]) for row in rows])
    people = np.array([row["identity"] for row in rows])
    points, presence = meshes_of(images, cache)
    sure = np.flatnonzero(presence >= MIN_PRESENCE)
    chosen = np.random.default_rng(seed).permutation(sure)[:MEASURED]
    if not measured:
        chosen = sure[~np.isin(people[sure], people[chosen])]
        if not len(chosen):
            raise FileNotFoundError(f"{folder} has no person without a measured face: unpack the whole set")
    aligned = [align_face(images[row], points[row] * images.shape[1])[:2] for row in chosen]
    names = [rows[row]["expression"] for row in chosen]
    return NewsFaces(
        crops=np.stack([crop for crop, _ in aligned]),
        landmarks=np.stack([landmarks for _, landmarks in aligned]),
        people=people[chosen],
        labels=np.array([EXPRESSIONS.index(name) if name in EXPRESSIONS else -1 for name in names]),
    )


def _read_grey(path: Path) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{path} is missing or cannot be decoded: unpack the data again")
    return np.asarray(image, np.uint8)
