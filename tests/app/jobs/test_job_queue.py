"""The job queue: legal commands, one active job, what is saved, and recovery after a crash."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.jobs.job_file import SCHEMA, read_jobs, write_jobs
from app.jobs.job_queue import ACTIVE, STOPPED, EngineChoice, Job, JobPart, JobQueue, JobResult, JobState
from engine.errors import OutputError, RuntimeStateError

OUT = Path("results")
ENGINE = EngineChoice("onnxruntime", "litert", 2)
TOTALS: dict[str, int | None] = {"speed": 12, "balanced": 35}
RESULT = JobResult(10, 2, 12)


def queue_of(*names: str) -> JobQueue:
    queue = JobQueue()
    for name in names:
        queue.add(name, OUT / Path(name).stem, "balanced", TOTALS)
    return queue


def names(queue: JobQueue) -> list[str]:
    return [job.spec for job in queue.jobs]


# Every command, by number.
COMMANDS: tuple[Any, ...] = (
    lambda queue, job_id: queue.add(f"{job_id}.mp4", OUT / str(job_id), "speed", {"speed": job_id}),
    lambda queue, job_id: queue.start(job_id, ENGINE),
    lambda queue, job_id: queue.update_progress(job_id, job_id, 35),
    lambda queue, job_id: queue.pause(job_id),
    lambda queue, job_id: queue.resume(job_id),
    lambda queue, job_id: queue.finish(job_id, RESULT, "cut off"),
    lambda queue, job_id: queue.fail(job_id, "simulated failure"),
    lambda queue, job_id: queue.interrupt(job_id),
    lambda queue, job_id: queue.fail(job_id, "simulated failure", touched=False),
    lambda queue, job_id: queue.postpone(job_id, "disk full"),
    lambda queue, job_id: queue.cancel(job_id),
    lambda queue, job_id: queue.requeue(job_id),
    lambda queue, job_id: queue.requeue(job_id, afresh=True),
    lambda queue, job_id: queue.set_preset(job_id, "thorough"),
    lambda queue, job_id: queue.set_part(job_id, JobPart(1.0, 2.0, 3)),
    lambda queue, job_id: queue.move(job_id, job_id - 2),
    lambda queue, job_id: queue.remove(job_id),
    lambda queue, job_id: queue.clear_done(),
)
#: Up to sixty commands on a few jobs; adding, starting and finishing are drawn more often, so that there are jobs.
SEQUENCES = st.lists(
    st.tuples(st.sampled_from((0, 1, 1, 5, *range(len(COMMANDS)))), st.integers(1, 5)), min_size=20, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(SEQUENCES)
def test_any_sequence_of_commands_keeps_the_invariants(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    saved: list[tuple[Job, ...]] = [()]
    queue = JobQueue((), saved.append)
    for number, job_id in steps:
        before = queue.jobs
        try:
            COMMANDS[number](queue, job_id)
        except RuntimeStateError:
            assert queue.jobs == before
        assert queue.count_of(*ACTIVE) <= 1
        assert (queue.active is None) == (queue.count_of(*ACTIVE) == 0)
        assert len({job.job_id for job in queue.jobs}) == len(queue.jobs)
        assert all(job.started for job in queue.jobs if job.state in ACTIVE)
        # The jobs saved last equal the current ones, except for progress since then.
        assert [without_count(job) for job in saved[-1]] == [without_count(job) for job in queue.jobs]
    path = tmp_path_factory.mktemp("requeue") / "jobs.json"
    write_jobs(path, queue.jobs)
    assert read_jobs(path).jobs == queue.jobs
    again = JobQueue(read_jobs(path).jobs)
    assert again.active is None
    assert again.count_of(JobState.INTERRUPTED) == queue.count_of(*ACTIVE, JobState.INTERRUPTED)
    assert not {job.job_id for job in queue.jobs} & {again.add("new.mp4", OUT, "speed", {}).job_id}


def without_count(job: Job) -> Job:
    return dataclasses.replace(job, done=0, total=None)


def test_jobs_run_in_the_order_of_the_list() -> None:
    queue = queue_of("a.mp4", "b.mp4", "c.mp4")
    queue.move(3, 0)
    assert names(queue) == ["c.mp4", "a.mp4", "b.mp4"]
    seen = []
    while (job := queue.next_waiting) is not None:
        queue.start(job.job_id, ENGINE)
        queue.finish(job.job_id, RESULT)
        seen.append(job.spec)
    assert seen == ["c.mp4", "a.mp4", "b.mp4"]


def test_only_one_job_is_active_at_a_time() -> None:
    queue = queue_of("a.mp4", "b.mp4")
    queue.start(1, ENGINE)
    with pytest.raises(RuntimeStateError, match="cannot start job 2 while job 1 is running"):
        queue.start(2, ENGINE)
    queue.pause(1)
    with pytest.raises(RuntimeStateError, match="while job 1 is paused"):
        queue.start(2, ENGINE)


def test_an_illegal_command_names_the_job_and_its_state() -> None:
    queue = queue_of("clips/a.mp4")
    with pytest.raises(RuntimeStateError, match=r"cannot pause job 1 \(a.mp4\), which is waiting: it must be running"):
        queue.pause(1)
    with pytest.raises(RuntimeStateError, match="job 7 is no longer in the queue"):
        queue.cancel(7)


def test_a_running_job_cannot_be_removed() -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    with pytest.raises(RuntimeStateError, match="cannot remove"):
        queue.remove(1)


@pytest.mark.parametrize("state", STOPPED)
def test_a_requeued_job_keeps_the_engine_settings_it_started_with(state: JobState) -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    {JobState.FAILED: lambda: queue.fail(1, "gone"), JobState.CANCELLED: lambda: queue.cancel(1)}.get(
        state, lambda: queue.interrupt(1)
    )()
    assert not queue.job(1).resumes
    queue.requeue(1)
    job = queue.start(1, EngineChoice("openvino"))
    assert job.engine == ENGINE
    assert job.resumes
    assert not job.fault


def test_a_job_that_never_wrote_to_its_folder_does_not_resume_from_it() -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    assert not queue.fail(1, "no such file", touched=False).started
    queue.requeue(1)
    job = queue.start(1, EngineChoice("openvino"))
    assert not job.resumes
    assert job.engine == EngineChoice("openvino")
    queue.postpone(1, "disk full")
    assert queue.start(1, ENGINE).resumes


@pytest.mark.parametrize("command", [JobQueue.interrupt, JobQueue.cancel])
def test_a_job_stopped_before_it_wrote_to_its_folder_still_starts_afresh(
    command: Callable[..., Job],
) -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    queue.cancel(1)
    queue.requeue(1, afresh=True)
    queue.start(1, ENGINE)
    assert not command(queue, 1, touched=False).started
    queue.requeue(1)
    job = queue.start(1, EngineChoice("openvino"))
    assert job.afresh
    assert not job.resumes
    assert job.engine == EngineChoice("openvino")


def test_a_job_that_starts_afresh_uses_the_current_settings() -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    queue.update_progress(1, 20, 35)
    queue.cancel(1)
    assert queue.requeue(1, afresh=True).done == 0
    job = queue.start(1, EngineChoice("openvino"))
    assert job.engine == EngineChoice("openvino")
    assert job.afresh
    assert not job.resumes


def test_a_job_interrupted_after_starting_afresh_resumes() -> None:
    queue = queue_of("a.mp4")
    queue.start(1, ENGINE)
    queue.cancel(1)
    queue.requeue(1, afresh=True)
    queue.start(1, ENGINE)
    again = JobQueue(queue.jobs)  # as after a crash
    again.requeue(1)
    assert again.start(1, ENGINE).resumes


def test_the_preset_cannot_change_after_the_start() -> None:
    queue = queue_of("a.mp4")
    assert queue.set_preset(1, "speed").total == 12
    queue.start(1, ENGINE)
    queue.postpone(1, "disk full")
    with pytest.raises(RuntimeStateError, match="resumes with the preset that it started with"):
        queue.set_preset(1, "speed")


def test_a_part_has_its_own_number_of_frames_and_cannot_change_after_the_start() -> None:
    queue = queue_of("a.mp4")
    whole = queue.jobs[0].totals
    assert queue.set_part(1, JobPart(every=10)).total == math.ceil(max(count or 0 for count in whole.values()) / 10)
    assert queue.set_part(1, JobPart(1.0, 2.5)).total is None
    assert queue.set_preset(1, "speed").total is None
    assert queue.set_part(1, JobPart()).total == whole["speed"]
    queue.start(1, ENGINE)
    queue.postpone(1, "disk full")
    with pytest.raises(RuntimeStateError, match="resumes with the part that it started with"):
        queue.set_part(1, JobPart(1.0))


@pytest.mark.parametrize("values", [(2.0, 2.0), (-1.0, None), (0.0, None, 0)])
def test_an_empty_part_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        JobPart(*values)


def test_clearing_keeps_unfinished_jobs() -> None:
    queue = queue_of("a.mp4", "b.mp4", "c.mp4")
    queue.start(1, ENGINE)
    queue.finish(1, RESULT)
    queue.start(2, ENGINE)
    queue.fail(2, "gone")
    queue.clear_done()
    assert names(queue) == ["b.mp4", "c.mp4"]


def test_progress_is_not_saved() -> None:
    saved: list[tuple[Job, ...]] = []
    queue = JobQueue((), saved.append)
    queue.add("a.mp4", OUT, "speed", {})
    queue.start(1, ENGINE)
    before = len(saved)
    for done in range(30):
        queue.update_progress(1, done, 35)
    assert len(saved) == before
    queue.pause(1)
    assert saved[-1][0].done == 29


def test_saved_jobs_are_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "jobs.json"
    queue = queue_of("a.mp4", "ü b.mp4")
    queue.start(1, ENGINE)
    queue.finish(1, RESULT, "it ends at 2.0 s")
    write_jobs(path, queue.jobs)
    assert read_jobs(path).jobs == queue.jobs
    assert [one.name for one in path.parent.iterdir()] == ["jobs.json"]


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(
        """{
 "schema": "mien-jobs/1",
 "jobs": [
  {
   "job_id": 3,
   "spec": "/films/a.mp4",
   "folder": "/results/a",
   "preset": "speed",
   "totals": {"speed": 12, "balanced": null},
   "state": "interrupted",
   "done": 5,
   "total": 12,
   "tries": 1,
   "engine": {"backend": null, "tracker": "litert", "threads": 2},
   "afresh": false,
   "result": null,
   "fault": ""
  }
 ]
}
"""
    )
    assert read_jobs(path).jobs == (
        Job(
            3,
            "/films/a.mp4",
            Path("/results/a"),
            "speed",
            {"speed": 12, "balanced": None},
            JobState.INTERRUPTED,
            done=5,
            total=12,
            tries=1,
            engine=EngineChoice(None, "litert", 2),
        ),
    )


def test_a_missing_file_is_an_empty_queue(tmp_path: Path) -> None:
    assert read_jobs(tmp_path / "jobs.json") == read_jobs(tmp_path / "nowhere" / "jobs.json")
    assert read_jobs(tmp_path / "jobs.json").fault == ""


def job_item(**changed: Any) -> dict[str, Any]:
    raw = json.loads(json.dumps(dataclasses.asdict(queue_of("a.mp4").jobs[0]), default=str))
    return {**raw, **changed}


def test_a_queue_from_before_baselines_is_read(tmp_path: Path) -> None:
    path, part = tmp_path / "jobs.json", {"start_s": 1.0, "end_s": 2.0, "every": None}
    path.write_text(json.dumps({"schema": SCHEMA, "jobs": [job_item(part=part)]}))
    assert [job.part for job in read_jobs(path).jobs] == [JobPart(1.0, 2.0)]


DAMAGED_JOBS: tuple[Any, ...] = (
    7,
    [7],
    [{}],
    [job_item(), job_item()],
    [job_item(state="flying")],
    [job_item(done=-1)],
    [job_item(done=True)],
    [job_item(totals={"speed": "many"})],
    [job_item(spec=None)],
    [job_item(extra=1)],
    [job_item(engine={"backend": None, "tracker": "guess", "threads": 1})],
    [job_item(engine={"backend": None})],
    [job_item(part={"start_s": 5.0, "end_s": 1.0, "every": None})],
    [job_item(result={"frames": "ten", "faces": 1, "rows": 1})],
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": "mien-jobs/99", "jobs": []}',
        '{"schema": "mien-jobs/1"}',
        "[" * 100_000,
        *(json.dumps({"schema": SCHEMA, "jobs": jobs}) for jobs in DAMAGED_JOBS),
    ],
    ids=range(20),
)
def test_a_damaged_file_is_renamed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(text)
    read = read_jobs(path)
    assert read.jobs == ()
    assert "cannot be read" in read.fault
    assert "jobs.json.damaged" in read.fault
    assert (tmp_path / "jobs.json.damaged").read_text() == text
    assert read_jobs(path).fault == ""


def test_a_file_that_is_not_utf8_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_bytes(b"\xff\xfe\x00")
    assert "kept as jobs.json.damaged" in read_jobs(tmp_path / "jobs.json").fault


@pytest.mark.skipif(os.name != "posix", reason="folders without the right to write are a matter of POSIX")
def test_a_failed_write_is_one_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    write_jobs(path, queue_of("a.mp4").jobs)
    (tmp_path / "jobs.part.json").mkdir()  # blocks the temporary file
    with pytest.raises(OutputError, match="cannot be written"):
        write_jobs(path, ())
    assert [job.spec for job in read_jobs(path).jobs] == ["a.mp4"]
