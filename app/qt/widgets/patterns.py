"""Patterns that fill areas."""

from __future__ import annotations

import functools

import numpy as np
from PySide6.QtGui import QBrush, QColor, QImage


@functools.lru_cache(maxsize=64)
def hatch(colour: str, other: str, step_px: int) -> QBrush:
    """Diagonal stripes, each ``step_px`` wide, in two colours (``#rrggbb``, or ``#00000000`` for none)."""
    side = 2 * max(step_px, 1)
    rows, columns = np.indices((side, side))
    first, second = QColor(colour).rgba(), QColor(other).rgba()
    pixels = np.where((rows + columns) % side < side // 2, first, second).astype(np.uint32)
    return QBrush(QImage(pixels.tobytes(), side, side, 4 * side, QImage.Format.Format_ARGB32).copy())
