"""The timeline's lanes against counting by hand."""

import numpy as np
import pytest

from app.review.face_timeline import LaneState, bucket_edges
from app.review.session import open_session
from engine.facs import EXPRESSIONS
from tests.app.review.write_run import UNITS, badly_seen, face, write_run

NEUTRAL, HAPPINESS, SURPRISE, SADNESS = 0, 1, 2, 3
NAN = float("nan")


def lanes_of(tmp_path, frames, **options):
    with open_session(write_run(tmp_path / "run", frames, **options).path) as session:
        return session.lanes


def edges(*positions):
    return np.array(positions, np.int64)


def test_lanes_stand_in_the_order_of_appearance_and_know_their_span(tmp_path):
    frames = [(), (face(7, "anger"),), (face(3, "anger"), face(7, "anger")), (), (face(7, "anger"),)]
    lanes = lanes_of(tmp_path, frames)
    assert [(lane.face_id, lane.first, lane.last) for lane in lanes] == [(7, 1, 4), (3, 2, 2)]
    assert lanes[0].positions.tolist() == [1, 2, 4]


def test_bucket_shows_what_most_of_its_frames_show(tmp_path):
    frames = [
        *[(face(1, "happiness", level=0.2),)] * 3,
        (face(1, "surprise", level=0.6),),  # 0-3: happiness
        (face(1, "happiness"),),
        *[(face(1, "surprise", "sadness"),)] * 2,
        (face(1, "surprise", "happiness"),),  # 4-7: surprise or sadness
        *[(face(1),)] * 3,
        (badly_seen(1),),  # 8-11
        *[(badly_seen(1),)] * 4,  # 12-15
    ]
    lane, marks = lanes_of(tmp_path, frames)[0], edges(0, 4, 8, 12, 16)
    view, occurrence = lane.view(marks), lane.occurrence(marks)
    assert view.state.tolist() == [LaneState.ACCEPT, LaneState.AMBIGUOUS, LaneState.REJECT, LaneState.LOW_QUALITY]
    assert view.label.tolist() == [HAPPINESS, SURPRISE, -1, -1]
    assert view.second.tolist() == [-1, SADNESS, -1, -1]
    assert (occurrence.shape, occurrence.dtype) == ((4, UNITS), np.float32)
    assert occurrence[:, 5] == pytest.approx([(3 * 0.2 + 0.6) / 4, 0.5, NAN, NAN], nan_ok=True)


def test_label_that_comes_second_as_often_as_first_is_not_its_own_rival(tmp_path):
    pairs = [("happiness", "surprise"), ("happiness", "surprise"), ("surprise", "happiness"), ("fear", "happiness")]
    view = lanes_of(tmp_path, [(face(1, *pair),) for pair in pairs])[0].view(edges(0, 4))
    assert (view.label[0], view.second[0]) == (HAPPINESS, SURPRISE)


def test_moment_stays_visible_in_a_wide_bucket(tmp_path):
    frames = [()] * 50 + [(face(1, "sadness"),)] + [()] * 50
    view = lanes_of(tmp_path, frames)[0].view(edges(0, 101))
    assert (view.state[0], view.label[0]) == (LaneState.ACCEPT, SADNESS)


def test_absence_within_the_span_is_shown(tmp_path):
    frames = [(face(1, "anger"),), (), (), (face(1, "anger"),), ()]
    lane, marks = lanes_of(tmp_path, frames)[0], edges(0, 1, 2, 3, 4, 5)
    view = lane.view(marks)
    assert view.state.tolist() == [LaneState.ACCEPT, 0, 0, LaneState.ACCEPT, 0]
    assert view.label.tolist() == [4, -1, -1, 4, -1]
    assert np.isnan(lane.occurrence(marks)).all(axis=1).tolist() == [False, True, True, False, True]


def test_equal_counts_go_to_the_more_doubtful_state(tmp_path):
    faces = [face(1, "anger"), face(1, "anger", "fear"), face(1), badly_seen(1)]
    lane = lanes_of(tmp_path, [(each,) for each in faces])[0]
    states = [lane.view(edges(start, start + 2)).state[0] for start in range(3)]
    assert states == [LaneState.AMBIGUOUS, LaneState.REJECT, LaneState.LOW_QUALITY]


def test_buckets_without_a_frame_show_the_frame_before(tmp_path):
    frames = [(face(1, "anger"),), (), (face(1, "happiness"),)]
    view = lanes_of(tmp_path, frames)[0].view(edges(0, 0, 1, 1, 2, 2, 3, 3, 3))
    assert view.label.tolist() == [-1, 4, 4, -1, -1, HAPPINESS, HAPPINESS, HAPPINESS]


def test_edges_are_times_and_cover_every_frame_once():
    times_s = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    assert bucket_edges(times_s, 0.0, 1.0, 4).tolist() == [0, 3, 3, 3, 4]
    assert bucket_edges(times_s, 0.0, 1.1, 1).tolist() == [0, 5]
    assert bucket_edges(times_s, -1.0, 0.15, 2).tolist() == [0, 0, 2]
    assert bucket_edges(times_s, 0.0, 1.0, 4).dtype == np.int64


def counted(rows, first, last):
    """State, label, rival and mean occurrence of the rows of one face between two positions, counted one by one."""
    inside = [row for position, row in rows if first <= position < last]
    if not inside:
        return LaneState.ABSENT, None, None
    of_state = {
        state: [row for row in inside if row.decision == state.name.lower()]
        for state in (LaneState.LOW_QUALITY, LaneState.REJECT, LaneState.AMBIGUOUS, LaneState.ACCEPT)
    }
    state = max(of_state, key=lambda each: len(of_state[each]))
    units = [row.occurrence[0] for row in inside if row.occurrence]
    mean = sum(units) / len(units) if units else None
    if state not in (LaneState.ACCEPT, LaneState.AMBIGUOUS):
        return state, None, mean
    tops = [row.labels[0] for row in of_state[state]]
    return state, max(EXPRESSIONS, key=tops.count), mean


@pytest.mark.parametrize("seed", range(5))
def test_any_zoom_equals_counting_one_by_one(tmp_path, seed):
    rng = np.random.default_rng(seed)

    def some_face(face_id):
        kind = rng.integers(4)
        labels = rng.permutation(EXPRESSIONS)[: int(rng.integers(2, 4))].tolist()
        level = round(float(rng.random()), 3)
        choices = (face(face_id), badly_seen(face_id), face(face_id, labels[0], level=level))
        return choices[kind] if kind < 3 else face(face_id, *labels, level=level)

    frames = [tuple(some_face(i) for i in (1, 2, 3) if rng.random() < 0.6) for _ in range(200)]
    with open_session(write_run(tmp_path / "run", frames).path) as session:
        every = [(position, row) for position in range(200) for row in session.rows_at(position)]
        for lane in session.lanes:
            rows = [(position, row) for position, row in every if row.face_id == lane.face_id]
            marks = np.unique(rng.integers(0, 201, 12)).astype(np.int64)
            view, means = lane.view(marks), lane.occurrence(marks)
            for bucket, (first, last) in enumerate(zip(marks, marks[1:], strict=False)):
                state, label, mean = counted(rows, first, last)
                assert view.state[bucket] == state
                assert view.label[bucket] == (-1 if label is None else EXPRESSIONS.index(label))
                wanted = NAN if mean is None else mean
                assert means[bucket, 0] == pytest.approx(wanted, abs=1e-6, nan_ok=True)


def test_hundreds_of_short_tracks_take_memory_by_their_rows(tmp_path):
    frames = [(face(1 + place // 2, "fear"),) for place in range(600)]
    lanes = lanes_of(tmp_path, frames)
    assert len(lanes) == 300
    assert all(len(lane.positions) == 2 for lane in lanes)
    marks = edges(0, 300, 600)
    assert sum(int(lane.view(marks).state.sum()) for lane in lanes) == 300 * LaneState.ACCEPT
    assert sum(lane._sums.counts.nbytes for lane in lanes) == 300 * 3 * 26 * 4


def test_sums_are_made_for_what_is_looked_at_alone(tmp_path):
    first, second = lanes_of(tmp_path, [(face(1, "fear"),)] * 3 + [(face(2, "fear"),)])
    first.view(edges(0, 3))
    assert ("counts" in vars(first._sums), "units" in vars(first._sums)) == (True, False)
    first.occurrence(edges(0, 3))
    assert "units" in vars(first._sums)
    second.view(edges(0, 3))  # it comes later
    assert "counts" not in vars(second._sums)
