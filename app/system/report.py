"""What `mien doctor` found as plain text, to be pasted into a message."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from app.system.doctor import Check


def report_text(checks: Sequence[Check], app_version: str) -> str:
    """One line per check below two lines on the machine; the user's home folder is written as ``~``."""
    lines = [f"Mien {app_version}", f"{platform.system()} {platform.release()} {platform.machine()}"]
    lines += [f"{check_word(check):8} {check.name}: {check.told}" for check in checks]
    try:
        home = str(Path.home())
    except RuntimeError:
        home = ""
    text = "\n".join(lines) + "\n"
    return text.replace(home, "~") if len(home) > 1 else text


def check_word(check: Check) -> str:
    """``ok``, ``missing`` (annotate cannot run) or ``optional``."""
    return "ok" if check.good else "missing" if check.needed else "optional"
