"""Random damage: to bytes as of a failing disk, and to values as of a careless or hostile author."""

from __future__ import annotations

import json
import random
from typing import Any

#: Values that programs forget.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, -1e308, 1e999, float("nan")),
    *("", "a", "\x00", "\x1b[2J", "🙂" * 50, "../../etc/passwd", "=1+1", "9" * 5000, "\ud800"),
    *([], {}, [[]], [None], {"a": 1}, [[[[[[[[]]]]]]]]),
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to eight random changes."""
    result = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        place = chance.randrange(len(result) + 1)
        end = min(place + chance.choice((1, 2, 8, 64, 512)), len(result))
        kind = chance.randrange(8)
        if kind <= 2 and place < len(result):
            result[place] = result[place] ^ (1 << chance.randrange(8)) if kind else chance.randrange(256)
        elif kind == 3:
            del result[place:end]
        elif kind == 4:
            result[place:place] = result[place:end]
        elif kind == 5:
            result[place:end] = bytes(end - place)
        elif kind == 6:
            result[place:place] = chance.randbytes(chance.randrange(1, 16))
        elif chance.random() < 0.3:
            del result[place:]
    return bytes(result)


def changed(value: Any, chance: random.Random) -> Any:
    """A copy of a JSON value with one value in it replaced, left out or doubled."""
    places = list(_places(value))
    if not places or chance.random() < 0.02:
        return chance.choice(ODD)
    copy = json.loads(json.dumps(value))
    path = chance.choice(places)
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    key, kind = path[-1], chance.randrange(10)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif kind == 1 and isinstance(parent, dict):
        parent[chance.choice(("x", "", "schema", "\x00"))] = parent[key]
    elif kind == 2 and type(parent[key]) in (int, float):
        parent[key] = parent[key] * chance.choice((-1, 2, 1e3, 1e-3, 1e30))
    else:
        parent[key] = chance.choice(ODD)
    return copy


def json_bytes(value: Any) -> bytes:
    """A JSON text, with NaN and numbers that no float can hold as Python writes them."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any, above: tuple[Any, ...] = ()) -> Any:
    """Paths of all values within a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from _places(item, (*above, key))
