"""The version of the program."""

from __future__ import annotations


def app_version() -> str:
    """Version of the program; "0" if it is not installed."""
    from importlib import metadata  # slow to import, and not needed before the window is painted

    try:
        return metadata.version("mien")
    except metadata.PackageNotFoundError:
        return "0"
