"""BORIS (Friard and Gamba, Methods in Ecology and Evolution, 2016): events as .xlsx, and a project with the ethogram.

Open the project, create an observation, and import the events into it. A state event has two rows, its start and its
stop, with the same code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from app.export.episodes import SEPARATOR, Episode, Kind, adjectives, episodes_of, unit_value
from app.export.job import ExportJob, Progress
from app.printable import plain
from app.session.text_tables import safe_cell
from engine.facs import UNIT_NAMES
from engine.records import json_text

#: Header that BORIS requires (import_observations.py).
COLUMNS: Final = ("time", "subject", "code", "modifier", "comment")
#: Codes besides the expressions and units.
AMBIGUOUS: Final = "ambiguous"  # its modifiers are the competing labels
NOT_ASSESSED: Final = {"reject": "not assessed", "low_quality": "not seen well"}
MARKER: Final = "marker"
EXCLUDED: Final = "excluded"
_EVENT: Final = "event "  # before one of the coder's codes
_HUMAN: Final = "human "  # before a label by a person
_STATE: Final = "State event"
_POINT: Final = "Point event"
#: Version of BORIS' project files, and its number for a modifier of which several values can be chosen.
_PROJECT_FORMAT: Final = "7.0"
_MULTIPLE: Final = 1
#: Largest number of rows of an .xlsx sheet.
_MOST_ROWS: Final = 1_048_576


def write_events(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the events, ordered by time.

    Raises:
        OutputError: there are more rows than a sheet holds.
    """
    from openpyxl import Workbook

    from engine.errors import OutputError

    rows = _rows(job, episodes_of(job, report))
    if len(rows) >= _MOST_ROWS:
        raise OutputError(
            f"{len(rows)} events are more than a sheet holds: leave out short episodes (--min-frames) or choose a table"
        )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("events")
    sheet.append(COLUMNS)
    for time_s, _, *cells in rows:
        sheet.append((round(time_s, 3), *map(_cell, cells)))
    book.save(path)


def write_ethogram(job: ExportJob, path: Path, report: Progress) -> None:
    """Write a project without observations: the behaviours that the events use, and the faces as subjects."""
    header = job.header
    competing = {"0": {"name": "labels", "type": _MULTIPLE, "values": list(header.expressions)}}
    behaviours = [
        *(_behaviour(name, _STATE, f"looks {adjectives((name,))}", "expression") for name in header.expressions),
        _behaviour(AMBIGUOUS, _STATE, "several labels fit", "expression", competing),
        _behaviour(NOT_ASSESSED["reject"], _STATE, "unlike the model's training data", "not assessed"),
        _behaviour(NOT_ASSESSED["low_quality"], _STATE, "too small, dark, blurred, turned away", "not assessed"),
        *(
            _behaviour(unit_value(code), _STATE, UNIT_NAMES.get(code, ""), "action unit")
            for code in (header.au_codes[place] for place in job.unit_places)
        ),
        *(
            _behaviour(f"{_HUMAN}{label}", _STATE, "label by a person", "human")
            for label in sorted({label.label for label in job.notes.labels})
        ),
        *(
            _behaviour(f"{_EVENT}{code}", _STATE, "event set in review", "review")
            for code in sorted({event.code for event in job.notes.events})
        ),
        _behaviour(MARKER, _POINT, "marker set in review", "review"),
        _behaviour(EXCLUDED, _STATE, "range excluded in review", "review"),
    ]
    faces = sorted({face.face_id for face in job.session.faces} | {label.face_id for label in job.notes.labels})
    subjects = list(dict.fromkeys(_subject(job, face) for face in faces))
    project: dict[str, Any] = {
        "time_format": "hh:mm:ss",
        "project_date": "" if job.session.metadata is None else job.session.metadata.start[:19],
        "project_name": header.source_id,
        "project_description": f"Written by Mien {header.app_version}. Import the events into an observation.",
        "project_format_version": _PROJECT_FORMAT,
        "subjects_conf": {
            str(place): {"key": "", "name": name, "description": "track number, or name given in review"}
            for place, name in enumerate(subjects)
        },
        "behaviors_conf": {str(place): behaviour for place, behaviour in enumerate(behaviours)},
        "observations": {},
        "behavioral_categories": ["expression", "not assessed", "action unit", "human", "review"],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    path.write_text(json_text(project), encoding="utf-8", errors="replace")


def _behaviour(
    code: str, kind: str, description: str, category: str, modifiers: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": kind,
        "key": "",
        "code": code,
        "description": description,
        "category": category,
        "modifiers": modifiers or {},
        "excluded": "",
        "coding map": "",
    }


def _rows(job: ExportJob, episodes: list[Episode]) -> list[tuple[float, int, str, str, str, str]]:
    """Time, 0 for a stop and 1 for a start (of events at the same time stops come first), and the other cells."""
    rows: list[tuple[float, int, str, str, str, str]] = []

    def state(start_s: float, end_s: float, subject: str, code: str, modifier: str = "", comment: str = "") -> None:
        rows.append((start_s, 1, subject, code, modifier, comment))
        rows.append((end_s, 0, subject, code, modifier, ""))

    for episode in episodes:
        coded = _coded(episode)
        if coded is not None:
            state(episode.start_s, episode.end_s, _subject(job, episode.face_id), *coded)
    for label in job.notes.labels:
        state(label.start_s, label.end_s, _subject(job, label.face_id), f"{_HUMAN}{label.label}", "", job.notes.coder)
    for event in job.notes.events:
        state(event.start_s, event.end_s, "", f"{_EVENT}{event.code}")
    for exclusion in job.notes.exclusions:
        state(exclusion.start_s, exclusion.end_s, "", EXCLUDED)
    rows += [(marker.time_s, 1, "", MARKER, "", marker.text) for marker in job.notes.markers]
    return sorted(rows, key=lambda row: row[:4])


def _coded(episode: Episode) -> tuple[str, str, str] | None:
    """Code, modifier and comment of an episode; None if another episode expresses it."""
    if episode.kind is Kind.UNIT:
        return episode.value, "", "" if episode.mean is None else f"mean {episode.mean:.2f}"
    if episode.kind is Kind.DECISION:
        code = NOT_ASSESSED.get(episode.value)
        return None if code is None else (code, "", "")
    comment = "" if episode.mean is None else f"mean confidence {episode.mean:.2f}"
    if SEPARATOR in episode.value:
        return AMBIGUOUS, ",".join(episode.labels), comment
    return episode.value, "", comment


def _subject(job: ExportJob, face_id: int) -> str:
    """The name that the coder gave a face, else its number."""
    return job.notes.name_of(face_id) or f"face {face_id}"


def _cell(text: str) -> str | None:
    """A cell's text, without what a spreadsheet would run and without characters that .xlsx does not allow."""
    return safe_cell(plain(text)) or None
