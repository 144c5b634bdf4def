"""Small transparent images from which the overlay is composed: text, icons, plates.

Text uses OpenCV's built-in TrueType font, so no system font is needed. Patches are cached.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.overlay.palette import DECISION_ICON_LINE, DECISION_ICONS, PLATE, WHITE, Circle, Colour, Polyline
from engine.types import UInt8


@dataclass(frozen=True, slots=True)
class Patch:
    """A transparent image, prepared for blending."""

    colour: npt.NDArray[np.uint16]  # (h, w, 3) RGB times opacity, 0-255*256
    # (h, w, 3) share of the background that remains, 0-256: three times the same, which blends faster than one.
    rest: npt.NDArray[np.uint16]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rest.shape[1], self.rest.shape[0]


def lay(canvas: UInt8, patch: Patch, x: int, y: int) -> None:
    """Blend a patch into the canvas (H, W, 3) RGB with its top left corner at x, y; clipped at the edges."""
    width, height = patch.size
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if left >= right or top >= bottom:
        return
    part = np.s_[top - y : bottom - y, left - x : right - x]
    background = canvas[top:bottom, left:right]
    blended = np.multiply(background, patch.rest[part])
    blended += patch.colour[part]
    blended >>= 8
    background[:] = blended


@functools.lru_cache(maxsize=1)
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


@functools.lru_cache(maxsize=1024)
def text_mask(text: str, size_px: int, bold: bool = False) -> UInt8:
    """Opacity (h, w) of one line of text; all lines of one size have the same height and baseline."""
    weight = 600 if bold else 400
    height, base = round(size_px * 1.35), round(size_px * 1.02)
    x0, _, width, _ = cv2.getTextSize((0, 0), text, (0, base), _font(), size_px, weight)
    canvas = np.zeros((height, max(width + x0 + 1, 1), 3), np.uint8)
    cv2.putText(canvas, text, (0, base), WHITE, _font(), size_px, weight)
    return np.ascontiguousarray(canvas[:, :, 0])


def text_width(text: str, size_px: int, bold: bool = False) -> int:
    """Width of a line of text in pixels."""
    return int(text_mask(text, size_px, bold).shape[1])


@dataclass(frozen=True, slots=True)
class Sheet:
    """An unfinished patch."""

    image: UInt8  # (h, w, 3) RGB
    opacity: UInt8  # (h, w)

    def ink(self, mask: UInt8, x: int, y: int, colour: Colour) -> None:
        """Draw a mask (h, w) in one opaque colour; it must lie inside."""
        height, width = mask.shape
        place = np.s_[y : y + height, x : x + width]
        share = mask[:, :, np.newaxis].astype(np.int32)
        self.image[place] = (self.image[place] * (255 - share) + np.array(colour, np.int32) * share) // 255
        self.opacity[place] = np.maximum(self.opacity[place], mask)

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Fill a rectangle with an opaque colour; clipped at the edges."""
        self.image[y : y + height, x : x + width] = colour
        self.opacity[y : y + height, x : x + width] = 255

    def patch(self) -> Patch:
        """Finish the patch."""
        share = (self.opacity + (self.opacity >> 7).astype(np.uint16))[:, :, np.newaxis]  # 0-256
        rest = np.subtract(256, share, dtype=np.uint16)
        return Patch(self.image * share, np.repeat(rest, 3, axis=2))


def plate(width: int, height: int, radius: int, opacity: float) -> Sheet:
    """Make a dark background with rounded corners (square for radius 0); opacity 0-1."""
    image = np.full((height, width, 3), PLATE, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    level = round(255 * opacity)
    radius = min(radius, width // 2, height // 2)
    cv2.rectangle(mask, (radius, 0), (width - 1 - radius, height - 1), level, cv2.FILLED)
    cv2.rectangle(mask, (0, radius), (width - 1, height - 1 - radius), level, cv2.FILLED)
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(mask, (x, y), radius, level, cv2.FILLED, cv2.LINE_AA)
    return Sheet(image, mask)


@functools.lru_cache(maxsize=64)
def icon_mask(name: str, side_px: int) -> UInt8:
    """Opacity (S, S) of an icon of `palette.DECISION_ICONS`, drawn four times larger and averaged.

    Raises:
        KeyError: unknown icon.
    """
    side = side_px * 4
    mask = np.zeros((side, side), np.uint8)
    line = max(int(side * DECISION_ICON_LINE), 1)

    def at(point: tuple[float, float]) -> tuple[int, int]:
        return round(point[0] * side), round(point[1] * side)

    for shape in DECISION_ICONS[name]:
        if isinstance(shape, Polyline):
            cv2.polylines(mask, [np.array([at(point) for point in shape.points])], False, 255, line)
        elif isinstance(shape, Circle):
            cv2.circle(mask, at(shape.centre), round(shape.radius * side), 255, line)
        else:
            cv2.rectangle(mask, at(shape.top_left), at(shape.bottom_right), 255, line)
    return np.asarray(cv2.resize(mask, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
