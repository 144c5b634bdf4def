"""The panel of action units beside a face: a bar of occurrence per unit, with a whisker of one deviation to each side.

Trusted units come first, bright where they are present. The others stand under a caption that says so, with grey codes
and hatched bars, and never look present: they are not to be built on. Where one column is too high, the others get a
column of their own.
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
from app.session.rows import FaceRow, SessionHeader
from engine.facs import unit_code
from engine.types import UInt8

#: Stands over the units that are not to be built on.
CAPTION: Final = "not trusted"
#: Letters and whiskers of units that are not trusted; 4.5 : 1 on the plate over white.
_DIM: Final[Colour] = (176, 176, 180)


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """Sizes and places of a panel, in pixels from its upper left corner."""

    trusted: tuple[int, ...]  # FACS numbers from the top
    others: tuple[int, ...]  # those that are not trusted
    unit: float  # scale: 1 = a picture with a short side of 360 pixels
    columns: int = 1  # 2: the others stand beside the trusted ones

    @property
    def text(self) -> int:
        """Size of the letters."""
        return max(round(9 * self.unit), 7)

    @property
    def pitch(self) -> int:
        """From one line to the next."""
        return round(self.text * 1.32)

    @property
    def margin(self) -> int:
        """Between the edge and what stands inside."""
        return round(5 * self.unit)

    @property
    def bar_x(self) -> int:
        """From the left end of a code to its bar."""
        return text_width("AU24", self.text) + round(5 * self.unit)

    @property
    def bar_width(self) -> int:
        """Of an occurrence of 1."""
        return round(54 * self.unit)

    @property
    def bar_height(self) -> int:
        """Less than a line, so that bars do not touch."""
        return max(round(self.pitch * 0.52), 3)

    @property
    def column_width(self) -> int:
        """A code and its bar, or the caption."""
        caption = text_width(CAPTION, self.text) if self.others else 0
        return max(self.bar_x + self.bar_width, caption)

    @property
    def width(self) -> int:
        """Of the whole panel."""
        return self.columns * (self.column_width + 2 * self.margin)

    @property
    def height(self) -> int:
        """Of the whole panel."""
        parts = (len(self.trusted), len(self.others) + bool(self.others))  # the caption takes a line
        return self.pitch * (sum(parts) if self.columns == 1 else max(parts)) + 2 * self.margin

    @property
    def caption_place(self) -> tuple[int, int]:
        """Where the caption begins."""
        if self.columns == 1:
            return self.margin, self.margin + len(self.trusted) * self.pitch
        return self.column_width + 3 * self.margin, self.margin

    def lines(self) -> Iterator[tuple[int, int, int]]:
        """Of every unit, trusted ones first: its FACS number, and the left upper corner of its line."""
        for index, code in enumerate(self.trusted):
            yield code, self.margin, self.margin + index * self.pitch
        x, y = self.caption_place
        for index, code in enumerate(self.others, start=1):
            yield code, x, y + index * self.pitch


def layouts(header: SessionHeader, unit: float) -> tuple[PanelLayout, ...]:
    """The layouts of all units of a run, the one to prefer first."""
    trusted = tuple(code for code in header.au_codes if code in header.au_trusted)
    others = tuple(code for code in header.au_codes if code not in header.au_trusted)
    one = PanelLayout(trusted, others, unit)
    return (one, PanelLayout(trusted, others, unit, columns=2)) if trusted and others else (one,)


def draw_panel(canvas: UInt8, row: FaceRow, header: SessionHeader, layout: PanelLayout, x: int, y: int) -> None:
    """Draw the units of a face with its left upper corner at x, y; it must lie inside the canvas (H, W, 3) RGB."""
    lay(canvas, _panel_patch(layout), x, y)
    hatch = _hatch(layout)
    height, width = hatch.shape
    x, y = x + layout.bar_x, y + (layout.pitch - height) // 2
    for code, left, top in layout.lines():
        place = header.au_codes.index(code)
        mean, std = row.occurrence[place], row.occurrence_std[place]
        bar = canvas[y + top : y + top + height, x + left : x + left + width + 1]  # a whisker may end at 1
        end = round(width * mean)
        if code in header.au_trusted:
            bar[:, :end] = BAR_PRESENT if mean > header.au_thresholds[place] else BAR_BELOW
            _whisker(bar, layout.unit, mean, std, WHITE)
        else:
            bar[:, :end][hatch[:, :end]] = BAR_UNTRUSTED
            _whisker(bar, layout.unit, mean, std, _DIM)


def _whisker(bar: UInt8, unit: float, mean: float, std: float, colour: Colour) -> None:
    """A line over one standard deviation to each side with a cross line at both ends, inside the bar (h, w + 1, 3)."""
    full, thick = bar.shape[1] - 1, max(round(unit), 1)
    low, high = round(full * max(mean - std, 0.0)), round(full * min(mean + std, 1.0))
    middle = (bar.shape[0] - thick) // 2
    bar[middle : middle + thick, low : high + 1] = colour
    for edge in (low, high):
        start = min(edge, full + 1 - thick)
        bar[:, start : start + thick] = colour


@functools.lru_cache(maxsize=16)
def _hatch(layout: PanelLayout) -> npt.NDArray[np.bool_]:
    """Diagonal stripes (bar height, bar width); each is as wide as the gap beside it."""
    stripe = max(round(1.6 * layout.unit), 2)
    rows, columns = np.indices((layout.bar_height, layout.bar_width))
    return np.asarray((rows + columns) // stripe % 2 == 0)


@functools.lru_cache(maxsize=16)
def _panel_patch(layout: PanelLayout) -> Patch:
    """The panel without its bars."""
    sheet = plate(layout.width, layout.height, round(4 * layout.unit), 0.86)

    def write(text: str, x: int, y: int, colour: Colour) -> None:
        mask = text_mask(text, layout.text)
        sheet.ink(mask, x, max(y + (layout.pitch - mask.shape[0]) // 2, 0), colour)

    if layout.others:
        write(CAPTION, *layout.caption_place, _DIM)
    down = (layout.pitch - layout.bar_height) // 2
    for code, x, y in layout.lines():
        write(unit_code(code), x, y, WHITE if code in layout.trusted else _DIM)
        sheet.fill(x + layout.bar_x, y + down, layout.bar_width, layout.bar_height, TRACK)
    return sheet.patch()
