"""The entry point of ``mien``, which handles signals before anything else is imported."""

from __future__ import annotations

import os
import sys

from app.termination import (
    INTERRUPTED,
    end_at_once_on_signals,
    end_now_after_sigterm,
    end_within_limit_of_sigterm,
    interrupt_on_signals,
)


def main() -> None:
    """Run the command line; without arguments, the window."""
    end_at_once_on_signals()
    end_within_limit_of_sigterm()
    # Read by OpenCV when it is imported. On frames of video its second thread costs a third more CPU and saves no time.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if len(sys.argv) > 1:
        from app.cli import main as run
    else:
        from app.window import main as run

    try:
        try:
            interrupt_on_signals()
            run()
        finally:
            end_at_once_on_signals()  # while Python ends, an interrupt would end it with another status
    except KeyboardInterrupt:  # between commands
        end_at_once_on_signals()
        end_now_after_sigterm(INTERRUPTED)
        sys.exit(INTERRUPTED)
    except SystemExit as ended:
        if isinstance(ended.code, int):
            end_now_after_sigterm(ended.code)
        raise
