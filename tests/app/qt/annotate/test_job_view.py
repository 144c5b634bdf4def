"""What a job reads like in every state, and what can be done with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from app.jobs.job_queue import EngineChoice, Job, JobResult, JobState
from app.qt.annotate.job_view import JobCommand, JobView, Phase, buttons_of, commands_of, eta_text, state_text


def job(number: int, state: JobState = JobState.WAITING, done: int = 0, fault: str = "") -> Job:
    begun = state is not JobState.WAITING
    return Job(
        number,
        "/films/a.mp4",
        Path("/results/a"),
        "balanced",
        {},
        state,
        done,
        35,
        tries=int(begun),
        engine=EngineChoice() if begun else None,
        result=JobResult(35, 2, 42) if state is JobState.DONE else None,
        fault=fault,
    )


RUNNING = dataclasses.replace(job(1, JobState.RUNNING, done=14), total=140)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (JobView(job(1)), "Waiting · 35 frames"),
        (JobView(job(1, done=7, fault="disk full")), "Waiting, resumes after 7 frames · disk full"),
        (JobView(RUNNING, Phase.OPENING), "Opening the file and the models"),
        (JobView(RUNNING, Phase.CATCHING_UP), "Returning to where it stopped, after 14 frames"),
        (JobView(RUNNING), "Running · 14 of 140 frames"),
        (JobView(RUNNING, fps=24.84, eta_s=100), "Running · 14 of 140 frames · 24.8 frames/s · about 2 min left"),
        (JobView(dataclasses.replace(RUNNING, total=None)), "Running · 14 frames"),
        (JobView(RUNNING, Phase.WRITING), "Writing the results"),
        (JobView(RUNNING, Phase.STOPPING), "Stopping"),
        (JobView(job(1, JobState.PAUSED, done=1)), "Paused · 1 of 35 frames"),
        (JobView(job(1, JobState.DONE)), "Done · 35 frames · 2 faces"),
        (JobView(job(1, JobState.DONE, fault="cut off")), "Done · 35 frames · 2 faces · cut off"),
        (JobView(job(1, JobState.FAILED, fault="gone")), "Failed · gone"),
        (JobView(job(1, JobState.CANCELLED, done=9)), "Cancelled · 9 of 35 frames · progress is kept"),
        (JobView(job(1, JobState.INTERRUPTED)), "Interrupted · progress is kept"),
    ],
)
def test_every_state_is_told_in_words(view: JobView, words: str) -> None:
    assert state_text(view) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(12, "about 20 s left"), (150, "about 3 min left"), (4000, "about 1 h 10 min left")],
)
def test_time_left_is_told_roundly(seconds: float, words: str) -> None:
    assert eta_text(seconds) == words


def test_every_button_is_a_command_that_can_be_given() -> None:
    for state in JobState:
        for phase in Phase:
            view = JobView(job(1, state), phase)
            assert set(buttons_of(view)) <= set(commands_of(view))
    assert JobCommand.SHOW_FOLDER not in commands_of(JobView(job(1)))
