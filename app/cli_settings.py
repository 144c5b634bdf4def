"""What several commands need: settings with the options of the command line, and the error of a window without Qt."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from engine.config import EngineConfig


def settings_of(path: Path | None, backend: str | None, threads: int | None) -> EngineConfig:
    """Load the settings and apply the options of the command line.

    Raises:
        ConfigError: the file cannot be read, or is not valid.
    """
    from engine.config import load_config

    config = load_config(path)
    if backend is not None:
        config = dataclasses.replace(config, backends=(backend,))
    if threads is not None:
        tracking = dataclasses.replace(config.tracking, threads=threads)
        config = dataclasses.replace(config, threads=threads, tracking=tracking)
    return config


def no_window(error: ImportError) -> EngineError:
    """The error of a window that cannot be imported."""
    if error.name is not None and error.name.split(".")[0] == "PySide6":
        install = 'pip install "PySide6-Essentials<6.12"'
        return ConfigError(f"the window needs PySide6: run {install} (without a window: see mien --help)")
    return ConfigError(f"the window cannot start ({error}): run 'mien doctor' to see what is missing")
