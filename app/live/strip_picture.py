"""The plots of the strip chart as pixels: lines over the last minute, with OpenCV, without Qt.

Drawn anew each time: OpenCV takes half a millisecond for eight lines, Qt five times as long.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from app.live.trace import SPAN_S
from app.overlay.palette import Colour
from engine.types import Float64, UInt8

#: Pixels of a limit's dash, and of the gap behind it, in widths of a line.
_DASH: Final = 3
#: Bits behind the point of the coordinates that are drawn.
_SHIFT: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """One plot: its lines over N points of time."""

    times_s: Float64  # (N,) rising, seconds before now, 0 or less
    lines: Mapping[str, Float64]  # by name, (N,) from 0 at the foot to 1 at the top; NaN breaks a line
    limit: float | None = None  # on the same scale
    refused: tuple[tuple[float, float], ...] = ()  # spans of time under slashes


@dataclass(frozen=True, slots=True)
class PlotLooks:
    """What the plots are painted with."""

    ground: Colour
    slashes: Colour
    limit: Colour
    lines: Mapping[str, Colour]  # by name
    line_px: int  # width of a line
    slash_px: int  # width of a slash


def plot_picture(plot: Plot, looks: PlotLooks, width_px: int, height_px: int) -> UInt8:
    """The plot (height_px, width_px, 3) RGB; the last minute fills its width."""
    picture: UInt8 = _blank(looks.ground, width_px, height_px).copy()
    for start_s, stop_s in plot.refused:
        _slash(picture, looks, start_s, stop_s)
    if plot.limit is not None:
        top = round((1 - plot.limit) * (height_px - 1))
        dashed = np.arange(width_px) // (_DASH * looks.line_px) % 2 == 0
        picture[max(top, 0) : max(top, 0) + max(looks.line_px // 2, 1), dashed] = looks.limit
    x = (plot.times_s / SPAN_S + 1) * (width_px - 1)
    for name, values in plot.lines.items():
        y = np.clip((1 - values) * (height_px - 1), 0.5, height_px - 1.5)
        known = np.isfinite(y)
        points = np.stack([x, np.where(known, y, 0.0)], axis=1) * (1 << _SHIFT)
        ends = np.flatnonzero(np.diff(known, prepend=False, append=False)).tolist()
        # several lines under each other make up the width: OpenCV takes six times as long for a wide one
        for step in range(looks.line_px):
            moved = (points + (0, (step - (looks.line_px - 1) / 2) * (1 << _SHIFT))).astype(np.int32)
            pieces = [moved[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]
            cv2.polylines(picture, pieces, False, looks.lines[name], 1, cv2.LINE_AA, _SHIFT)
    return picture


@functools.lru_cache(maxsize=4)
def _blank(ground: Colour, width_px: int, height_px: int) -> UInt8:
    return np.full((height_px, width_px, 3), ground, np.uint8)


def _slash(picture: UInt8, looks: PlotLooks, start_s: float, stop_s: float) -> None:
    height, width = picture.shape[:2]
    left = int((start_s / SPAN_S + 1) * width)
    right = max(int((stop_s / SPAN_S + 1) * width), left + 2)
    columns = np.arange(max(left, 0), min(right, width))
    rows = np.arange(height)[:, np.newaxis]
    slashed = (rows + columns) % (2 * looks.slash_px) < looks.slash_px
    picture[:, max(left, 0) : right][slashed] = looks.slashes
