"""Memory that two processes share for frames: one writes the pixels, the other copies them out.

Linux has memory that is only an open file: it has no name that could be left behind, and it does not count against
/dev/shm, which containers limit to 64 MB. Elsewhere it is `multiprocessing.shared_memory`, whose name goes once the
other process has opened it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.types import UInt8

if TYPE_CHECKING:
    from multiprocessing.shared_memory import SharedMemory

#: Whether memory without a name is available.
HAS_UNNAMED: Final = hasattr(os, "memfd_create")


class FrameMemory:
    """Slots of one size; the side that creates it."""

    def __init__(self, unnamed: bool = HAS_UNNAMED) -> None:
        """Nothing is reserved before `reserve`."""
        self.descriptor = os.memfd_create("mien-frames") if unnamed and sys.platform == "linux" else -1
        self._named: SharedMemory | None = None
        self._map: mmap.mmap | memoryview | None = None

    def reserve(self, size: int) -> str:
        """Make room for this many bytes; return the name under which the other side opens it, "" = the descriptor.

        Raises:
            OSError: there is not so much memory.
        """
        if self.descriptor >= 0:
            os.ftruncate(self.descriptor, size)
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

    def copy(self, offset: int, shape: tuple[int, int, int]) -> UInt8:
        """Copy an array out."""
        count = shape[0] * shape[1] * shape[2]
        image: UInt8 = np.frombuffer(self._map or b"", np.uint8, count, offset).reshape(shape).copy()
        return image

    def close(self) -> None:
        """Release the memory. A second call does nothing."""
        mapped, self._map = self._map, None
        if isinstance(mapped, mmap.mmap):
            mapped.close()
        named, self._named = self._named, None
        if named is not None:
            mapped = None
            named.close()
            with contextlib.suppress(FileNotFoundError):
                named.unlink()
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


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
