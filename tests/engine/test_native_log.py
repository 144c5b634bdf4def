"""Standard error while a native library starts."""

from __future__ import annotations

import os
import threading

import pytest

from engine.native_log import message_on_stderr, without_native_log


def test_a_message_waits_until_it_can_be_seen(capfd: pytest.CaptureFixture[str]) -> None:
    started, done = threading.Event(), threading.Event()

    def start_library() -> None:
        with without_native_log():
            os.write(2, b"native line\n")
            started.set()
            done.wait(30)

    def print_message() -> None:
        with message_on_stderr():
            os.write(2, b"mien: a message\n")

    library, speaker = threading.Thread(target=start_library), threading.Thread(target=print_message)
    library.start()
    assert started.wait(30)
    speaker.start()
    speaker.join(0.2)
    assert speaker.is_alive(), "it must not write while the lines are dropped"
    done.set()
    library.join(30)
    speaker.join(30)
    assert capfd.readouterr().err == "mien: a message\n"


def failing_start() -> None:
    with without_native_log():
        os.write(2, b"native line\n")
        raise ValueError("damaged")


def test_standard_error_is_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        failing_start()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
