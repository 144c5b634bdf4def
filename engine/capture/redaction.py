"""Addresses without their secrets. Imports no video library, since the window needs it before it is painted."""

from __future__ import annotations

import re
from typing import Final

#: Words before a password that some cameras put into the path instead of where it belongs.
_SECRET_IN_PATH: Final = re.compile(r"((?:pass|pwd|token|key|secret|auth)[a-z]*[=:])[^&/;]*", re.IGNORECASE)


def redact_url(url: str) -> str:
    """The address without user, password, query and fragment, for every text that a person or a file gets to see.

    >>> redact_url("rtsp://admin:secret@10.0.0.7:554/live?token=abc")
    'rtsp://***@10.0.0.7:554/live?***'
    """
    scheme, _, rest = url.partition("://")
    login, at, address = rest.rpartition("@")
    if any(mark in login for mark in "/?#"):  # a password with such a mark cannot be told from a path
        return f"{scheme}://***"
    path, *query = re.split(r"[?#]", address, maxsplit=1)
    path = _SECRET_IN_PATH.sub(r"\1***", path)
    return f"{scheme}://{'***@' if at else ''}{path}{'?***' if query else ''}"
