"""Baselines in Review: from the coder's neutral ranges, for all faces of a person, or as recorded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.review.face_baselines import session_baselines, usual_logits
from app.review.face_series import SeriesGroup
from app.review.notes import NeutralRange, Notes
from app.review.session import Session, open_session
from app.session.baselines import FaceBaseline, SessionBaselines
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata, write_metadata
from engine.baseline import PRIOR_FRAMES
from engine.facs import OPEN_UNITS
from engine.types import BaselineState
from tests.fakes.faces import fake_face
from tests.fakes.sessions import labelled_face, write_session

#: Ten frames per second: face 1 for two seconds, then the same person as face 2 with another level.
_FRAMES = [
    *[(labelled_face(1, "happiness", level=0.5),)] * 20,
    *[(labelled_face(2, "happiness", level=0.5),)] * 20,
    *[(labelled_face(3),)] * 5,
]
_USUAL = -3.0
#: What 20 frames of a face with logit 0 shift.
_SHIFT = 3.0 * 20 / (20 + PRIOR_FRAMES)
_CORRECTED = 1 / (1 + math.exp(_SHIFT))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    write_session(tmp_path / "run", _FRAMES, neutral_logit=_USUAL)
    with open_session(tmp_path / "run") as opened:
        yield opened


def test_a_range_counts_for_its_face_alone(session: Session) -> None:
    found = session_baselines(session, Notes().with_neutral(NeutralRange(1, 0.0, 2.0)))
    assert list(found) == [1]
    assert found[1].state is BaselineState.KNOWN
    assert found[1].frames == 20
    assert found[1].shift == pytest.approx([_SHIFT] * len(OPEN_UNITS), rel=1e-4)


def test_faces_of_one_name_are_one_person(session: Session) -> None:
    notes = Notes().with_neutral(NeutralRange(1, 0.0, 2.0)).with_name(1, "Ada").with_name(2, "Ada")
    found = session_baselines(session, notes)
    assert sorted(found) == [1, 2]
    assert found[1] is found[2]
    both = session_baselines(session, notes.with_neutral(NeutralRange(2, 2.0, 4.0)))
    assert both[1].frames == 40


@pytest.mark.parametrize("chosen", [NeutralRange(1, 0.0, 0.5), NeutralRange(3, 4.0, 4.5), NeutralRange(2, 0.0, 2.0)])
def test_a_range_with_too_few_frames_of_the_face_is_unknown(session: Session, chosen: NeutralRange) -> None:
    found = session_baselines(session, Notes().with_neutral(chosen))
    assert found[chosen.face_id].state is BaselineState.UNKNOWN


def test_notes_may_name_a_face_that_the_session_lacks(session: Session) -> None:
    assert session_baselines(session, Notes().with_neutral(NeutralRange(9, 0.0, 2.0))) == {}


def test_what_is_shown_follows_the_baselines_and_back(session: Session) -> None:
    face = session.faces[0]
    edges = np.array([0, 20], np.int64)
    assert session.use_baselines(session_baselines(session, Notes().with_neutral(NeutralRange(1, 0.0, 2.0))))
    (row,) = session.rows_at(3)
    assert row.occurrence[0] == pytest.approx(_CORRECTED, rel=1e-3)
    assert (row.baseline, row.baseline_frames) == ("known", 20)
    assert face.occurrence(edges)[0, 0] == pytest.approx(_CORRECTED, abs=1e-3)
    assert face.series.values(SeriesGroup.UNITS)[0, 0] == pytest.approx(_CORRECTED, rel=1e-3)
    assert session.measured_rows_at(3)[0].occurrence[0] == 0.5
    assert face.measured_units[0, 0] == 0.5
    assert session.rows_at(25)[0].occurrence[0] == 0.5  # another face
    assert session.use_baselines({})
    assert session.rows_at(3)[0].occurrence[0] == 0.5
    assert face.occurrence(edges)[0, 0] == 0.5
    assert face.series.values(SeriesGroup.UNITS)[0, 0] == 0.5
    assert not session.use_baselines({})


def test_intensities_follow_the_baseline_and_back(tmp_path: Path) -> None:
    face = fake_face(units=OPEN_UNITS, occurrence=(0.5,) * len(OPEN_UNITS), graded=True)  # intensity 2
    write_session(tmp_path / "run", [(face,)] * 20, au_intensity=True, neutral_logit=_USUAL)
    neutral = 2.0 * 20 / (20 + PRIOR_FRAMES)
    with open_session(tmp_path / "run") as session:
        assert session.use_baselines(session_baselines(session, Notes().with_neutral(NeutralRange(1, 0.0, 2.0))))
        series = session.faces[0].series
        wanted = pytest.approx(5 * (2.0 - neutral) / (5 - neutral), rel=1e-4)
        assert session.rows_at(3)[0].intensity[0] == wanted
        assert series.values(SeriesGroup.INTENSITIES)[0, 0] == wanted
        assert session.measured_rows_at(3)[0].intensity[0] == 2.0
        assert session.use_baselines({})
        assert series.values(SeriesGroup.INTENSITIES)[0, 0] == 2.0


def _record(folder: SessionFolder, **changes: object) -> None:
    write_metadata(folder.metadata, dataclasses.replace(read_metadata(folder.metadata), **changes))  # type: ignore[arg-type]  # fields by name


def test_recorded_baselines_are_used_until_the_coder_says_otherwise(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "run", _FRAMES, neutral_logit=_USUAL)
    units = len(OPEN_UNITS)
    recorded = tuple(FaceBaseline(face, "known", 90, (1.0,) * units, (0.1,) * units) for face in (1, 2))
    _record(folder, au_baselines=SessionBaselines("auto", recorded))
    with open_session(folder.path) as session:
        assert session.rows_at(0)[0].occurrence[0] == pytest.approx(1 / (1 + math.exp(1.0)), rel=1e-4)
        found = session_baselines(session, Notes().with_neutral(NeutralRange(1, 0.0, 2.0)))
        assert [found[face].frames for face in (1, 2)] == [20, 90]


def test_a_recorded_baseline_of_other_units_is_not_used(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "run", _FRAMES)
    _record(folder, au_baselines=SessionBaselines("auto", (FaceBaseline(1, "known", 90, (1.0,), (0.1,)),)))
    with open_session(folder.path) as session:
        assert session.recorded_baselines == {}


@pytest.mark.parametrize(
    "damaged",
    [
        FaceBaseline(1, "known", 90, (1e300,) * 18, (0.1,) * 18),
        FaceBaseline(1, "known", 90, (1.0,) * 18, (0.1,) * 17),
        FaceBaseline(1, "known", 90, (1.0,) * 18, (0.1,) * 18, (0.5,) * 17),
        FaceBaseline(1, "known", 90, (1.0,) * 18, (0.1,) * 18, (5.5,) * 18),
        FaceBaseline(1, "no such state", -5, (1.0,) * 18, (0.1,) * 18),
    ],
)
def test_a_damaged_record_subtracts_nothing(tmp_path: Path, damaged: FaceBaseline) -> None:
    folder = write_session(tmp_path / "run", _FRAMES)
    _record(folder, au_baselines=SessionBaselines("auto", (damaged,)))
    with open_session(folder.path) as session:
        assert session.rows_at(0)[0].occurrence[0] == 0.5


@pytest.mark.parametrize(
    "calibration",
    [
        {},
        {"action_units": 3},
        {"action_units": {"neutral": [1e300] * 18}},
        {"action_units": {"neutral": [1.0]}},
        {"action_units": {"neutral": ["x"] * 18}},
    ],
)
def test_metadata_without_usual_logits_make_no_baseline(tmp_path: Path, calibration: dict[str, object]) -> None:
    folder = write_session(tmp_path / "run", _FRAMES)
    _record(folder, calibration=calibration)
    with open_session(folder.path) as session:
        assert usual_logits(session) is None
        assert session_baselines(session, Notes().with_neutral(NeutralRange(1, 0.0, 2.0))) == {}
