"""Results of a batch with workers, and the options of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app import terminal
from app.annotate_command import _print_ending
from app.batch import ItemState
from app.cluster.command import _result
from app.cluster.records import Item, Report
from app.sources import GivenSource

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("option", [("--ray-address", "10.0.0.1:6379"), ("--gpus-per-worker", "0.5")])
def test_options_of_a_cluster_need_one(option: tuple[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "annotate", "demo", "--out", str(tmp_path / "out"), *option]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert finished.returncode == 2
    assert f"{option[0]} needs a cluster: add --on ray, or leave it out" in finished.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def error_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(terminal, "cache_folder", lambda: tmp_path)
    terminal._tracebacks.clear()
    return tmp_path / "last-error.txt"


def printed(item: Item, report: Report) -> None:
    _print_ending(_result(GivenSource(item.spec), item, report))


def test_the_tracebacks_of_workers_are_kept(error_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, trace in enumerate(("first traceback\n", "second traceback\n")):
        item = Item(place, f"/data/{place}.mp4", f"/out/{place}")
        report = Report(
            place, ItemState.FAILED, problem="internal error: ValueError: odd", is_bug=True, traceback=trace
        )
        printed(item, report)
    text = error_file.read_text(encoding="utf-8")
    assert "first traceback" in text
    assert "second traceback" in text
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"mien: internal error: ValueError: odd; please report it with the file {error_file}"


def test_what_a_cluster_reports_of_a_lost_worker_is_kept(error_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = "/data/a.mp4 was not annotated: its worker ended (ActorDiedError)"
    printed(Item(0, "/data/a.mp4", "/out/a"), Report(0, ItemState.FAILED, problem=problem, traceback="out of memory"))
    assert "out of memory" in error_file.read_text(encoding="utf-8")
    assert str(error_file) in capsys.readouterr().err


def test_why_a_worker_was_interrupted_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = Item(0, "clip.mp4", str(tmp_path / "clip"))
    report = Report(0, ItemState.INTERRUPTED, problem="mien-sink did not end within 2 s: check the disk")
    _print_ending(_result(GivenSource(item.spec), item, report))
    assert "mien-sink did not end within 2 s: check the disk" in capsys.readouterr().err


def test_sessions_at_addresses_are_named_by_them(capsys: pytest.CaptureFixture[str]) -> None:
    item = Item(0, "s3://lab/a.mp4", "s3://key:secret@lab/out/a")
    printed(item, Report(0, ItemState.FINISHED_BEFORE))
    printed(item, Report(0, ItemState.INTERRUPTED))
    shown = capsys.readouterr()
    assert shown.out == "s3://***@lab/out/a is already finished\n"
    assert "nothing was written to s3://***@lab/out/a; the same command starts it again" in shown.err


def test_sessions_in_folders_are_named_by_them(capsys: pytest.CaptureFixture[str]) -> None:
    printed(Item(0, "a.mp4", "/out/a"), Report(0, ItemState.INTERRUPTED))
    assert f"--resume to continue from {Path('/out/a', 'journal.jsonl')}" in capsys.readouterr().err
