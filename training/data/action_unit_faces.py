"""Faces with action-unit labels from any source, and how people are held out.

No person is in two folds. A set with published folds keeps them; otherwise a hash of the person's name decides, so that
a rendered image and its photograph are always in the same fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Int64, UInt8

FOLDS: Final = (1, 2, 3)
#: Instead of a fold: faces of people without names, for training only.
NO_FOLD: Final = -1
#: Source of faces whose labels are probabilities, from expressions that people named; they are in no fold.
WEAK: Final = "ferplus"
#: Share of the people of the training folds used to choose thresholds and temperature, not for training.
VALIDATION_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class UnitFaces:
    """N faces with labels for K units."""

    units: tuple[int, ...]  # FACS numbers, the order of axis K
    crops: UInt8  # (N, 96, 96) canonical view
    occurs: npt.NDArray[np.bool_]  # (N, K)
    known: npt.NDArray[np.bool_]  # (N, K) False where the source has no label: neither trained on nor measured
    targets: Float32  # (N, K) 0-1 what the features learn: occurrence, soft where the source has intensities
    people: npt.NDArray[np.str_]  # (N,)
    folds: Int64  # (N,) each in FOLDS, or NO_FOLD
    sources: npt.NDArray[np.str_]  # (N,) name of the data set
    intensities: Float32 | None = None  # (N, K) 0-5, NaN where not labelled; None: nowhere
    weak: npt.NDArray[np.bool_] | None = None  # (N, K) labels that are probabilities; None: nowhere
    expressions: npt.NDArray[np.str_] | None = None  # (N,) that people named, "" where unknown; None: everywhere

    def where(self, chosen: npt.NDArray[np.bool_] | Int64) -> UnitFaces:
        """The faces under a mask (N,) or at row numbers (n,)."""
        return UnitFaces(
            self.units,
            self.crops[chosen],
            self.occurs[chosen],
            self.known[chosen],
            self.targets[chosen],
            self.people[chosen],
            self.folds[chosen],
            self.sources[chosen],
            None if self.intensities is None else self.intensities[chosen],
            None if self.weak is None else self.weak[chosen],
            None if self.expressions is None else self.expressions[chosen],
        )

    def graded(self) -> Float32:
        """Intensities (N, K) 0-5, NaN where not labelled."""
        if self.intensities is None:
            return np.full(self.occurs.shape, np.nan, np.float32)
        return self.intensities

    def probable(self) -> npt.NDArray[np.bool_]:
        """Labels (N, K) that are probabilities."""
        return np.zeros(self.occurs.shape, bool) if self.weak is None else self.weak

    def named(self) -> npt.NDArray[np.str_]:
        """Expressions (N,) that people named, "" where unknown."""
        return np.full(len(self.people), "") if self.expressions is None else self.expressions


@dataclass(frozen=True, slots=True, eq=False)
class UnitSplit:
    """Training, validation and test faces, of different people."""

    training: UnitFaces
    validation: UnitFaces
    test: UnitFaces


def joined(parts: Sequence[UnitFaces]) -> UnitFaces:
    """All faces of several sources, in order.

    Raises:
        ValueError: there are no parts, or they do not label the same units.
    """
    if not parts:
        raise ValueError("no faces to join: give at least one data set")
    if len({part.units for part in parts}) > 1:
        raise ValueError(f"the sources label different units, {[part.units for part in parts]}: train on one at a time")
    return UnitFaces(
        parts[0].units,
        np.concatenate([part.crops for part in parts]),
        np.concatenate([part.occurs for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.people for part in parts]),
        np.concatenate([part.folds for part in parts]),
        np.concatenate([part.sources for part in parts]),
        np.concatenate([part.graded() for part in parts]),
        np.concatenate([part.probable() for part in parts]),
        np.concatenate([part.named() for part in parts]),
    )


def fold_of(person: str) -> int:
    """Fold of a person, from a hash of the name."""
    return FOLDS[int(_shares(person)[0] * len(FOLDS))]


def is_validation(person: str) -> bool:
    """Whether a person of the training folds belongs to validation."""
    return _shares(person)[1] < VALIDATION_SHARE


def split_people(faces: UnitFaces, test_fold: int) -> UnitSplit:
    """One fold for test, the people of `is_validation` among the others for validation, the rest for training.

    Raises:
        ValueError: the fold does not exist, or one of the three parts is empty.
    """
    if test_fold not in FOLDS:
        raise ValueError(f"the test fold is 1, 2 or 3, not {test_fold}")
    test = faces.folds == test_fold
    validation = ~test & np.array([is_validation(str(person)) for person in faces.people], bool)
    validation &= faces.folds != NO_FOLD
    split = UnitSplit(faces.where(~test & ~validation), faces.where(validation), faces.where(test))
    for name, part in (("training", split.training), ("validation", split.validation), ("test", split.test)):
        if not len(part.people):
            raise ValueError(f"no person is left for {name} with test fold {test_fold}: the data set is too small")
    return split


def _shares(person: str) -> tuple[float, float]:
    """Two independent numbers, uniform over 0-1, from a hash of the name."""
    digest = hashlib.sha256(person.encode()).digest()
    first, second = (int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in (0, 8))
    return min(first, 1 - 2**-53), second
