"""The panel of action units beside a face: one bar of occurrence per unit, with a whisker of one standard deviation.

Trusted units come first and are bright if present. The others follow under a caption, with grey codes and hatched bars,
and never look present. If one column is too high, they get a second column.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.overlay.palette import BAR_BELOW, BAR_PRESENT, BAR_UNTRUSTED, TRACK, WHITE, Colour
from app.overlay.patches import Patch, lay, plate, text_mask, text_width
from app.overlay.words import CAPTION
from app.session.rows import FaceRow, SessionHeader
from engine.facs import unit_code
from engine.types import UInt8

#: Letters and whiskers of units that are not trusted; 4.5 : 1 on the plate over white.
_DIM: Final[Colour] = (176, 176, 180)


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """Geometry of a panel, in pixels from its top left corner."""

    trusted: tuple[int, ...]  # FACS numbers, from the top
    others: tuple[int, ...]  # units that are not trusted
    unit: float  # scale: 1 for an image whose short side has 360 pixels
    columns: int = 1  # 2: the others are beside the trusted ones
    caption: str = CAPTION

    @property
    def text(self) -> int:
        """Font size."""
        return max(round(9 * self.unit), 7)

    @property
    def pitch(self) -> int:
        """Distance between lines."""
        return round(self.text * 1.32)

    @property
    def margin(self) -> int:
        """Distance from the edges to the content."""
        return round(5 * self.unit)

    @property
    def bar_x(self) -> int:
        """Distance from the left end of a code to its bar."""
        return text_width("AU24", self.text) + round(5 * self.unit)

    @property
    def bar_width(self) -> int:
        """Length of a bar for an occurrence of 1."""
        return round(54 * self.unit)

    @property
    def bar_height(self) -> int:
        """Less than the line pitch, to keep the bars apart."""
        return max(round(self.pitch * 0.52), 3)

    @property
    def column_width(self) -> int:
        """Width of a code with its bar, or of the caption if that is wider."""
        caption = text_width(self.caption, self.text) if self.others else 0
        return max(self.bar_x + self.bar_width, caption)

    @property
    def width(self) -> int:
        """Width of the panel."""
        return self.columns * (self.column_width + 2 * self.margin)

    @property
    def height(self) -> int:
        """Height of the panel."""
        parts = (len(self.trusted), len(self.others) + bool(self.others))  # the caption takes a line
        return self.pitch * (sum(parts) if self.columns == 1 else max(parts)) + 2 * self.margin

    @property
    def caption_place(self) -> tuple[int, int]:
        """Top left corner of the caption."""
        if self.columns == 1:
            return self.margin, self.margin + len(self.trusted) * self.pitch
        return self.column_width + 3 * self.margin, self.margin

    def lines(self) -> Iterator[tuple[int, int, int]]:
        """Yield FACS number and top left corner of the line of every unit, trusted ones first."""
        for index, code in enumerate(self.trusted):
            yield code, self.margin, self.margin + index * self.pitch
        x, y = self.caption_place
        for index, code in enumerate(self.others, start=1):
            yield code, x, y + index * self.pitch


def layouts(header: SessionHeader, unit: float, caption: str = CAPTION) -> tuple[PanelLayout, ...]:
    """Return the possible layouts for the units of a session, the preferred one first."""
    trusted = tuple(code for code in header.au_codes if code in header.au_trusted)
    others = tuple(code for code in header.au_codes if code not in header.au_trusted)
    one = PanelLayout(trusted, others, unit, 1, caption)
    return (one, PanelLayout(trusted, others, unit, 2, caption)) if trusted and others else (one,)


def draw_panel(canvas: UInt8, row: FaceRow, header: SessionHeader, layout: PanelLayout, x: int, y: int) -> None:
    """Draw the panel of a face with its top left corner at x, y; it must lie inside the canvas (H, W, 3) RGB."""
    lay(canvas, _panel_patch(layout), x, y)
    hatch = _hatch(layout)
    height, width = hatch.shape
    thick = max(round(layout.unit), 1)
    for code, left, top in _bar_places(layout):
        place = header.au_codes.index(code)
        mean, std = row.occurrence[place], row.occurrence_std[place]
        bar = canvas[y + top : y + top + height, x + left : x + left + width + 1]  # a whisker may end at 1
        end = round(width * mean)
        if code in header.au_trusted:
            bar[:, :end] = BAR_PRESENT if mean > header.au_thresholds[place] else BAR_BELOW
            _whisker(bar, thick, mean, std, WHITE)
        else:
            bar[:, :end][hatch[:, :end]] = BAR_UNTRUSTED
            _whisker(bar, thick, mean, std, _DIM)


@functools.lru_cache(maxsize=16)
def _bar_places(layout: PanelLayout) -> tuple[tuple[int, int, int], ...]:
    """FACS number and top left corner of every bar; working them out takes as long as drawing them."""
    down = (layout.pitch - layout.bar_height) // 2
    return tuple((code, x + layout.bar_x, y + down) for code, x, y in layout.lines())


def _whisker(bar: UInt8, thick: int, mean: float, std: float, colour: Colour) -> None:
    """Draw an error bar of one standard deviation to each side, inside the bar (h, w + 1, 3)."""
    full = bar.shape[1] - 1
    low, high = round(full * max(mean - std, 0.0)), round(full * min(mean + std, 1.0))
    middle = (bar.shape[0] - thick) // 2
    bar[middle : middle + thick, low : high + 1] = colour
    for edge in (low, high):
        start = min(edge, full + 1 - thick)
        bar[:, start : start + thick] = colour


@functools.lru_cache(maxsize=16)
def _hatch(layout: PanelLayout) -> npt.NDArray[np.bool_]:
    """Diagonal stripes (bar height, bar width), as wide as their gaps."""
    stripe = max(round(1.6 * layout.unit), 2)
    rows, columns = np.indices((layout.bar_height, layout.bar_width))
    return np.asarray((rows + columns) // stripe % 2 == 0)


@functools.lru_cache(maxsize=16)
def _panel_patch(layout: PanelLayout) -> Patch:
    """Draw everything except the bars."""
    sheet = plate(layout.width, layout.height, round(4 * layout.unit), 0.86)

    def write(text: str, x: int, y: int, colour: Colour) -> None:
        mask = text_mask(text, layout.text)
        sheet.ink(mask, x, max(y + (layout.pitch - mask.shape[0]) // 2, 0), colour)

    if layout.others:
        write(layout.caption, *layout.caption_place, _DIM)
    for code, x, y in layout.lines():
        write(unit_code(code), x, y, WHITE if code in layout.trusted else _DIM)
    for _, x, y in _bar_places(layout):
        sheet.fill(x, y, layout.bar_width, layout.bar_height, TRACK)
    return sheet.patch()
