"""Furrows and bulges of each unit, which the model's shapes are too smooth to show.

Each runs through mesh points, is dark with lighter flanks, and is a furrow or a ridge of the surface, so that the light
of the photograph shades it. Positions follow Ekman, Friesen and Hager, "FACS", 2002 (furrows, wrinkles, bulges and
pouches listed for each unit). Course, width and strength vary between people and are drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import Float32, Int64
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel, Part

#: Two mesh points and a share of the way from the first to the second.
Stop = tuple[int, int, float]
Line = tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """One furrow or bulge; where both sides of a face have it, both lines."""

    lines: tuple[Line, ...]
    dark: float  # share of the greatest darkness
    depth_cm: float  # negative: a bulge
    width_cm: float = 0.22


def _at(*points: int) -> Line:
    return tuple((point, point, 0.0) for point in points)


_NASOLABIAL: Final = (_at(129, 203, 206), _at(358, 423, 426))
#: Of the skin above and below the red of the lips.
_UPPER_BULGE: Final = ((165, 92, 0.3), (167, 167, 0.0), (164, 164, 0.0), (393, 393, 0.0), (391, 322, 0.3))
_LOWER_BULGE: Final = ((182, 194, 0.5), (83, 201, 0.4), (18, 200, 0.4), (313, 421, 0.4), (406, 418, 0.5))
#: Unit to its folds.
UNIT_FOLDS: Final[Mapping[int, tuple[Fold, ...]]] = {
    1: (
        Fold((_at(108, 151, 337),), 0.8, 0.025),
        Fold((((108, 109, 0.5), (151, 10, 0.5), (337, 338, 0.5)),), 0.7, 0.025),
    ),
    2: (
        Fold((_at(104, 69), _at(333, 299)), 0.8, 0.025),
        Fold((((104, 103, 0.5), (69, 67, 0.5)), ((333, 332, 0.5), (299, 297, 0.5))), 0.6, 0.02),
    ),
    4: (Fold((((107, 9, 0.5), (55, 8, 0.5)), ((336, 9, 0.5), (285, 8, 0.5))), 0.9, 0.04),),
    6: (
        Fold((((130, 156, 0.25), (130, 156, 0.7)), ((359, 383, 0.25), (359, 383, 0.7))), 0.6, 0.02, 0.16),
        Fold((((130, 143, 0.5), (143, 34, 0.6)), ((359, 372, 0.5), (372, 264, 0.6))), 0.8, 0.025, 0.16),
        Fold((((130, 116, 0.25), (130, 116, 0.65)), ((359, 345, 0.25), (359, 345, 0.65))), 0.7, 0.025, 0.16),
        Fold((_at(129, 203), _at(358, 423)), 0.15, 0.03, 0.3),
    ),
    7: (
        Fold((_at(110, 24, 23, 22), _at(339, 254, 253, 252)), 0.0, -0.05, 0.2),
        Fold((_at(228, 229, 230, 231), _at(448, 449, 450, 451)), 0.35, 0.03, 0.22),
    ),
    9: (
        Fold((_at(193, 168, 417),), 0.7, 0.025, 0.2),
        Fold((_at(122, 6, 351),), 0.7, 0.025, 0.2),
        Fold((((129, 142, 0.3), (129, 203, 0.5)), ((358, 371, 0.3), (358, 423, 0.5))), 0.4, 0.03, 0.28),
    ),
    10: (Fold(_NASOLABIAL, 0.6, 0.05, 0.28),),
    12: (Fold((_at(129, 203, 206, 216), _at(358, 423, 426, 436)), 0.6, 0.06, 0.28),),
    14: (Fold((((57, 216, 0.35), (57, 212, 0.4)), ((287, 436, 0.35), (287, 432, 0.4))), 0.8, 0.08, 0.22),),
    15: (
        Fold(
            (
                ((61, 57, 0.6), (57, 202, 0.5), (202, 210, 0.3)),
                ((291, 287, 0.6), (287, 422, 0.5), (422, 430, 0.3)),
            ),
            0.5,
            0.05,
        ),
        Fold((((43, 106, 0.5), (106, 204, 0.6)), ((273, 335, 0.5), (335, 424, 0.6))), 0.0, -0.06, 0.3),
    ),
    17: (
        Fold((_at(208, 199, 428),), 0.0, -0.1, 0.55),
        Fold((_at(201, 200, 421),), 0.4, 0.05, 0.28),
        Fold((((199, 175, 0.3),) * 2, ((208, 199, 0.5),) * 2, ((428, 199, 0.5),) * 2), 0.25, 0.01, 0.16),
        Fold((((199, 200, 0.4),) * 2, ((208, 171, 0.5),) * 2, ((428, 396, 0.5),) * 2), 0.25, 0.01, 0.16),
    ),
    23: (Fold((_UPPER_BULGE,), 0.0, -0.05, 0.22), Fold((_LOWER_BULGE,), 0.0, -0.05, 0.22)),
    24: (Fold((_UPPER_BULGE,), 0.0, -0.06, 0.25), Fold((_LOWER_BULGE,), 0.0, -0.06, 0.25)),
}
_FLANK: Final = (0.4, 2.2)  # height and width of the flanks of a furrow, against the furrow's
#: Vertices within so many of the largest widths of a line, and its shift, belong to it.
_REACH: Final = 3.2
#: Randomness: shift (cm; standard deviation and largest) of each end of a line, factors of width and strength, and
#: the share of folds that a face does not show. Bulges are flesh, which everyone has.
_SHIFT_CM: Final = (0.1, 0.2)
_WIDER: Final = (0.75, 1.3)
_STRONGER: Final = (0.6, 1.25)
_ABSENT: Final = 0.2
#: Over this distance (cm) from the middle of the face, the left side's intensity turns into the right side's.
_MIDDLE_CM: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """One line on the model."""

    near: Int64  # (N,) vertices
    places: Float32  # (N, 3) of them
    stops: Float32  # (S, 3)


class Skin:
    """The folds on one face model."""

    def __init__(self, model: FaceModel, binding: Binding) -> None:
        points = binding.points(model.neutral)
        skin = np.unique(model.triangles[model.parts == Part.SKIN]).astype(np.int64)
        self._leftness = np.clip(0.5 + model.neutral[:, 0] / (2 * _MIDDLE_CM), 0, 1)
        self._courses = {
            unit: [[_course(model.neutral, skin, points, line, fold.width_cm) for line in fold.lines] for fold in folds]
            for unit, folds in UNIT_FOLDS.items()
        }

    def folded(self, left: Mapping[int, float], right: Mapping[int, float], seed: int = 0) -> tuple[Float32, Float32]:
        """Darkness (V,), about 1 on a full furrow, and height (V,) in cm for units with an intensity on each side.

        The seed gives the person's skin; 0 is its mean.
        """
        dark, height = np.zeros((2, len(self._leftness)), np.float32)
        random = np.random.default_rng(seed) if seed else None
        for unit, folds in UNIT_FOLDS.items():
            strengths = right.get(unit, 0.0), left.get(unit, 0.0)
            for fold, courses in zip(folds, self._courses[unit], strict=True):
                # Drawn for every fold, so that a face's folds do not depend on the units that it shows.
                wider, stronger, shifts = _variation(random, fold, len(courses))
                if not max(strengths) or not stronger:
                    continue
                total = np.zeros_like(dark)
                for course, shift in zip(courses, shifts, strict=True):
                    pattern = _pattern(course, fold, fold.width_cm * wider, shift)
                    total[course.near] = np.where(
                        np.abs(pattern) > np.abs(total[course.near]), pattern, total[course.near]
                    )
                total *= stronger * (strengths[0] + (strengths[1] - strengths[0]) * self._leftness)
                dark += fold.dark * total
                height -= fold.depth_cm * total
        return dark, height


def _variation(random: np.random.Generator | None, fold: Fold, lines: int) -> tuple[float, float, Float32]:
    """Factors of width and strength, and shifts (lines, 2, 2) of both ends of each line in x and y."""
    if random is None:
        return 1.0, 1.0, np.zeros((lines, 2, 2), np.float32)
    std, most = _SHIFT_CM
    wider, stronger = random.uniform(*_WIDER), random.uniform(*_STRONGER)
    shifts = np.clip(random.normal(0, std, (lines, 2, 2)), -most, most).astype(np.float32)
    absent = random.random() < _ABSENT and fold.depth_cm > 0
    return wider, 0.0 if absent else stronger, shifts


def _course(vertices: Float32, skin: Int64, points: Float32, line: Line, width_cm: float) -> _Course:
    stops = np.array([points[a] + (points[b] - points[a]) * share for a, b, share in line], np.float32)
    reach = _REACH * width_cm * _WIDER[1] * _FLANK[1] + _SHIFT_CM[1]
    near = skin[_distance(vertices[skin], stops) < reach]
    return _Course(near, vertices[near], stops)


def _pattern(course: _Course, fold: Fold, width_cm: float, shift: Float32) -> Float32:
    """Strength (N,) of a line at its vertices: 1 on it; beside a furrow it is negative."""
    stops = course.stops.copy()
    stops[:, :2] += np.linspace(shift[0], shift[1], len(stops))
    apart = _distance(course.places, stops) / width_cm
    line = np.exp(-np.square(apart) / 2)
    if fold.depth_cm < 0:
        return np.asarray(line, np.float32)
    height, width = _FLANK
    return np.asarray(line - height * np.exp(-np.square(apart / width) / 2) * (1 - line), np.float32)


def _distance(vertices: Float32, stops: Float32) -> Float32:
    """Distance (N,) of vertices (N, 3) from a line through points (S, 3)."""
    nearest = np.full(len(vertices), np.inf, np.float32)
    for start, end in zip(stops, stops[1:], strict=False):
        along = end - start
        share = np.clip((vertices - start) @ along / max(float(along @ along), 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(vertices - start - share[:, None] * along, axis=1))
    return np.asarray(nearest, np.float32)
