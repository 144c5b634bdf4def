"""The one place that catches every error: the top of a thread, from where nobody would hear of it."""

from __future__ import annotations

from collections.abc import Callable


def error_of(work: Callable[[], object]) -> Exception | None:
    """Run ``work``; the error that it failed with, for whoever waits for the thread, or None."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 (see above)
        return error
    return None
