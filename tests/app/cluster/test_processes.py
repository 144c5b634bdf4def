"""Real worker processes, one of which is killed while it annotates."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster import processes
from app.cluster.dispatch import dispatch
from app.cluster.messages import STOP
from app.cluster.pipe_worker import _PipeControl, _PipeListener
from app.cluster.processes import ProcessCrew
from app.cluster.records import Lost
from app.cluster.work import ItemWorker
from tests.app.cluster.conftest import ROOT, Killer, Recorder, items_of, setup_of, table_of, write_face_clips
from tests.fakes.sessions import SilentListener


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_and_changes_no_byte(tmp_path: Path, models: None) -> None:
    clips = write_face_clips(tmp_path / "in", 3, frames=40)
    killer = Killer()
    listener = Recorder(killer)
    crew = ProcessCrew(2, setup_of())
    items = items_of(clips, tmp_path / "out")
    try:
        reports = dispatch(items, crew, JobControl(), listener)
    finally:
        crew.close()
    assert listener.losses == [killer.killed]
    assert [report.state for report in reports] == [ItemState.DONE] * 3
    assert sorted(report.place for report in listener.reports) == [0, 1, 2]
    with ItemWorker(setup_of()) as alone:
        for item in items_of(clips, tmp_path / "alone"):
            assert alone.run(item, SilentListener(), JobControl()).state is ItemState.DONE
            rows = table_of(item.folder)
            assert rows == table_of(items[item.place].folder)
            assert [int(row["frame"]) for row in rows] == list(range(40))
            assert rows[0]["decision"] != "no_face"


@pytest.mark.slow
def test_ctrl_c_leaves_sessions_that_resume(tmp_path: Path, models: None) -> None:
    write_face_clips(tmp_path / "in", 3, frames=60)
    command = [sys.executable, "-m", "app", "annotate", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    command += ["--no-video", "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if list((tmp_path / "out").glob("*/journal.jsonl")):
            break
        time.sleep(0.1)
    process.terminate()
    output, messages = process.communicate()
    assert process.returncode == 130, messages
    assert "interrupted" in output
    assert "Traceback" not in messages
    ended = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "3 of 3 sources, 2 workers" in ended.stderr
    for number in range(3):
        rows = table_of(tmp_path / "out" / f"clip{number:04d}")
        assert [int(row["frame"]) for row in rows] == list(range(60))


def test_a_worker_that_cannot_start_is_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    crew = ProcessCrew(1, setup_of())
    crew._setup = "no setup"
    try:
        crew.start(0, items_of(write_face_clips(tmp_path, 1, frames=1), tmp_path / "out")[0])
        events = []
        while not events:
            events = list(crew.wait(1.0))
    finally:
        crew.close()
    assert events == [Lost(0, "exit status 1")]
    assert "Traceback" in capfd.readouterr().err
    assert crew.processes == {}


def test_a_control_is_stopped_by_a_message_or_by_the_end_of_the_program() -> None:
    ours, theirs = multiprocessing.Pipe()
    control = _PipeControl(theirs)
    assert not control.stopped
    ours.send_bytes(STOP)
    assert control.stopped
    other = _PipeControl(theirs)
    assert not other.stopped
    ours.close()
    assert other.stopped
    _PipeListener(theirs).update(3)  # nobody is there any more
    theirs.close()


def test_progress_is_frames_of_their_total() -> None:
    ours, theirs = multiprocessing.Pipe()
    listener = _PipeListener(theirs)
    listener.begin("clip.mp4", 75, 25)
    listener.update(50)
    listener.begin("camera", None, 0)
    assert [ours.recv_bytes() for _ in range(3)] == [b"p25/75", b"p50/75", b"p0/"]
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("chosen", "gpus", "seen"),
    [(None, 0, None), (None, 1, None), (None, 2, "1"), ("3", 4, "3"), ("3,5", 8, "5"), ("", 2, "")],
)
def test_workers_take_several_gpus_in_turn(
    chosen: str | None, gpus: int, seen: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(gpus):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(processes, "_GPUS", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    processes._take_share(3, 4)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen
