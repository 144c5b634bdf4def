"""One job from start to end on fake frames: every outcome, and resuming."""

from __future__ import annotations

import csv
import dataclasses
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotate import JobControl
from app.jobs.job_queue import EngineChoice, Job, JobPart, JobState
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


def test_a_job_runs_with_its_engine_settings(tmp_path: Path) -> None:
    engines = FakeEngines(FakePipeline())
    executor = JobExecutor("0.1", lambda spec: FakeSource(FRAMES), engines)
    outcome = executor.run(job_in(tmp_path / "a", "thorough"), SilentListener(), JobControl())
    assert outcome.kind is OutcomeKind.FINISHED
    assert outcome.result is not None
    assert (outcome.result.frames, outcome.result.faces) == (FRAMES, 2)
    config, tracker = engines.opened[0]
    assert (config.backends, config.threads, config.tracking.threads, tracker) == (("onnxruntime",), 2, 2, "litert")
    assert config.tracking.detect_every_s == 0.0
    executor.close()
    assert engines.pipeline.closed == 1


def test_a_job_analyses_its_part(tmp_path: Path) -> None:
    job = dataclasses.replace(job_in(tmp_path / "a", "thorough"), part=JobPart(1.0, 2.0, 2))
    outcome = engines_of(FakePipeline()).run(job, SilentListener(), JobControl())
    assert outcome.kind is OutcomeKind.FINISHED
    frames = {int(row[1]) for row in table_of(tmp_path / "a")[1:]}
    assert frames == {10, 12, 14, 16, 18}  # ten frames per second


@pytest.mark.parametrize("wanted", [False, True])
def test_a_job_subtracts_baselines_if_it_was_chosen(tmp_path: Path, wanted: bool) -> None:
    job = dataclasses.replace(job_in(tmp_path / "a", "speed"), part=JobPart(baseline=wanted))
    assert engines_of(FakePipeline()).run(job, SilentListener(), JobControl()).kind is OutcomeKind.FINISHED
    assert ("au_baseline" in table_of(tmp_path / "a")[0]) == wanted


@pytest.mark.parametrize("preset", ["speed", "balanced"])
def test_a_resumed_job_writes_the_same_table_as_an_uninterrupted_one(tmp_path: Path, preset: str) -> None:
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


def test_a_new_job_does_not_resume_from_another_jobs_files(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    outcome = engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert outcome.kind is OutcomeKind.FAILED
    assert 'choose "Start again", or add it with another folder' in outcome.fault
    assert "--" not in outcome.fault


def test_starting_again_overwrites_the_results(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a", "speed"), SilentListener(), JobControl())
    outcome = engines.run(job_in(tmp_path / "a", "balanced", afresh=True), SilentListener(), JobControl())
    assert outcome.result is not None
    assert outcome.result.frames == FRAMES


def test_resuming_a_finished_session_leaves_it_unchanged(tmp_path: Path) -> None:
    engines = engines_of(FakePipeline())
    engines.run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    outcome = engines.run(job_in(tmp_path / "a", tries=2), SilentListener(), JobControl())
    assert (outcome.kind, outcome.result) == (OutcomeKind.FINISHED, None)


def test_an_unreadable_source_fails_only_its_job(tmp_path: Path) -> None:
    def refuse(spec: str) -> FrameSource:
        raise SourceError(f"{spec} is gone")

    outcome = engines_of(FakePipeline(), refuse).run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert (outcome.kind, outcome.fault) == (OutcomeKind.FAILED, "clip.mp4 is gone")
    assert SessionFolder(tmp_path / "a").state() is SessionState.EMPTY


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_blocks_the_queue(tmp_path: Path, number: int) -> None:
    def full() -> Exception:
        error = OutputError("journal.jsonl cannot be written (No space left on device)", Remedy.FREE_SPACE)
        error.__cause__ = OSError(number, "No space left on device")
        return error

    outcome = engines_of(FakePipeline(fail_at=3, error=full)).run(
        job_in(tmp_path / "a"), SilentListener(), JobControl()
    )
    assert outcome.kind is OutcomeKind.BLOCKED
    assert "No space left on device): free space, then start the queue" in outcome.fault


def test_missing_models_block_the_queue(tmp_path: Path) -> None:
    def missing() -> Exception:
        return BackendError("no backend can run it: install onnxruntime")

    pipeline = FakePipeline(fail_at=0, error=missing)
    outcome = engines_of(pipeline).run(job_in(tmp_path / "a"), SilentListener(), JobControl())
    assert outcome.kind is OutcomeKind.BLOCKED


def test_an_unexpected_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="made to fail"):
        engines_of(FakePipeline(fail_at=3)).run(job_in(tmp_path / "a"), SilentListener(), JobControl())


def test_a_job_can_be_stopped_while_frames_are_skipped(tmp_path: Path) -> None:
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


def test_without_a_backend_the_configured_order_is_used() -> None:
    assert config_of(EngineChoice()) == EngineConfig()
