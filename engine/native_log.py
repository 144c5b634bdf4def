"""Standard error while a native library starts: its own lines are dropped, and messages of the program wait."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Final

_STDERR: Final = threading.RLock()
#: Seconds that a message waits at most.
_WAIT_S: Final = 2.0


@contextlib.contextmanager
def without_native_log() -> Iterator[None]:
    """Send everything that the process writes on standard error to nowhere, from all its threads."""
    with _STDERR, open(os.devnull, "w") as sink:  # noqa: PTH123 (a device, not a path of ours)
        kept = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def message_on_stderr() -> Iterator[None]:
    """Print a message inside this: it waits until no other thread drops what is written.

    An engine may be opened on one thread while the error of a source is printed on another. After `_WAIT_S` it waits no
    longer: a load takes less, and one that hangs must not keep the program from ending.
    """
    is_held = _STDERR.acquire(timeout=_WAIT_S)
    try:
        yield
    finally:
        if is_held:
            _STDERR.release()
