"""Neutral baselines in exports: which values are corrected, and where the files say so."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.export.export import export
from app.export.job import ExportChoice, ExportJob
from app.review.notes import NeutralRange, Notes
from app.review.session import Session, open_session
from engine.baseline import PRIOR_FRAMES
from engine.facs import OPEN_UNITS
from tests.app.export.conftest import FRAMES, csv_rows
from tests.fakes.faces import fake_face
from tests.fakes.sessions import write_session

#: Face 1 is in these two seconds, with logit ln(0.7 / 0.3); the usual one is -3.
_NOTES = Notes().with_neutral(NeutralRange(1, 0.5, 2.5))
_CORRECTED = 1 / (1 + math.exp((math.log(0.7 / 0.3) + 3.0) * 20 / (20 + PRIOR_FRAMES) - math.log(0.7 / 0.3)))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    write_session(tmp_path / "run", FRAMES, neutral_logit=-3.0)
    with open_session(tmp_path / "run") as opened:
        yield opened


def _export(session: Session, notes: Notes, folder: Path, *formats: str) -> Path:
    export(session, notes, ExportChoice(formats), folder, lambda share: None, lambda: False)
    return folder


def test_the_reviewed_table_has_both_values_and_says_which_faces_are_corrected(
    session: Session, tmp_path: Path
) -> None:
    folder = _export(session, _NOTES, tmp_path / "out", "csv", "jsonl", "notes")
    rows = csv_rows(folder / "reviewed_faces.csv")
    first = next(row for row in rows if row["face_id"] == "1" and row["au_12"])
    assert first["au_12"] == "0.7"
    assert float(first["au_12_b"]) == pytest.approx(_CORRECTED, rel=1e-3)
    assert (first["au_baseline"], first["au_baseline_frames"]) == ("known", "20")
    other = next(row for row in rows if row["face_id"] == "2")
    assert (other["au_baseline"], other["au_12_b"]) == ("none", "")
    line = next(text for text in (folder / "reviewed_faces.jsonl").read_text().splitlines() if '"face_id":1,' in text)
    assert json.loads(line)["au_12_b"] == pytest.approx(_CORRECTED, rel=1e-3)
    noted = [row for row in csv_rows(folder / "reviewed_notes.csv") if row["kind"] == "neutral"]
    assert [(row["face_id"], row["start_s"], row["end_s"]) for row in noted] == [("1", "0.5", "2.5")]


def test_without_a_baseline_the_table_is_as_before(session: Session, tmp_path: Path) -> None:
    rows = csv_rows(_export(session, Notes(), tmp_path / "out", "csv") / "reviewed_faces.csv")
    assert not any(name.startswith("au_baseline") for name in rows[0])


def test_other_formats_have_the_corrected_values(session: Session, tmp_path: Path) -> None:
    plain = csv_rows(_export(session, Notes(), tmp_path / "plain", "openface") / "openface.csv")
    changed = csv_rows(_export(session, _NOTES, tmp_path / "changed", "openface") / "openface.csv")
    present = [next(row for row in rows if row["face_id"] == "1" and row["AU12_c"]) for rows in (plain, changed)]
    assert [row["AU12_c"] for row in present] == ["1.0", "0.0"]  # 0.7 and less than the threshold of 0.5
    assert float(present[1]["AU12_r"]) == pytest.approx(5 * _CORRECTED, abs=0.01)


def test_the_intensity_of_openface_is_that_above_the_neutral_face(tmp_path: Path) -> None:
    face = fake_face(units=OPEN_UNITS, occurrence=(0.7,) * len(OPEN_UNITS), graded=True)  # intensity 2.8
    write_session(tmp_path / "graded", [(face,)] * 20, au_intensity=True, neutral_logit=-3.0)
    neutral = 2.8 * 20 / (20 + PRIOR_FRAMES)
    notes = Notes().with_neutral(NeutralRange(1, 0.0, 2.0))
    with open_session(tmp_path / "graded") as session:
        folder = _export(session, notes, tmp_path / "out", "openface", "csv")
    row, reviewed = (csv_rows(folder / name)[0] for name in ("openface.csv", "reviewed_faces.csv"))
    wanted = 5 * (2.8 - neutral) / (5 - neutral)
    assert float(row["AU12_r"]) == pytest.approx(wanted, abs=0.005)
    assert (row["AU12_c"], reviewed["au_12_i"]) == ("0.0", "2.8")
    assert float(reviewed["au_12_b_i"]) == pytest.approx(wanted, rel=1e-4)


def test_the_data_set_and_the_summary_say_what_is_corrected(session: Session, tmp_path: Path) -> None:
    said = "The neutral baseline is subtracted from the action units of face 1;"
    folder = _export(session, _NOTES, tmp_path / "out", "bids", "html")
    assert said in (folder / "bids" / "README.md").read_text()
    page = next(folder.glob("*.html")).read_text()
    assert said in page
    assert "face 1: neutral until" in page
    sidecars = (next(folder.glob(f"bids/sub-*/beh/*_recording-face{face}_physio.json")) for face in (1, 2))
    ends = [json.loads(sidecar.read_text())["Description"].partition("; ")[2] for sidecar in sidecars]
    assert ends == [f"its neutral baseline is {shift}subtracted from the action units" for shift in ("", "not ")]
    plain = _export(session, Notes(), tmp_path / "plain", "bids")
    assert "no neutral baseline is subtracted" in (plain / "bids" / "README.md").read_text()


def test_a_video_is_drawn_with_the_corrected_values(session: Session) -> None:
    job = ExportJob(session, _NOTES, ExportChoice(), lambda: False)
    (row,) = job.rows_shown_at(10)
    assert row.occurrence[0] == pytest.approx(_CORRECTED, rel=1e-3)
    assert session.rows_at(10)[0].occurrence[0] == 0.7  # of a session whose notes nobody shows
