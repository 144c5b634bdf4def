"""Switches off the telemetry of all dependencies, before they are imported.

`disable_telemetry` runs when the package ``engine`` is imported. Every entry point, worker process and test imports it
before a network runtime, so this is the one place where the promise "nothing is sent" is kept.

- onnxruntime (1.31.1 on Linux, measured) writes a device id and a database of usage events below the user's cache
  folder and, about 50 s into a run, looks up a collector. ``disable_telemetry_events()`` after the import does not stop
  it; the environment variable does, but only before the import.
- openvino (2026.4.1) reports to an analytics host on import, through the package ``openvino_telemetry``. A ``None`` in
  ``sys.modules`` is Python's documented way to block an import.
- mediapipe (from 0.10.35) reports while a task object lives; `engine.tracking.mediapipe_tasks` holds the guard, because
  it redirects every HTTPS client of the process and is wanted only where that package is used.
"""

from __future__ import annotations

import os
import sys
from typing import Final

#: Read by onnxruntime when it is imported.
ONNX_RUNTIME_SWITCH: Final = "ORT_DISABLE_TELEMETRY"


def disable_telemetry() -> None:
    """Set the switches for this process and the processes it starts."""
    os.environ[ONNX_RUNTIME_SWITCH] = "1"
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # None blocks the import
