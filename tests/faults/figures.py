"""Writes the figures of long runs to docs/results; each keeps its place and replaces its older value."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = ROOT / "docs" / "results"


def record(name: str, value: float, n: int, command: str, topic: str = "trust", **more: Any) -> None:
    """Write one figure to a topic's file; ``more``: low and high, where they apply."""
    file = _FOLDER / f"{topic}.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"figures": []}
    figures = content["figures"]
    figure = {"name": name, "value": value, **more, "n": n, "command": command, "machine": machine()}
    figure["date"] = date.today().isoformat()
    kept = [figure if known["name"] == name else known for known in figures]
    if figure not in kept:
        kept.append(figure)
    file.write_text(json.dumps({**content, "figures": kept}, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Processors, system and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.machine()} {platform.system()}, Python {platform.python_version()}, shared"
