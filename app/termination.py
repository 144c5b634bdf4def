"""The end of the program by a signal: at once while it starts, in order afterwards, and within a limit in any case.

Ending at any moment is safe: the journal is complete up to its last line, and every other file gets its name only when
it is whole. So after SIGTERM, which service managers follow by SIGKILL, the program does not wait for what takes long.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Final

#: Exit status of a program that was interrupted.
INTERRUPTED: Final = 130
#: Seconds between SIGTERM and the end of the program.
TERMINATE_S: Final = 2.5


def end_at_once_on_signals() -> None:
    """While nothing is open yet: end without a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def interrupt_on_signals() -> None:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, for commands that have nothing to finish."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


def end_within_limit() -> threading.Timer:
    """End the program TERMINATE_S from now unless the timer is cancelled, whatever its other threads are doing."""
    timer = threading.Timer(TERMINATE_S, _end)
    timer.daemon = True  # a program that ends earlier must not wait for it
    timer.name = "mien-termination"
    timer.start()
    return timer


def _interrupt(number: int, frame: FrameType | None) -> None:
    end_within_limit()
    raise KeyboardInterrupt


def _end() -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"mien: ended; unfinished sessions can be resumed\n")
    os._exit(INTERRUPTED)
