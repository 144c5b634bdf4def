"""Choice of the face whose details are shown."""

from __future__ import annotations

import pytest

from app.live.face_choice import FaceChoice
from app.session.rows import rows_of
from tests.fakes.faces import fake_face, fake_frame, fake_result

LARGE = fake_face(track_id=5, box=(10.0, 10.0, 100.0, 100.0))
SMALL = fake_face(track_id=2, box=(60.0, 60.0, 90.0, 90.0))
BOTH = rows_of(fake_result(fake_frame(), LARGE, SMALL))
NONE = rows_of(fake_result(fake_frame()))


@pytest.fixture
def chooser():
    return FaceChoice()


def test_the_largest_face_is_shown_until_one_is_chosen(chooser):
    assert chooser.choose(BOTH).face_id == 5


def test_a_frame_without_a_face_has_none(chooser):
    assert chooser.choose(NONE) is None


def test_next_cycles_through_all_faces(chooser):
    shown = [chooser.choose(BOTH).face_id]
    for _ in range(3):
        chooser.next_face()
        shown.append(chooser.choose(BOTH).face_id)
    assert shown == [5, 2, 5, 2]


def test_a_click_picks_the_smallest_face_under_it(chooser):
    chooser.pick(BOTH, 70, 70)
    assert chooser.choose(BOTH).face_id == 2
    chooser.pick(BOTH, 20, 20)
    assert chooser.choose(BOTH).face_id == 5
    chooser.pick(BOTH, 150, 110)  # beside both: nothing changes
    assert chooser.chosen == 5


def test_the_face_shown_is_followed_when_another_grows_larger(chooser):
    alone = rows_of(fake_result(fake_frame(), SMALL))
    assert chooser.choose(alone).face_id == 2
    assert chooser.choose(BOTH).face_id == 2
    assert chooser.choose(NONE) is None
    assert chooser.followed == 2
    assert chooser.choose(BOTH).face_id == 2


def test_a_chosen_face_out_of_view_is_replaced_after_a_while_and_restored(chooser):
    chooser.pick(BOTH, 70, 70)
    assert chooser.choose(BOTH).face_id == 2
    assert chooser.choose(alone_at(1.0)) is None
    assert chooser.choose(alone_at(1.6)).face_id == 5
    assert chooser.choose(BOTH).face_id == 2  # it was chosen


def test_the_next_face_can_be_chosen_while_one_is_out_of_view(chooser):
    assert chooser.choose(rows_of(fake_result(fake_frame(), SMALL))).face_id == 2
    assert chooser.choose(alone_at(0.5)) is None
    chooser.next_face()
    assert chooser.choose(alone_at(0.6)).face_id == 5


def alone_at(time_s: float):
    return rows_of(fake_result(fake_frame(round(10 * time_s)), LARGE))


def test_another_source_starts_with_its_largest_face(chooser):
    chooser.choose(BOTH)
    chooser.next_face()
    assert chooser.choose(BOTH).face_id == 2
    chooser.forget()
    assert chooser.choose(BOTH).face_id == 5
