"""Writes the figures of long runs to docs/results/trust.json; each keeps its place and replaces its older value."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "docs" / "results" / "trust.json"


def record(name: str, value: float, n: int, command: str, **more: Any) -> None:
    """Write one figure; ``more``: low and high, where they apply."""
    figures = json.loads(FILE.read_text(encoding="utf-8"))["figures"] if FILE.exists() else []
    figure = {"name": name, "value": value, **more, "n": n, "command": command, "machine": machine()}
    figure["date"] = date.today().isoformat()
    kept = [figure if known["name"] == name else known for known in figures]
    if figure not in kept:
        kept.append(figure)
    FILE.write_text(json.dumps({"figures": kept}, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Processors, system and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.machine()} {platform.system()}, Python {platform.python_version()}, shared"
