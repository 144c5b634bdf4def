"""What the cards of all models share: ``mien-train card`` writes tables between two marks, and the rest stays.

Which tables: training/reports/expression_card.py and training/reports/action_units_card.py.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from training.metrics.multiclass import Figure

BEGIN: Final = "<!-- figures: written by mien-train card, do not edit -->"
END: Final = "<!-- end of figures -->"

#: A report as JSON gives it.
Report = dict[str, Any]


def write_tables(card: Path, tables: str) -> None:
    """Put tables between the marks of a card.

    Raises:
        FileNotFoundError: there is no card.
        ValueError: it lacks a mark.
    """
    text = card.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(
            f"{card} must hold the line {BEGIN} once and below it {END} once: add them where tables belong"
        )
    before, rest = text.split(BEGIN)
    card.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def read_report(path: Path, command: str, keys: Sequence[str]) -> Report:
    """The report that ``mien-train COMMAND`` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no JSON, or lacks one of the keys.
    """
    remedy = f"write it with mien-train {command}"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): {remedy}") from error
    found: Report = report if isinstance(report, dict) else {}
    missing = [key for key in keys if key not in found]
    if missing:
        raise ValueError(f"{path} is not such a report, {missing[0]!r} is missing: {remedy}")
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    >>> print(table(["", "faces"], [["all", "3"]]))
    | | faces |
    | --- | --- |
    | all | 3 |
    """
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(line.replace("|  |", "| |") for line in lines)


def under(note: str, *tables: str) -> str:
    """Tables with a paragraph above them, broken at 120 columns."""
    return "\n\n".join([textwrap.fill(note, 120, break_long_words=False, break_on_hyphens=False), *tables])


def told(raw: dict[str, Any] | None, places: int = 3) -> str:
    """A figure of a report with its interval; an undefined one is None, or has the value None.

    >>> told({"value": 0.5, "low": 0.4, "high": 0.6, "n": 7}), told(None)
    ('0.500 (0.400 to 0.600)', 'none to measure')
    """
    return "none to measure" if raw is None or raw["value"] is None else Figure(**raw).text(places)
