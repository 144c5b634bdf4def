"""Layout of the timeline: time scale, ruler and rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.review.session import Session, open_session
from app.review.synthetic_session import write_synthetic_session
from app.review.timeline_layout import (
    MIN_SPAN_S,
    RowKind,
    TimeScale,
    clock_text,
    is_short,
    layout_rows,
    ruler_marks_s,
    ruler_step_s,
    unit_order,
    visible_faces,
    whole_scale,
)
from app.session.folder import SessionFolder
from tests.fakes.sessions import fake_header


def test_times_and_pixels_are_inverse() -> None:
    scale = TimeScale(10.0, 20.0, 100.0, 400)
    assert scale.x_of(10.0) == 0.0
    assert scale.x_of(20.0) == 400 * 10 / 20
    assert scale.time_at(scale.x_of(17.5)) == pytest.approx(17.5)
    assert scale.end_s == 30.0


def test_times_are_clipped_to_the_session() -> None:
    scale = whole_scale(100.0, 400)
    assert scale.time_at(-50) == 0.0
    assert scale.time_at(900) == 100.0


def test_zooming_keeps_the_time_under_the_mouse() -> None:
    scale = whole_scale(100.0, 400).zoomed(0.5, 30.0)
    assert scale.span_s == 50.0
    assert scale.x_of(30.0) == pytest.approx(400 * 30 / 100)


def test_zooming_is_limited_to_some_frames_and_the_whole_session() -> None:
    scale = whole_scale(100.0, 400)
    assert scale.zoomed(1e-9, 50.0).span_s == MIN_SPAN_S
    assert scale.zoomed(0.1, 50.0).zoomed(1e9, 50.0) == scale


def test_scrolling_is_clipped_to_the_session() -> None:
    scale = TimeScale(10.0, 20.0, 100.0, 400)
    assert scale.moved_to(-5.0).start_s == 0.0
    assert scale.moved_to(99.0).start_s == 100.0 - 20.0


def test_a_session_without_length_can_be_shown() -> None:
    scale = whole_scale(0.0, 0)
    assert scale.width_px == 1
    assert scale.x_of(0.0) == 0.0


def test_ruler_marks_leave_room_for_their_texts() -> None:
    scale = whole_scale(7200.0, 900)
    step = ruler_step_s(scale, 60.0)
    assert step == 600.0  # 600 s are 75 pixels; the next smaller step, 300 s, would be 37.5
    assert ruler_marks_s(scale, step) == [600.0 * number for number in range(13)]


def test_ruler_marks_start_inside_the_span() -> None:
    assert ruler_marks_s(TimeScale(0.25, 1.0, 10.0, 500), 0.5) == [0.5, 1.0]


def test_a_day_has_ruler_marks() -> None:
    scale = whole_scale(24 * 3600.0, 100)
    assert ruler_step_s(scale, 50.0) == 12 * 3600.0


@pytest.mark.parametrize(
    ("time_s", "duration_s", "decimals", "text"),
    [
        (0.0, 10.0, 0, "0:00"),
        (65.4, 100.0, 0, "1:05"),
        (65.4, 100.0, 1, "1:05.4"),
        (0.1 + 0.2, 10.0, 1, "0:00.3"),
        (3725.0, 7200.0, 0, "1:02:05"),
        (59.999, 7200.0, 2, "0:00:59.99"),
        (-1.0, 10.0, 0, "0:00"),
    ],
)
def test_clock_texts(time_s: float, duration_s: float, decimals: int, text: str) -> None:
    assert clock_text(time_s, duration_s, decimals) == text


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = SessionFolder(tmp_path / "session")
    write_synthetic_session(folder, 30.0, 10.0, 3, 4)
    with open_session(folder.path) as opened:
        yield opened


def test_short_faces_are_hidden_by_default(session: Session) -> None:
    short = dataclasses.replace(session.faces[0], positions=session.faces[0].positions[:5])
    faces = (short, *session.faces[1:])
    assert is_short(short, session.times_s)
    assert visible_faces(faces, session.times_s, with_short=False) == session.faces[1:]
    assert visible_faces(faces, session.times_s, with_short=True) == faces


def test_if_all_faces_are_short_all_are_shown(session: Session) -> None:
    assert visible_faces(session.faces, session.times_s / 1000, with_short=False) == session.faces


def test_the_selected_face_has_rows_for_labels_and_units(session: Session) -> None:
    chosen = session.faces[0].face_id
    rows = layout_rows(session.faces, chosen, set(), 18, 16.0)
    kinds = [row.kind for row in rows if row.face_id == chosen]
    assert kinds == [RowKind.FACE, RowKind.LABELS, RowKind.UNITS]
    others = [row.kind for row in rows if row.face_id != chosen]
    assert others == [RowKind.FACE] * (len(session.faces) - 1)


def test_rows_do_not_overlap(session: Session) -> None:
    rows = layout_rows(session.faces, None, {session.faces[-1].face_id}, 18, 16.0)
    for above, below in zip(rows, rows[1:], strict=False):
        assert above.bottom_px < below.top_px
    assert rows[-1].kind is RowKind.LABELS  # labelled, though not selected


def test_hidden_units_take_no_space(session: Session) -> None:
    rows = layout_rows(session.faces, session.faces[0].face_id, set(), 0, 16.0)
    assert all(row.kind is not RowKind.UNITS for row in rows)


def test_trusted_units_come_first() -> None:
    header = fake_header(au_codes=(1, 2, 4, 12), au_trusted=(4, 12))
    assert unit_order(header) == (2, 3, 0, 1)
