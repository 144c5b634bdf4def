"""Pausing and stopping a job: while it runs, while it catches up after a resume, and for live sources."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from app.annotate import JobControl
from app.session.folder import SessionState
from app.session.journal import read_journal
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import Annotator, SilentListener

ENDLESS = 10**9


class PauseDetector(SilentListener):
    """Calls back when the count of frames stays the same between two updates, and when it increases again."""

    def __init__(self, on_pause: Callable[[], None], on_progress: Callable[[], None]) -> None:
        super().__init__()
        self.paused_at: int | None = None
        self.resumed = False
        self._on_pause, self._on_progress = on_pause, on_progress

    def update(self, done: int) -> None:
        if self.paused_at is None and done and done == self.done:
            self.paused_at = done
            self._on_pause()
        elif self.paused_at is not None and done > self.paused_at:
            self.resumed = True
            self._on_progress()
        super().update(done)


def test_a_new_control_is_neither_stopped_nor_paused() -> None:
    control = JobControl()
    assert not control.stopped
    assert not control.paused
    control.wait_while_paused()


def test_stopping_ends_a_pause_and_is_final() -> None:
    control = JobControl()
    control.pause()
    assert control.paused
    control.stop()
    assert (control.stopped, control.paused) == (True, False)
    control.pause()
    assert not control.paused
    control.wait_while_paused()


@pytest.mark.parametrize("command", ["resume", "stop"])
def test_resuming_or_stopping_unblocks_a_waiting_thread(command: str) -> None:
    control = JobControl()
    control.pause()
    waiter = threading.Thread(target=control.wait_while_paused)
    waiter.start()
    assert waiter.is_alive()
    getattr(control, command)()
    waiter.join(10.0)
    assert not waiter.is_alive()


def test_a_paused_file_continues_without_losing_frames(run_annotate: Annotator) -> None:
    control = JobControl()
    listener = PauseDetector(control.resume, control.stop)
    pipeline = FakePipeline(on_frame=lambda index: control.pause() if index == 10 else None)
    outcome = run_annotate(pipeline, FakeSource(ENDLESS), control, listener=listener, video=False)
    assert not outcome.finished
    assert listener.paused_at is not None
    assert listener.resumed
    frames = [entry.frame for entry in read_journal(run_annotate.folder.journal)]
    assert frames == list(range(len(frames)))  # no frame was lost


def test_a_paused_job_can_be_stopped(run_annotate: Annotator) -> None:
    control = JobControl()
    listener = PauseDetector(control.stop, lambda: None)
    pipeline = FakePipeline(on_frame=lambda index: control.pause() if index == 10 else None)
    assert not run_annotate(pipeline, FakeSource(ENDLESS), control, listener=listener, video=False).finished
    assert listener.paused_at is not None
    assert run_annotate.folder.state() is SessionState.UNFINISHED


def test_a_paused_live_source_drops_frames(run_annotate: Annotator) -> None:
    control = JobControl()
    listener = PauseDetector(control.stop, lambda: None)
    pipeline = FakePipeline(on_frame=lambda index: control.pause() if index > 10 else None)
    assert run_annotate(pipeline, FakeSource(ENDLESS, live=True), control, listener=listener, video=False).finished
    frames = json.loads(run_annotate.folder.metadata.read_text())["frames"]
    assert frames["dropped"] > 0
    assert frames["read"] == frames["analysed"] + frames["dropped"]


class Interrupter(JobControl):
    """Counts how often the job waits, and resumes or stops it."""

    def __init__(self, stops: bool) -> None:
        super().__init__()
        self.waited = 0
        self._stops = stops

    def wait_while_paused(self) -> None:
        if self.paused:
            self.waited += 1
            if self._stops:
                self.stop()
            else:
                self.resume()
        super().wait_while_paused()


@pytest.mark.parametrize("stops", [False, True])
def test_a_resumed_job_can_be_paused_while_it_catches_up(run_annotate: Annotator, stops: bool) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=27))
    before = run_annotate.folder.journal.read_bytes()
    control = Interrupter(stops)
    control.pause()
    outcome = run_annotate(control=control, resume=True)
    assert control.waited == 1
    assert outcome.finished is not stops
    if stops:
        assert run_annotate.folder.journal.read_bytes() == before
        assert not (run_annotate.folder.path / "annotated.part.mp4").exists()


def test_progress_includes_the_frames_that_are_drawn_again(run_annotate: Annotator) -> None:
    counts: list[int] = []

    class Counting(SilentListener):
        def update(self, done: int) -> None:
            counts.append(done)

    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=27))
    run_annotate(resume=True, listener=Counting())
    assert counts == sorted(counts)
    assert counts[:21] == list(range(1, 22))  # up to the state at frame 20
    assert counts[-1] == 35
