"""Rows of each route, the journal and its torn ends, and the state that is kept once per second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.journal import (
    JournaledPipeline,
    JournalSink,
    ResumePoint,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from app.session.rows import SessionHeader, rows_of
from engine.errors import OutputError
from engine.facs import BP4D_UNITS, EXPRESSIONS
from engine.types import FaceQuality, QualityReason, Reason, Route
from tests.app.made import MadePipeline, make_face, make_frame, make_result

TRUSTED = (1, 2, 12)
HEADER = SessionHeader(
    "clip.mp4", "0.1", "e" * 64, EXPRESSIONS, BP4D_UNITS, (0.1,) * 12, TRUSTED, 1.2, 0.95, {"tracker": "litert"}
)


def test_accept_has_one_label_and_its_share() -> None:
    (row,) = rows_of(make_result(make_frame(7), make_face()))
    assert (row.decision, row.labels, row.shares) == ("accept", ("happiness",), (0.82,))
    assert (row.frame, row.pts_s, row.time_s, row.face_id) == (7, 0.7 + 1.0, 0.7, 1)
    assert (row.x, row.y, row.w, row.h) == (40.0, 30.0, 100.0 - 40.0, 100.0 - 30.0)
    assert len(row.probabilities) == 8
    assert len(row.occurrence) == len(row.occurrence_std) == 12
    assert (row.yaw, row.pitch, row.roll) == (10.0, -5.0, 1.5)
    assert row.latency_ms == 1.0 + 0.5 + 2.0 + 1.25 + 0.25


def test_ambiguous_has_all_competing_labels() -> None:
    face = make_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("fear", "surprise", "sadness"), (0.4, 0.3, 0.2))
    (row,) = rows_of(make_result(make_frame(), face))
    assert (row.decision, row.labels) == ("ambiguous", ("fear", "surprise", "sadness"))


def test_reject_keeps_the_uncertainty_and_nothing_assessed() -> None:
    (row,) = rows_of(make_result(make_frame(), make_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())))
    assert row.decision == "reject"
    assert (row.labels, row.shares, row.probabilities, row.occurrence, row.occurrence_std) == ((), (), (), (), ())
    assert (row.aleatoric, row.epistemic, row.ood_score) == (0.4, 0.1, 0.25)


def test_low_quality_keeps_only_place_quality_and_pose() -> None:
    bad = FaceQuality(0.2, (QualityReason.DARK, QualityReason.BLURRED))
    (row,) = rows_of(make_result(make_frame(), make_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=bad)))
    assert (row.decision, row.quality, row.quality_reasons) == ("low_quality", 0.2, ("dark", "blurred"))
    assert (row.aleatoric, row.epistemic, row.ood_score, row.probabilities, row.occurrence) == (
        None,
        None,
        None,
        (),
        (),
    )
    assert row.yaw == 10.0


def test_a_frame_without_a_face_has_one_row() -> None:
    (row,) = rows_of(make_result(make_frame(3)))
    assert (row.decision, row.frame, row.face_id, row.x, row.quality) == ("no_face", 3, None, None, None)


def test_every_face_has_a_row() -> None:
    rows = rows_of(make_result(make_frame(), make_face(), make_face(track_id=4)))
    assert [row.face_id for row in rows] == [1, 4]


def test_times_of_a_long_film_keep_their_microseconds() -> None:
    (row,) = rows_of(make_result(make_frame(250_003, fps=30.0)))
    assert row.time_s == pytest.approx(250_003 / 30, abs=1e-6)


def write_journal(path: Path, frames: int, resume: ResumePoint | None = None, first: int = 0) -> None:
    pipeline = JournaledPipeline(MadePipeline())
    sink = JournalSink(path, HEADER, resume)
    sink.open()
    for index in range(first, frames):
        sink.write(pipeline.process(make_frame(index)))
    sink.close(completed=True)


def test_a_journal_reads_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 12)
    pipeline = MadePipeline()
    assert read_header(path) == HEADER
    entries = list(read_journal(path))
    assert [entry.rows for entry in entries] == [rows_of(pipeline.process(make_frame(index))) for index in range(12)]
    assert entries[0].stage_ms == (1.0, 0.5, 2.0, 1.25, 0.25)


def test_a_state_is_kept_once_per_second_and_belongs_to_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 35)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    states = [(line["frame"], line["snapshot"]) for line in lines if "snapshot" in line]
    assert states == [(10, str(10 + 1)), (20, str(20 + 1)), (30, str(30 + 1))]
    point = find_resume_point(path)
    assert point is not None
    assert (point.frame, point.snapshot) == (30, "31")


def test_resuming_cuts_behind_the_state_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 25)
    point = find_resume_point(path)
    assert point is not None
    write_journal(path, 28, point, first=point.frame + 1)
    assert [entry.frame for entry in read_journal(path)] == list(range(28))
    assert resumed_frames(path) == [21]


@given(st.data())
def test_a_journal_cut_anywhere_gives_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    write_journal(path, 12)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    expected = sum(b'"rows"' in line for line in whole[:cut].splitlines(keepends=True) if line.endswith(b"\n"))
    assert sum(1 for _ in read_journal(path)) == expected
    point = find_resume_point(path)
    assert point is None or point.length <= cut


def test_a_tail_of_zero_bytes_is_left_out(tmp_path: Path) -> None:
    """What a power cut leaves: the file has grown, its last bytes have not been written."""
    path = tmp_path / "journal.jsonl"
    write_journal(path, 5)
    with path.open("ab") as handle:
        handle.write(bytes(300))
    assert sum(1 for _ in read_journal(path)) == 5


def test_damage_inside_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{broken\n", *lines[3:]]))
    with pytest.raises(OutputError, match=r"damaged at byte \d+: use --force"):
        list(read_journal(path))


def test_a_line_nested_too_deep_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"[" * 100_000 + b"\n", *lines[3:]]))
    with pytest.raises(OutputError, match=r"damaged at byte \d+: use --force"):
        find_resume_point(path)


@pytest.mark.parametrize("header", [None, [], {}, {"shoe_size": 43}])
def test_a_damaged_header_is_told(tmp_path: Path, header: object) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 1)
    first, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps(json.loads(first) | {"header": header}) + "\n" + rest)
    with pytest.raises(OutputError, match="is not a journal that this version can read: use --force to start again"):
        read_header(path)


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"journal": 99}\n')
    with pytest.raises(OutputError, match="is not a journal that this version can read"):
        read_header(path)


def test_a_journal_from_before_units_were_trusted_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 2)
    first, *rest = path.read_text().splitlines()
    begun = json.loads(first)
    begun["journal"] = 1
    del begun["header"]["au_trusted"]
    path.write_text("\n".join([json.dumps(begun), *rest, ""]))
    with pytest.raises(OutputError, match="is not a journal that this version can read: use --force to start again"):
        read_header(path)


def test_the_header_names_the_trusted_units(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, 1)
    assert json.loads(path.read_text().splitlines()[0])["header"]["au_trusted"] == [1, 2, 12]


def test_a_journal_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        JournalSink(tmp_path / "file" / "journal.jsonl", HEADER).open()


def test_a_full_disk_is_an_error_that_names_the_remedy() -> None:
    sink = JournalSink(Path("/dev/full"), HEADER)
    with pytest.raises(OutputError, match="No space left on device.*free space"):
        sink.open()
    with pytest.raises(OutputError):
        sink.close(completed=False)
