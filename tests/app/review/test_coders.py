"""Agreement between two people."""

import dataclasses

import numpy as np
import pytest

from app.review.coders import CODED_LABELS, CodersMissing, measure_coders, read_coder
from app.review.notes import UNCLEAR, Exclusion, HumanLabel, Notes, write_notes
from app.review.session import open_session
from app.session.folder import SessionFolder
from engine.errors import OutputError
from tests.fakes.sessions import labelled_face, write_session

#: Ten frames per second, one face for 6 s.
FRAMES = [(labelled_face(1, "anger"),)] * 60
ANGER, FEAR = CODED_LABELS.index("anger"), CODED_LABELS.index("fear")


@pytest.fixture
def session(tmp_path):
    with open_session(write_session(tmp_path / "run", FRAMES).path) as opened:
        yield opened


def notes_of(*labels, coder="Bo"):
    notes = Notes(coder)
    for start_s, end_s, label in labels:
        notes = notes.with_label(HumanLabel(1, start_s, end_s, label))
    return notes


def test_kappa_is_computed_over_the_frames_that_both_labelled(session):
    mine = notes_of((0.0, 2.0, "anger"), (2.0, 4.0, "fear"), (5.0, 6.0, "anger"))
    theirs = notes_of((0.0, 1.5, "anger"), (1.5, 4.0, "fear"))
    found = measure_coders(session, mine, theirs)
    assert found.table[ANGER].tolist() == [15 if place == ANGER else 5 if place == FEAR else 0 for place in range(8)]
    assert found.table[FEAR, FEAR] == 20
    assert (found.compared, found.agreeing, found.one_only, found.ranges, found.other) == (40, 35, 10, 2, "Bo")
    observed, chance = 35 / 40, (20 * 15 + 20 * 25) / 40**2
    assert found.kappa == pytest.approx((observed - chance) / (1 - chance))
    low, high = found.interval
    assert low <= found.kappa <= high


def test_unclear_and_excluded_frames_are_left_out(session):
    mine = notes_of((0.0, 1.0, "anger"), (1.0, 2.0, UNCLEAR), (2.0, 3.0, "fear"))
    theirs = notes_of((0.0, 0.5, UNCLEAR), (0.5, 3.0, "anger")).with_exclusion(Exclusion(2.5, 9.0))
    found = measure_coders(session, mine, theirs)
    assert (found.unclear, found.compared, found.agreeing) == (15, 10, 5)


def test_why_there_is_no_kappa(session):
    same = notes_of((0.0, 1.0, "anger"))
    assert measure_coders(session, same, same).missing is CodersMissing.ONE_LABEL
    nothing = measure_coders(session, same, notes_of((2.0, 3.0, "anger")))
    assert (nothing.missing, nothing.kappa, nothing.interval) == (CodersMissing.NOTHING_COMPARED, None, None)
    assert measure_coders(session, Notes(), same).one_only == 10
    other_face = dataclasses.replace(same, labels=(HumanLabel(9, 0.0, 1.0, "anger"),))
    assert measure_coders(session, same, other_face).compared == 0


def test_one_range_has_no_interval(session):
    mine = notes_of((0.0, 4.0, "anger"))
    found = measure_coders(session, mine, notes_of((0.0, 2.0, "anger"), (2.0, 4.0, "fear")))
    assert found.kappa == pytest.approx(0.0)
    assert found.interval is None
    assert np.trace(found.table) == 20


def test_notes_of_another_person_are_read_from_a_copy_of_the_session_or_its_file(session, tmp_path):
    copy = write_session(tmp_path / "copy", FRAMES)
    theirs = notes_of((0.0, 1.0, "anger"))
    write_notes(copy, theirs)
    assert read_coder(copy.path, session) == read_coder(copy.notes, session) == theirs


def test_what_cannot_be_compared_is_refused(session, tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        read_coder(tmp_path / "none.json", session)
    write_notes(session.folder, notes_of((0.0, 1.0, "anger")))
    with pytest.raises(OutputError, match="your own labels"):
        read_coder(session.folder.path, session)
    other_run = write_session(tmp_path / "other", FRAMES, source="another.mp4", mark="another")
    write_notes(other_run, notes_of((0.0, 1.0, "anger")))
    with pytest.raises(OutputError, match="another run"):
        read_coder(other_run.path, session)
    empty = SessionFolder(tmp_path / "empty")
    empty.make()
    empty.notes.write_text('{"review": 1, "coder": "", "markers": [], "exclusions": [], "labels": []}')
    with pytest.raises(OutputError, match="has no labels"):
        read_coder(empty.notes, session)
