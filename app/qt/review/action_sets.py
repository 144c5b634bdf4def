"""The actions of the review desk, by where they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QAction

from app.qt.widgets.glyph_button import Glyph


@dataclass(frozen=True, slots=True)
class PlaybackActions:
    """The actions that need only a session, and where they have buttons."""

    all: tuple[QAction, ...]  # in menu order
    buttons: dict[Glyph, QAction]  # of the transport bar
    zooms: tuple[QAction, QAction, QAction, QAction]  # in, out, whole session, marked range
    large_series: QAction  # checkable


@dataclass(frozen=True, slots=True)
class NoteActions:
    """The actions that change notes, or use them."""

    all: tuple[QAction, ...]  # in menu order
    labels: dict[str, QAction]  # by label, for each of notes.HUMAN_LABELS
    exclude: QAction
    remove: QAction
    codes: QAction
    compare: QAction
    neutral: QAction
