"""The lines of a journal, read strictly: whatever a file holds, it gives records or an OutputError.

Journals come from other people and from disks that fail, so every value is checked before anything is made of it: its
type, its range, and that the line fits the header and the lines before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, SessionHeader
from engine.errors import OutputError, Remedy
from engine.facs import EXPRESSIONS, UNIT_NAMES
from engine.files import open_regular
from engine.records import read_record
from engine.types import Route

#: Version of the journal; 2 lists the trusted action units.
JOURNAL_FORMAT: Final = 2
#: Stages of a frame, in the order of JournalEntry.stage_ms.
STAGES: Final = ("tracking", "alignment", "expression", "action_units", "routing")
#: Fields of the header with another key in the journal; it names the limits like the columns of the tables.
_KEYS: Final = {"aleatoric_limit": "tau_accept", "ood_limit": "tau_ood"}
_FIELDS: Final = {key: name for name, key in _KEYS.items()}
#: Order of a row in the journal. What all rows of a frame share, and what few have, is part of the frame's line.
_STEADY_FIELDS: Final = ("steady_ood_score", "steady_aleatoric", "steady_epistemic")
_SHARED_FIELDS: Final = ("file", "cut", "carried", "steady_probabilities", *_STEADY_FIELDS, "intensity")
#: Made from the journal, not part of it (app/session/baselines.py).
_MADE_FIELDS: Final = ("baseline", "baseline_frames", "corrected", "corrected_std", "corrected_intensity")
ROW_FIELDS: Final = tuple(item.name for item in fields(FaceRow) if item.name not in (*_SHARED_FIELDS, *_MADE_FIELDS))

#: A frame of a hundred faces takes 100 KB; a longer line is not one of ours.
_MAX_LINE_BYTES: Final = 2**24
#: Frames of a video, and any other number of a row: safe in every conversion.
_MAX_FRAME: Final = 2**53
_MAX_NUMBER: Final = 1e12
_MAX_PX: Final = 1e7
_TEXTS: Final = frozenset({"quality_reasons", "labels"})
_NUMBERS: Final = frozenset({"shares", "probabilities", "occurrence", "occurrence_std"})
_PIXELS: Final = frozenset({"x", "y", "w", "h"})
_REQUIRED: Final = frozenset({"frame", "time_s", "decision", "latency_ms"})
_ASSESSED: Final = frozenset({Route.ACCEPT.value, Route.AMBIGUOUS.value})
_DECISIONS: Final = frozenset({NO_FACE, LOW_QUALITY, *(route.value for route in Route)})
_FLOATS: Final = frozenset({int, float})


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One frame of a journal."""

    frame: int
    stage_ms: tuple[float, ...]  # in the order of STAGES
    rows: tuple[FaceRow, ...]
    left_out: int = 0  # faces beyond the limit of faces


@dataclass(frozen=True, slots=True)
class StateLine:
    """The state of the pipeline after a frame."""

    frame: int
    snapshot: str


@dataclass(frozen=True, slots=True)
class ResumedLine:
    """A session was resumed here."""

    frame: int  # the first one of the resumed part


class LineError(ValueError):
    """What is wrong with a line."""


def header_json(header: SessionHeader) -> dict[str, Any]:
    """The values of the first line."""
    values = {_KEYS.get(item.name, item.name): getattr(header, item.name) for item in fields(header)}
    return {"journal": JOURNAL_FORMAT, "header": values, "fields": list(ROW_FIELDS)}


def read_lines(path: Path) -> Iterator[tuple[SessionHeader | JournalEntry | StateLine | ResumedLine, int]]:
    """Yield the header and all complete lines, each with the length of the file up to and including it.

    What follows the last complete line, as after a power cut, is skipped.

    Raises:
        OutputError: the file cannot be read, is not a journal of this version, or a line before the last is damaged, a
            duplicate or out of order; with the number of the line.
    """
    length, number, header, order = 0, 0, None, _LineOrder()
    try:
        with open_regular(path) as handle:
            while raw := handle.readline(_MAX_LINE_BYTES):
                length += len(raw)
                number += 1
                line = _parse(raw)
                if line is None:
                    if handle.read(1):
                        raise LineError("it is not complete JSON")
                    return
                if header is None:
                    header = read_header_line(line, path)
                    yield header, length
                    continue
                item = _item_of(line, header)
                order.check(item)
                yield item, length
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror})", Remedy.ANNOTATE_AGAIN) from error
    except LineError as error:
        raise OutputError(f"{path} is damaged in line {number} ({error})", Remedy.ANNOTATE_AGAIN) from error


def read_header_line(line: dict[str, Any], path: Path) -> SessionHeader:
    """The header from the first line of a journal.

    Raises:
        OutputError: it is not a journal of this version, or a value is missing, of the wrong type or out of range.
    """

    def fail(problem: str) -> OutputError:
        return OutputError(f"{path} is not a journal that this version can read ({problem})", Remedy.ANNOTATE_AGAIN)

    if line.get("journal") != JOURNAL_FORMAT or line.get("fields") != list(ROW_FIELDS):
        raise fail(f"its first line is of format {str(line.get('journal'))[:20]}, not {JOURNAL_FORMAT}")
    raw = line.get("header")
    if not isinstance(raw, dict):
        raise fail("it has no header")
    renamed = {_FIELDS.get(key, key): value for key, value in raw.items()}
    header = read_record(SessionHeader, renamed, fail)
    units = len(header.au_codes)
    if not header.expressions or not set(header.expressions) <= set(EXPRESSIONS):
        raise fail("it has labels that this version does not know")
    if len(set(header.expressions)) < len(header.expressions) or len(set(header.au_codes)) < units:
        raise fail("it has a label or an action unit twice")
    if not set(header.au_trusted) <= set(header.au_codes) <= set(UNIT_NAMES) or len(header.au_thresholds) != units:
        raise fail("its action units do not fit together")
    try:
        start_s = float(header.settings.get("start_s", "0"))
    except ValueError:
        start_s = -1.0
    if not 0 <= start_s < _MAX_NUMBER:
        raise fail("its start_s is not a time")
    return header


def entry_of(line: dict[str, Any], header: SessionHeader) -> JournalEntry:
    """The record of a parsed line of a frame.

    Raises:
        LineError: a value is missing, of the wrong type or out of range, or does not fit the header.
    """
    frame, rows = _frame_of(line.get("frame")), line["rows"]
    stage_ms: Any = line.get("ms")
    file, cut, left_out = line.get("file"), line.get("cut", False), line.get("left_out", 0)
    if not _is_list_of(stage_ms, _FLOATS) or len(stage_ms) != len(STAGES) or not _are_small(stage_ms):
        raise LineError("the times of its stages are damaged")
    if not isinstance(rows, list) or not rows:
        raise LineError("it has no rows")
    if not (file is None or isinstance(file, str)) or not isinstance(cut, bool):
        raise LineError("its file or cut is damaged")
    carried = line.get("carried", [0] * len(rows))
    if not _is_list_of(carried, {int}) or len(carried) != len(rows):
        raise LineError("its carried is damaged")
    steady = line.get("steady", [[]] * len(rows))  # sessions of earlier versions have none
    if not isinstance(steady, list) or len(steady) != len(rows):
        raise LineError("its steady is damaged")
    graded = line.get("intensity", [[]] * len(rows))  # of models that grade units
    if not isinstance(graded, list) or len(graded) != len(rows):
        raise LineError("its intensity is damaged")
    made = tuple(
        _row_of(raw, values, grades, (file, cut, _frame_of(age, "carried")), header)
        for raw, values, age, grades in zip(rows, steady, carried, graded, strict=True)
    )
    entry = JournalEntry(frame, tuple(stage_ms), made, _frame_of(left_out, "left_out"))
    if any(row.frame != frame for row in entry.rows):
        raise LineError("a row belongs to another frame")
    return entry


def steady_values(row: FaceRow) -> list[float]:
    """The steady estimate of a row in a line: ood_score, aleatoric, epistemic, probabilities; empty if it has none."""
    uncertainties = [getattr(row, name) for name in _STEADY_FIELDS]
    return [] if None in uncertainties else [*uncertainties, *row.steady_probabilities]


def parsed_frame(raw: bytes, header: SessionHeader) -> JournalEntry:
    """The record of a complete line of a frame.

    Raises:
        LineError: it is damaged.
    """
    line = _parse(raw)
    if line is None or "rows" not in line:
        raise LineError("it is not a frame")
    return entry_of(line, header)


def _item_of(line: dict[str, Any], header: SessionHeader) -> JournalEntry | StateLine | ResumedLine:
    if "rows" in line:
        return entry_of(line, header)
    if "snapshot" in line:
        if not isinstance(line["snapshot"], str):
            raise LineError("its state is not text")
        return StateLine(_frame_of(line.get("frame")), line["snapshot"])
    if "resumed_at" in line:
        return ResumedLine(_frame_of(line["resumed_at"], "resumed_at"))
    raise LineError("a second header" if "header" in line or "journal" in line else "it is of no known kind")


def _row_of(
    raw: object, steady: Any, graded: Any, shared: tuple[str | None, bool, int], header: SessionHeader
) -> FaceRow:
    """A row from its values; ``shared`` are file, cut and carried."""
    if not isinstance(raw, list) or len(raw) != len(ROW_FIELDS):
        raise LineError(f"a row does not have {len(ROW_FIELDS)} values")
    for name, value in zip(ROW_FIELDS, raw, strict=True):
        if not _is_valid(name, value):
            raise LineError(f"a row has a damaged {name}")
    if not _is_list_of(steady, _FLOATS) or not _are_small(steady) or 0 < len(steady) < len(_STEADY_FIELDS):
        raise LineError("a row has a damaged steady estimate")
    if not _is_list_of(graded, _FLOATS) or not _are_small(graded):
        raise LineError("a row has a damaged intensity")
    count = len(_STEADY_FIELDS)
    row = FaceRow(
        *(*map(_frozen, raw), *shared),
        *(tuple(steady[count:]), *(steady[:count] or (None,) * count), tuple(graded)),
    )
    _check_consistent(row, header)
    return row


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_valid(name: str, value: Any) -> bool:
    """Whether a value has the type and range of its field of a row."""
    if name in _NUMBERS:
        return _is_list_of(value, _FLOATS) and _are_small(value)
    if name in _TEXTS:
        return _is_list_of(value, {str})
    if name == "decision":
        return isinstance(value, str) and value in _DECISIONS
    if value is None:
        return name not in _REQUIRED
    if name in ("frame", "face_id"):
        return type(value) is int and 0 <= value <= _MAX_FRAME
    limit = _MAX_PX if name in _PIXELS else _MAX_NUMBER
    return type(value) in _FLOATS and -limit <= value <= limit


def _check_consistent(row: FaceRow, header: SessionHeader) -> None:
    """Check that the fields of a row fit its decision and the header; see app/session/rows.py."""
    is_assessed = row.decision in _ASSESSED
    is_measured = is_assessed and not row.carried
    classes, units = (len(header.expressions), len(header.au_codes)) if is_measured else (0, 0)
    if (len(row.probabilities), len(row.occurrence), len(row.occurrence_std)) != (classes, units, units):
        raise LineError(f"a row that is {row.decision} has another number of values than the header has labels")
    if len(row.intensity) != (units if header.au_intensity else 0):
        raise LineError(f"a row that is {row.decision} has another number of intensities than the header has units")
    wanted = len(header.expressions) if is_assessed and row.steady_aleatoric is not None else 0
    if len(row.steady_probabilities) != wanted:
        raise LineError(f"a row that is {row.decision} has another number of steady values than the header has labels")
    if len(row.labels) != len(row.shares) or bool(row.labels) != is_assessed:
        raise LineError(f"a row that is {row.decision} has the labels {', '.join(row.labels)[:60]}")
    if not set(row.labels) <= set(header.expressions):
        raise LineError("a row has a label that the header does not have")
    has_box = None not in (row.face_id, row.x, row.y, row.w, row.h)
    if has_box == (row.decision == NO_FACE):
        raise LineError(f"a row that is {row.decision} has a face or lacks its box")


def _is_list_of(value: object, kinds: set[type] | frozenset[type]) -> bool:
    return isinstance(value, list) and set(map(type, value)) <= kinds


def _are_small(numbers: list[float]) -> bool:
    return not numbers or (min(numbers) >= -_MAX_NUMBER and max(numbers) <= _MAX_NUMBER)


def _frame_of(value: object, name: str = "frame") -> int:
    if type(value) is int and 0 <= value <= _MAX_FRAME:
        return value
    raise LineError(f"its {name} is not a whole number from 0")


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Parse a line; None if it is incomplete."""
    if not raw.endswith(b"\n"):
        return None
    try:
        line = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a finite number")


class _LineOrder:
    """Checks the order of lines: frames ascend, and a state follows its frame. Two writers at once break it."""

    def __init__(self) -> None:
        self._frame = -1  # the last one
        self._is_state_due = False

    def check(self, item: JournalEntry | StateLine | ResumedLine) -> None:
        """Check the next line.

        Raises:
            LineError: it is a duplicate or out of order.
        """
        if isinstance(item, JournalEntry):
            if item.frame <= self._frame:
                raise LineError(f"frame {item.frame} after frame {self._frame}")
            self._frame, self._is_state_due = item.frame, True
            return
        if isinstance(item, StateLine) and (item.frame != self._frame or not self._is_state_due):
            raise LineError(f"a state of frame {item.frame} after frame {self._frame}")
        if isinstance(item, ResumedLine) and item.frame <= self._frame:
            raise LineError(f"resumed at frame {item.frame} after frame {self._frame}")
        self._is_state_due = False
