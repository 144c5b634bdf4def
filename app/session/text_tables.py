"""Text tables (CSV, TSV) that a spreadsheet can open without running anything in them."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

#: A spreadsheet takes a cell that starts with one of these for a formula (OWASP, "CSV Injection").
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_PLAIN_MARK: Final = "'"
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


class RowWriter(Protocol):
    """Writes rows of cells; None is an empty cell."""

    def writerow(self, row: Iterable[Any], /) -> Any:
        """Write one row."""

    def writerows(self, rows: Iterable[Iterable[Any]], /) -> Any:
        """Write several rows."""


def safe_cell(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run; numbers, also as text, are unchanged.

    >>> safe_cell("=1+1"), safe_cell("-1.5"), safe_cell(-1.5), safe_cell("film.mp4")
    ("'=1+1", '-1.5', -1.5, 'film.mp4')
    """
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(value):
        return f"{_PLAIN_MARK}{value}"
    return value


@contextlib.contextmanager
def text_table(path: Path, *, excel: bool = False, delimiter: str = ",") -> Iterator[RowWriter]:
    """Open a table for writing: UTF-8, line feeds, cells as in `safe_cell`.

    Args:
        path: is overwritten.
        excel: start with a byte order mark, without which Excel takes UTF-8 for the system's own encoding.
        delimiter: between two cells.

    Raises:
        OSError: the file cannot be written.
    """
    # "replace": a lone surrogate in a file name or text must not fail the whole table
    encoding = "utf-8-sig" if excel else "utf-8"
    with path.open("w", encoding=encoding, errors="replace", newline="") as handle:
        yield _SafeWriter(csv.writer(handle, delimiter=delimiter, lineterminator="\n"))


class _SafeWriter:
    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer

    def writerow(self, row: Iterable[Any], /) -> Any:
        return self._writer.writerow([_one_kind_of_line_break(safe_cell(value)) for value in row])

    def writerows(self, rows: Iterable[Iterable[Any]], /) -> Any:
        for row in rows:
            self.writerow(row)


def _one_kind_of_line_break(value: Any) -> Any:
    """Carriage returns become line feeds: Python's writer does not quote a lone one before version 3.13."""
    if isinstance(value, str) and "\r" in value:
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value
