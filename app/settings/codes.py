"""The coder's own codes for events, each with a key: moments, and stretches such as a stimulus."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class EventCode:
    """One code."""

    key: str  # a letter from A to Z
    name: str
    lasts: bool = False  # a stretch: the key marks its start and, pressed again, its end


class CodeFault(str, Enum):
    """Why codes cannot be used; the value is the sentence to show."""

    KEY = "A key must be one letter from A to Z."
    KEY_TAKEN = "A key is used by Review itself, or twice."
    NAME = "A code needs a name."
    NAME_TWICE = "Two codes have the same name."


def fault_of(codes: Sequence[EventCode], taken: Collection[str] = ()) -> CodeFault | None:
    """What is wrong with codes; None if they can be used.

    Args:
        codes: all of them.
        taken: letters that do something else.
    """
    keys = [code.key for code in codes]
    if not all(len(key) == 1 and "A" <= key <= "Z" for key in keys):
        return CodeFault.KEY
    if len(set(keys)) < len(keys) or set(keys) & set(taken):
        return CodeFault.KEY_TAKEN
    if not all(code.name.strip() for code in codes):
        return CodeFault.NAME
    if len({code.name for code in codes}) < len(codes):
        return CodeFault.NAME_TWICE
    return None
