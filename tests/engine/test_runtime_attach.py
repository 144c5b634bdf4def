"""Sinks attached during a run, and single steps."""

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
    """Releases the pipeline frame by frame, or for good."""

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


class RecordingSink:
    """Records the frames it received and how it was closed."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.completed: bool | None = None
        self.received = threading.Semaphore(0)
        self.blocked: threading.Event | None = None
        self.fail_at: int | None = None

    def open(self) -> None:
        pass

    def write(self, result: FrameResult) -> None:
        if result.frame.index == self.fail_at:
            raise OutputError("disk full")
        self.frames.append(result.frame.index)
        self.received.release()
        if self.blocked is not None:
            assert self.blocked.wait(10)

    def close(self, completed: bool) -> None:
        self.completed = completed


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def make(gate: Gate) -> Iterator[object]:
    created: list[Runtime] = []

    def run(frames: int = 20, live: bool = False, gated: bool = True) -> Runtime:
        pipeline = FakePipeline(on_frame=gate if gated else (lambda index: None))
        created.append(Runtime(FakeSource(frames, live=live), pipeline, (), RuntimeConfig()))
        return created[-1]

    yield run
    gate.open()
    for runtime in created:
        if runtime.state is not RuntimeState.IDLE:
            runtime.stop()


def test_an_attached_sink_gets_every_later_result_and_closes_with_the_run(make, gate):
    runtime, sink = make(6), RecordingSink()
    runtime.start()
    gate.wait_for(1)
    gate.let(2)
    gate.wait_for(2)  # frame 2 is being processed, after 0 and 1
    attachment = runtime.attach(sink)
    gate.open()
    assert runtime.wait(10)
    assert attachment.join(10).written == 4
    assert sink.frames == [2, 3, 4, 5]
    assert sink.completed is True
    assert attachment.ended


def test_a_detached_sink_writes_its_queue_and_is_complete_while_the_run_continues(make, gate):
    runtime, sink = make(), RecordingSink()
    runtime.start()
    attachment = runtime.attach(sink)
    gate.wait_for(1)
    gate.let(3)
    gate.wait_for(3)
    attachment.detach()
    attachment.detach()  # a second call does nothing
    assert attachment.join(10).written == 3
    assert (sink.frames, sink.completed) == ([0, 1, 2], True)
    assert runtime.state is RuntimeState.RUNNING
    gate.open()
    assert runtime.wait(10)
    assert sink.frames == [0, 1, 2]


def test_a_failing_attached_sink_does_not_end_the_run_and_raises_on_join(make, gate):
    runtime, sink, other = make(8), RecordingSink(), RecordingSink()
    sink.fail_at = 2
    runtime.start()
    failing, healthy = runtime.attach(sink), runtime.attach(other)
    gate.open()
    assert runtime.wait(10)
    assert runtime.state is RuntimeState.STOPPED
    assert healthy.join(10).written == 8
    with pytest.raises(OutputError, match="disk full"):
        failing.join(10)
    assert (sink.frames, sink.completed) == ([0, 1], False)
    assert failing.counters.dropped == 8 - 3  # 0 and 1 were written, 2 failed


def test_newest_only_lets_a_slow_sink_skip_results_but_never_the_last(make, gate):
    runtime, sink = make(10), RecordingSink()
    sink.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(sink, newest_only=True)
    gate.wait_for(1)
    gate.let()
    assert sink.received.acquire(timeout=10)  # it holds frame 0
    gate.open()
    assert runtime.wait(10)
    sink.blocked.set()
    counters = attachment.join(10)
    assert sink.frames == [0, 9]
    assert (counters.written, counters.dropped) == (2, 8)


def test_a_slow_attached_sink_slows_a_file_down_and_loses_nothing(make, gate):
    runtime, sink = make(30, gated=False), RecordingSink()
    sink.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(sink)
    assert sink.received.acquire(timeout=10)
    sink.blocked.set()
    assert runtime.wait(10)
    counters = attachment.join(10)
    assert sink.frames == list(range(sink.frames[0], 30))
    assert counters.dropped == 0


def test_a_stopped_live_run_completes_its_attached_sinks(make, gate):
    runtime, sink = make(10**7, live=True, gated=False), RecordingSink()
    runtime.start()
    attachment = runtime.attach(sink)
    assert sink.received.acquire(timeout=10)
    runtime.stop()
    attachment.join(10)
    assert sink.completed is True


def test_a_stopped_file_leaves_an_attached_sink_incomplete(make, gate):
    runtime, sink = make(10**7, gated=False), RecordingSink()
    runtime.start()
    attachment = runtime.attach(sink)
    assert sink.received.acquire(timeout=10)
    runtime.stop()
    attachment.join(10)
    assert sink.completed is False


def test_attaching_to_an_ended_run_is_refused(make, gate):
    runtime = make(2, gated=False)
    runtime.start()
    assert runtime.wait(10)
    with pytest.raises(RuntimeStateError, match="cannot attach a run that is stopped"):
        runtime.attach(RecordingSink())


def test_a_sink_that_does_not_close_in_time_is_named_in_an_error(make, gate):
    runtime, sink = make(10, gated=False), RecordingSink()
    sink.blocked = threading.Event()
    runtime.start()
    attachment = runtime.attach(sink)
    assert sink.received.acquire(timeout=10)
    attachment.detach()
    with pytest.raises(ThreadStuckError, match="mien-attached-RecordingSink"):
        attachment.join(0.01)
    sink.blocked.set()
    attachment.wait()
    assert attachment.ended


def test_step_not_paused_run_fails(make, gate):
    runtime = make()
    runtime.start()
    with pytest.raises(RuntimeStateError, match="cannot step a run that is running: it must be paused"):
        runtime.step()


def test_a_step_processes_one_frame_and_pauses_again(make, gate):
    runtime, sink = make(), RecordingSink()
    runtime.start()
    attachment = runtime.attach(sink)
    gate.wait_for(1)
    runtime.pause()
    gate.let(20)  # from here on only the pause blocks it
    assert sink.received.acquire(timeout=10)
    for expected in (1, 2, 3):
        runtime.step()
        assert sink.received.acquire(timeout=10)
        assert sink.frames[-1] == expected
        assert not sink.received.acquire(timeout=0.05)
        assert runtime.state is RuntimeState.PAUSED
    runtime.resume()
    assert runtime.wait(10)
    assert attachment.join(10).written == 20
    assert sink.frames == list(range(20))


def test_a_paused_run_can_be_stopped_after_a_step(make, gate):
    runtime = make()
    runtime.start()
    gate.wait_for(1)
    runtime.pause()
    runtime.step()
    gate.open()
    runtime.stop()
    assert runtime.state is RuntimeState.STOPPED
