"""Inference that is stuck: replaced by a new pipeline, five times a minute at most, then a clear stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.config import RuntimeConfig
from engine.errors import ThreadStuckError
from engine.runtime import MAX_RESTARTS, Runtime, RuntimeState
from engine.types import Frame, FrameResult
from tests.fakes.engines import FakePipeline, FakeSource

CONFIG = RuntimeConfig(stuck_s=0.2)


class Stuck(FakePipeline):
    """Hangs in one frame until the test ends, as a driver that waits for a device that is gone."""

    def __init__(self, at: int, free: threading.Event) -> None:
        super().__init__()
        self.at, self.free, self.entered = at, free, threading.Event()

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        if frame.index >= self.at:
            self.entered.set()
            self.free.wait(60)
        return super().process(frame)


class Collected:
    def __init__(self) -> None:
        self.indices: list[int] = []
        self.completed: bool | None = None

    def open(self) -> None:
        pass

    def write(self, result: FrameResult) -> None:
        self.indices.append(result.frame.index)

    def close(self, completed: bool) -> None:
        self.completed = completed


@pytest.fixture
def free() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "mien-inference":
            thread.join(10)


def test_a_stuck_pipeline_is_replaced_and_only_its_frame_is_missing(free):
    sink, source = Collected(), FakeSource(30)
    runtime = Runtime(source, Stuck(7, free), [sink], CONFIG, FakePipeline)
    runtime.start()
    assert runtime.wait(60)
    counters = runtime.counters()
    assert sink.indices == [index for index in range(30) if index != 7]
    assert (counters.captured, counters.processed, counters.dropped, counters.restarts) == (30, 29, 0, 1)
    assert runtime.state is RuntimeState.STOPPED


def test_a_frame_that_ends_after_all_is_not_delivered_out_of_order(free):
    sink, first = Collected(), Stuck(3, free)

    class Slow(FakePipeline):
        def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
            if frame.index == 6:
                free.set()
                for thread in threading.enumerate():
                    if thread.name == "mien-inference" and thread is not threading.current_thread():
                        thread.join(10)
            return super().process(frame)

    runtime = Runtime(FakeSource(10), first, [sink], RuntimeConfig(stuck_s=0.5), Slow)
    runtime.start()
    assert runtime.wait(60)
    assert sink.indices == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_pipeline_that_is_stuck_again_and_again_ends_the_run(free):
    sink, made = Collected(), []

    def rebuild() -> FakePipeline:
        made.append(Stuck(0, free))
        return made[-1]

    runtime = Runtime(FakeSource(100), Stuck(2, free), [sink], CONFIG, rebuild)
    runtime.start()
    with pytest.raises(ThreadStuckError, match=f"stuck for 0.2 s, {MAX_RESTARTS} restarts within 60 s"):
        runtime.wait(60)
    assert len(made) == MAX_RESTARTS
    assert (sink.indices, sink.completed, runtime.state) == ([0, 1], False, RuntimeState.FAILED)
    assert runtime.counters().restarts == MAX_RESTARTS
    with pytest.raises(ThreadStuckError):
        runtime.stop()


def test_without_a_new_pipeline_the_run_ends_at_once(free):
    sink = Collected()
    runtime = Runtime(FakeSource(100), Stuck(4, free), [sink], CONFIG)
    runtime.start()
    with pytest.raises(ThreadStuckError, match=r"stuck for 0.2 s: check the GPU"):
        runtime.wait(60)
    assert sink.indices == [0, 1, 2, 3]


def test_a_new_pipeline_that_cannot_be_made_is_the_error_of_the_run(free):
    def rebuild() -> FakePipeline:
        raise RuntimeError("no GPU left")

    runtime = Runtime(FakeSource(100), Stuck(4, free), [], CONFIG, rebuild)
    runtime.start()
    with pytest.raises(RuntimeError, match="no GPU left"):
        runtime.wait(60)


def test_a_pause_is_not_taken_for_a_stuck_pipeline(free):
    runtime = Runtime(FakeSource(10**6), FakePipeline(), [], RuntimeConfig(stuck_s=0.1))
    runtime.start()
    runtime.pause()
    assert not runtime.wait(0.5)
    assert runtime.state is RuntimeState.PAUSED
    runtime.stop()
