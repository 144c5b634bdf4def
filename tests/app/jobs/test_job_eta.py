"""Rates and times left: from the last seconds only, not told while unknown, and never finer than they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.job_eta import QueueEta, RoundedTime, Throughput, job_eta_s, queue_eta, rounded_eta
from app.jobs.job_queue import Job, JobState

JOB = Job(1, "a.mp4", Path("a"), "balanced", {}, JobState.RUNNING, done=40, total=100)


def test_the_rate_is_not_told_before_two_seconds() -> None:
    pace = Throughput()
    assert pace.fps(0.0) is None
    pace.add(0.0, 0)
    pace.add(1.0, 30)
    assert pace.fps(1.0) is None
    pace.add(2.0, 60)
    assert pace.fps(2.0) == pytest.approx(30.0)


def test_only_the_last_seconds_count() -> None:
    pace = Throughput()
    for tenth in range(1200):  # a minute at 10 fps, then a minute at 20
        pace.add(tenth / 10, tenth if tenth < 600 else 600 + 2 * (tenth - 600))
    assert pace.fps(119.9) == pytest.approx(20.0)


def test_a_job_of_one_frame_in_a_minute_has_a_rate() -> None:
    pace = Throughput()
    for minute in range(4):
        pace.add(60.0 * minute, minute)
    assert pace.fps(180.0) == pytest.approx(1 / 60)


def test_a_job_that_hangs_gets_slower() -> None:
    pace = Throughput()
    pace.add(0.0, 0)
    pace.add(4.0, 40)
    assert pace.fps(4.0) == pytest.approx(10.0)
    assert pace.fps(40.0) == pytest.approx(1.0)


def test_a_job_that_starts_again_has_no_rate_yet() -> None:
    pace = Throughput()
    pace.add(0.0, 100)
    pace.add(5.0, 200)
    pace.add(6.0, 0)
    assert pace.fps(6.0) is None


@pytest.mark.parametrize(
    ("job", "fps", "left"),
    [
        (JOB, 20.0, 60 / 20),
        (JOB, None, None),
        (dataclasses.replace(JOB, total=None), 20.0, None),
        (dataclasses.replace(JOB, done=101), 20.0, None),  # the source has more frames than it told
        (dataclasses.replace(JOB, done=100), 20.0, 0.0),
    ],
)
def test_time_left_of_a_job(job: Job, fps: float | None, left: float | None) -> None:
    assert job_eta_s(job, fps) == left


def test_time_left_of_the_queue_takes_each_preset_at_its_own_rate() -> None:
    waiting = dataclasses.replace(JOB, job_id=2, state=JobState.WAITING, done=0)
    thorough = dataclasses.replace(waiting, job_id=3, preset="thorough")
    unknown = dataclasses.replace(waiting, job_id=4, total=None)
    done = dataclasses.replace(waiting, job_id=5, state=JobState.DONE)
    left = queue_eta((JOB, waiting, thorough, unknown, done), 20.0, {"thorough": 5.0})
    assert left == QueueEta(60 / 20 + 100 / 20 + 100 / 5, 1)


def test_time_left_of_a_queue_that_never_ran_is_not_known() -> None:
    assert queue_eta((JOB,), None, {}) == QueueEta(None, 1)
    assert queue_eta((), 20.0, {}) == QueueEta(None, 0)


@given(st.floats(0, 1e6))
def test_rounding_never_promises_too_little(seconds: float) -> None:
    told = rounded_eta(seconds)
    total = told.hours * 3600 + told.minutes * 60 + told.seconds
    assert seconds <= total <= 2 * seconds + 10


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, RoundedTime(0, 0, 10)),
        (41.0, RoundedTime(0, 0, 50)),
        (50.1, RoundedTime(0, 1, 0)),
        (60.1, RoundedTime(0, 2, 0)),
        (601.0, RoundedTime(0, 15, 0)),
        (3599.0, RoundedTime(1, 0, 0)),
        (3601.0, RoundedTime(1, 10, 0)),
    ],
)
def test_rounding(seconds: float, told: RoundedTime) -> None:
    assert rounded_eta(seconds) == told
