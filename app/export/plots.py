"""Plots of the summary page as SVG, with text equivalents. Colours are those of the overlay; none is used alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from app.overlay.palette import EXPRESSION_COLOURS_ON_LIGHT, GREY, Colour
from app.overlay.patterns import Marks, expression_marks, shade

#: Width of a plot in its own units; it scales with the page.
_WIDTH: Final = 900.0
_BAR: Final = 22.0
_BAR_LABEL: Final = 240.0
_VALUE_WIDTH: Final = 130.0
_ROW_LABEL: Final = 90.0
_PATTERN: Final = "competing"  # id of the hatch of ambiguous stretches
#: Side of the square that the pattern of an expression repeats.
_PITCH: Final = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: share 0-1 of the full width."""

    label: str
    share: float
    text: str  # the value beside the bar
    colour: Colour = GREY
    expression: str = ""  # whose colour and pattern it has instead


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a timeline."""

    start_s: float
    end_s: float
    title: str
    expression: str = ""  # whose colour and pattern it has; grey without one
    hatched: bool = False  # several labels compete
    empty: bool = False  # not assessed: outline only


def bars(title: str, items: Sequence[Bar]) -> str:
    """Horizontal bars, one per item."""
    lines, room = [], _WIDTH - _BAR_LABEL - _VALUE_WIDTH
    for place, item in enumerate(items):
        top = place * (_BAR + 6.0)
        middle = top + _BAR / 2 + 5.0
        lines.append(f'<text x="0" y="{middle:.1f}">{escape(item.label)}</text>')
        lines.append(_rectangle(_BAR_LABEL, top, room, "#eceef1"))
        fill = _fill(item.expression, item.colour)
        lines.append(_rectangle(_BAR_LABEL, top, room * min(max(item.share, 0.0), 1.0), fill))
        lines.append(f'<text x="{_BAR_LABEL + room + 8:.1f}" y="{middle:.1f}">{escape(item.text)}</text>')
    return _svg(title, len(items) * (_BAR + 6.0), lines, [item.expression for item in items])


def timeline(title: str, rows: Sequence[tuple[str, Sequence[Span]]], duration_s: float) -> str:
    """Stretches of several faces below each other, over one time axis."""
    room, lines = _WIDTH - _ROW_LABEL, []
    scale = room / max(duration_s, 1e-9)
    for place, (label, spans) in enumerate(rows):
        top = place * (_BAR + 6.0)
        lines.append(f'<text x="0" y="{top + _BAR / 2 + 5:.1f}">{escape(label)}</text>')
        lines.append(_rectangle(_ROW_LABEL, top, room, "#f4f5f7"))
        for span in spans:
            left, width = _ROW_LABEL + span.start_s * scale, max((span.end_s - span.start_s) * scale, 0.5)
            fill = "none" if span.empty else _fill(span.expression, GREY)
            lines.append(_rectangle(left, top, width, fill, span.title, outline=span.empty))
            if span.hatched:
                lines.append(_rectangle(left, top, width, f"url(#{_PATTERN})", span.title))
    bottom = len(rows) * (_BAR + 6.0) + 14.0
    for step in range(6):
        left = _ROW_LABEL + room * step / 5
        anchor = "end" if step == 5 else "middle"
        lines.append(
            f'<text x="{left:.1f}" y="{bottom:.1f}" text-anchor="{anchor}">{clock(duration_s * step / 5)}</text>'
        )
    return _svg(title, bottom + 4.0, lines, [span.expression for _, spans in rows for span in spans])


def clock(seconds: float) -> str:
    """A time as h:mm:ss, or m:ss.s below an hour.

    >>> clock(65.24), clock(3665.0)
    ('1:05.2', '1:01:05')
    """
    tenths = round(seconds * 10)
    if tenths >= 36000:
        return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}"
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _fill(expression: str, colour: Colour) -> str:
    """The pattern of an expression; the colour without one."""
    return f"url(#expression-{expression})" if expression in EXPRESSION_COLOURS_ON_LIGHT else _hex(colour)


def _pattern(label: str) -> str:
    """Colour and pattern of an expression, as the window has them."""
    colour = EXPRESSION_COLOURS_ON_LIGHT[label]
    lines, columns = np.indices((_PITCH, _PITCH))
    marks = "".join(_square_path(expression_marks(label, columns, lines, _PITCH)))
    return (
        f'<pattern id="expression-{label}" width="{_PITCH}" height="{_PITCH}" patternUnits="userSpaceOnUse">'
        f'<rect width="{_PITCH}" height="{_PITCH}" fill="{_hex(colour)}"/>'
        f'<path fill="{_hex(shade(*colour))}" d="{marks}"/></pattern>'
    )


def _square_path(marks: Marks) -> list[str]:
    """The marked units of a square, each run of a line as one rectangle."""
    edges = np.diff(np.pad(marks, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1).tolist(), np.argwhere(edges == -1).tolist()
    return [f"M{x} {y}h{end - x}v1h{x - end}z" for (y, x), (_, end) in zip(starts, ends, strict=True)]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _rectangle(left: float, top: float, width: float, fill: str, title: str = "", outline: bool = False) -> str:
    edge = ' stroke="#666" stroke-dasharray="2 2"' if outline else ""
    shape = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BAR:g}" fill="{fill}"{edge}'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def _svg(title: str, height: float, lines: Sequence[str], expressions: Sequence[str]) -> str:
    patterns = "".join(_pattern(label) for label in EXPRESSION_COLOURS_ON_LIGHT if label in expressions)
    hatch = (
        f'<defs>{patterns}<pattern id="{_PATTERN}" width="8" height="8" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="3" height="8" fill="#222" fill-opacity="0.55"/></pattern></defs>'
    )
    return "\n".join(
        (
            f'<svg viewBox="0 0 {_WIDTH:g} {height:.1f}" role="img" aria-label="{escape(title)}">',
            hatch,
            *lines,
            "</svg>",
        )
    )
