"""Queues between threads: which items are returned, which are dropped, and when waiting threads wake up."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.handover import BlockingQueue, DroppingQueue, LatestSlot

#: Far longer than any step here takes; a test that reaches it fails.
LIMIT_S = 10.0


@pytest.fixture
def background():
    """Run a call on its own thread; the returned function waits for its result."""
    started = []

    def run(call):
        results = []
        thread = threading.Thread(target=lambda: results.append(call()))
        started.append(thread)
        thread.start()

        def result():
            thread.join(LIMIT_S)
            assert not thread.is_alive(), "still waiting"
            return results[0]

        return result

    yield run
    for thread in started:
        thread.join(LIMIT_S)


def _drain(handover):
    out = []
    while (item := handover.get()) is not None:
        out.append(item)
    return out


def test_the_slot_keeps_the_newest_and_counts_the_rest():
    slot = LatestSlot()
    assert [slot.put(number) for number in (1, 2, 3)] == [True, True, True]
    slot.end()
    assert _drain(slot) == [3]
    assert slot.dropped == 2


def test_a_full_dropping_queue_drops_new_items():
    queue = DroppingQueue(2)
    assert [queue.put(number) for number in (1, 2, 3)] == [True, True, False]
    assert queue.get() == 1
    assert queue.put(4)
    queue.end()
    assert _drain(queue) == [2, 4]
    assert queue.dropped == 1


def test_a_full_blocking_queue_blocks_its_producer(background):
    queue = BlockingQueue(1)
    queue.put(1)
    second = background(lambda: queue.put(2))
    assert queue.get(LIMIT_S) == 1
    assert second() is True
    assert queue.get(LIMIT_S) == 2
    assert queue.dropped == 0


def test_a_blocking_queue_is_also_full_when_its_items_are_large(background):
    queue = BlockingQueue(8, 10, size_bytes=len)
    assert queue.put("123456")
    assert queue.put("1234")
    third = background(lambda: queue.put("1"))
    with queue._changed:
        assert len(queue._items) == 2
    assert queue.get(LIMIT_S) == "123456"
    assert third() is True
    assert [queue.get(LIMIT_S), queue.get(LIMIT_S)] == ["1234", "1"]
    assert queue.dropped == 0


def test_an_item_larger_than_the_queue_is_queued_alone(background):
    queue = BlockingQueue(8, 10, size_bytes=len)
    assert queue.put("x" * 99)
    after = background(lambda: queue.put("1"))
    assert queue.get(LIMIT_S) == "x" * 99
    assert after() is True
    assert queue.get(LIMIT_S) == "1"


def test_a_blocking_queue_returns_everything_in_order(background):
    queue = BlockingQueue(3)

    def produce():
        added = [queue.put(number) for number in range(200)]
        queue.end()
        return all(added)

    produced = background(produce)
    assert _drain(queue) == list(range(200))
    assert produced()


@pytest.mark.parametrize("handover", [LatestSlot(), DroppingQueue(1), BlockingQueue(1)])
def test_the_end_mark_fits_a_full_queue_and_comes_after_its_items(handover):
    handover.put("last")
    handover.end()
    assert not handover.ended
    assert _drain(handover) == ["last"]
    assert handover.ended


@pytest.mark.parametrize("handover", [LatestSlot(), DroppingQueue(1), BlockingQueue(1)])
def test_after_the_end_items_are_dropped_and_counted(handover):
    handover.end()
    assert handover.put("late") is False
    assert handover.get() is None
    assert handover.dropped == 1


def test_closing_drops_and_counts_the_queued_items():
    queue = BlockingQueue(4)
    for number in range(3):
        queue.put(number)
    queue.close()
    assert queue.get() is None
    assert queue.dropped == 3


def test_closing_wakes_a_blocked_producer_and_drops_its_item(background):
    queue = BlockingQueue(1)
    queue.put(1)
    second = background(lambda: queue.put(2))
    queue.close()
    assert second() is False
    assert queue.dropped == 2


@pytest.mark.parametrize("wake", ["end", "close"])
@pytest.mark.parametrize("kind", [LatestSlot, lambda: DroppingQueue(1), lambda: BlockingQueue(1)])
def test_the_end_wakes_a_consumer_that_waits_without_timeout(background, kind, wake):
    handover = kind()
    waiting = background(handover.get)
    getattr(handover, wake)()
    assert waiting() is None


def test_a_new_item_wakes_a_waiting_consumer(background):
    slot = LatestSlot()
    waiting = background(slot.get)
    slot.put("item")
    assert waiting() == "item"


def test_a_timeout_can_be_told_apart_from_the_end():
    slot = LatestSlot()
    assert slot.get(timeout_s=0.001) is None
    assert not slot.ended
    slot.end()
    assert slot.get(timeout_s=0.001) is None
    assert slot.ended


@pytest.mark.parametrize("kind", [DroppingQueue, BlockingQueue])
def test_a_queue_without_capacity_is_refused(kind):
    with pytest.raises(ValueError, match="at least 1 item, not 0"):
        kind(0)


@given(st.sampled_from(["slot", "dropping"]), st.lists(st.sampled_from(["put", "get", "end", "close"]), max_size=60))
def test_every_item_is_returned_in_order_or_counted_as_dropped(kind, commands):
    handover = LatestSlot() if kind == "slot" else DroppingQueue(3)
    put, out = 0, []
    for command in commands:
        if command == "put":
            handover.put(put)
            put += 1
        elif command == "get":
            item = handover.get(timeout_s=0.0)
            out += [] if item is None else [item]
        else:
            getattr(handover, command)()
    handover.end()
    out += _drain(handover)
    assert out == sorted(set(out))
    assert len(out) + handover.dropped == put
