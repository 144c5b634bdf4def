"""Workers: results in order, errors as signals, no delivery after the end."""

from __future__ import annotations

import threading

from PySide6.QtCore import QCoreApplication

from app.qt.background import Worker


def test_answers_and_errors_are_delivered(until):
    results, threads = [], []

    def work(number: int) -> int:
        threads.append(threading.current_thread().name)
        if number < 0:
            raise ValueError(f"{number} is negative")
        return 2 * number

    worker = Worker("mien-double", work, results.append, lambda error: results.append(str(error)))
    worker.submit(4)
    until(lambda: results == [8])
    worker.submit(-1)
    until(lambda: results == [8, "-1 is negative"])
    worker.close()
    assert set(threads) == {"mien-double"}


def test_only_the_newest_waiting_request_is_processed(until):
    gate, started, results = threading.Event(), threading.Event(), []

    def work(number: int) -> int:
        started.set()
        assert gate.wait(10)
        return number

    worker = Worker("mien-wait", work, results.append, results.append)
    worker.submit(0)
    assert started.wait(10)
    for number in range(1, 5):
        worker.submit(number)
    gate.set()
    until(lambda: results[-1:] == [4])
    worker.close()
    assert results == [0, 4]


def test_a_pending_answer_is_not_delivered_after_the_end():
    done, results = threading.Event(), []

    def work(number: int) -> int:
        done.set()
        return number

    worker = Worker("mien-late", work, results.append, results.append)
    worker.submit(1)
    assert done.wait(10)
    worker.close()  # joins: the answer is posted, but no event was handled yet
    QCoreApplication.processEvents()
    assert results == []
    worker.submit(2)
    worker.close()
    assert results == []
