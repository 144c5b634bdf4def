"""Skin lines of each unit, which the model's shapes are too smooth to show.

Each line runs through mesh points (means of two where a pair is given) and is dark with lighter flanks. Positions
follow Ekman, Friesen and Hager, "FACS", 2002 (furrows listed for each unit); darkness varies between people and is
drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from engine.types import Float32
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel

Line = tuple[tuple[int, int], ...]

#: Unit to its lines; a pair of mesh points means their middle.
UNIT_LINES: Final[Mapping[int, tuple[Line, ...]]] = {
    1: (((108, 108), (151, 151), (337, 337)), ((108, 109), (151, 10), (337, 338))),
    2: (((104, 104), (69, 69)), ((333, 333), (299, 299))),
    4: (((107, 9), (55, 8)), ((336, 9), (285, 8))),
    6: (((33, 33), (143, 143)), ((263, 263), (372, 372)), ((130, 130), (116, 116)), ((359, 359), (345, 345))),
    9: (((193, 193), (168, 168), (417, 417)), ((122, 122), (6, 6), (351, 351))),
    10: (((129, 129), (203, 203), (206, 206)), ((358, 358), (423, 423), (426, 426))),
    12: (((129, 129), (203, 203), (206, 206), (216, 216)), ((358, 358), (423, 423), (426, 426), (436, 436))),
}
_WIDTH_CM: Final = 0.22
_FLANK: Final = (0.5, 2.2)  # height and width of the light flanks, against the dark line's


def line_patterns(model: FaceModel, binding: Binding) -> dict[int, Float32]:
    """For each unit of UNIT_LINES the darkening of each vertex (V,) by its lines: about 1 on a line.

    The pattern is negative beside a line, except where another line of the unit is too far away to have its own flanks.
    """
    points = binding.points(model.neutral)
    return {
        unit: np.asarray(np.max([_pattern(model.neutral, points, line) for line in lines], axis=0), np.float32)
        for unit, lines in UNIT_LINES.items()
    }


def _pattern(vertices: Float32, points: Float32, line: Line) -> Float32:
    stops = np.array([(points[a] + points[b]) / 2 for a, b in line], np.float32)
    apart = np.min([_distance(vertices, a, b) for a, b in zip(stops, stops[1:], strict=False)], axis=0)
    height, width = _FLANK
    dark = np.exp(-np.square(apart / _WIDTH_CM) / 2)
    return np.asarray(dark - height * np.exp(-np.square(apart / (_WIDTH_CM * width)) / 2) * (1 - dark), np.float32)


def _distance(vertices: Float32, start: Float32, end: Float32) -> Float32:
    """Distance (V,) of vertices (V, 3) from the segment between two points (3,)."""
    along = end - start
    share = np.clip((vertices - start) @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.asarray(np.linalg.norm(vertices - start - share[:, None] * along, axis=1), np.float32)
