"""``mien-train framing``: where the template points fall in FER2013; engine.alignment.TEMPLATE was chosen from it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from engine.alignment import TEMPLATE_POINTS
from engine.types import Float32, Float64
from training.data.fer2013 import SPLITS, read_table
from training.data.meshes import meshes_of

#: Only meshes of this presence are averaged.
_SURE: Final = 0.9
#: Position, in TEMPLATE_POINTS, of the point that takes each one's place in a mirrored face.
_MIRROR: Final = (3, 2, 1, 0, 4, 5, 7, 6)


def mean_framing(points: Float32) -> Float64:
    """Mean place (8, 2) of the template points in meshes (N, 468, 2), made symmetric about the middle."""
    mean = points[:, list(TEMPLATE_POINTS)].astype(np.float64).mean(0)
    mirrored = mean[list(_MIRROR)] * [-1, 1] + [1, 0]
    return np.asarray((mean + mirrored) / 2, np.float64)


def measure_framing(data: Path, cache: Path) -> tuple[Float64, int]:
    """The framing of FER2013 Training, and the number of pictures that it rests on."""
    table = read_table(data)
    points, presence = meshes_of(table.images, cache)
    sure = (presence > _SURE) & (table.split == SPLITS.index("Training"))
    return mean_framing(points[sure]), int(sure.sum())
