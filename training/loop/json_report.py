"""Reports as JSON: records, arrays and numbers as plain values, floats to four places, NaN as null."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import write_text


def write_report(report: Any, path: Path) -> None:
    """Write a record or a mapping as JSON; missing folders are created."""
    write_text(path, json.dumps(plain(report), indent=1) + "\n")


def plain(value: Any) -> Any:
    """The value in the types of JSON.

    >>> plain({1: np.float32(0.123456), "rows": (1, 2)})
    {'1': 0.1235, 'rows': [1, 2]}
    >>> plain(float("nan")) is None
    True
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None  # JSON has no NaN
    return value
