"""A strict reader of protobuf messages, for files that are checked before a native library parses them.

Protobuf's own parsers accept several encodings of one value, skip what they do not know and merge what is repeated, so
that a file can look different to a checker and to the program that loads it. This reader accepts one encoding only,
the shortest, and refuses everything else.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Wire types. Groups (3 and 4) are obsolete and refused.
VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_WIDTHS: Final = {FIXED64: 8, FIXED32: 4}
#: A 64-bit value takes at most ten groups of seven bits.
_MAX_VARINT_BYTES: Final = 10


class MalformedError(ValueError):
    """The bytes are not the message that they should be."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a message may hold under one number."""

    wires: tuple[int, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a message."""

    number: int
    wire: int
    integer: int  # of a VARINT, unsigned 64 bits; else 0
    content: memoryview  # of the others; empty for a VARINT


def read_message(content: memoryview, fields: Mapping[int, Field], name: str) -> Iterator[Value]:
    """Yield the fields of a message in their order.

    Args:
        content: the message.
        fields: all that it may hold, by number.
        name: of the message, for errors.

    Raises:
        MalformedError: a field is unknown, of another wire type, repeated though it is single, or not encoded in the
            shortest way; or the message ends within a field.
    """
    place, seen = 0, 0
    while place < len(content):
        tag, place = _varint(content, place, name)
        number, wire = tag >> 3, tag & 7
        field = fields.get(number)
        if field is None:
            raise MalformedError(f"{name} has the field {number}, which models of this program do not use")
        if wire not in field.wires:
            raise MalformedError(f"{name} has the field {number} in another encoding ({wire})")
        if not field.repeated:
            if seen >> number & 1:
                raise MalformedError(f"{name} has the field {number} twice")
            seen |= 1 << number
        if wire == VARINT:
            integer, place = _varint(content, place, name)
            yield Value(number, wire, integer, content[:0])
            continue
        length = _WIDTHS.get(wire, 0)
        if wire == BYTES:
            length, place = _varint(content, place, name)
        if length > len(content) - place:
            raise MalformedError(f"{name} ends within the field {number}")
        yield Value(number, wire, 0, content[place : place + length])
        place += length


def integers(value: Value, name: str) -> Iterator[int]:
    """Signed 64-bit integers of a repeated field, packed or not.

    Raises:
        MalformedError: the packed list ends within a number.
    """
    if value.wire == VARINT:
        yield _signed(value.integer)
        return
    place = 0
    while place < len(value.content):
        number, place = _varint(value.content, place, name)
        yield _signed(number)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _varint(content: memoryview, place: int, name: str) -> tuple[int, int]:
    """The number at a place, and the place after it."""
    number = 0
    for shift in range(_MAX_VARINT_BYTES):
        if place >= len(content):
            raise MalformedError(f"{name} ends within a number")
        byte = content[place]
        place += 1
        number |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            if (shift and not byte) or number >> 64:
                raise MalformedError(f"{name} has a number that is not encoded in the shortest way")
            return number, place
    raise MalformedError(f"{name} has a number of more than 64 bits")
