"""Where each action unit acts on a frontal face: regions for drawing, not landmarks of a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """An ellipse on a face drawn in a square of side 1, x from its left, y from its top."""

    x: float
    y: float
    across: float  # half axes
    down: float
    both_sides: bool  # whether the other half of the face has the same


#: By FACS number. Sources: the muscles and the descriptions of the FACS manual (Ekman, Friesen and Hager, 2002).
_REGIONS: Final[dict[int, FaceRegion]] = {
    1: FaceRegion(0.42, 0.29, 0.06, 0.05, True),
    2: FaceRegion(0.28, 0.30, 0.07, 0.05, True),
    4: FaceRegion(0.50, 0.36, 0.09, 0.045, False),
    5: FaceRegion(0.34, 0.40, 0.08, 0.03, True),
    6: FaceRegion(0.26, 0.53, 0.09, 0.06, True),
    7: FaceRegion(0.34, 0.47, 0.08, 0.03, True),
    9: FaceRegion(0.50, 0.50, 0.06, 0.06, False),
    10: FaceRegion(0.50, 0.66, 0.10, 0.03, False),
    11: FaceRegion(0.40, 0.62, 0.04, 0.06, True),
    12: FaceRegion(0.34, 0.70, 0.06, 0.05, True),
    14: FaceRegion(0.30, 0.75, 0.04, 0.04, True),
    15: FaceRegion(0.36, 0.82, 0.05, 0.045, True),
    16: FaceRegion(0.50, 0.83, 0.09, 0.03, False),
    17: FaceRegion(0.50, 0.92, 0.09, 0.05, False),
    18: FaceRegion(0.50, 0.75, 0.07, 0.05, False),
    20: FaceRegion(0.26, 0.79, 0.05, 0.045, True),
    22: FaceRegion(0.50, 0.75, 0.09, 0.05, False),
    23: FaceRegion(0.50, 0.73, 0.12, 0.025, False),
    24: FaceRegion(0.50, 0.76, 0.12, 0.025, False),
    25: FaceRegion(0.50, 0.75, 0.09, 0.035, False),
    26: FaceRegion(0.50, 0.86, 0.12, 0.05, False),
    27: FaceRegion(0.50, 0.85, 0.14, 0.07, False),
    28: FaceRegion(0.50, 0.75, 0.10, 0.03, False),
    43: FaceRegion(0.34, 0.43, 0.085, 0.04, True),
    45: FaceRegion(0.34, 0.43, 0.085, 0.04, True),
}


def region_of(number: int) -> FaceRegion | None:
    """The region of a unit by its FACS number; None if none is known."""
    return _REGIONS.get(number)
