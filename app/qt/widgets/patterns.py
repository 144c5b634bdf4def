"""Brushes that fill areas with a pattern."""

from __future__ import annotations

import functools

import numpy as np
from PySide6.QtGui import QBrush, QColor, QImage

from app.overlay.patterns import MIN_PITCH, Marks, expression_marks, shade
from app.qt import theme


def expression_brush(label: str, em: float) -> QBrush:
    """The colour of an expression with its pattern, in an area about half an ``em`` high or more.

    Raises:
        KeyError: unknown label.
    """
    return _marked(label, theme.current().expression(label).name(), max(round(0.42 * em), MIN_PITCH))


@functools.lru_cache(maxsize=64)
def hatch(colour: str, other: str, step_px: int) -> QBrush:
    """Diagonal stripes, each ``step_px`` wide, in two colours (``#rrggbb``, or ``#00000000`` for none)."""
    side = 2 * max(step_px, 1)
    rows, columns = np.indices((side, side))
    return _tile((rows + columns) % side < side // 2, QColor(colour), QColor(other))


@functools.lru_cache(maxsize=64)
def _marked(label: str, colour: str, pitch_px: int) -> QBrush:
    lines, columns = np.indices((pitch_px, pitch_px))
    plain = QColor(colour)
    marks = expression_marks(label, columns, lines, pitch_px)
    return _tile(marks, QColor(*shade(plain.red(), plain.green(), plain.blue())), plain)


def _tile(marks: Marks, colour: QColor, other: QColor) -> QBrush:
    """A brush that repeats a square of pixels (S, S) in two colours."""
    side = len(marks)
    pixels = np.where(marks, colour.rgba(), other.rgba()).astype(np.uint32)
    return QBrush(QImage(pixels.tobytes(), side, side, 4 * side, QImage.Format.Format_ARGB32).copy())
