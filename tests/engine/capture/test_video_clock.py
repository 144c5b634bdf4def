"""Times of video frames: whatever a broken file gives, they start at 0 and never go back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.video_decoder import _LOOKAHEAD, _Clock

FPS = 25.0


@dataclass
class Picture:
    time: float | None
    duration: int | None = None
    time_base: Fraction = Fraction(1, 1000)


def times_of(presented: list[float | None]) -> list[float]:
    clock, times = _Clock(FPS), []
    for index, time_s in enumerate(presented):
        clock.show(Picture(time_s), presented[index + 1 : index + 1 + _LOOKAHEAD])
        times.append(clock.now_s)
    return times


STAMP = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.04, 0.04, 1e9]))


@given(st.lists(STAMP, min_size=1, max_size=40))
def test_times_start_at_zero_and_never_go_back(presented):
    times = times_of(presented)
    assert times[0] == pytest.approx(0)
    assert times == sorted(times)
    assert all(map(math.isfinite, times))


@given(st.floats(-1e5, 1e5), st.lists(st.floats(0.001, 100), max_size=40))
def test_rising_times_are_kept_whatever_their_steps(first_s, steps):
    presented = [first_s]
    for step in steps:
        presented.append(presented[-1] + step)
    assert times_of(list(presented)) == pytest.approx([each - first_s for each in presented], abs=1e-6)


@given(st.lists(st.none(), min_size=1, max_size=40))
def test_frames_without_times_are_one_step_apart(presented):
    assert times_of(presented) == pytest.approx([index / FPS for index in range(len(presented))])


@given(st.integers(3, 30), st.data())
def test_one_wrong_time_moves_no_other_by_more_than_a_step(count, data):
    place = data.draw(st.integers(1, count - 1))
    presented: list[float | None] = [index / FPS for index in range(count + _LOOKAHEAD)]
    right = times_of(presented)
    presented[place] = data.draw(st.sampled_from([0.0, -5.0, 1e4]))
    wrong = times_of(presented)
    assert wrong[place + 1 :] == pytest.approx(right[place + 1 :], abs=1 / FPS)
