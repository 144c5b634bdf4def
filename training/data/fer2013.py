"""FER2013 with FERPlus votes, read in the publishers' layout.

``fer2013.csv`` (emotion,pixels,Usage; 35,887 rows) and ``fer2013new.csv`` (FERPlus votes of ten people, same rows).
Goodfellow et al., "Challenges in Representation Learning", 2013; Barsoum et al., "Training Deep Networks for Facial
Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016 (arXiv 1608.01041).

Dropped here: 167 rows without an image, and Training images that also occur, pixel for pixel, in PublicTest or
PrivateTest.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.alignment import align_face, view
from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64, UInt8
from training.data.labelled import LabelledFaces
from training.data.meshes import MIN_PRESENCE, mean_mesh, meshes_of

SPLITS: Final = ("Training", "PublicTest", "PrivateTest")
VOTE_COLUMNS: Final = (*EXPRESSIONS, "unknown", "NF")
#: Meaning of FER2013's own labels 0-6, as in EXPRESSIONS.
FER2013_LABELS: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
#: Grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of the crops.
MEAN, STD = 0.5, 0.25
_SIDE: Final = 48


@dataclass(frozen=True, slots=True, eq=False)
class FerTable:
    """The two files as arrays, rows in the published order."""

    images: UInt8  # (N, 48, 48)
    labels: Int64  # (N,) FER2013 label 0-6: angry disgust fear happy sad surprise neutral
    votes: Int64  # (N, 10) FERPlus votes, order of VOTE_COLUMNS
    split: Int64  # (N,) index into SPLITS
    has_image: npt.NDArray[np.bool_]  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class FerFaces:
    """Faces of one split in the canonical view."""

    rows: Int64  # (N,) row in the published order
    crops: UInt8  # (N, S, S) grey
    landmarks: Float32  # (N, 468, 2) 0-1 of the crop
    vote_shares: Float32  # (N, 8) of the emotion votes
    votes: Int64  # (N, 10) raw
    labels: Int64  # (N,) FER2013
    presence: Float32  # (N,) of the mesh network; below MIN_PRESENCE a mean mesh is used
    in_other_split: npt.NDArray[np.bool_]  # (N,) the same pixels occur in another split

    def labelled(self) -> LabelledFaces:
        """The same faces as `LabelledFaces`: targets are the vote shares, labels the FERPlus majority."""
        return LabelledFaces(
            crops=self.crops,
            landmarks=self.landmarks,
            targets=self.vote_shares,
            labels=majority_labels(self.votes),
            presence=self.presence,
            names=np.array([f"fer2013.csv:{row}" for row in self.rows]),
        )


def read_table(folder: Path) -> FerTable:
    """Read both files.

    Raises:
        FileNotFoundError: one of them is missing.
        ValueError: their rows do not match.
    """
    with (folder / "fer2013.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    with (folder / "fer2013new.csv").open(newline="") as handle:
        vote_rows = list(csv.DictReader(handle))
    if len(rows) != len(vote_rows):
        raise ValueError(
            f"{folder}: fer2013.csv has {len(rows)} rows, fer2013new.csv {len(vote_rows)}; use one release of both"
        )
    images = np.stack([np.array(row["pixels"].split(), np.uint8).reshape(_SIDE, _SIDE) for row in rows])
    if [row["Usage"] for row in rows] != [row["Usage"] for row in vote_rows]:
        raise ValueError(f"{folder}: the Usage columns differ between fer2013.csv and fer2013new.csv")
    return FerTable(
        images=images,
        labels=np.array([int(row["emotion"]) for row in rows]),
        votes=np.array([[int(row[name]) for name in VOTE_COLUMNS] for row in vote_rows]),
        split=np.array([SPLITS.index(row["Usage"]) for row in rows]),
        has_image=(images != 0).any(axis=(1, 2)),
    )


def majority_labels(votes: Int64) -> Int64:
    """FERPlus labels in "majority" mode for votes (N, 10): class 0-7, or -1 where the image is left out.

    Single votes are dropped first; the top class needs more than half of the rest and must be an emotion
    (github.com/microsoft/FERPlus, src/ferplus.py).
    """
    kept = np.where(votes == 1, 0, votes)
    top = kept.argmax(1)
    clear = kept.max(1) > 0.5 * kept.sum(1)
    return np.where(clear & (top < len(EXPRESSIONS)), top, -1)


def vote_shares(votes: Int64) -> Float32:
    """Shares (N, 8) of the emotion votes in votes (N, 10); rows without an emotion vote are 0."""
    emotions = votes[:, : len(EXPRESSIONS)].astype(np.float32)
    return np.asarray(emotions / np.maximum(emotions.sum(1, keepdims=True), 1), np.float32)


def leaked(images: UInt8, split: Int64) -> npt.NDArray[np.bool_]:
    """True (N,) where the same pixels occur in another split."""
    where: dict[bytes, set[int]] = {}
    for image, part in zip(images, split, strict=True):
        where.setdefault(image.tobytes(), set()).add(int(part))
    return np.array([len(where[image.tobytes()]) > 1 for image in images])


def read_faces(folder: Path, split: str, cache: Path, side_px: int = _SIDE, *, without_votes: bool = False) -> FerFaces:
    """Faces of a split that have an image and at least one emotion vote, cropped as the engine crops live faces.

    Training comes without the images that also occur in a test split; test splits are whole. ``without_votes`` also
    keeps images without an emotion vote, which have FER2013's own label.
    """
    table = read_table(folder)
    points, presence = meshes_of(table.images, cache)
    same = leaked(table.images, table.split) & table.has_image
    part = SPLITS.index(split)
    emotional = table.votes[:, : len(EXPRESSIONS)].sum(1) > 0
    chosen = (table.split == part) & table.has_image & (emotional | without_votes)
    if split == "Training":
        chosen &= ~same
    rows = np.flatnonzero(chosen)
    crops = np.empty((len(rows), side_px, side_px), np.uint8)
    landmarks = np.empty((len(rows), points.shape[1], 2), np.float32)
    stand_in = mean_mesh(points[presence > MIN_PRESENCE])
    for place, row in enumerate(rows):
        mesh = points[row] if presence[row] >= MIN_PRESENCE else stand_in
        crop, landmarks[place], _ = align_face(table.images[row], mesh * _SIDE)
        crops[place] = view(crop, side_px)
    return FerFaces(
        rows=rows,
        crops=crops,
        landmarks=landmarks,
        vote_shares=vote_shares(table.votes[rows]),
        votes=table.votes[rows],
        labels=table.labels[rows],
        presence=presence[rows],
        in_other_split=same[rows],
    )
