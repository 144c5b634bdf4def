"""Running the queue on fake frames: order, pause, cancel, every failure, and resuming after a crash."""

from __future__ import annotations

import csv
import dataclasses
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QElapsedTimer

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


def open_fake(spec: str) -> FrameSource:
    if "gone" in spec:
        raise SourceError(f"{spec} is gone: check the name")
    return FakeSource(LONG if "long" in spec else FRAMES, source_id=Path(spec).name)


def wait_for(gate: threading.Event) -> None:
    gate.wait(30)


class RunnerHarness:
    """Runners over one queue file, with everything that they reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue_file = folder / "jobs.json"
        self.runners: list[JobRunner] = []
        self.notices: list[Notice] = []
        self.engines = FakeEngines(FakePipeline())

    def runner(self, pipeline: FakePipeline | None = None, open_source: SourceOpener = open_fake) -> JobRunner:
        self.engines = FakeEngines(pipeline or FakePipeline())
        executor = JobExecutor("0.1", open_source, self.engines)
        runner = JobRunner(self.queue_file, executor, lambda: EngineChoice("onnxruntime"))
        runner.noticed.connect(self.notices.append)
        self.runners.append(runner)
        return runner

    def add(self, runner: JobRunner, *names: str, preset: str = "speed") -> None:
        runner.add(tuple(FoundSource(name, self.folder / name, {preset: FRAMES}) for name in names), preset)

    def faults(self) -> list[str]:
        return [notice.text for notice in self.notices if notice.text and notice.severity is not Severity.INFO]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[RunnerHarness]:
    made = RunnerHarness(tmp_path)
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


def test_jobs_run_one_after_another_and_the_engine_is_closed_at_the_end(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner()
    harness.add(runner, "a", "b", "c")
    assert states(runner) == [JobState.WAITING] * 3  # no job starts by itself
    runner.start()
    until(all_in(runner, *[JobState.DONE] * 3))
    assert harness.engines.sources == ["a", "b", "c"]
    result = runner.jobs[0].result
    assert result is not None
    assert (result.frames, result.faces) == (FRAMES, 2)
    assert not runner.running
    until(lambda: harness.engines.pipeline.closed == 1)
    assert harness.notices[-1].text == "The queue is finished. Done: 3."


def test_a_failed_job_does_not_stop_the_others(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner()
    harness.add(runner, "gone", "b")
    runner.start()
    until(all_in(runner, JobState.FAILED, JobState.DONE))
    assert runner.jobs[0].fault == "gone is gone: check the name"
    assert "Failed: 1" in harness.faults()[-1]


def test_an_unexpected_error_is_one_line_and_the_next_job_runs(harness: RunnerHarness, until: Until) -> None:
    failed = threading.Event()

    def fail_once(index: int) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("made to fail")

    runner = harness.runner(FakePipeline(on_frame=fail_once))
    harness.add(runner, "a", "b")
    runner.start()
    until(all_in(runner, JobState.FAILED, JobState.DONE))
    assert runner.jobs[0].fault == "internal error: RuntimeError: made to fail; please report it"


def test_a_full_disk_stops_the_queue_with_one_notice(harness: RunnerHarness, until: Until, tmp_path: Path) -> None:
    full = True

    def no_room(index: int) -> None:
        if full and index == 3:
            with output_errors(tmp_path / "journal.jsonl"):
                raise OSError(errno.ENOSPC, "No space left on device")

    runner = harness.runner(FakePipeline(on_frame=no_room))
    harness.add(runner, "a", "b")
    runner.start()
    until(lambda: not runner.running)
    assert states(runner) == [JobState.WAITING, JobState.WAITING]
    assert len(harness.faults()) == 1
    assert "The queue has stopped" in harness.faults()[0]
    assert "free space, then start the queue" in harness.faults()[0]
    full = False
    runner.start()
    until(all_in(runner, JobState.DONE, JobState.DONE))


def test_pause_stops_the_progress_and_start_resumes_it(harness: RunnerHarness, until: Until) -> None:
    pipeline = FakePipeline(on_frame=lambda index: time.sleep(0.002))
    runner = harness.runner(pipeline)
    harness.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.pause()
    assert states(runner)[0] is JobState.PAUSED
    seen: list[int] = [-1]

    def is_still() -> bool:
        seen.append(len(pipeline.processed))
        return len(seen) > 40 and seen[-1] == seen[-40]  # the same for 200 ms

    until(is_still)
    assert runner.jobs[1].state is JobState.WAITING
    at = len(pipeline.processed)
    runner.start()
    until(lambda: len(pipeline.processed) > at)
    assert states(runner)[0] is JobState.RUNNING


def test_a_cancelled_job_keeps_its_journal_and_the_next_runs(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner()
    harness.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.cancel(1)
    assert runner.stopping
    assert runner.views()[0].phase is Phase.STOPPING
    until(all_in(runner, JobState.CANCELLED, JobState.DONE))
    assert SessionFolder(harness.folder / "long").journal.exists()


def test_a_paused_job_can_be_cancelled_and_the_queue_stays_paused(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner()
    harness.add(runner, "long", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.pause()
    runner.cancel(1)
    until(all_in(runner, JobState.CANCELLED, JobState.WAITING))
    assert not runner.running


def test_a_waiting_job_is_cancelled_at_once(harness: RunnerHarness) -> None:
    runner = harness.runner()
    harness.add(runner, "a")
    runner.cancel(1)
    assert states(runner) == [JobState.CANCELLED]


def test_a_requeued_job_runs_before_waiting_ones(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner()
    harness.add(runner, "long", "a", "b")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.cancel(3)
    runner.requeue(3)
    assert [job.spec for job in runner.jobs] == ["long", "b", "a"]
    runner.cancel(1)
    until(lambda: states(runner).count(JobState.DONE) == 2)
    assert harness.engines.sources == ["long", "b", "a"]


def test_retrying_a_failed_job_starts_the_queue(harness: RunnerHarness, until: Until) -> None:
    available = False

    def open_later(spec: str) -> FrameSource:
        return open_fake(spec if available else "gone")

    runner = harness.runner(open_source=open_later)
    harness.add(runner, "a")
    runner.start()
    until(all_in(runner, JobState.FAILED))
    available = True
    runner.requeue(1)
    until(all_in(runner, JobState.DONE))


@pytest.mark.parametrize("preset", ["speed", "balanced"])
def test_shutdown_interrupts_the_job_and_the_next_start_resumes_it(
    harness: RunnerHarness, until: Until, preset: str
) -> None:
    release = threading.Event()

    def hold(index: int) -> None:
        if index >= 20:
            release.wait(0.05)

    first = harness.runner(FakePipeline(on_frame=hold))
    harness.add(first, "a", "b", preset=preset)
    first.start()
    until(lambda: first.jobs[0].done >= 20)
    first.shutdown()
    second = harness.runner()
    assert states(second) == [JobState.INTERRUPTED, JobState.WAITING]
    assert not second.running
    second.start()
    until(all_in(second, JobState.DONE, JobState.DONE))
    assert table_of(harness.folder / "a") == table_of(harness.folder / "b")  # one was interrupted, the other was not


def test_after_a_crash_the_job_resumes_from_its_journal(harness: RunnerHarness, until: Until) -> None:
    """Simulated by an exception in the middle of a job and a partial last line of its journal."""

    def die(index: int) -> None:
        if index == 23:
            raise KeyError("crash")

    first = harness.runner(FakePipeline(on_frame=die))
    harness.add(first, "a", "b")
    first.start()
    until(lambda: first.jobs[0].state is JobState.FAILED)
    first.shutdown()
    jobs = read_jobs(harness.queue_file).jobs
    running = dataclasses.replace(jobs[0], state=JobState.RUNNING, fault="")  # as saved before the crash
    rest = dataclasses.replace(jobs[1], state=JobState.WAITING, tries=0, fault="")
    write_jobs(harness.queue_file, (running, rest))
    SessionFolder(harness.folder / "b").clear()
    with SessionFolder(harness.folder / "a").journal.open("ab") as handle:
        handle.write(b'{"half a li')
    second = harness.runner()
    assert states(second) == [JobState.INTERRUPTED, JobState.WAITING]
    second.start()
    until(all_in(second, JobState.DONE, JobState.DONE))
    assert table_of(harness.folder / "a") == table_of(harness.folder / "b")


def test_a_resumed_job_keeps_its_engine_settings(harness: RunnerHarness, until: Until) -> None:
    first = harness.runner()
    harness.add(first, "long")
    first.start()
    until(lambda: first.jobs[0].done > 0)
    first.shutdown()
    kept = read_jobs(harness.queue_file).jobs[0]
    assert kept.engine == EngineChoice("onnxruntime")
    assert kept.tries == 1


def test_a_damaged_queue_file_is_reported_and_the_queue_is_empty(harness: RunnerHarness) -> None:
    harness.queue_file.write_text("{")
    runner = harness.runner()
    assert runner.jobs == ()
    assert "jobs.json.damaged" in runner.fault


def test_a_queue_that_cannot_be_saved_is_reported(harness: RunnerHarness, until: Until) -> None:
    (harness.folder / "jobs.part.json").mkdir()
    runner = harness.runner()
    harness.add(runner, "a")
    until(lambda: bool(harness.faults()))
    assert "could not be saved for the next start" in harness.faults()[0]
    (harness.folder / "jobs.part.json").rmdir()
    harness.add(runner, "b")
    until(lambda: len(read_jobs(harness.queue_file).jobs) == 2)


def test_a_slow_pipeline_does_not_block_the_window(harness: RunnerHarness, until: Until) -> None:
    reached, free = threading.Event(), threading.Event()
    waits: list[bool] = []

    def hang(index: int) -> None:
        reached.set()
        waits.append(free.wait(10))

    runner = harness.runner(FakePipeline(on_frame=hang))
    harness.add(runner, "long")
    runner.start()
    until(reached.is_set)
    harness.add(runner, "b")
    runner.pause()
    runner.start()
    free.set()
    until(lambda: runner.jobs[0].done >= 2)
    assert all(waits)  # the window worked on while a frame was analysed


def test_progress_is_reported_at_most_ten_times_a_second(harness: RunnerHarness, until: Until) -> None:
    runner = harness.runner(FakePipeline())
    reported: list[int] = []
    harness.add(runner, "long")
    runner.start()
    until(lambda: runner.jobs[0].done > 0)
    runner.changed.connect(lambda: reported.append(runner.jobs[0].done))
    clock = QElapsedTimer()
    clock.start()
    until(lambda: clock.elapsed() > 600 and bool(reported))
    assert 1 <= len(reported) <= 1 + clock.elapsed() / 100
    assert reported == sorted(reported)


def test_the_phases_of_a_resumed_job(harness: RunnerHarness, until: Until) -> None:
    first = harness.runner()
    harness.add(first, "long")
    first.start()
    until(lambda: first.jobs[0].done > 100)
    first.shutdown()
    done = first.jobs[0].done
    gate = threading.Event()
    second = harness.runner(FakePipeline(on_frame=lambda index: wait_for(gate)))
    second.start()
    assert second.views()[0].phase is Phase.OPENING
    until(lambda: second.views()[0].phase is Phase.CATCHING_UP)
    assert 0 < second.jobs[0].done <= done + 200
    gate.set()
    until(lambda: second.views()[0].phase is Phase.ANALYSING)


def test_a_second_runner_reads_the_queue_only_and_names_the_first(harness: RunnerHarness, until: Until) -> None:
    first = harness.runner(FakePipeline())
    harness.add(first, "long")
    first.start()
    until(lambda: any(job.state is JobState.RUNNING for job in read_jobs(harness.queue_file).jobs))
    second = harness.runner()
    assert second.holder is not None
    assert second.holder.pid == os.getpid()
    assert states(second) == [JobState.RUNNING]  # not interrupted: it runs in the first
    before = harness.queue_file.read_bytes()
    second.shutdown()
    assert harness.queue_file.read_bytes() == before
    assert not first.stopping


def test_the_queue_is_taken_over_when_its_holder_has_ended(harness: RunnerHarness, until: Until) -> None:
    first, second = harness.runner(), harness.runner()
    harness.add(first, "a", "b")
    assert not second.is_mine
    first.shutdown()
    second.reopen()
    assert second.is_mine
    assert states(second) == [JobState.WAITING] * 2
    harness.add(second, "c")
    until(lambda: len(read_jobs(harness.queue_file).jobs) == 3)


def test_a_damaged_queue_of_another_runner_stays_as_it_is(harness: RunnerHarness) -> None:
    first = harness.runner()
    harness.queue_file.write_text("no queue")
    second = harness.runner()
    assert (second.is_mine, second.jobs) == (False, ())
    assert harness.queue_file.read_text() == "no queue"
    second.shutdown()
    first.shutdown()
