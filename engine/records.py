"""Strict conversion of JSON and TOML values to frozen dataclass records: once for the whole project.

Supported field types: bool, int, float (finite; a whole number is accepted), str, Path, Any, enums by value, Literal,
nested records, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]`` and unions.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from engine.files import read_bytes

_Record = TypeVar("_Record")
#: Makes the exception to raise from a message such as "crop.side_px must be a whole number, not a list".
Fail = Callable[[str], Exception]

#: Metadata that lists a million images stay below this; a larger file is not one of ours.
MAX_JSON_BYTES: Final = 256 * 2**20

_SCALARS: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


class _MismatchError(Exception):
    """A value that does not fit its field; the message names the field."""


def read_record(
    record: type[_Record],
    raw: object,
    fail: Fail = ValueError,
    *,
    ignore_unknown: bool = False,
    require_all: bool = False,
    field: str = "",
) -> _Record:
    """Convert a parsed JSON or TOML object to a record.

    Args:
        record: the dataclass to make; its ``__post_init__`` may raise ValueError for values that do not fit together.
        raw: the parsed object.
        fail: makes the exception that is raised.
        ignore_unknown: skip keys that are no field, as files of newer versions have; otherwise they are an error.
        require_all: fields with a default must be present too.
        field: path of the object in the file, for the message; "" at the top.

    Raises:
        Exception: the one that ``fail`` makes; the message names the field, what it must be and what it is.
    """
    reader = _Reader(ignore_unknown, require_all)
    try:
        return cast(_Record, reader.value(record, raw, field))
    except _MismatchError as error:
        raise fail(str(error)) from None


def read_value(kind: Any, raw: object, fail: Fail = ValueError, *, field: str = "") -> Any:
    """Convert one parsed value to a type of the list above.

    Raises:
        Exception: the one that ``fail`` makes.
    """
    try:
        return _Reader(ignore_unknown=False, require_all=False).value(kind, raw, field)
    except _MismatchError as error:
        raise fail(str(error)) from None


def load_json(path: Path, fail: Fail = ValueError, max_bytes: int = MAX_JSON_BYTES) -> object:
    """Parse a JSON file; NaN and infinities are refused.

    Args:
        path: of a regular file.
        fail: makes the exception that is raised.
        max_bytes: a larger file is refused before it is read.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: the one that ``fail`` makes, if it cannot be read, is too large or is not JSON.
    """
    try:
        return json.loads(read_bytes(path, max_bytes).decode("utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise fail(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise fail(f"{path} is not valid JSON ({error})") from error


def json_text(record: Any) -> str:
    """A record, or nested lists and dicts of values, as indented JSON with a final newline; paths become text.

    Raises:
        ValueError: a number is not finite.
    """
    is_record = dataclasses.is_dataclass(record) and not isinstance(record, type)
    plain = dataclasses.asdict(record) if is_record else record
    return json.dumps(plain, indent=1, default=str, allow_nan=False) + "\n"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a finite number")


class _Reader:
    def __init__(self, ignore_unknown: bool, require_all: bool) -> None:
        self._ignore_unknown = ignore_unknown
        self._require_all = require_all

    def value(self, kind: Any, raw: object, field: str) -> Any:
        origin = typing.get_origin(kind)
        if kind is Any:
            return raw
        if dataclasses.is_dataclass(kind):
            return self._record(cast(type, kind), raw, field)
        if origin in (typing.Union, types.UnionType):
            return self._union(typing.get_args(kind), raw, field)
        if origin is tuple:
            return self._tuple(typing.get_args(kind), raw, field)
        if origin is dict:
            items = _expect(raw, dict, "an object", field)
            return {key: self.value(typing.get_args(kind)[1], item, _below(field, key)) for key, item in items.items()}
        if origin is typing.Literal:
            return _choice(typing.get_args(kind), raw, field)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(_choice(tuple(member.value for member in kind), raw, field))
        return _scalar(kind, raw, field)

    def _record(self, record: type, raw: object, field: str) -> Any:
        items = _expect(raw, dict, "an object", field)
        kinds = typing.get_type_hints(record)
        known = [item for item in dataclasses.fields(record) if item.init]
        unknown = sorted(str(key) for key in items.keys() - {item.name for item in known})
        if unknown and not self._ignore_unknown:
            names = ", ".join(sorted(item.name for item in known))
            raise _MismatchError(f"unknown key {_below(field, unknown[0])!r}; known are {names}")
        values = {}
        for item in known:
            if item.name in items:
                values[item.name] = self.value(kinds[item.name], items[item.name], _below(field, item.name))
            elif self._require_all or not _has_default(item):
                raise _MismatchError(f"{_below(field, item.name)} is missing")
        try:
            return record(**values)
        except ValueError as error:
            raise _MismatchError(f"{field}: {error}" if field else str(error)) from None

    def _union(self, kinds: tuple[Any, ...], raw: object, field: str) -> Any:
        if raw is None and types.NoneType in kinds:
            return None
        kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
        if len(kinds) == 1:
            return self.value(kinds[0], raw, field)
        for kind in kinds:
            try:
                return self.value(kind, raw, field)
            except _MismatchError:
                continue
        raise _mismatch(field, " or ".join(_SCALARS.get(kind, "a record") for kind in kinds), raw)

    def _tuple(self, kinds: tuple[Any, ...], raw: object, field: str) -> tuple[Any, ...]:
        items = _expect(raw, list, "a list", field)
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(items)
        if len(kinds) != len(items):
            raise _mismatch(field, f"a list of {len(kinds)}", raw)
        pairs = enumerate(zip(kinds, items, strict=True))
        return tuple(self.value(kind, item, f"{field}[{place}]") for place, (kind, item) in pairs)


def _scalar(kind: Any, raw: object, field: str) -> Any:
    if kind is float and type(raw) in (int, float):
        try:
            number = float(cast(float, raw))
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _MismatchError(f"{field} must be finite, not {_short(raw)}")
        return number
    if kind is Path and isinstance(raw, str) and raw and "\0" not in raw:
        return Path(raw)
    if type(raw) is not kind:
        raise _mismatch(field, _SCALARS.get(kind, str(kind)), raw)
    return raw


def _choice(choices: tuple[Any, ...], raw: object, field: str) -> Any:
    if not any(type(raw) is type(choice) and raw == choice for choice in choices):
        raise _MismatchError(f"{field} must be one of {', '.join(map(str, choices))}, not {_described(raw)}")
    return raw


def _expect(raw: object, kind: type, expected: str, field: str) -> Any:
    if type(raw) is not kind:
        raise _mismatch(field, expected, raw)
    return raw


def _mismatch(field: str, expected: str, raw: object) -> _MismatchError:
    return _MismatchError(f"{field or 'it'} must be {expected}, not {_described(raw)}")


def _described(raw: object) -> str:
    if raw is None or isinstance(raw, bool):
        return str(json.dumps(raw))
    if isinstance(raw, list):
        return f"a list of {len(raw)}"
    return "an object" if isinstance(raw, dict) else _short(raw)


def _short(raw: object) -> str:
    try:
        text = repr(raw)
    except ValueError:  # a whole number of more digits than Python converts
        return "a very long number"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _below(field: str, name: object) -> str:
    return f"{field}.{name}" if field else str(name)


def _has_default(item: dataclasses.Field[Any]) -> bool:
    return item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
