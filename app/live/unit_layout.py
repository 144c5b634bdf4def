"""Where the units stand in the picture of their graph, which of its links are drawn, and who is beside whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.types import Float32, Float64, Int64

#: Learned links (adjacency) below this are left out of the picture.
LEAST_LINK: Final = 0.05
#: FACS number to its place, x y in 0-1 from the upper left corner: brows on top, chin at the bottom, as on a face. Of
#: a unit that both sides of the face have there is one, on either side. Chosen so that two stand
#: 0.26 apart across or 0.18 down, and no link of the shipped model runs through a third unit.
_PLACES: Final[dict[int, tuple[float, float]]] = {
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
#: Units without a place of their own stand in rows of so many below the others.
_ROW: Final = 4


def unit_places(codes: Sequence[int]) -> Float64:
    """Places (K, 2) of units given by their FACS numbers; x y in 0-1."""
    places = np.zeros((len(codes), 2))
    strangers = [index for index, code in enumerate(codes) if code not in _PLACES]
    for index, code in enumerate(codes):
        places[index] = _PLACES.get(code, (0.0, 0.0))
    for turn, index in enumerate(strangers):
        places[index] = (0.08 + 0.28 * (turn % _ROW), 1.19 + 0.19 * (turn // _ROW))
    places[:, 1] /= max(places[:, 1].max(initial=1.0), 1.0)
    return places


def row_count(codes: Sequence[int]) -> int:
    """Rows that the units of `unit_places` stand in."""
    strangers = sum(code not in _PLACES for code in codes)
    return 6 - (-strangers // _ROW)


def links_of(adjacency: Float32) -> Int64:
    """Pairs (L, 2) of different units whose learned link (K, K, symmetric) is `LEAST_LINK` or more; first < second."""
    return np.argwhere(np.triu(adjacency, 1) >= LEAST_LINK).astype(np.int64)


def neighbour(places: Float64, at: int, dx: int, dy: int) -> int:
    """The place to go to from ``at`` in a direction (one of dx, dy is 0); ``at`` itself where there is none.

    The nearest counts, and what lies off the direction counts double.
    """
    offset = places - places[at]
    along = offset @ (dx, dy)
    aside = np.abs(offset @ (dy, dx))
    cost = np.where(along > 1e-6, along + 2.0 * aside, np.inf)
    best = int(cost.argmin())
    return best if np.isfinite(cost[best]) else at
