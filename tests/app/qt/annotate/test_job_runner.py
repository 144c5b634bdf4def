"""The queue at work on made frames: order, pause, cancel, every failure, and going on after the program was killed."""

from __future__ import annotations

import csv
import dataclasses
import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import QElapsedTimer, QTimer

from app.jobs.job_file import read_jobs, write_jobs
from app.jobs.job_queue import EngineChoice, JobState
from app.jobs.job_run import JobExecutor
from app.jobs.source_scan import FoundSource, SourceOpener
from app.qt.annotate.job_runner import JobRunner
from app.qt.annotate.job_view import Phase
from app.qt.widgets.notice_bar import Notice, Severity
from app.remedies import output_errors
from app.session.folder import SessionFolder
from engine.capture.source import FrameSource
from engine.errors import SourceError
from tests.app.qt.conftest import Until
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines

FRAMES = 35
LONG = 10**6


def open_made(spec: str) -> FrameSource:
    if "gone" in spec:
        raise SourceError(f"{spec} is gone: check the name")
    return FakeSource(LONG if "long" in spec else FRAMES, source_id=Path(spec).name)


def held(gate: threading.Event) -> None:
    gate.wait(30)


class Desk:
    """Runners over one queue file, with all that they told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue_file = folder / "jobs.json"
        self.runners: list[JobRunner] = []
        self.notices: list[Notice] = []
        self.engines = FakeEngines(FakePipeline())

    def runner(self, pipeline: FakePipeline | None = None, open_source: SourceOpener = open_made) -> JobRunner:
        self.engines = FakeEngines(pipeline or FakePipeline())
        engines = JobExecutor("0.1", open_source, self.engines)
        made = JobRunner(self.queue_file, engines, lambda: EngineChoice("onnxruntime"))
        made.noticed.connect(self.notices.append)
        self.runners.append(made)
        return made

    def add(self, runner: JobRunner, *names: str, preset: str = "speed") -> None:
        runner.add(tuple(FoundSource(name, self.folder / name, {preset: FRAMES}) for name in names), preset)

    def faults(self) -> list[str]:
        return [notice.text for notice in self.notices if notice.text and notice.severity is not Severity.INFO]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for runner in made.runners:
        runner.shutdown()
        runner.deleteLater()


def states(runner: JobRunner) -> list[JobState]:
    return [job.state for job in runner.jobs]


def all_in(runner: JobRunner, *wanted: JobState) -> Callable[[], bool]:
    return lambda: states(runner) == list(wanted)


def table_of(folder: Path) -> list[list[str]]:
    with SessionFolder(folder).csv.open(newline="") as handle:
        rows = list(csv.reader(handle))
    places = [place for place, name in enumerate(rows[0]) if name not in ("latency_ms", "source_id")]
    return [[row[place] for place in places] for row in rows]


def test_jobs_follow_each_other_and_the_models_are_given_back(desk: Desk, until: Until) -> None:
    runner = desk.runner()
    desk.add(runner, "a", "b", "c")
    assert states(runner) == [JobState.WAITING] * 3  # nothing begins by itself
    runner.start()
    until(all_in(runner, *[JobState.DONE] * 3))
    assert desk.engines.sources == ["a", "b", "c"]
    result = runner.jobs[0].result
    assert result is not None
    assert (result.frames, result.faces) == (FRAMES, 2)
    assert not runner.running
    until(lambda: desk.engines.pipeline.closed == 1)
    assert desk.notices[-1].text == "The queue is finished. Done: 3."


def test_a_job_that_fails_does_not_stop_the_others(desk: Desk, until: Until) -> None:
    runner = desk.runner()
    desk.add(runner, "gone", "b")
    runner.start()
    until(all_in(runner, JobState.FAILED, JobState.DONE))
    assert runner.jobs[0].fault == "gone is gone: check the name"
    assert "Failed: 1" in desk.faults()[-1]


def test_a_fault_of_the_program_is_one_line_and_the_next_job_runs(desk: Desk, until: Until) -> None:
    failed = threading.Event()

    def fail_once(index: int) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("made to fail")

    runner = desk.runner(FakePipeline(on_frame=fail_once))
    desk.add(runner, "a", "b")
    runner.start()
    until(all_in(runner, JobState.FAILED, JobState.DONE))
    assert runner.jobs[0].fault == "internal error: RuntimeError: made to fail; please report it"


def test_a_full_disk_holds_the_queue_with_one_sentence(desk: Desk, until: Until, tmp_path: Path) -> None:
    full = True

    def no_room(index: int) -> None:
        if full and index == 3:
            with output_errors(tmp_path / "journal.jsonl"):
                raise OSError(errno.ENOSPC, "No space left on device")

    runner = desk.runner(FakePipeline(on_frame=no_room))
    desk.add(runner, "a", "b")
    runner.start()
    until(lambda: not runner.running)
    assert states(runner) == [JobState.WAITING, JobState.WAITING]
    assert len(desk.faults()) == 1
    assert "The queue has stopped" in desk.faults()[0]
    assert "free space, then start the queue" in desk.faults()[0]
    full = False
    runner.start()
    until(all_in(runner, JobState.DONE, JobState.DONE))


def test_pause_stops_the_progress_and_start_goes_on(desk: Desk, until: Until) -> None:
    pipeline = FakePipeline(on_frame=lambda index: time.sleep(0.002))
    runner = desk.runner(pipeline)
    desk.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.pause()
    assert states(runner)[0] is JobState.PAUSED
    seen: list[int] = [-1]

    def stands() -> bool:
        seen.append(len(pipeline.processed))
        return len(seen) > 40 and seen[-1] == seen[-40]  # the same for 200 ms

    until(stands)
    assert runner.jobs[1].state is JobState.WAITING
    at = len(pipeline.processed)
    runner.start()
    until(lambda: len(pipeline.processed) > at)
    assert states(runner)[0] is JobState.RUNNING


def test_a_cancelled_job_keeps_its_journal_and_the_next_runs(desk: Desk, until: Until) -> None:
    runner = desk.runner()
    desk.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.cancel(1)
    assert runner.stopping
    assert runner.views()[0].phase is Phase.STOPPING
    until(all_in(runner, JobState.CANCELLED, JobState.DONE))
    assert SessionFolder(desk.folder / "long").journal.exists()


def test_a_paused_job_can_be_cancelled_and_the_queue_stays_paused(desk: Desk, until: Until) -> None:
    runner = desk.runner()
    desk.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.pause()
    runner.cancel(1)
    until(all_in(runner, JobState.CANCELLED, JobState.WAITING))
    assert not runner.running


def test_a_waiting_job_is_cancelled_at_once(desk: Desk) -> None:
    runner = desk.runner()
    desk.add(runner, "a")
    runner.cancel(1)
    assert states(runner) == [JobState.CANCELLED]


def test_what_is_put_in_line_again_goes_before_what_waits(desk: Desk, until: Until) -> None:
    runner = desk.runner()
    desk.add(runner, "long", "a", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.cancel(3)
    runner.requeue(3)
    assert [job.spec for job in runner.jobs] == ["long", "b", "a"]
    runner.cancel(1)
    until(lambda: states(runner).count(JobState.DONE) == 2)
    assert desk.engines.sources == ["long", "b", "a"]


def test_a_failed_job_that_is_tried_again_starts_the_queue(desk: Desk, until: Until) -> None:
    there = False

    def open_later(spec: str) -> FrameSource:
        return open_made(spec if there else "gone")

    runner = desk.runner(open_source=open_later)
    desk.add(runner, "a")
    runner.start()
    until(all_in(runner, JobState.FAILED))
    there = True
    runner.requeue(1)
    until(all_in(runner, JobState.DONE))


@pytest.mark.parametrize("preset", ["speed", "balanced"])
def test_the_end_of_the_program_interrupts_and_the_next_start_goes_on(desk: Desk, until: Until, preset: str) -> None:
    going_on = threading.Event()

    def hold(index: int) -> None:
        if index >= 20:
            going_on.wait(0.05)

    first = desk.runner(FakePipeline(on_frame=hold))
    desk.add(first, "a", "b", preset=preset)
    first.start()
    until(lambda: first.jobs[0].done >= 20)
    first.shutdown()
    second = desk.runner()
    assert states(second) == [JobState.INTERRUPTED, JobState.WAITING]
    assert not second.running
    second.start()
    until(all_in(second, JobState.DONE, JobState.DONE))
    assert table_of(desk.folder / "a") == table_of(desk.folder / "b")  # one was broken off, the other was not


def test_a_program_that_was_killed_goes_on_from_the_journal(desk: Desk, until: Until) -> None:
    """Nothing of the first life ends in order: only what stands on the disk is left."""

    def die(index: int) -> None:
        if index == 23:
            raise KeyError("the plug")

    first = desk.runner(FakePipeline(on_frame=die))
    desk.add(first, "a", "b")
    first.start()
    until(lambda: first.jobs[0].state is JobState.FAILED)
    first.shutdown()
    jobs = read_jobs(desk.queue_file).jobs
    running = dataclasses.replace(jobs[0], state=JobState.RUNNING, fault="")  # as it stood when the plug was pulled
    rest = dataclasses.replace(jobs[1], state=JobState.WAITING, tries=0, fault="")
    write_jobs(desk.queue_file, (running, rest))
    SessionFolder(desk.folder / "b").clear()
    with SessionFolder(desk.folder / "a").journal.open("ab") as handle:
        handle.write(b'{"half a li')
    second = desk.runner()
    assert states(second) == [JobState.INTERRUPTED, JobState.WAITING]
    second.start()
    until(all_in(second, JobState.DONE, JobState.DONE))
    assert table_of(desk.folder / "a") == table_of(desk.folder / "b")


def test_what_was_chosen_in_between_does_not_change_a_job_that_goes_on(desk: Desk, until: Until) -> None:
    first = desk.runner()
    desk.add(first, "long")
    first.start()
    until(lambda: first.jobs[0].done > 0)
    first.shutdown()
    kept = read_jobs(desk.queue_file).jobs[0]
    assert kept.engine == EngineChoice("onnxruntime")
    assert kept.tries == 1


def test_a_damaged_queue_is_told_and_starts_empty(desk: Desk) -> None:
    desk.queue_file.write_text("{")
    runner = desk.runner()
    assert runner.jobs == ()
    assert "jobs.json.damaged" in runner.fault


def test_a_queue_that_cannot_be_kept_is_told(desk: Desk, until: Until) -> None:
    (desk.folder / "jobs.part.json").mkdir()
    runner = desk.runner()
    desk.add(runner, "a")
    until(lambda: bool(desk.faults()))
    assert "could not be saved for the next start" in desk.faults()[0]
    (desk.folder / "jobs.part.json").rmdir()
    desk.add(runner, "b")
    until(lambda: len(read_jobs(desk.queue_file).jobs) == 2)


def test_a_slow_network_leaves_the_window_free(desk: Desk, until: Until) -> None:
    runner = desk.runner(FakePipeline(on_frame=lambda index: time.sleep(0.5)))
    desk.add(runner, "long")
    runner.start()
    gaps: list[int] = []
    clock = QElapsedTimer()
    clock.start()
    beat = QTimer()
    beat.timeout.connect(lambda: gaps.append(clock.restart()))
    beat.start(5)
    until(lambda: runner.jobs[0].done >= 2)
    beat.stop()
    assert len(gaps) > 20  # with a blocked window there would be two or three


def test_progress_is_told_ten_times_a_second_at_most(desk: Desk, until: Until) -> None:
    runner = desk.runner(FakePipeline())
    told: list[int] = []
    desk.add(runner, "long")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.changed.connect(lambda: told.append(runner.jobs[0].done))
    clock = QElapsedTimer()
    clock.start()
    until(lambda: clock.elapsed() > 600)
    assert 1 <= len(told) <= 1 + clock.elapsed() / 100
    assert told == sorted(told)


def test_the_phases_of_a_job_that_goes_on(desk: Desk, until: Until) -> None:
    first = desk.runner()
    desk.add(first, "long")
    first.start()
    until(lambda: first.jobs[0].done > 100)
    first.shutdown()
    done = first.jobs[0].done
    gate = threading.Event()
    second = desk.runner(FakePipeline(on_frame=lambda index: held(gate)))
    second.start()
    assert second.views()[0].phase is Phase.OPENING
    until(lambda: second.views()[0].phase is Phase.CATCHING_UP)
    assert 0 < second.jobs[0].done <= done + 200
    gate.set()
    until(lambda: second.views()[0].phase is Phase.ANALYSING)
