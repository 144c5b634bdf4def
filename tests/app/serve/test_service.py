"""The service reconnects, counts, never waits for its outputs, and stops from every state."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import app.serve.service as service_module
from app.serve.config import ServeConfig
from app.serve.state import not_ready
from app.serve.systemd import Watchdog, notify
from engine.errors import SourceError, ThreadStuckError
from tests.app.serve.conftest import ROOT, WAIT_S, LiveFakeSource, fake_service, running
from tests.fakes.engines import FakePipeline, FakeSource


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(service_module, "LONGEST_PAUSE_S", 0.02)


def test_results_are_published_with_growing_capture_times() -> None:
    service = fake_service()
    with running(service) as collector:
        collector.wait_for(lambda: len(collector.frames) >= 10 and "running" in collector.states)
        assert not_ready(service.status(), service.figures()) is None
    assert collector.states[0] == "starting"
    assert collector.states[-1] == "stopped"
    assert collector.closed
    captured = [frame.captured_s for frame in collector.frames]
    assert captured == sorted(captured)
    assert {message.decision for frame in collector.frames for message in frame.messages} > {"accept", "no_face"}
    figures = service.figures()
    assert sum(figures.recent.values()) == pytest.approx(1.0)
    assert figures.decisions["accept"] > 0
    assert not_ready(service.status(), figures) == "the source is stopped"


def test_a_lost_source_is_opened_again_and_counted() -> None:
    tries = iter([LiveFakeSource(3), SourceError("camera:0 is gone"), LiveFakeSource()])

    def opener(spec: str) -> FakeSource:
        source = next(tries)
        if isinstance(source, SourceError):
            raise source
        return source

    service = fake_service(opener=opener)
    with running(service) as collector:
        collector.wait_for(lambda: service.status().reconnects == 1)
    assert [status.problem for status in collector.statuses if status.state.value == "lost"] == [
        "the source has ended",
        "camera:0 is gone",
    ]
    ids = {frame.messages[0].face_id[:5] for frame in collector.frames if frame.faces}
    assert len(ids) >= 1


def test_a_recording_ends_the_service(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    service = fake_service(ServeConfig(source=str(path)), opener=lambda spec: FakeSource(5, source_id="clip.mp4"))
    with running(service) as collector:
        collector.wait_for(lambda: collector.states[-1:] == ["ended"])
    assert collector.states[-1] == "ended"


def test_a_stalled_source_is_ended_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "STALL_S", 0.6)

    class Silent(LiveFakeSource):
        def read(self):
            if self._next >= 3:
                self._interrupted.wait()
            return super().read()

    sources = iter([Silent(), LiveFakeSource()])
    service = fake_service(opener=lambda spec: next(sources))
    with running(service) as collector:
        collector.wait_for(lambda: service.status().reconnects == 1)
    assert service.status().stalls == 1
    assert any("gave no frame for" in (status.problem or "") for status in collector.statuses)


def test_a_blocked_output_does_not_slow_inference() -> None:
    release = threading.Event()
    pipeline = FakePipeline()
    service = fake_service(pipeline=pipeline)
    with running(service) as collector:
        collector.wait_for(lambda: len(collector.frames) >= 1)

        def block(frame: object) -> None:
            release.wait(WAIT_S)

        collector.send = block  # type: ignore[method-assign]
        before = pipeline.seen
        deadline_s = time.monotonic() + WAIT_S
        while pipeline.seen < before + 50 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert pipeline.seen >= before + 50  # 50 frames inferred while one message is being sent
        release.set()


def test_a_failing_output_ends_the_service_with_its_error() -> None:
    def fail(frame: object) -> None:
        raise RuntimeError("made to fail")

    def run() -> None:
        with running(fake_service()) as collector:
            collector.send = fail  # type: ignore[method-assign]
            deadline_s = time.monotonic() + WAIT_S
            while not collector.closed and time.monotonic() < deadline_s:
                time.sleep(0.02)

    with pytest.raises(RuntimeError, match="made to fail"):
        run()


def test_stop_while_a_silent_address_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_OPEN_STOP_S", 0.1)
    release = threading.Event()
    opening = threading.Event()

    def opener(spec: str) -> FakeSource:
        opening.set()
        release.wait(WAIT_S)
        return LiveFakeSource()

    service = fake_service(opener=opener)

    def run() -> None:
        with running(service):
            assert opening.wait(WAIT_S)

    try:
        with pytest.raises(ThreadStuckError, match="is still being opened"):
            run()
    finally:
        release.set()


def test_a_password_in_the_address_is_never_shown(check_message) -> None:
    lines: list[str] = []

    def opener(spec: str) -> FakeSource:
        raise SourceError("rtsp://***@cam/1 cannot be read")

    config = ServeConfig(source="rtsp://admin:hunter2@cam/1?token=abc")
    with running(fake_service(config, opener, log=lines.append)) as collector:
        collector.wait_for(lambda: "lost" in collector.states)
    shown = "\n".join([*lines, *(status.json() for status in collector.statuses)])
    assert "rtsp://***@cam/1" in shown
    assert "hunter2" not in shown
    assert "abc" not in shown


@pytest.fixture
def manager(tmp_path: Path):
    """The socket of a service manager: returns the environment and a function that reads one message."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = tmp_path / "notify"
    server.bind(str(path))
    server.settimeout(0.2)

    def read() -> list[str] | None:
        try:
            return server.recv(4096).decode().splitlines()
        except TimeoutError:
            return None

    yield {"NOTIFY_SOCKET": str(path)}, read
    server.close()


def test_the_watchdog_is_fed_only_when_frames_and_inference_advance(manager) -> None:
    environment, read = manager
    watchdog = Watchdog(environment)
    watchdog.tick(3, 0, "no result yet")
    assert read() is None
    watchdog.tick(4, 1, "30.0 frames per second")
    assert read() == ["READY=1", "WATCHDOG=1", "STATUS=30.0 frames per second"]
    watchdog.tick(9, 1, "inference is stuck")
    assert read() is None
    watchdog.tick(9, 2, "only now")
    assert read() == ["WATCHDOG=1", "STATUS=only now"]
    watchdog.tick(9, 5, "the camera is stuck")
    assert read() is None
    watchdog.tick(1, 1, "another run")
    assert read() == ["WATCHDOG=1", "STATUS=another run"]
    watchdog.stopping()
    assert read() == ["STOPPING=1"]


def test_notify_without_a_manager_does_nothing(tmp_path: Path) -> None:
    assert not notify("READY=1", environment={})
    assert not notify("READY=1", environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_notify_reaches_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        name = f"mien-test-{os.getpid()}"
        server.bind("\0" + name)
        server.settimeout(5)
        assert notify("READY=1", environment={"NOTIFY_SOCKET": "@" + name})
        assert server.recv(100) == b"READY=1"


def test_the_command_serves_the_demo_and_obeys_sigterm(face_models: None, check_message, manager) -> None:
    environment, read = manager
    command = [sys.executable, "-m", "app", "serve", "demo", "--no-web", "--json-lines", "--camera", "lab"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        messages = [check_message(process.stdout.readline()) for _ in range(4)]
        notified: list[str] = []
        deadline_s = time.monotonic() + WAIT_S
        while "WATCHDOG=1" not in notified and time.monotonic() < deadline_s:
            notified += read() or []
        process.send_signal(signal.SIGTERM)
        stopped_s = time.monotonic()
        rest = process.stdout.read().splitlines()
        log = process.stderr.read()
        assert process.wait(WAIT_S) == 0
    assert time.monotonic() - stopped_s < WAIT_S
    assert messages[0]["state"] == "starting"
    assert {message["camera"] for message in messages} == {"lab"}
    assert check_message(rest[-1])["state"] == "stopped"
    assert "Traceback" not in log
    while (lines := read()) is not None:
        notified += lines
    states = [line for line in notified if not line.startswith("STATUS=")]
    assert states[:2] == ["READY=1", "WATCHDOG=1"]
    assert "STOPPING=1" in states
    assert "STATUS=lab: starting" in notified


def test_the_modules_of_the_service_import_no_qt() -> None:
    code = (
        "import sys, app.serve.command, app.serve.service, app.serve.messages; "
        "assert not [name for name in sys.modules if name.startswith(('PySide6', 'shiboken6', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
