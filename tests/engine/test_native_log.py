"""Standard error while a native library starts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from engine.native_log import message_on_stderr, without_native_log


@pytest.fixture
def library() -> Iterator[threading.Event]:
    """Another thread starts a native library until the event is set."""
    started, done = threading.Event(), threading.Event()

    def start() -> None:
        with without_native_log():
            os.write(2, b"native line\n")
            started.set()
            done.wait(30)

    thread = threading.Thread(target=start)
    thread.start()
    assert started.wait(30)
    yield done
    done.set()
    thread.join()


def test_a_message_waits_until_it_can_be_seen(library: threading.Event, capfd: pytest.CaptureFixture[str]) -> None:
    def say() -> None:
        with message_on_stderr():
            os.write(2, b"mien: a message\n")

    speaker = threading.Thread(target=say)
    speaker.start()
    speaker.join(0.2)
    assert speaker.is_alive(), "it must not write while the lines are dropped"
    library.set()
    speaker.join(30)
    assert capfd.readouterr().err == "mien: a message\n"


def test_standard_error_is_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="damaged"), without_native_log():
        os.write(2, b"native line\n")
        raise ValueError("damaged")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
