"""Files that a review writes: each whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from app.session.table import replaced
from engine.errors import OutputError


@contextlib.contextmanager
def saved_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``; as app.session.table.written_whole, with the remedy for someone at a window.

    Raises:
        OutputError: the file cannot be written; what was at ``path`` before stays.
    """
    try:
        with replaced(path) as part:
            yield part
    except OSError as error:
        raise save_failed(path, error) from error


def save_failed(path: Path, error: OSError) -> OutputError:
    """The error for a file that cannot be written: what, why, and what to do."""
    reason = error.strerror or str(error)
    return OutputError(f"{path} cannot be written ({reason}): free space or choose another folder, then save again")
