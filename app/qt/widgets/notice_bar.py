"""Notices: what the toasts in the corner of the window show (app/qt/widgets/toasts.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """Severity of a notice."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class NoticeAction:
    """A button of a notice, which closes with it."""

    text: str  # translated, such as "Open"
    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence with the problem and the remedy. An empty text clears the notice of the same ``topic``."""

    text: str
    severity: Severity = Severity.INFO
    topic: str = ""  # lets the sender replace or clear its own notice
    actions: tuple[NoticeAction, ...] = ()
