"""Queues between two threads: three policies for a consumer that is slower than its producer.

Each has one producer and one consumer, a bounded capacity, and counts the items it drops: items put in = items taken
out + dropped + still queued. The end mark is not an item, so setting it never blocks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(ABC, Generic[T]):
    """A queue of items from one thread to another, in order."""

    def __init__(self, capacity: int) -> None:
        """``capacity``: items that may be queued.

        Raises:
            ValueError: capacity below 1.
        """
        if capacity < 1:
            raise ValueError(f"a handover must hold at least 1 item, not {capacity}")
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Number of items put in that are never returned."""
        with self._changed:
            return self._dropped

    @property
    def ended(self) -> bool:
        """Whether no further item will be returned."""
        with self._changed:
            return self._ended and not self._items

    def put(self, item: T) -> bool:
        """Add an item; False if it was dropped because the queue is full or ended."""
        with self._changed:
            is_added = not self._ended and (self._has_room(item) or self._make_room(item))
            if is_added:
                self._items.append(item)
                self._changed.notify_all()
            else:
                self._dropped += 1
            return is_added

    def end(self) -> None:
        """Set the end mark: queued items are still returned, then None."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End at once: queued items are dropped and waiting threads wake up."""
        with self._changed:
            self._ended = True
            self._dropped += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> T | None:
        """Wait for the next item; None after the end or on timeout (see ``ended``)."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def _has_room(self, item: T) -> bool:
        """Called with the lock held."""
        return len(self._items) < self._capacity

    @abstractmethod
    def _make_room(self, item: T) -> bool:
        """Called with the lock held when the queue is full; returns whether there is room now."""


class LatestSlot(Handover[T]):
    """Holds the newest item only: a new one replaces one that was not taken."""

    def __init__(self) -> None:
        super().__init__(1)

    def _make_room(self, item: T) -> bool:
        self._items.popleft()
        self._dropped += 1
        return True


class DroppingQueue(Handover[T]):
    """Drops new items when full: the producer never waits, and the queued items have no gaps."""

    def _make_room(self, item: T) -> bool:
        return False


class BlockingQueue(Handover[T]):
    """Blocks the producer when full: nothing is dropped before the end."""

    def __init__(self, capacity: int, max_bytes: int = 0, size_bytes: Callable[[T], int] | None = None) -> None:
        """Empty.

        Args:
            capacity: items that may be queued.
            max_bytes: size of the queued items at most; an item that is larger is queued alone.
            size_bytes: size of an item, which must not change; None = only ``capacity`` counts.

        Raises:
            ValueError: capacity below 1.
        """
        super().__init__(capacity)
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes

    def _has_room(self, item: T) -> bool:
        size_bytes = self._size_bytes
        if size_bytes is None or not self._items:
            return super()._has_room(item)
        is_small = sum(map(size_bytes, self._items)) + size_bytes(item) <= self._max_bytes
        return is_small and super()._has_room(item)

    def _make_room(self, item: T) -> bool:
        self._changed.wait_for(lambda: self._has_room(item) or self._ended)
        return not self._ended
