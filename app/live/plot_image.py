"""Plots of the strip chart as images, without Qt: lines over the last minute.

They are redrawn completely each time: OpenCV takes half a millisecond for eight lines, Qt five times as long.
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

#: Length of a dash of the limit, and of a gap, in line widths.
_DASH: Final = 3
#: Fractional bits of the coordinates.
_SHIFT: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """Content of a plot: lines over N points of time."""

    times_s: Float64  # (N,) increasing, relative to now, 0 or less
    lines: Mapping[str, Float64]  # by name, (N,) from 0 (bottom) to 1 (top); NaN breaks a line
    limit: float | None = None  # on the same scale
    hatched: tuple[tuple[float, float], ...] = ()  # spans of time


@dataclass(frozen=True, slots=True)
class PlotStyle:
    """Colours and widths of plots."""

    background: Colour
    hatch: Colour
    limit: Colour
    lines: Mapping[str, Colour]  # by name
    line_px: int  # width of a line
    hatch_px: int  # width of a hatch line


def plot_image(plot: Plot, style: PlotStyle, width_px: int, height_px: int) -> UInt8:
    """Draw a plot (height_px, width_px, 3) RGB; its width is the last minute."""
    image: UInt8 = _blank(style.background, width_px, height_px).copy()
    for start_s, stop_s in plot.hatched:
        _hatch(image, style, start_s, stop_s)
    if plot.limit is not None:
        top = round((1 - plot.limit) * (height_px - 1))
        dashed = np.arange(width_px) // (_DASH * style.line_px) % 2 == 0
        image[max(top, 0) : max(top, 0) + max(style.line_px // 2, 1), dashed] = style.limit
    x = (plot.times_s / SPAN_S + 1) * (width_px - 1)
    for name, values in plot.lines.items():
        y = np.clip((1 - values) * (height_px - 1), 0.5, height_px - 1.5)
        draw_line(image, x, y, style.lines[name], style.line_px)
    return image


def draw_line(image: UInt8, x: Float64, y: Float64, colour: Colour, line_px: int) -> None:
    """Draw a line through N points of an image (H, W, 3), in place.

    Args:
        image: RGB.
        x: (N,) columns, ascending.
        y: (N,) rows; NaN breaks the line.
        colour: RGB.
        line_px: width of the line.
    """
    known = np.isfinite(y)
    points = np.stack([x, np.where(known, y, 0.0)], axis=1) * (1 << _SHIFT)
    ends = np.flatnonzero(np.diff(known, prepend=False, append=False)).tolist()
    # a wide line is drawn as several thin ones, which OpenCV draws six times as fast
    for step in range(line_px):
        moved = (points + (0, (step - (line_px - 1) / 2) * (1 << _SHIFT))).astype(np.int32)
        pieces = [moved[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]
        cv2.polylines(image, pieces, False, colour, 1, cv2.LINE_AA, _SHIFT)


@functools.lru_cache(maxsize=4)
def _blank(background: Colour, width_px: int, height_px: int) -> UInt8:
    return np.full((height_px, width_px, 3), background, np.uint8)


def _hatch(image: UInt8, style: PlotStyle, start_s: float, stop_s: float) -> None:
    height, width = image.shape[:2]
    left = int((start_s / SPAN_S + 1) * width)
    right = max(int((stop_s / SPAN_S + 1) * width), left + 2)
    columns = np.arange(max(left, 0), min(right, width))
    rows = np.arange(height)[:, np.newaxis]
    hatched = (rows + columns) % (2 * style.hatch_px) < style.hatch_px
    image[:, max(left, 0) : right][hatched] = style.hatch
