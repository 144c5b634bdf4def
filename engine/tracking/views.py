"""The parts of an image in which the detector searches: the whole image, with a border, tiles, and turned.

The detector finds a face reliably if it takes between a sixth and a half of the side of what it is shown (measured:
training/evaluation/faces.py). Faces that fill the image need a border around it, small ones a tile.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Final

#: With a border of half the image's side on all sides, the image takes this share of what the detector is shown.
_BORDERED: Final = 0.5
#: Sides of the tiles of one level in units of those of the level above (the first: of the image's longer side).
_LEVEL_RATIO: Final = 0.38
#: Neighbouring tiles share at least this part of their side, so that a face lies whole in one of them.
_TILE_OVERLAP: Final = 0.33
#: Smallest side of a tile in pixels: the detector's own, so that nothing is magnified.
_MIN_TILE_PX: Final = 176
#: A level with more tiles than this is left out; 80 take about .4 s.
_MAX_TILES: Final = 80
#: Videos have one level of tiles, of this share of the image's longer side: with the whole image it shows the detector
#: all faces from 24 pixels in 720p (found 94-100 %, in 19 views; with the two levels of stills, in 69 views, 97-100 %).
_VIDEO_TILE: Final = 0.25
_MIN_VIDEO_TILE_PX: Final = 96
_SHIFT: Final = 0.25
#: In stills tiles reach this part of their side beyond the image, into black: a face that the edge of the image cuts
#: off is found with half the score or less if the tile ends there too.
STILL_MARGIN: Final = 0.2


@dataclass(frozen=True, slots=True)
class View:
    """A part of an image as the detector is shown it."""

    box: tuple[int, int, int, int] | None = None  # x0 y0 x1 y1 in pixels, may leave the image; None = the whole image
    share: float = 1.0  # of the detector's input that the longer side takes; the rest is black
    quarter_turns: int = 0  # clockwise


WHOLE: Final = View()
BORDERED: Final = View(share=_BORDERED)
#: For images in which nothing is found upright.
TURNED: Final = tuple(
    View(share=share, quarter_turns=turns) for turns in (1, 3, 2) for share in (WHOLE.share, BORDERED.share)
)


@functools.lru_cache(maxsize=16)
def tile_levels(width: int, height: int, margin: float = 0.0) -> tuple[tuple[View, ...], ...]:
    """Tiles that cover an image, coarse level first; none for images that are too small to gain from it.

    Args:
        width: of the image in pixels.
        height: of the image in pixels.
        margin: how far tiles reach beyond the image, in sides of the tile.

    >>> [len(level) for level in tile_levels(1280, 720)]
    [8, 60]
    >>> tile_levels(300, 300)
    ()
    """
    levels = []
    side = round(max(width, height) * _LEVEL_RATIO)
    while side >= _MIN_TILE_PX:
        beyond = round(side * margin)
        across, down = (_starts(length + 2 * beyond, side) for length in (width, height))
        if len(across) * len(down) > _MAX_TILES:
            break
        corners = [(x - beyond, y - beyond) for y, x in itertools.product(down, across)]
        levels.append(tuple(View((x, y, x + side, y + side)) for x, y in corners))
        side = round(side * _LEVEL_RATIO)
    return tuple(levels)


@functools.lru_cache(maxsize=16)
def video_tiles(width: int, height: int, shifted: bool = False) -> tuple[View, ...]:
    """Tiles that cover an image of a video; none for images that are too small to gain from it.

    ``shifted`` tiles lie a quarter of their side further right and down: of faces of 15 pixels of its input the
    detector finds in one position on its grid what it misses in the other.

    >>> len(video_tiles(1280, 720)), len(video_tiles(160, 120))
    (18, 0)
    """
    side = max(round(max(width, height) * _VIDEO_TILE), _MIN_VIDEO_TILE_PX)
    if max(width, height) < 2 * side:
        return ()
    shift = round(side * _SHIFT) if shifted else 0
    corners = ((x + shift, y + shift) for y, x in itertools.product(_starts(height, side), _starts(width, side)))
    return tuple(View((x, y, x + side, y + side)) for x, y in corners)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles of a side begin so that they cover a length with the overlap that is needed."""
    if length <= side:
        return [(length - side) // 2]
    count = math.ceil((length - side) / (side * (1 - _TILE_OVERLAP))) + 1
    return [round(step * (length - side) / (count - 1)) for step in range(count)]
