"""The entry point of ``mien``, which handles signals before anything else is imported."""

from __future__ import annotations

import sys

from app.termination import INTERRUPTED, end_at_once_on_signals, interrupt_on_signals


def main() -> None:
    """Run the command line."""
    end_at_once_on_signals()
    from app.cli import main as run

    try:
        interrupt_on_signals()
        run()
    except KeyboardInterrupt:  # between commands
        sys.exit(INTERRUPTED)
