"""Colours and decision icons, shared by the overlay (OpenCV) and the window (Qt). Imports neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.facs import EXPRESSIONS

Colour = tuple[int, int, int]  # RGB

WHITE: Final[Colour] = (255, 255, 255)
BLACK: Final[Colour] = (0, 0, 0)
#: Background of text over an image: white text on it has a contrast of 17:1 when opaque.
PLATE: Final[Colour] = (20, 20, 24)
GREY: Final[Colour] = (153, 153, 153)
#: Empty part of a bar.
TRACK: Final[Colour] = (58, 58, 64)
#: Occurrence of an action unit above its threshold, below it, and of a unit that is not trusted.
BAR_PRESENT: Final[Colour] = (170, 184, 204)
BAR_BELOW: Final[Colour] = (90, 104, 116)
BAR_UNTRUSTED: Final[Colour] = (136, 136, 140)
#: Colours of the expressions on images and dark backgrounds, in the order of facs.EXPRESSIONS. Found by searching for
#: the largest smallest distance in Oklab (Ottosson, "A perceptual color space for image processing", 2020) for normal
#: sight and three simulated deficiencies (Machado et al., 2009); tests/app/overlay/test_palette.py computes it.
EXPRESSION_COLOURS: Final[dict[str, Colour]] = dict(
    zip(
        EXPRESSIONS,
        (
            (222, 222, 222),  # neutral: lighter than their grey, which marks "not assessed"
            (248, 194, 29),
            (214, 136, 24),
            (64, 100, 254),
            (192, 74, 38),
            (85, 182, 116),
            (149, 74, 195),
            (230, 81, 166),
        ),
        strict=True,
    )
)
#: The same hues for light backgrounds, where each has a contrast of 3 : 1.
EXPRESSION_COLOURS_ON_LIGHT: Final[dict[str, Colour]] = dict(
    zip(
        EXPRESSIONS,
        (
            (102, 102, 102),
            (173, 143, 19),
            (182, 93, 47),
            (45, 72, 185),
            (166, 37, 41),
            (24, 93, 12),
            (64, 23, 119),
            (231, 76, 175),
        ),
        strict=True,
    )
)
#: Selection and focus, on dark and on light backgrounds: colours of no expression.
ACCENT: Final[Colour] = (56, 201, 209)
ACCENT_ON_LIGHT: Final[Colour] = (13, 118, 126)

Point = tuple[float, float]  # x, y in the unit square, y downwards


@dataclass(frozen=True, slots=True)
class Polyline:
    """An open line through two or more points."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Circle:
    """The outline of a circle."""

    centre: Point
    radius: float


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The outline of a rectangle."""

    top_left: Point
    bottom_right: Point


#: Icons of the decisions on a face, as outlines in the unit square: accepted, ambiguous (overlapping circles), not
#: assessed, and poor image quality.
DECISION_ICONS: Final[dict[str, tuple[Polyline | Circle | Rectangle, ...]]] = {
    "check": (Polyline(((0.14, 0.54), (0.4, 0.8), (0.88, 0.2))),),
    "or": (Circle((0.34, 0.5), 0.27), Circle((0.66, 0.5), 0.27)),
    "crossed": (Circle((0.5, 0.5), 0.4), Polyline(((0.22, 0.78), (0.78, 0.22)))),
    "camera": (
        Rectangle((0.08, 0.3), (0.92, 0.84)),
        Rectangle((0.34, 0.16), (0.66, 0.3)),
        Circle((0.5, 0.57), 0.14),
    ),
}
#: Line width of these icons, as a fraction of their side.
DECISION_ICON_LINE: Final = 1 / 9
