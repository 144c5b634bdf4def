"""Face timelines against counting frame by frame."""

import numpy as np
import pytest

from app.review.face_timeline import FaceState, bucket_edges
from app.review.session import open_session
from engine.facs import EXPRESSIONS, OPEN_UNITS
from tests.fakes.sessions import labelled_face, low_quality_face, write_session

NEUTRAL, HAPPINESS, SURPRISE, SADNESS = 0, 1, 2, 3
NAN = float("nan")


def timelines_of(tmp_path, frames, **options):
    with open_session(write_session(tmp_path / "run", frames, **options).path) as session:
        return session.faces


def edges(*positions):
    return np.array(positions, np.int64)


def test_faces_are_ordered_by_first_frame_and_know_their_span(tmp_path):
    frames = [
        (),
        (labelled_face(7, "anger"),),
        (labelled_face(3, "anger"), labelled_face(7, "anger")),
        (),
        (labelled_face(7, "anger"),),
    ]
    faces = timelines_of(tmp_path, frames)
    assert [(timeline.face_id, timeline.first, timeline.last) for timeline in faces] == [(7, 1, 4), (3, 2, 2)]
    assert faces[0].positions.tolist() == [1, 2, 4]


def test_a_bucket_shows_its_most_frequent_state_and_labels(tmp_path):
    frames = [
        *[(labelled_face(1, "happiness", level=0.2),)] * 3,
        (labelled_face(1, "surprise", level=0.6),),  # 0-3: happiness
        (labelled_face(1, "happiness"),),
        *[(labelled_face(1, "surprise", "sadness"),)] * 2,
        (labelled_face(1, "surprise", "happiness"),),  # 4-7: surprise or sadness
        *[(labelled_face(1),)] * 3,
        (low_quality_face(1),),  # 8-11
        *[(low_quality_face(1),)] * 4,  # 12-15
    ]
    timeline, marks = timelines_of(tmp_path, frames)[0], edges(0, 4, 8, 12, 16)
    view, occurrence = timeline.buckets(marks), timeline.occurrence(marks)
    assert view.state.tolist() == [FaceState.ACCEPT, FaceState.AMBIGUOUS, FaceState.REJECT, FaceState.LOW_QUALITY]
    assert view.label.tolist() == [HAPPINESS, SURPRISE, -1, -1]
    assert view.second.tolist() == [-1, SADNESS, -1, -1]
    assert (occurrence.shape, occurrence.dtype) == ((4, len(OPEN_UNITS)), np.float32)
    assert occurrence[:, 5] == pytest.approx([(3 * 0.2 + 0.6) / 4, 0.5, NAN, NAN], nan_ok=True)


def test_a_label_does_not_compete_with_itself(tmp_path):
    pairs = [("happiness", "surprise"), ("happiness", "surprise"), ("surprise", "happiness"), ("fear", "happiness")]
    view = timelines_of(tmp_path, [(labelled_face(1, *pair),) for pair in pairs])[0].buckets(edges(0, 4))
    assert (view.label[0], view.second[0]) == (HAPPINESS, SURPRISE)


def test_a_single_frame_stays_visible_in_a_wide_bucket(tmp_path):
    frames = [()] * 50 + [(labelled_face(1, "sadness"),)] + [()] * 50
    view = timelines_of(tmp_path, frames)[0].buckets(edges(0, 101))
    assert (view.state[0], view.label[0]) == (FaceState.ACCEPT, SADNESS)


def test_absence_within_the_span_is_shown(tmp_path):
    frames = [(labelled_face(1, "anger"),), (), (), (labelled_face(1, "anger"),), ()]
    timeline, marks = timelines_of(tmp_path, frames)[0], edges(0, 1, 2, 3, 4, 5)
    view = timeline.buckets(marks)
    assert view.state.tolist() == [FaceState.ACCEPT, 0, 0, FaceState.ACCEPT, 0]
    assert view.label.tolist() == [4, -1, -1, 4, -1]
    assert np.isnan(timeline.occurrence(marks)).all(axis=1).tolist() == [False, True, True, False, True]


def test_ties_go_to_the_less_certain_state(tmp_path):
    faces = [labelled_face(1, "anger"), labelled_face(1, "anger", "fear"), labelled_face(1), low_quality_face(1)]
    timeline = timelines_of(tmp_path, [(each,) for each in faces])[0]
    states = [timeline.buckets(edges(start, start + 2)).state[0] for start in range(3)]
    assert states == [FaceState.AMBIGUOUS, FaceState.REJECT, FaceState.LOW_QUALITY]


def test_an_empty_bucket_shows_the_frame_before(tmp_path):
    frames = [(labelled_face(1, "anger"),), (), (labelled_face(1, "happiness"),)]
    view = timelines_of(tmp_path, frames)[0].buckets(edges(0, 0, 1, 1, 2, 2, 3, 3, 3))
    assert view.label.tolist() == [-1, 4, 4, -1, -1, HAPPINESS, HAPPINESS, HAPPINESS]


def test_bucket_edges_are_times_and_cover_every_frame_once():
    times_s = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    assert bucket_edges(times_s, 0.0, 1.0, 4).tolist() == [0, 3, 3, 3, 4]
    assert bucket_edges(times_s, 0.0, 1.1, 1).tolist() == [0, 5]
    assert bucket_edges(times_s, -1.0, 0.15, 2).tolist() == [0, 0, 2]
    assert bucket_edges(times_s, 0.0, 1.0, 4).dtype == np.int64


def counted(rows, first, last):
    """State, first label and mean occurrence of one face between two positions, counted frame by frame."""
    inside = [row for position, row in rows if first <= position < last]
    if not inside:
        return FaceState.ABSENT, None, None
    of_state = {
        state: [row for row in inside if row.decision == state.name.lower()]
        for state in (FaceState.LOW_QUALITY, FaceState.REJECT, FaceState.AMBIGUOUS, FaceState.ACCEPT)
    }
    state = max(of_state, key=lambda each: len(of_state[each]))
    units = [row.occurrence[0] for row in inside if row.occurrence]
    mean = sum(units) / len(units) if units else None
    if state not in (FaceState.ACCEPT, FaceState.AMBIGUOUS):
        return state, None, mean
    tops = [row.labels[0] for row in of_state[state]]
    return state, max(EXPRESSIONS, key=tops.count), mean


@pytest.mark.parametrize("seed", range(5))
def test_any_zoom_equals_counting_frame_by_frame(tmp_path, seed):
    rng = np.random.default_rng(seed)

    def some_face(face_id):
        kind = rng.integers(4)
        labels = rng.permutation(EXPRESSIONS)[: int(rng.integers(2, 4))].tolist()
        level = round(float(rng.random()), 3)
        choices = (labelled_face(face_id), low_quality_face(face_id), labelled_face(face_id, labels[0], level=level))
        return choices[kind] if kind < 3 else labelled_face(face_id, *labels, level=level)

    frames = [tuple(some_face(i) for i in (1, 2, 3) if rng.random() < 0.6) for _ in range(200)]
    with open_session(write_session(tmp_path / "run", frames).path) as session:
        every = [(position, row) for position in range(200) for row in session.rows_at(position)]
        for timeline in session.faces:
            rows = [(position, row) for position, row in every if row.face_id == timeline.face_id]
            marks = np.unique(rng.integers(0, 201, 12)).astype(np.int64)
            view, means = timeline.buckets(marks), timeline.occurrence(marks)
            for bucket, (first, last) in enumerate(zip(marks, marks[1:], strict=False)):
                state, label, mean = counted(rows, first, last)
                assert view.state[bucket] == state
                assert view.label[bucket] == (-1 if label is None else EXPRESSIONS.index(label))
                wanted = NAN if mean is None else mean
                assert means[bucket, 0] == pytest.approx(wanted, abs=1e-6, nan_ok=True)


def test_memory_of_short_tracks_is_proportional_to_their_rows(tmp_path):
    frames = [(labelled_face(1 + place // 2, "fear"),) for place in range(600)]
    faces = timelines_of(tmp_path, frames)
    assert len(faces) == 300
    assert all(len(timeline.positions) == 2 for timeline in faces)
    marks = edges(0, 300, 600)
    assert sum(int(timeline.buckets(marks).state.sum()) for timeline in faces) == 300 * FaceState.ACCEPT
    assert sum(timeline.sums_bytes for timeline in faces) == 300 * 3 * 26 * 4


def test_sums_are_computed_only_for_faces_in_view(tmp_path):
    first, second = timelines_of(tmp_path, [(labelled_face(1, "fear"),)] * 3 + [(labelled_face(2, "fear"),)])
    assert first.sums_bytes == 0
    first.buckets(edges(0, 3))
    counts_bytes = first.sums_bytes
    assert counts_bytes > 0
    first.occurrence(edges(0, 3))
    assert first.sums_bytes > counts_bytes
    second.buckets(edges(0, 3))  # this face comes later
    assert second.sums_bytes == 0


def test_the_next_uncertain_stretch_begins_after_the_present_one(tmp_path):
    happy, either, strange = labelled_face(1, "happiness"), labelled_face(1, "happiness", "fear"), labelled_face(1)
    frames = [(happy,), (either,), (strange,), (happy,), (low_quality_face(1),), (either,), (), (either,), (happy,)]
    (timeline,) = timelines_of(tmp_path, frames)
    # absence ends a stretch; low quality begins none
    assert [timeline.next_uncertain(position) for position in (-1, 0, 1, 4, 5, 7)] == [1, 1, 5, 5, 7, None]


def test_a_face_that_is_always_accepted_has_no_uncertain_stretch(tmp_path):
    (timeline,) = timelines_of(tmp_path, [(labelled_face(1, "happiness"),)] * 3)
    assert timeline.next_uncertain(-1) is None
