"""Which faces are analysed: all while they fit, else in turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analysis_rate import FIXED_FACES, AnalysisRate


def _rate(target_ms=30.0, cost_ms=10.0):
    """A rate that has measured the cost of a face; ``target_ms`` without the fixed cost of a run."""
    rate = AnalysisRate(target_ms + FIXED_FACES * 10.0 + 1e-6 if target_ms else 0.0)  # not by a rounding too little
    rate.measured([1], 1000.0)  # the first counts for nothing
    _measure(rate, [1], cost_ms)
    return rate


def _measure(rate, faces, cost_ms):
    """A run that takes so long for each face, and the fixed part."""
    rate.measured(faces, cost_ms * (len(faces) + FIXED_FACES))


def test_all_faces_are_analysed_while_they_fit():
    rate = _rate()
    for _ in range(5):
        assert rate.choose([1, 2], 10.0) == {1, 2}


def test_all_faces_are_analysed_before_a_cost_is_known():
    rate = AnalysisRate(1.0)
    assert rate.choose([1, 2], 0.0) == rate.choose([1, 2], 0.0) == {1, 2}


def test_a_target_of_zero_analyses_everything():
    rate = _rate(target_ms=0.0)
    for _ in range(3):
        assert rate.choose([1, 2, 3], 99.0) == {1, 2, 3}


def test_faces_take_turns_when_some_fit():
    rate = _rate()
    rate.choose([1, 2, 3, 4], 10.0)  # new
    assert [rate.choose([1, 2, 3, 4], 10.0) for _ in range(3)] == [{1, 2}, {3, 4}, {1, 2}]


def test_one_face_is_analysed_if_none_fits():
    rate = _rate()
    rate.choose([1, 2], 99.0)
    assert [rate.choose([1, 2], 99.0) for _ in range(3)] == [{1}, {2}, {1}]


def test_a_new_face_comes_first_and_does_not_stop_the_others():
    rate = _rate()
    rate.choose([1, 2, 3], 10.0)
    assert rate.choose([1, 2, 3, 4], 10.0) == {4, 1}
    assert rate.choose([1, 2, 3, 4, 5, 6], 10.0) == {5, 6, 2}


def test_a_face_that_returns_is_new():
    rate = _rate()
    for faces in ([1, 2, 3], [2, 3]):
        rate.choose(faces, 20.0)
    assert 1 in rate.choose([2, 3, 1], 20.0)


def test_the_cost_follows_the_machine():
    rate = _rate(cost_ms=40.0)
    rate.choose([1, 2], 0.0)
    assert len(rate.choose([1, 2], 0.0)) == 1
    for _ in range(60):
        _measure(rate, [1], 5.0)
    assert rate.choose([1, 2], 0.0) == {1, 2}
    rate.measured([], 1000.0)  # a frame without analysed faces says nothing
    assert rate.choose([1, 2], 0.0) == {1, 2}


def test_a_slow_frame_lowers_the_rate_for_a_while_only():
    """Four faces fit, also as measured with one; per frame without its fixed part, one face would cost too much."""
    rate, faces = _rate(target_ms=45.0), [1, 2, 3, 4]
    rate.choose(faces, 0.0)
    rate.measured(faces, 2000.0)
    analysed = []
    for _ in range(60):
        chosen = rate.choose(faces, 0.0)
        _measure(rate, chosen, 10.0)
        analysed.append(len(chosen))
    assert analysed[0] == 1
    assert analysed[-20:] == [4] * 20


def test_the_first_frame_with_faces_says_nothing():
    rate = AnalysisRate(30.0)
    rate.measured([], 1.0)
    rate.choose([1, 2], 0.0)
    rate.measured([1, 2], 5000.0)
    assert rate.choose([1, 2], 0.0) == {1, 2}


def test_clear_forgets_the_faces_but_not_the_cost():
    rate = _rate()
    rate.choose([1, 2, 3], 20.0)
    rate.clear()
    assert rate.choose([1, 2, 3], 20.0) == {1, 2, 3}
    assert rate.choose([1, 2, 3], 20.0) == {1}


@given(faces=st.integers(1, 12), fitting=st.integers(1, 12), frames=st.integers(1, 60), order=st.randoms())
def test_no_face_waits_longer_than_its_turn(faces, fitting, frames, order):
    rate = _rate(target_ms=10.0 * fitting + 5.0)
    ids = list(range(faces))
    last = dict.fromkeys(ids, 0)
    for frame in range(frames):
        order.shuffle(ids)
        chosen = rate.choose(ids, 0.0)
        if frame:
            assert len(chosen) == min(fitting, faces)
        for face in chosen:
            last[face] = frame
        assert max(frame - last[face] for face in ids) < -(-faces // fitting)


@given(st.lists(st.tuples(st.sets(st.integers(0, 9)), st.floats(0, 50), st.floats(0, 60)), max_size=40))
def test_a_face_is_analysed_in_its_first_frame_and_at_least_one_is_always(script):
    rate, before = AnalysisRate(20.0), set()
    for faces, spent_ms, passed_ms in script:
        chosen = rate.choose(sorted(faces), spent_ms)
        assert faces - before <= chosen <= faces
        assert bool(chosen) == bool(faces)
        rate.measured(chosen, passed_ms)
        before = faces


@pytest.mark.parametrize("spent_ms", [0.0, 29.9, 30.0, 1e9])
def test_as_many_faces_are_analysed_as_fit(spent_ms):
    rate = _rate()
    rate.choose(range(8), 0.0)
    assert len(rate.choose(range(8), spent_ms)) == max(int((30.0 - spent_ms) // 10.0), 1)
