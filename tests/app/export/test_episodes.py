"""Episodes: merged frames, gaps, and short ones left out."""

from __future__ import annotations

import dataclasses

import pytest

from app.export.episodes import Episode, Kind, episodes_of
from app.export.job import ExportChoice, ExportJob
from app.review.notes import Exclusion, Notes
from app.review.session import open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from tests.app.export.conftest import NOTES
from tests.fakes.sessions import labelled_face, write_session


def found(session, notes=NOTES, **choice) -> list[Episode]:
    return episodes_of(ExportJob(session, notes, ExportChoice(**choice), lambda: False), lambda share: None)


def brief(episodes, kind):
    return [
        (item.face_id, item.value, round(item.start_s, 3), round(item.end_s, 3), item.frames)
        for item in episodes
        if item.kind is kind
    ]


def test_equal_frames_are_merged(session) -> None:
    episodes = found(session)
    assert brief(episodes, Kind.DECISION) == [
        (1, "accept", 0.5, 2.5, 20),
        (1, "ambiguous", 2.5, 3.5, 10),
        (2, "accept", 2.5, 3.5, 10),
        (1, "reject", 3.5, 4.0, 5),
        (1, "low_quality", 4.0, 4.5, 5),
    ]
    assert brief(episodes, Kind.EXPRESSION) == [
        (1, "happiness", 0.5, 2.5, 20),
        (1, "happiness|surprise", 2.5, 3.5, 10),  # in the model's order, whichever is likelier
        (2, "neutral", 2.5, 3.5, 10),
    ]
    assert [item.mean for item in episodes if item.kind is Kind.EXPRESSION] == pytest.approx([0.6, 0.6, 0.6])


def test_units_are_present_only_above_their_threshold(session) -> None:
    units = [item for item in found(session) if item.kind is Kind.UNIT]
    assert {item.face_id for item in units} == {1}  # face 2 has 0.2 everywhere, the threshold is 0.5
    assert {(item.start_s, item.end_s) for item in units} == {(0.5, 2.5)}  # then 0.5, which is not above it
    assert units[0].mean == pytest.approx(0.7)


def test_a_gap_of_one_frame_ends_an_episode(tmp_path) -> None:
    face = (labelled_face(1, "anger"),)
    write_session(tmp_path / "gap", [*[face] * 4, (), *[face] * 4])
    with open_session(tmp_path / "gap") as session:
        assert brief(found(session, Notes()), Kind.EXPRESSION) == [
            (1, "anger", 0.0, 0.4, 4),
            (1, "anger", 0.5, 0.9, 4),
        ]


def test_short_episodes_are_left_out(tmp_path) -> None:
    calm, other = (labelled_face(1, "neutral"),), (labelled_face(1, "anger"),)
    write_session(tmp_path / "short", [*[calm] * 3, other, *[calm] * 3])
    with open_session(tmp_path / "short") as session:
        values = [value for _, value, *_ in brief(found(session, Notes()), Kind.EXPRESSION)]
        assert values == ["neutral", "neutral"]
        values = [value for _, value, *_ in brief(found(session, Notes(), min_frames=1), Kind.EXPRESSION)]
        assert values == ["neutral", "anger", "neutral"]


def test_excluded_frames_can_be_left_out(session) -> None:
    notes = Notes().with_exclusion(Exclusion(1.0, 1.5))
    assert (1, "happiness", 0.5, 2.5, 20) in brief(found(session, notes), Kind.EXPRESSION)
    without = brief(found(session, notes, without_excluded=True), Kind.EXPRESSION)
    assert without[:2] == [(1, "happiness", 0.5, 1.0, 5), (1, "happiness", 1.5, 2.5, 10)]


def test_episodes_cover_every_row_once(tmp_path) -> None:
    write_synthetic_session(SessionFolder(tmp_path / "long"), 60.0, 10.0, 3, 11)
    with open_session(tmp_path / "long") as session:
        episodes = found(session, Notes(), min_frames=1)
        rows = [row for position in range(len(session.frames)) for row in session.rows_at(position)]
    by_kind = {kind: sum(item.frames for item in episodes if item.kind is kind) for kind in Kind}
    assert by_kind[Kind.DECISION] == sum(row.face_id is not None for row in rows)
    assert by_kind[Kind.EXPRESSION] == sum(bool(row.labels) for row in rows)
    above = sum(value > 0.5 for row in rows for value in row.occurrence)
    assert by_kind[Kind.UNIT] == above > 0
    for kind in (Kind.DECISION, Kind.EXPRESSION):
        for face in {item.face_id for item in episodes}:
            spans = sorted((item.first, item.last) for item in episodes if (item.face_id, item.kind) == (face, kind))
            assert all(one[1] < other[0] for one, other in zip(spans, spans[1:], strict=False))


def test_carried_rows_continue_episodes_but_not_their_means(tmp_path) -> None:
    high, low = labelled_face(1, "anger", level=0.9), labelled_face(1, "anger", level=0.1)
    carried = dataclasses.replace(low, carried=1)
    write_session(tmp_path / "load", [(high,), (carried,), (high,), (low,), (carried,)])
    with open_session(tmp_path / "load") as session:
        episodes = found(session, Notes())
    assert brief(episodes, Kind.EXPRESSION) == [(1, "anger", 0.0, 0.5, 5)]
    units = [item for item in episodes if item.kind is Kind.UNIT]
    assert {(round(item.start_s, 3), round(item.end_s, 3), item.frames) for item in units} == {(0.0, 0.3, 3)}
    assert [item.mean for item in units] == pytest.approx([0.9] * len(units))
