"""The blur of a session read in spans is that of the whole session."""

from __future__ import annotations

from pathlib import Path

from app.overlay.blur import FaceCover
from app.review.session import open_session
from app.review.session_cover import SessionCover
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder


def test_boxes_of_spans_are_those_of_the_whole_session_in_any_order(tmp_path: Path) -> None:
    write_synthetic_session(SessionFolder(tmp_path / "s"), 40.0, 5.0, 3, 7)
    with open_session(tmp_path / "s") as session:
        whole = FaceCover(session.times_s)
        for position in range(len(session.frames)):
            whole.add(position, session.rows_at(position))
        whole.link()
        spans = SessionCover(session)
        places = [*range(0, len(session.frames), 3), *range(len(session.frames) - 1, 0, -7)]
        expected = [whole.boxes_at(place) for place in places]
        assert [spans.boxes_at(place) for place in places] == expected
    assert len({None if boxes is None else len(boxes) for boxes in expected}) > 1
