"""Opening the window.

``mien`` without arguments comes here directly: the library of the command line takes longer to import than the window
to be painted, and only errors need it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.version import app_version
from engine.errors import ConfigError, EngineError, error_of


def main() -> None:
    """Open the window where the user left it; an error is reported as by every command."""
    error = error_of(open_window)
    if error is not None:
        from app.terminal import report

        sys.exit(report(error))


def open_window(
    source: str | None = None, page: str | None = None, config: Path | None = None, **this_run: object
) -> None:
    """Show the window until it is closed.

    Args:
        source: see `app.qt.program.run_program`, as for ``page``.
        page: the page to show.
        config: file of settings for the engine; None = the defaults.
        this_run: preferences of this run; None keeps the window's own.

    Raises:
        ConfigError: the window cannot be imported or shown, or ``config`` cannot be used.
        ThreadStuckError: a thread of the window does not end.
    """
    try:
        from app.qt.program import run_program
    except ImportError as error:
        raise no_window(error) from None
    settings = None
    if config is not None:
        from app.settings.tuning import load_settings

        settings = load_settings(config)
    given = {name: value for name, value in this_run.items() if value is not None}
    run_program(settings, app_version, source, page, **given)


def no_window(error: ImportError) -> EngineError:
    """The error of a window that cannot be imported."""
    if error.name is not None and error.name.split(".")[0] == "PySide6":
        install = 'pip install "PySide6-Essentials<6.12"'
        return ConfigError(f"the window needs PySide6: run {install} (without a window: see mien --help)")
    return ConfigError(f"the window cannot start ({error}): run 'mien doctor' to see what is missing")
