"""JSON schema of the settings, made from their records, for editors that check TOML.

python -m app.serve.config_schema > docs/schemas/mien.serve-config.schema.json
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from pathlib import Path
from typing import Any, Final

from app.serve.config import ServeConfig
from engine.records import json_text

_SCALARS: Final[dict[Any, str]] = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


def config_schema() -> dict[str, Any]:
    """The schema; ranges are checked by the program, which names the value and the remedy."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of mien serve (TOML)",
        **_schema(ServeConfig),
    }


def _schema(kind: Any) -> dict[str, Any]:
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if origin is tuple:
        return {"type": "array", "items": _schema(parts[0])}
    if origin in (typing.Union, types.UnionType):  # optional: TOML has no null, the key is left out
        return _schema(next(part for part in parts if part is not types.NoneType))
    kinds = typing.get_type_hints(kind)
    properties = {}
    for item in dataclasses.fields(kind):
        properties[item.name] = _schema(kinds[item.name])
        if isinstance(item.default, (bool, int, float, str)):
            properties[item.name]["default"] = item.default
    return {"type": "object", "properties": properties, "additionalProperties": False}


if __name__ == "__main__":
    sys.stdout.write(json_text(config_schema()))
