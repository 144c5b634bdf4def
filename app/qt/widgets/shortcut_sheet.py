"""All keys on one sheet, read from the actions themselves, so that it cannot go stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.page_parts import scrolled, text_label


@dataclass(frozen=True, slots=True)
class ShortcutGroup:
    """Actions that work in the same place."""

    title: str  # translated
    actions: tuple[QAction, ...]


class ShortcutSheet(QDialog):
    """Stays beside the window until it is closed; actions without a key are left out."""

    def __init__(self, groups: Sequence[ShortcutGroup], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Keys"))
        inside = QWidget()
        grid = QGridLayout(inside)
        em = theme.em(self)
        grid.setHorizontalSpacing(round(1.5 * em))
        grid.setColumnStretch(1, 1)
        row = 0
        for group in groups:
            keyed = [action for action in group.actions if action.shortcuts()]
            if not keyed:
                continue
            grid.addWidget(text_label(group.title, "heading"), row, 0, 1, 2)
            row += 1
            for action in keyed:
                _add_row(grid, row, action)
                row += 1
            grid.setRowMinimumHeight(row, round(0.7 * em))
            row += 1
        grid.setRowStretch(row, 1)
        buttons = QDialogButtonBox()
        buttons.addButton(self.tr("Close"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        area = scrolled(inside)
        area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # so that keys can scroll it
        area.setAccessibleName(self.tr("Keys"))
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        wanted = inside.sizeHint()
        limit = self.screen().availableGeometry().size() * 0.8
        self.resize(
            min(limit.width(), wanted.width() + round(6 * em)), min(limit.height(), wanted.height() + round(6 * em))
        )


def key_words(action: QAction) -> str:
    """The keys of an action as they stand on the keyboard, the first two."""
    return " / ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()[:2])


def _add_row(grid: QGridLayout, row: int, action: QAction) -> None:
    keys = QLabel(key_words(action))
    keys.setProperty("role", "heading")
    words = text_label(action.text().replace("&", ""))
    grid.addWidget(keys, row, 0, Qt.AlignmentFlag.AlignTop)
    grid.addWidget(words, row, 1)
