"""Blurred faces: every face found is covered, also while it is lost; when in doubt, the whole frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.overlay.blur import AFTER_S, BEFORE_S, LINK_S, MARGIN, FaceCover, LiveCover, blur_faces
from app.session.rows import FaceRow


def row(face_id: int, x: float = 100.0, y: float = 100.0, size: float | None = 40.0) -> FaceRow:
    return FaceRow(0, None, 0.0, "accept", 1.0, face_id, x, y, size, size)


def cover(*frames: list[FaceRow], step_s: float = 0.1) -> FaceCover:
    """The cover of frames ``step_s`` apart."""
    made = FaceCover(np.arange(len(frames)) * step_s)
    for position, rows in enumerate(frames):
        made.add(position, rows)
    made.link()
    return made


def holds(box, x: float, y: float = 100.0, size: float = 40.0) -> bool:
    return box[0] <= x and box[1] <= y and box[2] >= x + size and box[3] >= y + size


def test_a_face_is_covered_with_a_margin() -> None:
    (box,) = cover([row(1)]).boxes_at(0)
    assert box == pytest.approx((100 - 40 * MARGIN, 100 - 40 * MARGIN, 140 + 40 * MARGIN, 140 + 40 * MARGIN))


def test_a_lost_face_is_covered_where_it_must_have_been() -> None:
    made = cover([row(1, x=100)], [], [], [], [row(1, x=180)])
    for position in range(5):
        (box,) = made.boxes_at(position)
        assert holds(box, 100 + 20 * position)
    (found,), (lost,) = made.boxes_at(0), made.boxes_at(2)
    assert lost[2] - lost[0] > found[2] - found[0]  # the margin grows with the uncertainty


def test_a_frame_in_which_no_face_was_found_is_covered_whole() -> None:
    made = cover([], [row(1)], [], [])
    assert [made.boxes_at(position) is None for position in range(4)] == [True, False, True, True]


def test_a_face_stays_covered_for_a_while_before_and_after_its_track() -> None:
    """A face is reported some frames after it is seen, and lost before it has gone."""
    other = [row(2, x=400)]
    before, after = round(BEFORE_S / 0.1), round(AFTER_S / 0.1)
    made = cover(*[other] * 20, [*other, row(1)], *[other] * 40)
    covered = [any(holds(box, 100) for box in made.boxes_at(position)) for position in range(61)]
    assert covered == [20 - before <= position <= 20 + after for position in range(61)]


def test_a_face_that_returns_nearby_with_a_new_number_is_covered_in_between() -> None:
    other = [row(9, x=900)]
    frames = round((LINK_S - 1.0) / 0.1)
    made = cover([*other, row(1, x=100)], *[other] * frames, [*other, row(2, x=140)])
    for position in range(frames + 2):
        assert any(holds(box, 100 + 40 * position / (frames + 1)) for box in made.boxes_at(position))


def test_a_face_that_appears_far_away_is_another_one() -> None:
    other = [row(9, x=900)]
    made = cover([*other, row(1, x=100)], *[other] * 60, [*other, row(2, x=500)])
    assert len(made.boxes_at(35)) == 1


def test_one_track_continues_at_most_one_other() -> None:
    made = cover([row(1, x=100), row(2, x=130)], *[[]] * 5, [row(3, x=110)], step_s=1.0)
    assert [len(made.boxes_at(position)) for position in range(7)] == [2, 2, 2, 1, 1, 1, 1]  # the other ended


def test_a_face_without_a_box_covers_the_whole_frame() -> None:
    assert cover([row(1), row(2, size=None)]).boxes_at(0) is None
    assert cover([row(1), row(2, x=float("nan"))]).boxes_at(0) is None
    assert cover([row(1), row(2, size=0.0)]).boxes_at(0) is None


@given(
    st.lists(
        st.dictionaries(st.integers(1, 4), st.tuples(st.floats(-50, 700), st.floats(5, 200)), max_size=3),
        min_size=1,
        max_size=40,
    ),
    st.floats(0.01, 1.5),
)
def test_every_face_found_or_lost_within_its_track_is_covered(frames, step_s: float) -> None:
    made = cover(*[[row(face, x, size=size) for face, (x, size) in shown.items()] for shown in frames], step_s=step_s)
    seen = {face: [place for place, shown in enumerate(frames) if face in shown] for face in range(1, 5)}
    for position, shown in enumerate(frames):
        boxes = made.boxes_at(position)
        within = [face for face, places in seen.items() if places and places[0] <= position <= places[-1]]
        if boxes is None:
            assert not within
            continue
        assert boxes  # never an empty list: a frame without a face is blurred whole
        for x, size in shown.values():
            assert any(holds(box, x, size=size) for box in boxes)
        assert len(boxes) >= len(shown)


@pytest.fixture
def noise():
    return np.random.default_rng(3).integers(0, 256, (240, 320, 3), np.uint8)


def detail(image) -> float:
    """Mean difference of neighbouring pixels."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_the_inside_loses_its_detail_and_the_outside_keeps_it(noise) -> None:
    blurred = blur_faces(noise, ((100.0, 60.0, 200.0, 180.0),))
    assert detail(blurred[60:180, 100:200]) < 0.02 * detail(noise)
    outside = np.ones(noise.shape[:2], np.bool_)
    outside[60:180, 100:200] = False
    assert (blurred[outside] == noise[outside]).all()


def test_what_is_left_of_a_face_are_a_few_mean_values(noise) -> None:
    """Two images with the same means over the cells give the same blurred image: the rest is gone."""
    box = ((0.0, 0.0, 240.0, 240.0),)
    cells = noise[:, :240].reshape(6, 40, 6, 40, 3).mean(axis=(1, 3), keepdims=True)
    flat = np.broadcast_to(np.rint(cells), (6, 40, 6, 40, 3)).reshape(240, 240, 3).astype(np.uint8)
    other = noise.copy()
    other[:, :240] = flat
    difference = np.abs(blur_faces(noise, box)[:, :240].astype(int) - blur_faces(other, box)[:, :240])
    assert difference.max() <= 1


def test_none_blurs_everything(noise) -> None:
    assert detail(blur_faces(noise, None)) < 0.02 * detail(noise)


def test_a_box_outside_the_image_blurs_everything(noise) -> None:
    """Boxes and image do not belong together then."""
    blurred = blur_faces(noise, ((10.0, 10.0, 50.0, 50.0), (400.0, 10.0, 450.0, 60.0)))
    assert detail(blurred) < 0.02 * detail(noise)


def test_a_box_at_the_edge_is_cut(noise) -> None:
    blurred = blur_faces(noise, ((-50.0, -50.0, 30.0, 30.0),))
    assert detail(blurred[:30, :30]) < 0.05 * detail(noise)
    assert (blurred[40:, 40:] == noise[40:, 40:]).all()


# Frames as they come.


def at(time_s: float, *faces: FaceRow) -> list[FaceRow]:
    return [dataclasses.replace(face, time_s=time_s) for face in faces]


def test_live_a_frame_without_a_face_is_blurred_whole() -> None:
    live = LiveCover()
    assert live.boxes(at(0.0, FaceRow(0, None, 0.0, "no_face", 1.0))) is None
    assert live.boxes(at(0.1, row(1, size=None))) is None, "a face without a box"


def test_live_a_lost_face_stays_covered_by_a_growing_box_beside_another() -> None:
    live = LiveCover()
    live.boxes(at(0.0, row(1), row(2, x=300.0)))
    soon, later = (live.boxes(at(time_s, row(2, x=300.0))) for time_s in (0.2, AFTER_S))
    assert soon is not None
    assert later is not None
    assert any(holds(box, 100.0) for box in soon)
    lost = [next(box for box in boxes if holds(box, 100.0)) for boxes in (soon, later)]
    assert lost[1][2] - lost[1][0] > lost[0][2] - lost[0][0]
    assert len(live.boxes(at(AFTER_S + 0.1, row(2, x=300.0))) or ()) == 1


def test_live_a_snapshot_of_the_frame_before_uncovers_nothing() -> None:
    live = LiveCover()
    live.boxes(at(0.0, row(1), row(2, x=300.0)))
    live.boxes(at(0.2, row(2, x=300.0)))
    for time_s in (0.16, 0.24):  # the snapshot, and the frame after it
        boxes = live.boxes(at(time_s, row(2, x=300.0)))
        assert boxes is not None
        assert len(boxes) == 2, "the lost face stays covered"


def test_live_a_jump_back_forgets_what_was_lost() -> None:
    live = LiveCover()
    live.boxes(at(5.0, row(1), row(2)))
    assert len(live.boxes(at(1.0, row(2))) or ()) == 1
