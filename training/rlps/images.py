"""The images that RLPS chooses from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64, UInt8
from training.data.fer2013 import FER2013_LABELS, FerFaces

Mask = npt.NDArray[np.bool_]

#: Index into facs.EXPRESSIONS of each FER2013 label.
FER_LABELS = np.array([EXPRESSIONS.index(name) for name in FER2013_LABELS])


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images with targets."""

    rows: Int64  # (N,) row in the published order of the data set
    crops: UInt8  # (N, S, S) grey
    targets: Float32  # (N, C) vote shares, or one-hot labels
    names: tuple[str, ...]  # (C,) of the classes

    def at(self, places: npt.NDArray[np.integer] | Mask) -> ImageSet:
        """The images at these positions, in that order, or under this mask."""
        return ImageSet(self.rows[places], self.crops[places], self.targets[places], self.names)

    def digest(self) -> str:
        """SHA-256 of rows, images and targets, which identifies the data of a run."""
        found = hashlib.sha256()
        for part in (self.rows, self.crops, self.targets):
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()


def image_set(faces: FerFaces, targets: str) -> ImageSet:
    """Images with FERPlus vote shares ("votes") or one-hot FER2013 labels ("labels")."""
    if targets == "votes":
        return ImageSet(faces.rows, faces.crops, faces.vote_shares, EXPRESSIONS)
    classes = len(FER_LABELS)  # contempt, the eighth and last expression, has no FER2013 label
    hot = np.eye(classes, dtype=np.float32)[FER_LABELS[faces.labels]]
    return ImageSet(faces.rows, faces.crops, hot, EXPRESSIONS[:classes])


def subset(faces: ImageSet, count: int, seed: int) -> ImageSet:
    """``count`` random images with the class shares of ``faces``; all of them for 0."""
    if count == 0 or count >= len(faces.rows):
        return faces
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(faces.rows))
    by_class = shuffled[np.argsort(faces.targets.argmax(1)[shuffled], kind="stable")]
    every = (np.arange(count) * len(by_class)) // count  # evenly spaced over classes
    return faces.at(np.sort(by_class[every]))
