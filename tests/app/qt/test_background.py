"""Work off the main thread: answers in order, errors told, and nothing after the end."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import QCoreApplication

from app.qt.background import Worker


def test_answers_and_errors_come_to_the_main_thread(until):
    heard, threads = [], []

    def work(number: int) -> int:
        threads.append(threading.current_thread().name)
        if number < 0:
            raise ValueError(f"{number} is negative")
        return 2 * number

    worker = Worker("mien-double", work, heard.append, lambda error: heard.append(str(error)))
    worker.submit(4)
    until(lambda: heard == [8])
    worker.submit(-1)
    until(lambda: heard == [8, "-1 is negative"])
    worker.close()
    assert set(threads) == {"mien-double"}


def test_of_those_that_wait_only_the_newest_is_done(until):
    gate, begun, heard = threading.Event(), threading.Event(), []

    def work(number: int) -> int:
        begun.set()
        assert gate.wait(10)
        return number

    worker = Worker("mien-wait", work, heard.append, heard.append)
    worker.submit(0)
    assert begun.wait(10)
    for number in range(1, 5):
        worker.submit(number)
    gate.set()
    until(lambda: heard[-1:] == [4])
    worker.close()
    assert heard == [0, 4]


def test_an_answer_that_waits_to_be_delivered_is_not_after_the_end():
    done, heard = threading.Event(), []

    def work(number: int) -> int:
        done.set()
        return number

    worker = Worker("mien-late", work, heard.append, heard.append)
    worker.submit(1)
    assert done.wait(10)
    worker.close()  # joins: the answer has been posted by now, and no event was handled yet
    QCoreApplication.processEvents()
    assert heard == []
    worker.submit(2)
    worker.close()
    assert heard == []
