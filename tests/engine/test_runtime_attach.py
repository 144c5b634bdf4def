"""Sinks that join a run that goes on, and single steps: what a window does to a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.config import RuntimeConfig
from engine.errors import OutputError, RuntimeStateError, ThreadStuckError
from engine.runtime import Runtime, RuntimeState
from engine.types import FrameResult
from tests.fakes.engines import FakePipeline, FakeSource


class Gate:
    """Lets the pipeline through one frame at a time, or all at once."""

    def __init__(self) -> None:
        self._passes = threading.Semaphore(0)
        self._arrived = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, index: int) -> None:
        self._arrived.release()
        if not self._open.is_set():
            assert self._passes.acquire(timeout=10)

    def let(self, frames: int = 1) -> None:
        for _ in range(frames):
            self._passes.release()

    def wait_for(self, frames: int = 1) -> None:
        for _ in range(frames):
            assert self._arrived.acquire(timeout=10)

    def open(self) -> None:
        self._open.set()
        self._passes.release()


class Keeper:
    """Remembers which frames it got and how it was closed."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.completed: bool | None = None
        self.got = threading.Semaphore(0)
        self.blocked: threading.Event | None = None
        self.fail_at: int | None = None

    def open(self) -> None:
        pass

    def write(self, result: FrameResult) -> None:
        if result.frame.index == self.fail_at:
            raise OutputError("disk full")
        self.frames.append(result.frame.index)
        self.got.release()
        if self.blocked is not None:
            assert self.blocked.wait(10)

    def close(self, completed: bool) -> None:
        self.completed = completed


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def make(gate: Gate) -> Iterator[object]:
    made: list[Runtime] = []

    def run(frames: int = 20, live: bool = False, gated: bool = True) -> Runtime:
        pipeline = FakePipeline(on_frame=gate if gated else (lambda index: None))
        made.append(Runtime(FakeSource(frames, live=live), pipeline, (), RuntimeConfig()))
        return made[-1]

    yield run
    gate.open()
    for runtime in made:
        if runtime.state is not RuntimeState.IDLE:
            runtime.stop()


def test_an_attached_sink_gets_every_later_result_and_closes_with_the_run(make, gate):
    runtime, keeper = make(6), Keeper()
    runtime.start()
    gate.wait_for(1)
    gate.let(2)
    gate.wait_for(2)  # frame 2 is being processed: 0 and 1 are past
    attachment = runtime.attach(keeper)
    gate.open()
    assert runtime.wait(10)
    assert attachment.join(10).written == 4
    assert keeper.frames == [2, 3, 4, 5]
    assert keeper.completed is True
    assert attachment.ended


def test_a_detached_sink_gets_what_waits_and_counts_as_complete_while_the_run_goes_on(make, gate):
    runtime, keeper = make(), Keeper()
    runtime.start()
    attachment = runtime.attach(keeper)
    gate.wait_for(1)
    gate.let(3)
    gate.wait_for(3)
    attachment.detach()
    attachment.detach()  # a second call does nothing
    assert attachment.join(10).written == 3
    assert (keeper.frames, keeper.completed) == ([0, 1, 2], True)
    assert runtime.state is RuntimeState.RUNNING
    gate.open()
    assert runtime.wait(10)
    assert keeper.frames == [0, 1, 2]


def test_a_sink_that_fails_does_not_end_the_run_and_its_error_is_told_on_join(make, gate):
    runtime, keeper, other = make(8), Keeper(), Keeper()
    keeper.fail_at = 2
    runtime.start()
    failing, going = runtime.attach(keeper), runtime.attach(other)
    gate.open()
    assert runtime.wait(10)
    assert runtime.state is RuntimeState.STOPPED
    assert going.join(10).written == 8
    with pytest.raises(OutputError, match="disk full"):
        failing.join(10)
    assert (keeper.frames, keeper.completed) == ([0, 1], False)
    assert failing.counters.dropped == 8 - 3  # 0 and 1 were written, 2 failed


def test_newest_only_lets_a_slow_sink_skip_results_but_never_the_last(make, gate):
    runtime, keeper = make(10), Keeper()
    keeper.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(keeper, newest_only=True)
    gate.wait_for(1)
    gate.let()
    assert keeper.got.acquire(timeout=10)  # it has frame 0 and stays there
    gate.open()
    assert runtime.wait(10)
    keeper.blocked.set()
    counters = attachment.join(10)
    assert keeper.frames == [0, 9]
    assert (counters.written, counters.dropped) == (2, 8)


def test_a_slow_attached_sink_holds_a_file_back_and_loses_nothing(make, gate):
    runtime, keeper = make(30, gated=False), Keeper()
    keeper.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(keeper)
    assert keeper.got.acquire(timeout=10)
    keeper.blocked.set()
    assert runtime.wait(10)
    counters = attachment.join(10)
    assert keeper.frames == list(range(keeper.frames[0], 30))
    assert counters.dropped == 0


def test_a_stopped_live_run_completes_its_attached_sinks(make, gate):
    runtime, keeper = make(10**7, live=True, gated=False), Keeper()
    runtime.start()
    attachment = runtime.attach(keeper)
    assert keeper.got.acquire(timeout=10)
    runtime.stop()
    attachment.join(10)
    assert keeper.completed is True


def test_a_stopped_file_leaves_an_attached_sink_incomplete(make, gate):
    runtime, keeper = make(10**7, gated=False), Keeper()
    runtime.start()
    attachment = runtime.attach(keeper)
    assert keeper.got.acquire(timeout=10)
    runtime.stop()
    attachment.join(10)
    assert keeper.completed is False


def test_attaching_to_an_ended_run_is_refused(make, gate):
    runtime = make(2, gated=False)
    runtime.start()
    assert runtime.wait(10)
    with pytest.raises(RuntimeStateError, match="cannot attach a run that is stopped"):
        runtime.attach(Keeper())


def test_a_sink_that_does_not_close_in_time_is_an_error_with_its_name(make, gate):
    runtime, keeper = make(10, gated=False), Keeper()
    keeper.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(keeper)
    assert keeper.got.acquire(timeout=10)
    attachment.detach()
    with pytest.raises(ThreadStuckError, match="mien-attached-Keeper"):
        attachment.join(0.01)
    keeper.blocked.set()
    attachment.wait()
    assert attachment.ended


def test_step_not_paused_run_fails(make, gate):
    runtime = make()
    runtime.start()
    with pytest.raises(RuntimeStateError, match="cannot step a run that is running: it must be paused"):
        runtime.step()


def test_a_step_processes_one_frame_and_stands_still_again(make, gate):
    runtime, keeper = make(), Keeper()
    runtime.start()
    attachment = runtime.attach(keeper)
    gate.wait_for(1)
    runtime.pause()
    gate.let(20)  # from here on only pause holds it
    assert keeper.got.acquire(timeout=10)
    for expected in (1, 2, 3):
        runtime.step()
        assert keeper.got.acquire(timeout=10)
        assert keeper.frames[-1] == expected
        assert not keeper.got.acquire(timeout=0.05)
        assert runtime.state is RuntimeState.PAUSED
    runtime.resume()
    assert runtime.wait(10)
    assert attachment.join(10).written == 20
    assert keeper.frames == list(range(20))


def test_a_paused_run_can_be_stopped_after_a_step(make, gate):
    runtime = make()
    runtime.start()
    gate.wait_for(1)
    runtime.pause()
    runtime.step()
    gate.open()
    runtime.stop()
    assert runtime.state is RuntimeState.STOPPED
