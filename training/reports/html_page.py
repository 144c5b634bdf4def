"""One HTML page of tables and plots: no script, nothing from elsewhere, plots inside, light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from training.metrics.multiclass import Figure

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --page: #ffffff; --line: #c9c9d0; --quiet: #5b5b66; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --page: #16161a; --line: #44444d; --quiet: #a6a6b2; }
}
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.9rem 0.25rem 0; text-align: left;
  vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 400; }
.scroll { overflow-x: auto; }
.scroll svg { max-width: 100%; min-width: 34rem; height: auto; }
p.quiet { color: var(--quiet); max-width: 48rem; }
code { overflow-wrap: anywhere; }
"""


def page(title: str, sections: Sequence[str]) -> str:
    """The page as text, from parts that `section` made."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def section(title: str, note: str, *parts: str) -> str:
    """A part of the page under a heading: a note for people, then tables and plots."""
    return (
        f'<section>\n<h2>{escape(title)}</h2>\n<p class="quiet">{escape(note)}</p>\n'
        + "\n".join(parts)
        + "\n</section>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of words; the first cell of each row names it."""
    cells_of_head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    top = f"<thead><tr>{cells_of_head}</tr></thead>\n" if head else ""
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    body = "\n".join(lines)
    return f'<div class="scroll"><table>\n{top}<tbody>\n{body}\n</tbody>\n</table></div>'


def framed(svg: str) -> str:
    """A place for a picture of plots.inline_svg."""
    return f'<div class="scroll">{svg}</div>'


def figure_text(figure: Figure | None) -> str:
    """A figure in words; None and NaN are those that nothing could be measured for."""
    return "none to measure" if figure is None or math.isnan(figure.value) else figure.text()


def figure_row(name: str, figure: Figure | None) -> tuple[str, str, str]:
    """Cells for the name of a figure, its value with interval, and n."""
    return name, figure_text(figure), "" if figure is None else f"{figure.n:,}"
