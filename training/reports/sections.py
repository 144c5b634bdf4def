"""What every report is made of: sections of tables, rendered as an HTML page or as the measured part of a model card.

A report is read in its JSON form (`training.loop.json_report.plain`), so that a card is written from the same
``report.json`` that ``mien-train evaluate`` left, and nothing is measured twice.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2

from training.metrics.bootstrap import Figure

#: Marks in a model card; `write_card` replaces what is between them and nothing else.
BEGIN: Final = "<!-- figures: written by mien-train card, do not edit -->"
END: Final = "<!-- end of figures -->"
#: Text for a figure that has no data to rest on.
UNDEFINED: Final = "-"

#: A report as JSON values.
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first cell of a row names the row. An empty head is left out of the page."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a note on how to read the tables, and the tables."""

    title: str
    note: str
    tables: tuple[Table, ...] = ()


def render_page(title: str, sections: Sequence[Section], plots: Mapping[str, Sequence[str]]) -> str:
    """One self-contained HTML page.

    Args:
        title: heading of the page.
        sections: in their order.
        plots: inline SVG by the title of the section that shows it.
    """
    return _environment(autoescape=True).get_template("page.html").render(title=title, sections=sections, plots=plots)


def render_tables(sections: Sequence[Section]) -> str:
    """The sections as Markdown, notes wrapped at 120 columns."""
    return _environment(autoescape=False).get_template("card.md").render(sections=sections).strip()


def _environment(autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["markdown"] = markdown_table
    environment.filters["fill"] = _fill
    return environment


def _fill(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def markdown_table(table: Table) -> str:
    """A table in Markdown; an empty head becomes empty cells, which Markdown requires.

    >>> print(markdown_table(Table(("", "faces"), (("all", "3"),))))
    | | faces |
    | --- | --- |
    | all | 3 |
    """
    head = table.head or ("",) * len(table.rows[0])
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *table.rows)]
    return "\n".join(line.replace("  ", " ") if "|  |" in line else line for line in lines)


def write_card(card: Path, sections: Sequence[Section]) -> None:
    """Replace the text between the marks of a model card by the sections.

    Raises:
        FileNotFoundError: the card does not exist.
        ValueError: a mark is missing, doubled, or in the wrong order; the card is left unchanged.
    """
    text = card.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{card} must contain the line {BEGIN} once and, below it, {END} once")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    card.write_text(f"{before}{BEGIN}\n\n{render_tables(sections)}\n\n{END}{after}", encoding="utf-8")


def read_report(path: Path, command: str, keys: Sequence[str]) -> Report:
    """The report that ``mien-train COMMAND`` wrote.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not JSON, or lacks one of ``keys``.
    """
    remedy = f"write it with mien-train {command}"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): {remedy}") from error
    found: Report = report if isinstance(report, dict) else {}
    missing = [key for key in keys if key not in found]
    if missing:
        raise ValueError(f"{path} is not a report of {command}, {missing[0]!r} is missing: {remedy}")
    return found


def figure_text(raw: Mapping[str, Any] | None, places: int = 3) -> str:
    """A figure in JSON form with its interval; None, or a value of None, is a figure without data.

    >>> figure_text({"value": 0.5, "low": 0.4, "high": 0.6, "n": 7}), figure_text(None)
    ('0.500 (0.400 to 0.600)', '-')
    """
    return UNDEFINED if raw is None or raw["value"] is None else Figure(**raw).text(places)


def number_text(raw: Mapping[str, Any] | float | None, places: int = 3) -> str:
    """The value of a figure, or a plain number, without its interval.

    >>> number_text({"value": 0.5, "low": 0.4, "high": 0.6, "n": 7}), number_text(0.25, 2), number_text(None)
    ('0.500', '0.25', '-')
    """
    value = raw["value"] if isinstance(raw, Mapping) else raw
    return UNDEFINED if value is None else f"{value:.{places}f}"


def score_text(raw: Mapping[str, Any] | float | None) -> str:
    """A figure with its interval, or a plain number."""
    return figure_text(raw) if isinstance(raw, Mapping) else number_text(raw)


def at(report: Report, path: str) -> Any:
    """The value under a dotted path of keys; None where a part on the way is None.

    >>> at({"raters": {"before": None}}, "raters.before.ece") is None
    True
    """
    part: Any = report
    for key in path.split("."):
        part = None if part is None else part[key]
    return part
