"""The kinds of messages between the program and a worker process, over a pipe."""

from __future__ import annotations

from typing import Final

#: A message to a worker; all others are items.
STOP: Final = b"stop"
#: Messages from a worker start with one of these bytes.
PROGRESS: Final = b"p"
REPORT: Final = b"r"
