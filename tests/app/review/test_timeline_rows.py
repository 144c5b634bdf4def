"""Which rows the timeline has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.review.made_session import make_session
from app.review.session import Session, open_session
from app.review.timeline_rows import RowKind, is_short, lanes_shown, rows_of_lanes, unit_order
from app.session.folder import OutputFolder
from app.session.journal import RunHeader


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = OutputFolder(tmp_path / "made")
    make_session(folder, 30.0, 10.0, 3, 4)
    with open_session(folder.path) as opened:
        yield opened


def test_short_faces_stay_hidden_until_asked_for(session: Session) -> None:
    short = dataclasses.replace(session.lanes[0], positions=session.lanes[0].positions[:5])
    lanes = (short, *session.lanes[1:])
    assert is_short(short, session.times_s)
    assert lanes_shown(lanes, session.times_s, with_short=False) == session.lanes[1:]
    assert lanes_shown(lanes, session.times_s, with_short=True) == lanes


def test_where_all_are_short_all_are_shown(session: Session) -> None:
    assert lanes_shown(session.lanes, session.times_s / 1000, with_short=False) == session.lanes


def test_the_chosen_face_has_its_notes_and_units_below_it(session: Session) -> None:
    chosen = session.lanes[0].face_id
    rows = rows_of_lanes(session.lanes, chosen, set(), 18, 16.0)
    kinds = [row.kind for row in rows if row.face_id == chosen]
    assert kinds == [RowKind.FACE, RowKind.NOTED, RowKind.UNITS]
    others = [row.kind for row in rows if row.face_id != chosen]
    assert others == [RowKind.FACE] * (len(session.lanes) - 1)


def test_rows_lie_below_each_other(session: Session) -> None:
    rows = rows_of_lanes(session.lanes, None, {session.lanes[-1].face_id}, 18, 16.0)
    for above, below in zip(rows, rows[1:], strict=False):
        assert above.bottom_px < below.top_px
    assert rows[-1].kind is RowKind.NOTED  # labelled, though not chosen


def test_folded_units_take_no_room(session: Session) -> None:
    rows = rows_of_lanes(session.lanes, session.lanes[0].face_id, set(), 0, 16.0)
    assert all(row.kind is not RowKind.UNITS for row in rows)


def test_trusted_units_come_first() -> None:
    header = RunHeader("made", "0", "0", (), (1, 2, 4, 12), (0.5,) * 4, (4, 12), 1.0, 0.95)
    assert unit_order(header) == (2, 3, 0, 1)
