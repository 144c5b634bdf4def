"""Starting Python processes where the current folder may hold a stranger's modules."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

_VARIABLE: Final = "PYTHONSAFEPATH"


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Keep Python processes that are started from looking for modules in the current folder.

    For `multiprocessing`, whose processes start there; not from several threads. Python 3.10 ignores the variable.
    """
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
