"""The end of the program by a signal: at once while it starts, in order afterwards, and within a limit in any case.

Ending at any moment is safe: the journal is complete up to its last line, and every other file gets its name only when
it is whole. So after SIGTERM, which service managers follow by SIGKILL, the program does not wait for what takes long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Final

#: Exit status of a program that was interrupted.
INTERRUPTED: Final = 130
#: Seconds between SIGTERM and the end of the program.
TERMINATE_S: Final = 2.5
#: Set once SIGTERM has come.
_terminated: Final = threading.Event()


def end_at_once_on_signals() -> None:
    """While nothing is open yet: end without a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def interrupt_on_signals() -> None:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, for commands that have nothing to finish."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


def end_within_limit_of_sigterm() -> None:
    """From now on, end the program TERMINATE_S after SIGTERM at the latest, whatever its threads are doing.

    Handlers run on the main thread between two steps of Python, and connecting to a silent camera is one step of up to
    20 s. So the system's handler also writes the signal's number to a pipe, which a thread of its own reads.
    """
    if sys.platform == "win32":  # which has no SIGTERM
        return
    arrived, arriving = os.pipe()
    os.set_blocking(arriving, False)
    signal.set_wakeup_fd(arriving, warn_on_full_buffer=False)
    # A daemon: it waits for a signal that may never come.
    threading.Thread(target=_end_after_sigterm, args=(arrived,), name="mien-termination", daemon=True).start()


def end_now_after_sigterm(status: int) -> None:
    """End here if SIGTERM has come; otherwise do nothing. Call it when everything of ours is closed.

    Python would still free every network and module, which takes seconds on a busy machine, and the thread that ends
    the program within its limit no longer runs then.
    """
    if not _terminated.is_set():
        return
    with contextlib.suppress(OSError, ValueError):  # closed, or nobody reads any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def note_signal(number: int) -> None:
    """To be called by handlers: the thread that reads the pipe may come later than the end of the work they stop."""
    if number == signal.SIGTERM:
        _terminated.set()


def _interrupt(number: int, frame: FrameType | None) -> None:
    note_signal(number)
    raise KeyboardInterrupt


def _end_after_sigterm(arrived: int) -> None:
    while os.read(arrived, 1)[0] != signal.SIGTERM:
        pass
    _terminated.set()
    time.sleep(TERMINATE_S)
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"mien: ended; unfinished sessions can be resumed\n")
    os._exit(INTERRUPTED)
