"""Texts and commands of a job in every state."""

from __future__ import annotations

import dataclasses

import pytest

from app.jobs.job_queue import JobState
from app.qt.annotate.job_view import JobCommand, JobView, Phase, buttons_of, commands_of, eta_text, state_text
from tests.fakes.jobs import fake_job

RUNNING = dataclasses.replace(fake_job(1, JobState.RUNNING, done=14), total=140)


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (JobView(fake_job(1)), "Waiting · 35 frames"),
        (JobView(fake_job(1, done=7, fault="disk full")), "Waiting, resumes after 7 frames · disk full"),
        (JobView(RUNNING, Phase.OPENING), "Opening the file and the models"),
        (JobView(RUNNING, Phase.CATCHING_UP), "Returning to where it stopped, after 14 frames"),
        (JobView(RUNNING), "Running · 14 of 140 frames"),
        (JobView(RUNNING, fps=24.84, eta_s=100), "Running · 14 of 140 frames · 24.8 frames/s · about 2 min left"),
        (JobView(dataclasses.replace(RUNNING, total=None)), "Running · 14 frames"),
        (JobView(RUNNING, Phase.WRITING), "Writing the results"),
        (JobView(RUNNING, Phase.STOPPING), "Stopping"),
        (JobView(fake_job(1, JobState.PAUSED, done=1)), "Paused · 1 of 35 frames"),
        (JobView(fake_job(1, JobState.DONE)), "Done · 35 frames · 2 faces"),
        (JobView(fake_job(1, JobState.DONE, fault="cut off")), "Done · 35 frames · 2 faces · cut off"),
        (JobView(fake_job(1, JobState.FAILED, fault="gone")), "Failed · gone"),
        (JobView(fake_job(1, JobState.CANCELLED, done=9)), "Cancelled · 9 of 35 frames · progress is kept"),
        (JobView(fake_job(1, JobState.INTERRUPTED)), "Interrupted · progress is kept"),
    ],
)
def test_every_state_has_a_text(view: JobView, text: str) -> None:
    assert state_text(view) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12, "about 20 s left"), (150, "about 3 min left"), (4000, "about 1 h 10 min left")],
)
def test_the_eta_is_rounded(seconds: float, text: str) -> None:
    assert eta_text(seconds) == text


def test_every_button_is_a_legal_command() -> None:
    for state in JobState:
        for phase in Phase:
            view = JobView(fake_job(1, state), phase)
            assert set(buttons_of(view)) <= set(commands_of(view))
    assert JobCommand.SHOW_FOLDER not in commands_of(JobView(fake_job(1)))
