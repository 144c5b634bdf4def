"""Throughput and ETA: averaged over the last seconds, None while unknown, and rounded up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.job_eta import QueueEta, RoundedTime, Throughput, job_eta_s, queue_eta, rounded_eta
from app.jobs.job_queue import Job, JobState

JOB = Job(1, "a.mp4", Path("a"), "balanced", {}, JobState.RUNNING, done=40, total=100)


def test_throughput_is_unknown_during_the_first_two_seconds() -> None:
    throughput = Throughput()
    assert throughput.fps(0.0) is None
    throughput.add(0.0, 0)
    throughput.add(1.0, 30)
    assert throughput.fps(1.0) is None
    throughput.add(2.0, 60)
    assert throughput.fps(2.0) == pytest.approx(30.0)


def test_throughput_is_averaged_over_the_last_ten_seconds() -> None:
    throughput = Throughput()
    for tenth in range(1200):  # a minute at 10 fps, then a minute at 20
        throughput.add(tenth / 10, tenth if tenth < 600 else 600 + 2 * (tenth - 600))
    assert throughput.fps(119.9) == pytest.approx(20.0)


def test_a_job_with_one_frame_per_minute_has_a_throughput() -> None:
    throughput = Throughput()
    for minute in range(4):
        throughput.add(60.0 * minute, minute)
    assert throughput.fps(180.0) == pytest.approx(1 / 60)


def test_throughput_decreases_while_a_job_hangs() -> None:
    throughput = Throughput()
    throughput.add(0.0, 0)
    throughput.add(4.0, 40)
    assert throughput.fps(4.0) == pytest.approx(10.0)
    assert throughput.fps(40.0) == pytest.approx(1.0)


def test_throughput_starts_again_when_the_count_decreases() -> None:
    throughput = Throughput()
    throughput.add(0.0, 100)
    throughput.add(5.0, 200)
    throughput.add(6.0, 0)
    assert throughput.fps(6.0) is None


@pytest.mark.parametrize(
    ("job", "fps", "eta"),
    [
        (JOB, 20.0, 60 / 20),
        (JOB, None, None),
        (dataclasses.replace(JOB, total=None), 20.0, None),
        (dataclasses.replace(JOB, done=101), 20.0, None),  # the source has more frames than it reported
        (dataclasses.replace(JOB, done=100), 20.0, 0.0),
    ],
)
def test_eta_of_a_job(job: Job, fps: float | None, eta: float | None) -> None:
    assert job_eta_s(job, fps) == eta


def test_eta_of_the_queue_uses_the_throughput_of_each_preset() -> None:
    waiting = dataclasses.replace(JOB, job_id=2, state=JobState.WAITING, done=0)
    thorough = dataclasses.replace(waiting, job_id=3, preset="thorough")
    unknown = dataclasses.replace(waiting, job_id=4, total=None)
    done = dataclasses.replace(waiting, job_id=5, state=JobState.DONE)
    eta = queue_eta((JOB, waiting, thorough, unknown, done), 20.0, {"thorough": 5.0})
    assert eta == QueueEta(60 / 20 + 100 / 20 + 100 / 5, 1)


def test_eta_of_a_queue_that_never_ran_is_unknown() -> None:
    assert queue_eta((JOB,), None, {}) == QueueEta(None, 1)
    assert queue_eta((), 20.0, {}) == QueueEta(None, 0)


@given(st.floats(0, 1e6))
def test_rounded_eta_is_never_too_short(seconds: float) -> None:
    expected = rounded_eta(seconds)
    total = expected.hours * 3600 + expected.minutes * 60 + expected.seconds
    assert seconds <= total <= 2 * seconds + 10


@pytest.mark.parametrize(
    ("seconds", "expected"),
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
def test_rounded_eta(seconds: float, expected: RoundedTime) -> None:
    assert rounded_eta(seconds) == expected
