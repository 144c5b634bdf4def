"""SIGTERM in states in which the program is not waiting for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.annotate import JobControl
from app.session.folder import SessionFolder
from app.termination import INTERRUPTED
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import Annotator

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

#: What the program is doing when the signal comes, after which it must end.
STATES = {
    "importing": "end_at_once_on_signals(); ready(); time.sleep(60)",
    "no handler of its own": "interrupt_on_signals(); ready(); time.sleep(60)",
    "writing, and not looking": (
        "with stop_on_signal() as control:\n    ready()\n    for _ in range(60): time.sleep(1)"
    ),
    "inside a library": (
        "def busy():\n"
        "    ready(); lock = threading.Lock(); lock.acquire(); lock.acquire()\n"
        "with stop_on_signal() as control:\n"
        "    thread = threading.Thread(target=busy); thread.start(); thread.join()"
    ),
}


def ended(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    finally:
        process.kill()


@pytest.mark.parametrize("state", STATES)
def test_the_program_ends_whatever_it_is_doing(state):
    code = (
        f"import sys, threading, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from app.termination import end_at_once_on_signals, end_within_limit_of_sigterm, interrupt_on_signals\n"
        "from app.terminal import stop_on_signal\n"
        "def ready(): print('ready', flush=True)\n"
        "end_within_limit_of_sigterm()\n"
        "try:\n    exec(sys.argv[1])\nexcept KeyboardInterrupt: sys.exit(130)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, STATES[state]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert ended(process) == INTERRUPTED
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_the_program_ends_while_it_connects_to_a_camera_that_is_silent(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/live"
        command = [sys.executable, "-m", "app", "annotate", url, "--out", str(tmp_path / "out")]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            server.settimeout(120)
            connection = server.accept()[0]
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(30) == INTERRUPTED
                assert process.stderr is not None
                # The connection, one step of Python, is not waited for.
                assert "unfinished sessions can be resumed" in process.stderr.read()
            finally:
                process.kill()
                connection.close()


def test_skipping_in_a_resume_stops_soon(tmp_path):
    run_annotate = Annotator(SessionFolder(tmp_path / "session"))
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=450), FakeSource(500), video=False)
    control = JobControl()

    class Skipping(FakeSource):
        skips = 0

        def skip_to(self, frame_index: int) -> None:
            self.skips += 1
            if self.skips == 3:
                control.stop()
            super().skip_to(frame_index)

    source = Skipping(500)
    outcome = run_annotate(source=source, control=control, video=False, resume=True)
    assert (outcome.finished, source.skips) == (False, 3)


def test_what_python_frees_at_its_end_does_not_delay_the_end():
    code = (
        f"import atexit, sys, time, types; sys.path.insert(0, {str(ROOT)!r})\n"
        "from app.terminal import stop_on_signal\n"
        "def run():\n"
        "    with stop_on_signal() as control:\n"
        "        print('ready', flush=True)\n"
        "        while not control.stopped: time.sleep(0.01)\n"
        "    print('closed')\n"
        "    sys.exit(3)\n"
        "fake = types.ModuleType('app.cli'); fake.main = run; sys.modules['app.cli'] = fake\n"
        "atexit.register(time.sleep, 60)\n"
        "from app.entry import main\n"
        "main()"
    )
    with subprocess.Popen([sys.executable, "-c", code, "doctor"], stdout=subprocess.PIPE, text=True) as process:
        status = ended(process)
        assert process.stdout is not None
        assert process.stdout.read() == "closed\n"
    assert status == 3
