"""Work on a second thread: order, errors and the end."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from engine.errors import RuntimeStateError
from engine.overlap import SideThread


def test_work_runs_on_one_thread_of_its_own_in_order():
    side, order = SideThread("mien-side"), []

    def work(number: int) -> tuple[int, str]:
        order.append(number)
        return number, threading.current_thread().name

    found = [side.start(lambda number=number: work(number)).result() for number in range(5)]
    side.end()
    assert found == [(number, "mien-side") for number in range(5)]
    assert order == list(range(5))


def test_the_error_of_work_is_raised_where_its_value_is_taken_and_the_next_work_runs():
    side = SideThread("mien-side")
    failed, fine = side.start(lambda: 1 // 0), side.start(lambda: 7)
    with pytest.raises(ZeroDivisionError):
        failed.result()
    assert fine.result() == 7
    side.end()


def test_the_end_waits_for_work_and_another_start_begins_another_thread():
    side, entered, leave, done = SideThread("mien-side"), threading.Event(), threading.Event(), []

    def work() -> None:
        entered.set()
        assert leave.wait(10)
        done.append(True)

    side.start(work)
    assert entered.wait(10)
    leave.set()
    side.end()
    assert done == [True]
    assert side.start(lambda: 3).result() == 3
    side.end()


def test_the_thread_ends_with_the_last_reference():
    side = SideThread("mien-side")
    assert side.start(lambda: 5).result() == 5
    (thread,) = [each for each in threading.enumerate() if each.name == "mien-side"]
    del side
    thread.join(10)
    assert not thread.is_alive()


def test_ending_without_work_does_nothing():
    SideThread("mien-side").end()


def test_stuck_work_does_not_keep_the_program_alive():
    side, leave = SideThread("mien-side"), threading.Event()
    side.start(leave.wait)
    (thread,) = [each for each in threading.enumerate() if each.name == "mien-side"]
    assert thread.daemon
    leave.set()
    side.end()


def test_a_thread_that_ended_leaves_nothing_behind():
    side = SideThread("mien-side")
    side.start(lambda: 1).result()
    first = weakref.ref(side._jobs)
    side.end()
    assert side.start(lambda: 2).result() == 2
    side.end()
    gc.collect()
    assert first() is None


def test_work_that_is_refused_is_an_error_and_not_waited_for():
    side = SideThread("mien-side")
    side.start(lambda: 1).result()
    side._jobs.end()  # as another thread that closes the engine
    with pytest.raises(RuntimeStateError, match="mien-side was ended"):
        side.start(lambda: 2)
    side.end()
