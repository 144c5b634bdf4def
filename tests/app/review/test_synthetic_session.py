"""Synthetic sessions: readable like any other, and deterministic."""

from app.review.face_timeline import FaceState
from app.review.session import open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder, SessionState
from app.session.metadata import read_metadata


def test_a_synthetic_session_has_every_state(tmp_path):
    folder = SessionFolder(tmp_path)
    write_synthetic_session(folder, 240.0, 5.0, 2, seed=3)
    assert folder.state() is SessionState.FINISHED
    metadata = read_metadata(folder.metadata)
    with open_session(tmp_path) as session:
        assert len(session.frames) == 1200
        assert session.duration_s == 240.0
        assert metadata.faces == len(session.faces) >= 2
        states = {state for timeline in session.faces for state in timeline.states.tolist()}
        assert states == {state.value for state in FaceState} - {FaceState.ABSENT}
        shown = sum(len(timeline.positions) for timeline in session.faces)
        assert shown > 0.8 * 2 * 1200


def test_the_same_seed_gives_the_same_rows(tmp_path):
    journals = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_synthetic_session(SessionFolder(tmp_path / name), 20.0, 10.0, 1, seed)
        journals.append((tmp_path / name / "journal.jsonl").read_bytes())
    assert journals[0] == journals[1] != journals[2]
