"""Which face of this frame is which face of the frames before: pure functions on positions, sizes and landmarks.

Nothing here knows who a person is: no picture and no identity embedding is looked at, only where points lie, how large
the face is and where it was heading.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import FaceDetection, Float32, Float64

#: Mesh points that a moving mouth leaves in place: eye corners, nose bridge, nose base.
_STEADY_POINTS: Final = np.array([33, 133, 362, 263, 168, 2])
#: Two meshes are on one face when their steady points lie this near, in units of the face's size ...
_SAME_DISTANCE: Final = 0.3
#: ... and their sizes differ by less than this factor.
_SAME_SIZE_RATIO: Final = 1.6
#: A detection is on a mesh when its eyes, nose and mouth lie this near to the mesh's (the detector is coarser).
_DETECTED_DISTANCE: Final = 0.4
#: Mesh points that stand for the detector's first four, two each: right eye, left eye, nose tip, mouth.
_DETECTOR_PAIRS: Final = np.array([[33, 133], [362, 263], [1, 1], [13, 14]])
#: A face seen a moment ago may have moved this far from where it was expected, in units of its size ...
_REACH: Final = 0.6
#: ... plus this much per second since it was seen ...
_REACH_PER_S: Final = 1.5
#: ... and never further than this.
_MAX_REACH: Final = 1.5
#: Nor may its size differ by more than this factor.
_MAX_SIZE_RATIO: Final = 1.8
#: Faces are paired in two rounds, first those that fit closely, then the rest: so none hands its own place to a
#: neighbour to help a third one. In each round a known face that is left alone costs this much.
_UNPAIRED_COSTS: Final = (1.2, 2.5)


@dataclass(frozen=True, slots=True, eq=False)
class FaceShape:
    """Where a face is: what association compares."""

    box: Float32  # (4,) x0 y0 x1 y1 around the mesh, frame pixels
    points: Float32  # (6, 2) steady points, frame pixels
    size_px: float  # root of the box's area

    def moved(self, x_px: float, y_px: float) -> FaceShape:
        """The same shape elsewhere."""
        move = np.array([x_px, y_px], np.float32)
        return FaceShape(self.box + np.concatenate([move, move]), self.points + move, self.size_px)


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Where a known face should be now."""

    shape: FaceShape
    unseen_s: float  # seconds since it was last seen
    handicap: float = 0.0  # added to every cost: of two tracks that fit one face alike, the one without wins


def shape_of(mesh: Float32) -> FaceShape:
    """Shape of a mesh (468, 3)."""
    flat = np.ascontiguousarray(mesh[:, :2].T)  # (2, 468): extremes along the last axis are ten times as fast
    low, high = flat.min(1), flat.max(1)
    size = math.sqrt(max(float((high[0] - low[0]) * (high[1] - low[1])), 1e-6))
    return FaceShape(np.concatenate([low, high]), mesh[_STEADY_POINTS, :2], size)


def is_same_face(one: FaceShape, other: FaceShape) -> bool:
    """Whether two meshes of one frame lie on the same face."""
    if max(one.size_px, other.size_px) > _SAME_SIZE_RATIO * min(one.size_px, other.size_px):
        return False
    return _distance(one.points, other.points) < _SAME_DISTANCE * max(one.size_px, other.size_px)


def is_detected_at(detection: FaceDetection, mesh: Float32, size_px: float) -> bool:
    """Whether a detection and a mesh (468, 3) of one frame lie on the same face."""
    return detected_distance(detection, mesh, size_px) < _DETECTED_DISTANCE


def detected_distance(detection: FaceDetection, mesh: Float32, size_px: float) -> float:
    """Mean distance of eyes, nose and mouth of a detection from those of a mesh (468, 3), in sizes of the face."""
    points = mesh[_DETECTOR_PAIRS, :2].mean(axis=1)  # (4, 2)
    return _distance(detection.landmarks[:4], np.asarray(points, np.float32)) / size_px


def overlap(one: FaceShape, other: FaceShape) -> float:
    """Share of the smaller of two boxes that lies in the other."""
    low, high = np.maximum(one.box[:2], other.box[:2]), np.minimum(one.box[2:], other.box[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / min(one.size_px, other.size_px) ** 2


def distinct(shapes: Sequence[FaceShape], scores: Sequence[float]) -> list[int]:
    """Indices of the shapes that are left when, of several on one face, only the best score stays.

    The order follows score, then position, so it does not depend on the order of the input.
    """
    order = sorted(range(len(shapes)), key=lambda index: (-scores[index], *shapes[index].box.tolist()))
    kept: list[int] = []
    for index in order:
        if not any(is_same_face(shapes[index], shapes[other]) for other in kept):
            kept.append(index)
    return kept


def cost(expected: Expected, seen: FaceShape) -> float:
    """How badly a face that is seen fits a face that is expected; infinite when they cannot be the same.

    The sum of three parts without unit: the share of the boxes that is not common (1 - IoU), the distance of the steady
    points in units of the face's size, and the logarithm of the ratio of sizes.
    """
    shape = expected.shape
    growth = abs(math.log(seen.size_px / shape.size_px))
    distance = _distance(shape.points, seen.points) / max(shape.size_px, seen.size_px)
    reach = min(_REACH + _REACH_PER_S * expected.unseen_s, _MAX_REACH)
    if distance > reach or growth > math.log(_MAX_SIZE_RATIO):
        return math.inf
    return (1 - _iou(shape.box, seen.box)) + distance + growth + expected.handicap


def associate(expected: Sequence[Expected], seen: Sequence[FaceShape]) -> dict[int, int]:
    """The cheapest pairing of known faces and seen faces, close pairs first.

    Returns:
        Index into ``seen`` for each index of ``expected`` that has one.
    """
    costs = np.array([[cost(known, shape) for shape in seen] for known in expected], np.float64)
    costs = costs.reshape(len(expected), len(seen))
    pairs: dict[int, int] = {}
    for unpaired in _UNPAIRED_COSTS:
        pairs |= cheapest_pairs(costs, unpaired)
        if len(pairs) == min(costs.shape):
            break
        costs[list(pairs), :] = math.inf
        costs[:, list(pairs.values())] = math.inf
    return pairs


def cheapest_pairs(costs: Float64, unpaired: float) -> dict[int, int]:
    """The pairing (row -> column) of a cost matrix (n, m) with the least sum; a row left alone costs ``unpaired``.

    Infinite costs are never paired. Exact, by the Hungarian method with potentials (Kuhn 1955; the form with one
    shortest augmenting path per row, Jonker and Volgenant 1987): n * n * (n + m) steps at most. Of two pairings that
    cost the same, the one that pairs early rows wins.

    >>> cheapest_pairs(np.array([[1.0, 2.0], [1.0, 9.0]]), unpaired=10.0)
    {0: 1, 1: 0}
    >>> cheapest_pairs(np.array([[1.0, 2.0], [1.0, 9.0]]), unpaired=1.5)
    {0: 0}
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return {}
    alone = [unpaired + _TIE * (rows - row) for row in range(rows)]
    table = [[*line, *([price] * rows)] for line, price in zip(costs.tolist(), alone, strict=True)]
    pairs = _assigned(table)
    return {row: column for row, column in enumerate(pairs) if column < columns}


#: Makes leaving an early row alone dearer, and is far below any real difference of costs.
_TIE: Final = 1e-9


def _assigned(table: list[list[float]]) -> list[int]:
    """The column of each row in the cheapest assignment; every row can have the last columns, one per row."""
    width = len(table[0])
    row_price, column_price = [0.0] * len(table), [0.0] * (width + 1)
    owner = [_ALONE] * (width + 1)  # row of each column; the last one stands for the row that is being placed
    for first in range(len(table)):
        owner[width] = first
        column, came_from = _free_column(table, owner, row_price, column_price)
        while column != width:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    pairs = [0] * len(table)
    for column, row in enumerate(owner[:width]):
        if row != _ALONE:
            pairs[row] = column
    return pairs


#: Stands for the row of a column that has none.
_ALONE: Final = -1


def _free_column(
    table: list[list[float]], owner: list[int], row_price: list[float], column_price: list[float]
) -> tuple[int, list[int]]:
    """The column without a row at the end of the cheapest path from the row to be placed, and the path backwards.

    The prices are updated so that no pair costs less than the sum of its two.
    """
    width = len(table[0])
    column, least, came_from, open_columns = width, [math.inf] * width, [width] * width, list(range(width))
    done = [width]
    while True:
        row = owner[column]
        for other in open_columns:
            price = table[row][other] - row_price[row] - column_price[other]
            if price < least[other]:
                least[other], came_from[other] = price, column
        following = min(open_columns, key=least.__getitem__)
        step = least[following]
        for other in done:
            row_price[owner[other]] += step
            column_price[other] -= step
        for other in open_columns:
            least[other] -= step
        column = following
        if owner[column] == _ALONE:
            return column, came_from
        open_columns.remove(column)
        done.append(column)


def _distance(one: Float32, other: Float32) -> float:
    """Mean distance of points (n, 2) that belong together."""
    gaps = one - other
    return float(np.sqrt((gaps * gaps).sum(1)).mean())


def _iou(one: Float32, other: Float32) -> float:
    """Intersection over union of two boxes (4,)."""
    a0, b0, a1, b1 = one.tolist()
    c0, d0, c1, d1 = other.tolist()
    shared = max(0.0, min(a1, c1) - max(a0, c0)) * max(0.0, min(b1, d1) - max(b0, d0))
    union = (a1 - a0) * (b1 - b0) + (c1 - c0) * (d1 - d0) - shared
    return shared / union if union > 0 else 0.0
