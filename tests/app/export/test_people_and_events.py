"""Names of faces and the coder's own events in every format that has notes."""

from __future__ import annotations

import csv
import json

import pytest

from app.review.notes import Event
from tests.app.export.conftest import NOTES, csv_rows

OWN = NOTES.with_name(2, "Ada =1").with_event(Event(1.0, 2.5, "stimulus <1>")).with_event(Event(2.0, 3.0, "talk"))


def test_the_reviewed_table_has_the_name_of_each_face(write) -> None:
    rows = csv_rows(write("csv", OWN) / "reviewed_faces.csv")
    assert {row["face_id"]: row["person"] for row in rows} == {"": "", "1": "", "2": "Ada =1"}


def test_the_notes_list_names_and_events(write) -> None:
    rows = csv_rows(next(write("notes", OWN).glob("*.csv")))
    found = [(row["kind"], row["start_s"], row["end_s"], row["face_id"], row["text"]) for row in rows]
    assert ("name", "0.0", "", "2", "Ada =1") in found
    assert ("event", "1.0", "2.5", "", "stimulus <1>") in found


def test_bids_has_events_with_their_duration(write) -> None:
    path = next(write("bids", OWN).rglob("*_events.tsv"))
    with path.open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["trial_type"] == "event"]
    assert [(row["value"], float(row["onset"]), float(row["duration"])) for row in rows] == [
        ("stimulus <1>", 1.0, 1.5),
        ("talk", 2.0, 1.0),
    ]


def test_bids_has_the_name_in_the_rows_of_a_face_and_beside_its_recording(write) -> None:
    folder = write("bids", OWN)
    with next(folder.rglob("*_events.tsv")).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert {(row["face_id"], row["person"]) for row in rows} == {("n/a", "n/a"), ("1", "n/a"), ("2", "Ada =1")}
    sidecars = {path.name.split("_recording-")[1][:5]: path for path in folder.rglob("*_physio.json")}
    assert "face 2 (Ada =1)" in json.loads(sidecars["face2"].read_text())["Description"]
    assert "face 1," in json.loads(sidecars["face1"].read_text())["Description"]


def test_elan_has_the_name_as_participant_and_in_the_tiers_of_a_face(write) -> None:
    elan = pytest.importorskip("pympi")
    eaf = elan.Eaf(str(next(write("elan", OWN).glob("*.eaf"))))
    participants = {name: eaf.get_parameters_for_tier(name).get("PARTICIPANT") for name in eaf.get_tier_names()}
    named = {name: person for name, person in participants.items() if "face2_" in name}
    assert named
    assert all(name.startswith("Ada =1_face2_") and person == "Ada =1" for name, person in named.items())
    others = {name: person for name, person in participants.items() if name.startswith("face1_")}
    assert others
    assert set(others.values()) == {None}


def test_elan_has_a_tier_per_code_because_codes_may_overlap(write) -> None:
    elan = pytest.importorskip("pympi")
    eaf = elan.Eaf(str(next(write("elan", OWN).glob("*.eaf"))))
    assert [item[:3] for item in eaf.get_annotation_data_for_tier("event_stimulus <1>")] == [
        (1000, 2500, "stimulus <1>")
    ]
    assert [item[:3] for item in eaf.get_annotation_data_for_tier("event_talk")] == [(2000, 3000, "talk")]


def test_boris_has_states_of_events_and_the_name_as_subject(write) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    folder = write("boris", OWN)
    book = openpyxl.load_workbook(folder / "boris.xlsx")
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    assert [row[0] for row in rows if row[2] == "event talk"] == [2.0, 3.0]
    assert {row[1] for row in rows[1:]} == {None, "face 1", "Ada =1"}
    ethogram = json.loads((folder / "boris_ethogram.boris").read_text(encoding="utf-8"))
    assert {"event talk", "event stimulus <1>"} <= {item["code"] for item in ethogram["behaviors_conf"].values()}
    assert [item["name"] for item in ethogram["subjects_conf"].values()] == ["face 1", "Ada =1"]


def test_the_summary_page_names_faces_and_lists_events(write) -> None:
    page = (write("html", OWN) / "summary.html").read_text(encoding="utf-8")
    assert "face 2: Ada =1" in page
    assert "event stimulus &lt;1&gt;, until" in page
    assert "Faces by name: Ada =1: 2" in page
