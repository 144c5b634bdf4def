"""Messages to the service manager (sd_notify protocol) and the rule for its watchdog."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


def notify(*lines: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send lines such as ``READY=1`` to the service manager; False where there is none."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    target = "\0" + address[1:] if address[0] == "@" else address
    # A manager that restarts or is overloaded must not end the service.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        client.sendto("\n".join(lines).encode(), target)
        return True
    return False


class Watchdog:
    """Reports readiness after the first result, and life only when frames and inference have both advanced."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._ready = False
        self._captured = self._processed = 0

    def tick(self, captured: int, processed: int, text: str) -> None:
        """Compare the counters of the run with those of the last report; call a few times per second.

        Args:
            captured: frames read from the source so far; begins at 0 again after a reconnect.
            processed: frames with a result so far.
            text: state in one line.
        """
        if captured < self._captured or processed < self._processed:  # another run
            self._captured = self._processed = 0
        if captured == self._captured or processed == self._processed:
            return
        self._captured, self._processed = captured, processed
        lines = ["WATCHDOG=1", f"STATUS={text}"]
        if not self._ready:
            self._ready = True
            lines.insert(0, "READY=1")
        notify(*lines, environment=self._environment)

    def report(self, text: str) -> None:
        """Show a state without feeding the watchdog."""
        notify(f"STATUS={text}", environment=self._environment)

    def stopping(self) -> None:
        """Announce the end."""
        notify("STOPPING=1", environment=self._environment)
