"""Layout of the action-unit graph: positions, visible links, and neighbours for the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.types import Float32, Float64, Int64

#: Learned links (adjacency) below this are not drawn.
MIN_LINK: Final = 0.05
#: Position of each FACS number, x y in 0-1 from the top left corner: brows at the top, chin at the bottom. Chosen so
#: that units are 0.26 apart horizontally or 0.18 vertically, and no link of the shipped model passes through a third
#: unit.
_POSITIONS: Final[dict[int, tuple[float, float]]] = {
    1: (0.18, 0.02),
    2: (0.82, 0.02),
    4: (0.50, 0.02),
    5: (0.34, 0.21),
    6: (0.10, 0.40),
    7: (0.02, 0.21),
    9: (0.52, 0.40),
    10: (0.55, 0.60),
    12: (0.08, 0.61),
    14: (0.95, 0.40),
    15: (0.95, 0.80),
    17: (0.40, 1.00),
    20: (0.88, 0.60),
    23: (0.18, 0.81),
    24: (0.08, 1.00),
    25: (0.49, 0.80),
    26: (0.68, 1.00),
    43: (0.66, 0.21),
}
#: Units without a fixed position are in rows of this length below the others.
_ROW: Final = 4


def unit_positions(codes: Sequence[int]) -> Float64:
    """Positions (K, 2) of units given by their FACS numbers; x y in 0-1."""
    positions = np.zeros((len(codes), 2))
    others = [index for index, code in enumerate(codes) if code not in _POSITIONS]
    for index, code in enumerate(codes):
        positions[index] = _POSITIONS.get(code, (0.0, 0.0))
    for turn, index in enumerate(others):
        positions[index] = (0.08 + 0.28 * (turn % _ROW), 1.19 + 0.19 * (turn // _ROW))
    positions[:, 1] /= max(positions[:, 1].max(initial=1.0), 1.0)
    return positions


def row_count(codes: Sequence[int]) -> int:
    """Number of rows in the layout of `unit_positions`."""
    others = sum(code not in _POSITIONS for code in codes)
    return 6 - (-others // _ROW)


def links_of(adjacency: Float32) -> Int64:
    """Pairs (L, 2) of units, first < second, whose link in ``adjacency`` (K, K, symmetric) is at least `MIN_LINK`."""
    return np.argwhere(np.triu(adjacency, 1) >= MIN_LINK).astype(np.int64)


def neighbour(positions: Float64, at: int, dx: int, dy: int) -> int:
    """Index of the nearest position in a direction (one of dx, dy is 0); ``at`` if there is none.

    Distances perpendicular to the direction count twice.
    """
    offset = positions - positions[at]
    along = offset @ (dx, dy)
    aside = np.abs(offset @ (dy, dx))
    cost = np.where(along > 1e-6, along + 2.0 * aside, np.inf)
    best = int(cost.argmin())
    return best if np.isfinite(cost[best]) else at
