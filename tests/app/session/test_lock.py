"""The lock of a session folder, between real processes."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.session import lock
from app.session.folder import SessionFolder
from app.session.lock import SessionLock, lock_owner
from engine.errors import OutputError, Remedy

HOLD = """
import sys
from pathlib import Path
from app.session.folder import SessionFolder
from app.session.lock import SessionLock
with SessionLock(SessionFolder(Path(sys.argv[1]))):
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(path: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process that holds the lock of a folder until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path / "session")


@pytest.fixture
def other(folder: SessionFolder) -> Iterator[subprocess.Popen[str]]:
    process = hold(folder.path, "rtsp://me:secret@10.0.0.7/live")
    yield process
    end(process)


def test_another_process_is_refused_and_named(folder: SessionFolder, other: subprocess.Popen[str]) -> None:
    with pytest.raises(OutputError, check=lambda error: error.remedy is Remedy.IN_USE) as refused:
        SessionLock(folder).acquire()
    assert f"is in use by process {other.pid} on {platform.node()}: " in str(refused.value)
    assert "rtsp://***@10.0.0.7/live" in str(refused.value)
    assert "secret" not in folder.lock.read_text()
    owner = lock_owner(folder)
    assert owner is not None
    assert owner.pid == other.pid
    assert folder.lock.exists()


def test_the_lock_is_free_after_its_holder_has_ended(folder: SessionFolder, other: subprocess.Popen[str]) -> None:
    (folder.path / "notes.txt").write_text("mine")
    end(other)
    assert not folder.lock.exists()
    assert lock_owner(folder) is None
    with SessionLock(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_the_lock_of_a_killed_process_is_taken_over(folder: SessionFolder, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert json.loads(folder.lock.read_text())["pid"] == other.pid
    assert lock_owner(folder) is None
    with SessionLock(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_a_second_lock_in_the_same_process_is_refused(folder: SessionFolder) -> None:
    with SessionLock(folder), pytest.raises(OutputError, match=f"in use by process {os.getpid()}"):
        SessionLock(folder).acquire()


def test_of_many_processes_at_once_one_gets_the_lock(folder: SessionFolder) -> None:
    attempt = """
import sys, time
from pathlib import Path
from app.session.folder import SessionFolder
from app.session.lock import SessionLock
from engine.errors import OutputError
sys.stdin.readline()
try:
    with SessionLock(SessionFolder(Path(sys.argv[1]))):
        print("got it", flush=True)
        sys.stdin.readline()
except OutputError:
    print("refused", flush=True)
"""
    folder.make()
    folder.lock.write_text("left by a crash")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", attempt, str(folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": "."},
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.stdout.readline() for process in processes if process.stdout is not None]
    for process in processes:
        process.communicate("end\n")
    assert sorted(answers) == ["got it\n"] + ["refused\n"] * 5


def test_a_folder_that_was_not_used_is_removed_again(tmp_path: Path) -> None:
    with SessionLock(SessionFolder(tmp_path / "out" / "clip")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_used_or_there_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with SessionLock(SessionFolder(tmp_path / "empty")):
        pass
    with SessionLock(SessionFolder(tmp_path / "out" / "clip")):
        (tmp_path / "out" / "clip" / "faces.csv").write_text("x")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "empty",
        "out",
        "out/clip",
        "out/clip/faces.csv",
    ]


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", refuse)


def test_without_locks_a_running_process_is_refused(
    folder: SessionFolder, other: subprocess.Popen[str], no_locks: None
) -> None:
    with pytest.raises(OutputError, match=f"in use by process {other.pid} "):
        SessionLock(folder).acquire()


def test_without_locks_a_dead_process_is_replaced(
    folder: SessionFolder, other: subprocess.Popen[str], no_locks: None
) -> None:
    other.kill()
    other.wait()
    with SessionLock(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_without_locks_a_process_of_another_host_counts_as_running(folder: SessionFolder, no_locks: None) -> None:
    folder.make()
    folder.lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "command": "mien annotate a.mp4"}))
    with pytest.raises(OutputError, match="in use by process 1 on elsewhere: mien annotate a.mp4"):
        SessionLock(folder).acquire()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_damaged_lock_file_is_replaced(folder: SessionFolder, content: str, no_locks: None) -> None:
    folder.make()
    folder.lock.write_text(content)
    with SessionLock(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_other_errors_of_a_lock_are_reported(folder: SessionFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(lock, "_lock", fail)
    with pytest.raises(
        OutputError, match="cannot be written .Input/output", check=lambda error: error.remedy is Remedy.CHECK_DISK
    ):
        SessionLock(folder).acquire()


def test_windows_locks_a_byte_behind_the_text(
    folder: SessionFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Windows branch with a fake msvcrt; it has not run on Windows."""
    calls: list[tuple[int, int, int]] = []
    fake = types.ModuleType("msvcrt")
    fake.LK_NBLCK = 2  # type: ignore[attr-defined]
    fake.locking = lambda handle, mode, size: calls.append((os.lseek(handle, 0, os.SEEK_CUR), mode, size))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    source = (
        Path(lock.__file__)
        .read_text()
        .replace('sys.platform == "win32"', "True")
        .replace('sys.platform != "win32"', "False")
    )
    windows = types.ModuleType("windows_lock")
    monkeypatch.setitem(sys.modules, "windows_lock", windows)
    exec(compile(source, "windows_lock.py", "exec"), windows.__dict__)
    with windows.SessionLock(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()
    assert calls == [(1 << 30, 2, 1)]
    assert not folder.lock.exists()
