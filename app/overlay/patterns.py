"""A pattern for each expression, so that filled areas differ without their colours. Imports neither Qt nor OpenCV.

Diagonal stripes are in none of them: they mark competing labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.facs import EXPRESSIONS

Places: TypeAlias = npt.NDArray[np.int64]
Marks: TypeAlias = npt.NDArray[np.bool_]

#: Smallest distance from one mark to the next, in pixels, at which the patterns differ.
MIN_PITCH: Final = 6
#: Share of the way from the colour to black, or from a dark colour to white, that the marks have.
_SHADE: Final = 0.38
#: Luminance (0-1) above which a colour gets darker marks.
_LIGHT: Final = 0.25


def expression_marks(label: str, columns: Places, lines: Places, pitch: int) -> Marks:
    """Which pixels are marked.

    Args:
        label: of engine.facs.EXPRESSIONS; another one has no marks.
        columns: of the pixels, any shape that broadcasts with ``lines``.
        lines: of the pixels.
        pitch: pixels from one mark to the next, `MIN_PITCH` or more.
    """
    thin = max(round(pitch / 5), 1)
    return _MARKS.get(label, _plain)(columns % pitch, lines % pitch, pitch, thin)


def shade(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """The colour of the marks on a colour; all 0-255."""
    luminance = (0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2) / 255**2.2
    target = 0 if luminance > _LIGHT else 255
    mixed = [round(value + _SHADE * (target - value)) for value in (red, green, blue)]
    return mixed[0], mixed[1], mixed[2]


def _plain(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (x < 0) & (y < 0)


def _dots(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    side = max(2 * pitch // 5, 2)
    return (x < side) & (y < side)


def _rings(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    farthest = np.maximum(abs(2 * x - pitch + 1), abs(2 * y - pitch + 1))  # twice the distance from the middle
    outer = pitch - 1 - thin
    return (farthest <= outer) & (farthest > outer - 2 * thin)


def _horizontal(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (y < thin) & (x >= 0)


def _vertical(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (x < thin) & (y >= 0)


def _checks(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (x < pitch // 2) ^ (y < pitch // 2)


def _grid(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (x < thin) | (y < thin)


def _zigzag(x: Places, y: Places, pitch: int, thin: int) -> Marks:
    return (y - abs(x - pitch // 2)) % pitch < thin


_MARKS: Final[dict[str, Callable[[Places, Places, int, int], Marks]]] = dict(
    zip(EXPRESSIONS, (_plain, _dots, _rings, _horizontal, _vertical, _checks, _grid, _zigzag), strict=True)
)
