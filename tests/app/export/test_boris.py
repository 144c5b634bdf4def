"""BORIS: events as its import reads them, and an ethogram that names every code."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from app.review.notes import Marker
from engine.errors import OutputError
from tests.app.export.conftest import NOTES

openpyxl = pytest.importorskip("openpyxl")


def events(folder):
    book = openpyxl.load_workbook(folder / "boris.xlsx")
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    return rows


@pytest.fixture
def folder(write):
    return write("boris")


def test_the_header_is_what_the_import_requires(folder) -> None:
    assert events(folder)[0] == ("time", "subject", "code", "modifier", "comment")


def test_pandas_reads_the_first_sheet_as_boris_does(folder) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_excel(folder / "boris.xlsx", sheet_name=0, engine="openpyxl")
    assert list(frame.columns.str.upper()) == ["TIME", "SUBJECT", "CODE", "MODIFIER", "COMMENT"]
    assert len(frame) == len(events(folder)) - 1


def test_every_state_starts_and_stops(folder) -> None:
    states = {
        behaviour["code"]
        for behaviour in json.loads((folder / "boris_ethogram.boris").read_text())["behaviors_conf"].values()
        if behaviour["type"] == "State event"
    }
    counts = Counter(row[1:4] for row in events(folder)[1:] if row[2] in states)
    assert counts
    assert all(count % 2 == 0 for count in counts.values())
    happy = [row[0] for row in events(folder)[1:] if row[1:3] == ("face 1", "happiness")]
    assert happy == [0.5, 2.5]


def test_an_ambiguous_state_has_its_labels_as_modifiers(folder) -> None:
    rows = [row for row in events(folder) if row[2] == "ambiguous"]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (2.5, "face 1", "happiness,surprise"),
        (3.5, "face 1", "happiness,surprise"),
    ]


def test_faces_that_were_not_assessed_have_codes_of_their_own(folder) -> None:
    rows = [(row[2], row[0]) for row in events(folder) if row[2] in ("not assessed", "not seen well")]
    assert rows == [("not assessed", 3.5), ("not assessed", 4.0), ("not seen well", 4.0), ("not seen well", 4.5)]


def test_the_ethogram_names_every_code_subject_and_modifier(folder) -> None:
    project = json.loads((folder / "boris_ethogram.boris").read_text(encoding="utf-8"))
    behaviours = {item["code"]: item for item in project["behaviors_conf"].values()}
    subjects = {item["name"] for item in project["subjects_conf"].values()}
    for _, subject, code, modifier, _ in events(folder)[1:]:
        assert code in behaviours
        assert subject is None or subject in subjects
        allowed = {value for item in behaviours[code]["modifiers"].values() for value in item["values"]}
        assert set((modifier or "").split(",")) - {""} <= allowed
    assert project["project_format_version"] == "7.0"
    assert {item["category"] for item in behaviours.values()} <= set(project["behavioral_categories"])


def test_text_of_people_does_not_run(write) -> None:
    notes = NOTES.with_coder("@Ada").with_marker(Marker(2.0, "bell\x07"))
    comments = {row[4] for row in events(write("boris", notes))}
    assert {"'=cmd|' /C calc'!A1", "'@Ada", "bell"} <= comments


def test_more_rows_than_a_sheet_holds_are_refused(write, monkeypatch) -> None:
    monkeypatch.setattr("app.export.boris._MOST_ROWS", 10)
    with pytest.raises(OutputError, match="more than a sheet holds"):
        write("boris")
