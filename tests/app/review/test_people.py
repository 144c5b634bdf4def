"""Faces of one name."""

from app.review.notes import Notes
from app.review.people import clash_s, names_in_use
from app.review.session import open_session
from app.review.timeline_layout import by_person
from tests.fakes.sessions import labelled_face, write_session

ANGER = "anger"
FRAMES = [
    (labelled_face(1, ANGER),),
    (labelled_face(1, ANGER), labelled_face(2, ANGER)),
    (labelled_face(2, ANGER),),
    (labelled_face(3, ANGER),),
]


def test_one_person_is_not_in_two_places(tmp_path):
    notes = Notes().with_name(1, "Ada")
    with open_session(write_session(tmp_path / "run", FRAMES).path) as session:
        assert clash_s(session, notes, 2, "Ada") == session.times_s[1]
        assert clash_s(session, notes, 3, "Ada") is None
        assert clash_s(session, notes, 2, "Bo") is None
        assert clash_s(session, notes, 1, "Ada") is None
        assert clash_s(session, notes, 9, "Ada") is None
        assert clash_s(session, Notes().with_name(99, "Ada"), 3, "Ada") is None  # 99 is of another run


def test_faces_of_one_name_are_together(tmp_path):
    notes = Notes().with_name(1, "Ada").with_name(3, "Ada").with_name(2, "Bo")
    with open_session(write_session(tmp_path / "run", FRAMES).path) as session:
        assert [face.face_id for face in by_person(session.faces, notes)] == [1, 3, 2]
        assert by_person(session.faces, Notes()) == session.faces
    assert names_in_use(notes) == ("Ada", "Bo")
