"""Baselines of a session: the text that names neutral frames, estimation from rows, their record and their columns."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.session.baselines import NeutralFrames, find_baselines, fits, parse_baseline, record_of, with_baselines
from app.session.journal import read_journal
from app.session.rows import FaceRow, rows_of
from app.session.table import column_names, write_tables
from engine.baseline import MIN_FRAMES, PRIOR_FRAMES, subtract
from engine.errors import ConfigError
from engine.facs import BP4D_UNITS
from engine.records import json_text, read_record
from engine.types import BaselineState, FaceResult, Reason, Route, UnitBaseline
from tests.fakes.faces import UNITS, fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header, write_journal

_USUAL = np.full(UNITS, -3.0, np.float32)
_HALF = (0.5,) * UNITS  # logit 0


def _calm(track_id: int = 1) -> FaceResult:
    return fake_face(labels=("neutral",), track_id=track_id, occurrence=_HALF)


def _rows(*faces: FaceResult, count: int = 30) -> list[FaceRow]:
    return [row for index in range(count) for row in rows_of(fake_result(fake_frame(index), *faces))]


def _known() -> UnitBaseline:
    return UnitBaseline(BaselineState.KNOWN, 90, *(np.full(UNITS, value, np.float32) for value in (1.0, 0.1)))


def _graded() -> UnitBaseline:
    return UnitBaseline(BaselineState.KNOWN, 90, *(np.full(UNITS, value, np.float32) for value in (1.0, 0.1, 0.5)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("off", None),
        ("auto", NeutralFrames()),
        ("5-12", NeutralFrames((5.0, 12.0))),
        ("0:05-1:00.5", NeutralFrames((5.0, 60.5))),
    ],
)
def test_what_a_text_names(text: str, wanted: NeutralFrames | None) -> None:
    assert parse_baseline(text) == wanted
    if wanted is not None:
        assert parse_baseline(wanted.text) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [("on", "give off, auto, or the times"), ("5-", "not a time"), ("9-5", "is empty"), ("", "give off, auto")],
)
def test_a_text_that_names_nothing(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_baseline(text)


def test_frames_accepted_as_neutral_make_an_automatic_baseline() -> None:
    found = find_baselines(_rows(_calm(), fake_face(track_id=2)), NeutralFrames(), _USUAL)
    assert found[1].state is BaselineState.KNOWN
    assert found[1].shift == pytest.approx([3.0 * 30 / (30 + PRIOR_FRAMES)] * UNITS)
    assert found[2].state is BaselineState.UNKNOWN  # happy in every frame
    assert found[2].frames == 0


def test_two_labels_or_a_rejected_face_are_not_neutral() -> None:
    both = fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("neutral", "sadness"), (0.5, 0.4), occurrence=_HALF)
    none = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), track_id=2)
    found = find_baselines(_rows(both, none), NeutralFrames(), _USUAL)
    assert [each.frames for each in found.values()] == [0, 0]


def test_a_range_takes_every_assessed_frame_in_it() -> None:
    face = fake_face(occurrence=_HALF)  # happy, but the person says it is neutral
    found = find_baselines(_rows(face), NeutralFrames((0.5, 2.5)), _USUAL)
    assert found[1].frames == 20  # 10 per second, the end is not part of it
    few = find_baselines(_rows(face), NeutralFrames((0.0, (MIN_FRAMES - 1) / 10)), _USUAL)
    assert few[1].state is BaselineState.UNKNOWN


def test_a_row_keeps_the_model_s_occurrence_beside_the_corrected_one() -> None:
    (row,) = _rows(fake_face(occurrence=_HALF), count=1)
    (changed,) = with_baselines([row], {1: _known()})
    assert changed.occurrence == row.occurrence
    values = (np.array(each, np.float32) for each in (row.occurrence, row.occurrence_std))
    after, std = subtract(*values, _known())
    assert changed.corrected == pytest.approx(after.tolist(), rel=1e-5)
    assert changed.corrected_std == pytest.approx(std.tolist(), rel=1e-5)
    assert changed.units_shown().occurrence == changed.corrected
    assert (row.intensity, changed.corrected_intensity, changed.units_shown().intensity) == ((), (), ())
    assert row.units_shown() is row
    assert with_baselines([row], {7: _known()}) == (row,)


def test_a_row_keeps_the_model_s_intensity_beside_the_corrected_one() -> None:
    (row,) = _rows(fake_face(occurrence=_HALF, graded=True), count=1)  # intensity 2
    (changed,) = with_baselines([row], {1: _graded()})
    assert changed.intensity == (2.0,) * UNITS
    assert changed.corrected_intensity == pytest.approx([5 * 1.5 / 4.5] * UNITS, rel=1e-5)
    assert changed.units_shown().intensity == changed.corrected_intensity
    (earlier,) = with_baselines([row], {1: _known()})  # recorded when intensities were left alone
    assert earlier.units_shown().intensity == (2.0,) * UNITS


def test_neutral_frames_have_their_intensity_in_the_baseline() -> None:
    calm = fake_face(labels=("neutral",), occurrence=_HALF, graded=True)
    weight = 30 / (30 + PRIOR_FRAMES)
    found = find_baselines(_rows(calm), NeutralFrames(), _USUAL)
    assert found[1].intensity == pytest.approx([weight * 2.0] * UNITS)
    assert find_baselines(_rows(_calm()), NeutralFrames(), _USUAL)[1].intensity is None


def test_the_record_reads_back_the_same() -> None:
    wanted = {1: _graded(), 2: _known(), 4: UnitBaseline(BaselineState.UNKNOWN, 3)}
    record = record_of("5-12", wanted)
    again = read_record(type(record), json.loads(json_text(record)))
    assert again == record
    found = again.by_face()
    assert found[1].intensity == pytest.approx(wanted[1].intensity)
    assert found[2].intensity is None
    assert found[1].shift == pytest.approx(wanted[1].shift)
    assert found[1].error == pytest.approx(wanted[1].error)
    assert (found[4].state, found[4].frames, found[4].shift) == (BaselineState.UNKNOWN, 3, None)
    assert fits(found, fake_header())
    assert not fits(found, fake_header(au_codes=(1, 2)))


def test_none_unknown_and_not_computed_are_three_values_in_the_tables(tmp_path: Path) -> None:
    rejected = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), track_id=4)
    faces = [fake_face(track_id=track_id) for track_id in (1, 2, 3)]
    header, journal = fake_header(), tmp_path / "journal.jsonl"
    write_journal(journal, header, [fake_result(fake_frame(), *faces, rejected)])
    baselines = {1: _known(), 2: UnitBaseline(BaselineState.UNKNOWN, 3), 4: _known()}
    paths = tmp_path / "faces.csv", tmp_path / "faces.parquet"
    write_tables(journal, *paths, baselines=baselines)
    with paths[0].open(newline="") as handle:
        found = list(csv.DictReader(handle))
    numbers = [f"{code:02d}" for code in BP4D_UNITS]
    corrected = [*(f"au_{number}_b" for number in numbers), *(f"au_{number}_b_sd" for number in numbers)]
    assert list(found[0]) == [*column_names(header), "au_baseline", "au_baseline_frames", *corrected]
    states = [(row["au_baseline"], row["au_baseline_frames"], bool(row["au_12_b"])) for row in found]
    assert states == [("known", "90", True), ("unknown", "3", False), ("none", "", False), ("", "", False)]
    typed = pq.read_table(paths[1]).to_pylist()
    assert [row["au_baseline_frames"] for row in typed] == [90, 3, None, None]
    assert typed[0]["au_12_b"] < typed[0]["au_12"]


def test_the_tables_of_a_model_that_grades_have_both_intensities_and_the_journal_the_model_s(tmp_path: Path) -> None:
    header, journal = fake_header(au_intensity=True), tmp_path / "journal.jsonl"
    faces = [fake_face(track_id=track_id, occurrence=_HALF, graded=True) for track_id in (1, 2, 3)]
    live = dataclasses.replace(faces[0], baseline=_graded())  # subtracted in what is shown meanwhile
    write_journal(journal, header, [fake_result(fake_frame(), live, *faces[1:])])
    (entry,) = read_journal(journal)
    assert [row.intensity for row in entry.rows] == [(2.0,) * UNITS] * 3
    assert not any(row.corrected_intensity for row in entry.rows)
    baselines = {1: _graded(), 2: UnitBaseline(BaselineState.UNKNOWN, 3), 3: _known()}
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet", baselines=baselines)
    table = pq.read_table(tmp_path / "faces.parquet")
    names = [f"au_{code:02d}_b_i" for code in BP4D_UNITS]
    assert table.column_names == list(column_names(header, baselines=True))
    assert table.column_names[-UNITS:] == names
    known, unknown, earlier = table.to_pylist()
    assert [known[name] for name in names] == pytest.approx([5 * 1.5 / 4.5] * UNITS, rel=1e-5)
    assert known["au_12_i"] == 2.0
    assert {unknown[name] for name in names} == {earlier[name] for name in names} == {None}
    assert earlier["au_12_b"] is not None


def test_without_baselines_the_tables_are_as_before(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    write_journal(journal, fake_header(), [fake_result(fake_frame(), fake_face())])
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    assert not any("_b" in name for name in pq.read_schema(tmp_path / "faces.parquet").names)
