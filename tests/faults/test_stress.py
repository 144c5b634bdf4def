"""Queues and whole runs with random delays at every step, stopped in every state."""

from __future__ import annotations

import random
import threading
import time

import pytest

from engine.config import RuntimeConfig
from engine.errors import RuntimeStateError
from engine.handover import BlockingQueue, DroppingQueue, Handover, LatestSlot
from engine.runtime import Runtime, RuntimeState
from engine.types import Frame, FrameResult
from tests.fakes.engines import FakePipeline, FakeSource

LONGEST_S = 0.004


def delay(chance: random.Random) -> None:
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, LONGEST_S))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [LatestSlot, lambda: DroppingQueue(3), lambda: BlockingQueue(3)])
def test_a_queue_loses_nothing_unseen(make, seed):
    queue: Handover[int] = make()
    chance, taken, put = random.Random(seed), [], []

    def produce() -> None:
        own = random.Random(seed + 100)
        for item in range(60):
            delay(own)
            put.append(queue.put(item))
        queue.end() if seed else queue.close()

    producer = threading.Thread(target=produce)
    producer.start()
    while not queue.ended:
        delay(chance)
        item = queue.get(0.01)
        if item is not None:
            taken.append(item)
    producer.join()
    assert taken == sorted(set(taken))
    assert len(taken) + queue.dropped == 60
    if seed and isinstance(queue, BlockingQueue):
        assert (taken, all(put)) == (list(range(60)), True)


class Slow:
    """Source, pipeline and sink, each of which sleeps at random."""

    def __init__(self, seed: int) -> None:
        self.chances = [random.Random(f"{seed} {part}") for part in range(3)]
        chances = self.chances

        class Source(FakeSource):
            def read(self) -> Frame | None:
                delay(chances[0])
                return super().read()

        class Pipeline(FakePipeline):
            def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
                delay(chances[1])
                return super().process(frame)

        self.source, self.pipeline = Source, Pipeline
        self.indices: list[int] = []
        self.closed = 0

    def open(self) -> None:
        delay(self.chances[2])

    def write(self, result: FrameResult) -> None:
        delay(self.chances[2])
        self.indices.append(result.frame.index)

    def close(self, completed: bool) -> None:
        self.closed += 1


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_run_stops_from_every_state_and_accounts_for_every_frame(live, seed):
    slow, chance = Slow(seed), random.Random(seed)
    runtime = Runtime(slow.source(40 if seed % 2 else 10**6, live), slow.pipeline(), [slow], RuntimeConfig(stop_s=30))
    runtime.start()
    attached = Slow(seed + 50)
    attachment = runtime.attach(attached, newest_only=bool(seed % 2))
    for _ in range(8):
        command = chance.choice((runtime.pause, runtime.resume, runtime.step, lambda: time.sleep(LONGEST_S)))
        try:
            command()
        except RuntimeStateError:  # not legal in this state
            delay(chance)
    runtime.stop()
    attachment.join(30)
    counters = runtime.counters()
    assert runtime.state is RuntimeState.STOPPED
    assert counters.captured == counters.processed + counters.dropped
    assert counters.sinks[0].written + counters.sinks[0].dropped == counters.processed
    assert slow.indices == sorted(slow.indices)
    assert attached.indices == sorted(attached.indices)
    assert (slow.closed, attached.closed) == (1, 1)
