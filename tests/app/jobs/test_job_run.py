"""One job from beginning to end, on made frames: every way in which it may end, and going on."""

from __future__ import annotations

import csv
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotate import JobControl
from app.jobs.job_queue import EngineChoice, Job, JobState
from app.jobs.job_run import JobExecutor, OutcomeKind, config_of
from app.session.folder import SessionFolder, SessionState
from engine.capture.source import FrameSource
from engine.config import EngineConfig
from engine.errors import BackendError, OutputError, Remedy, SourceError
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines, SilentListener

FRAMES = 35


def engines_of(
    pipeline: FakePipeline, open_source: Callable[[str], FrameSource] = lambda spec: FakeSource(FRAMES)
) -> JobExecutor:
    return JobExecutor("0.1", open_source, FakeEngines(pipeline))


def job_in(folder: Path, preset: str = "speed", tries: int = 1, afresh: bool = False) -> Job:
    choice = EngineChoice("onnxruntime", "litert", 2)
    return Job(1, "clip.mp4", folder, preset, {}, JobState.RUNNING, tries=tries, engine=choice, afresh=afresh)


def table_of(folder: Path) -> list[list[str]]:
    with SessionFolder(folder).csv.open(newline="") as handle:
        rows = list(csv.reader(handle))
    place = rows[0].index("latency_ms")
    return [row[:place] + row[place + 1 :] for row in rows]


def test_a_job_runs_with_the_engine_it_was_begun_with(tmp_path: Path) -> None:
    engines = FakeEngines(FakePipeline())
    executor = JobExecutor("0.1", lambda spec: FakeSource(FRAMES), engines)
    ending = executor.run(job_in(tmp_path / "a", "thorough"), SilentListener(), JobControl())
    assert ending.kind is OutcomeKind.FINISHED
    assert ending.result is not None
    assert (ending.result.frames, ending.result.faces) == (FRAMES, 2)
    config, tracker = engines.opened[0]
    assert (config.backends, config.threads, config.tracking.threads, tracker) == (("onnxruntime",), 2, 2, "litert")
    assert config.tracking.detect_every_s == 0.0
    executor.close()
    assert engines.pipeline.closed == 1


@pytest.mark.parametrize("preset", ["speed", "balanced"])
def test_a_stopped_job_goes_on_and_its_table_is_that_of_an_unbroken_run(tmp_path: Path, preset: str) -> None:
    control = JobControl()

    def stop_at(index: int) -> None:
        if index >= 15:
            control.stop()

    broken, whole = tmp_path / "broken", tmp_path / "whole"
    engines = engines_of(FakePipeline(on_frame=stop_at), lambda spec: FakeSource(FRAMES * 40))
    assert engines.run(job_in(broken, preset), SilentListener(), control).kind is OutcomeKind.STOPPED
    fresh = engines_of(FakePipeline(), lambda spec: FakeSource(FRAMES * 40))
    assert fresh.run(job_in(broken, preset, tries=2), SilentListener(), JobControl()).kind is OutcomeKind.FINISHED
    assert fresh.run(job_in(whole, preset), SilentListener(), JobControl()).kind is OutcomeKind.FINISHED
    assert table_of(broken) == table_of(whole)


def test_a_job_does_not_take_what_others_wrote_for_its_own(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    ending = engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert ending.kind is OutcomeKind.FAILED
    assert 'choose "Start again", or add it with another folder' in ending.fault
    assert "--" not in ending.fault


def test_starting_again_writes_over_what_is_there(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a", "speed"), SilentListener(), JobControl())
    ending = engines.run(job_in(tmp_path / "a", "balanced", afresh=True), SilentListener(), JobControl())
    assert ending.result is not None
    assert ending.result.frames == FRAMES


def test_resuming_with_what_is_finished_leaves_it_alone(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    ending = engines.run(job_in(tmp_path / "a", tries=2), SilentListener(), JobControl())
    assert (ending.kind, ending.result) == (OutcomeKind.FINISHED, None)


def test_a_source_that_cannot_be_opened_fails_that_job_alone(tmp_path: Path) -> None:
    def refuse(spec: str) -> FrameSource:
        raise SourceError(f"{spec} is gone")

    ending = engines_of(FakePipeline(), refuse).run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert (ending.kind, ending.fault) == (OutcomeKind.FAILED, "clip.mp4 is gone")
    assert SessionFolder(tmp_path / "a").state() is SessionState.EMPTY


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_holds_the_queue(tmp_path: Path, number: int) -> None:
    def full() -> Exception:
        error = OutputError("journal.jsonl cannot be written (No space left on device)", Remedy.FREE_SPACE)
        error.__cause__ = OSError(number, "No space left on device")
        return error

    ending = engines_of(FakePipeline(fail_at=3, error=full)).run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert ending.kind is OutcomeKind.BLOCKED
    assert "No space left on device): free space, then start the queue" in ending.fault


def test_missing_models_hold_the_queue(tmp_path: Path) -> None:
    def missing() -> Exception:
        return BackendError("no backend can run it: install onnxruntime")

    pipeline = FakePipeline(fail_at=0, error=missing)
    ending = engines_of(pipeline).run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert ending.kind is OutcomeKind.BLOCKED


def test_a_fault_of_the_program_is_raised(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="made to fail"):
        engines_of(FakePipeline(fail_at=3)).run(job_in(tmp_path / "a"), SilentListener(), JobControl())


def test_stopping_while_the_source_is_skipped_through(tmp_path: Path) -> None:
    control, stop_first = JobControl(), JobControl()

    class SlowToSkip(FakeSource):
        def skip_to(self, frame_index: int) -> None:
            super().skip_to(frame_index)
            if frame_index:
                control.stop()

    def stop_at(index: int) -> None:
        if index >= 900:
            stop_first.stop()

    first = engines_of(FakePipeline(on_frame=stop_at), lambda spec: FakeSource(10**6))
    assert first.run(job_in(tmp_path / "a"), SilentListener(), stop_first).kind is OutcomeKind.STOPPED
    journal = SessionFolder(tmp_path / "a").journal.read_bytes()
    second = engines_of(FakePipeline(), lambda spec: SlowToSkip(10**6))
    assert second.run(job_in(tmp_path / "a", tries=2), SilentListener(), control).kind is OutcomeKind.STOPPED
    assert SessionFolder(tmp_path / "a").journal.read_bytes() == journal


def test_the_choice_without_a_backend_keeps_the_order_of_the_settings() -> None:
    assert config_of(EngineChoice()) == EngineConfig()
