"""Memory that two processes share for frames: one writes the pixels, the other takes them as arrays.

On Linux it is an open file without a name: nothing can be left behind, it does not count against /dev/shm, which
containers limit to 64 MB, and frames are views of it, whose slot is free again once no array refers to them. It is
sealed against shrinking, by which the other process could crash this one. Elsewhere it is
`multiprocessing.shared_memory`, whose name goes once the other process has opened it, and frames are copies.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import sys
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.types import UInt8

if TYPE_CHECKING:
    from multiprocessing.shared_memory import SharedMemory

#: Whether memory without a name is available.
HAS_UNNAMED: Final = hasattr(os, "memfd_create")


class FrameMemory:
    """Slots of one size, each free, with the other process, or in use by a frame; the side that creates them."""

    def __init__(self, unnamed: bool = HAS_UNNAMED) -> None:
        """Nothing is reserved before `reserve`."""
        self.descriptor = -1
        if unnamed and sys.platform == "linux":
            self.descriptor = os.memfd_create("mien-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._named: SharedMemory | None = None
        self._map: mmap.mmap | memoryview | None = None
        self._slot_bytes = 0
        # The slot that was used last comes first: the system gives no memory to slots that are never needed.
        self._free: deque[int] = deque()

    def reserve(self, slots: int, slot_bytes: int) -> str:
        """Make room; return the name under which the other side opens it, "" = the descriptor.

        Raises:
            OSError: there is not so much memory.
        """
        self._slot_bytes = slot_bytes
        self._free.extend(reversed(range(slots)))
        size = slots * slot_bytes
        if self.descriptor >= 0:
            os.ftruncate(self.descriptor, size)
            _seal_size(self.descriptor)
            self._map = mmap.mmap(self.descriptor, size)
            return ""
        from multiprocessing import shared_memory

        self._named = shared_memory.SharedMemory(create=True, size=size)
        self._map = self._named.buf
        return self._named.name

    def forget_name(self) -> None:
        """Remove the name; the other side has opened it."""
        if self._named is not None:
            self._named.unlink()

    @property
    def free(self) -> int:
        """Number of free slots."""
        return len(self._free)

    def take(self) -> int | None:
        """A free slot, for the other process to write into; None if there is none. `image` gives it back."""
        try:
            return self._free.pop()
        except IndexError:
            return None

    def image(self, slot: int, shape: tuple[int, int, int], keep: bool) -> UInt8:
        """What the other process wrote into a slot.

        Args:
            slot: from `take`.
            shape: of the array.
            keep: the slot may stay in use for as long as the array and its views do; else it is copied.
        """
        pixels: UInt8 = np.frombuffer(self._map or b"", np.uint8, math.prod(shape), slot * self._slot_bytes)
        if keep and self._named is None:
            # Views, and views of views, refer to `pixels`, which owns no memory.
            weakref.finalize(pixels, self._free.append, slot).atexit = False
            return pixels.reshape(shape)
        image: UInt8 = pixels.reshape(shape).copy()
        self._free.append(slot)
        return image

    def close(self) -> None:
        """Release the memory, that of frames in use with the last of them. A second call does nothing."""
        self._map = None
        named, self._named = self._named, None
        if named is not None:
            named.close()
            with contextlib.suppress(FileNotFoundError):
                named.unlink()
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _seal_size(descriptor: int) -> None:
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def open_memory(name: str, descriptor: int, size: int) -> UInt8:
    """The memory as the other process sees it, (size,) uint8; stays open until that process ends."""
    if not name:
        return np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
    from multiprocessing import resource_tracker, shared_memory

    # Before Python 3.13, opening registers the memory as if this process owned it, and warns at its end.
    resource_tracker.register = lambda *_: None
    _opened.append(shared_memory.SharedMemory(name))
    return np.frombuffer(_opened[-1].buf or b"", np.uint8, size)


#: Objects that close their memory when they are collected.
_opened: Final[list[SharedMemory]] = []
