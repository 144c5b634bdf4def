"""Handing items from one thread to the next: three ways to deal with a consumer that is slower than its producer.

Each has one producer and one consumer, holds a bounded number of items, and counts what it drops: what was put in is
what came out, plus what was dropped, plus what still waits. The end mark is no item: handing it over never blocks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(ABC, Generic[T]):
    """Items in order, from one thread to another."""

    def __init__(self, capacity: int) -> None:
        """``capacity``: items that may wait.

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
        """Items put in that will never come out."""
        with self._changed:
            return self._dropped

    @property
    def ended(self) -> bool:
        """Whether nothing will come out any more."""
        with self._changed:
            return self._ended and not self._items

    def put(self, item: T) -> bool:
        """Hand an item over; False when it was dropped: no room, or after the end."""
        with self._changed:
            taken = not self._ended and (len(self._items) < self._capacity or self._make_room())
            if taken:
                self._items.append(item)
                self._changed.notify_all()
            else:
                self._dropped += 1
            return taken

    def end(self) -> None:
        """Hand over the end mark: what waits still comes out, then nothing."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End at once: what waits is dropped, and everyone who waits wakes."""
        with self._changed:
            self._ended = True
            self._dropped += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item; None after the end, or when none came in time (``ended`` tells which)."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    @abstractmethod
    def _make_room(self) -> bool:
        """Called with the lock held when all places are taken; whether there is a place now."""


class LatestSlot(Handover[T]):
    """Holds one item, the newest: a new one takes the place of one that nobody fetched."""

    def __init__(self) -> None:
        super().__init__(1)

    def _make_room(self) -> bool:
        self._items.popleft()
        self._dropped += 1
        return True


class DroppingQueue(Handover[T]):
    """Drops a new item when full, so that the producer never waits and what is kept has as few gaps as can be."""

    def _make_room(self) -> bool:
        return False


class BlockingQueue(Handover[T]):
    """Lets the producer wait when full, so that nothing is dropped before the end."""

    def _make_room(self) -> bool:
        self._changed.wait_for(lambda: len(self._items) < self._capacity or self._ended)
        return not self._ended
