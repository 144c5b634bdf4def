"""Base class of the pages with its actions, and the sheet that lists the shortcuts of all actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.notice_bar import Notice
from app.qt.widgets.page_parts import scrolled, text_label


class Page(QWidget):
    """A page of the main window. Its shortcuts work while it is shown; each belongs to an action of the menu."""

    #: For the toasts of the window.
    noticed = Signal(Notice)
    #: A session folder (pathlib.Path) to open on the review page.
    session_requested = Signal(object)

    def page_title(self) -> str:
        """Translated name of the page."""
        raise NotImplementedError

    def page_actions(self) -> tuple[QAction, ...]:
        """All actions of the page in menu order."""
        raise NotImplementedError

    def enter(self) -> None:
        """Called after the page is shown."""

    def leave(self) -> None:
        """Called before another page is shown."""

    def shutdown(self) -> None:
        """Called once when the window closes: end all threads and timers."""

    def make_action(self, text: str, keys: str, slot: Callable[[], None] | None = None, tip: str = "") -> QAction:
        """Add an action: translated text, keys such as "Space" or "Ctrl+O" ("" for none), and its command."""
        action = QAction(text, self)
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        native = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{tip or text} ({native})" if keys else tip or text)
        if slot is not None:
            action.triggered.connect(lambda checked=False: slot())
        self.addAction(action)
        return action


@dataclass(frozen=True, slots=True)
class DeferredPage:
    """A page that the window creates once it is painted, or when the page is needed before."""

    title: str  # as `Page.page_title`
    create: Callable[[], Page]


def key_text(action: QAction) -> str:
    """The first two shortcuts of an action as printed on the keyboard."""
    return " / ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()[:2])


@dataclass(frozen=True, slots=True)
class ShortcutGroup:
    """Actions under one heading of the sheet."""

    title: str  # translated
    actions: tuple[QAction, ...]


class ShortcutSheet(QDialog):
    """A modeless list of all shortcuts, read from the actions; actions without a shortcut are left out."""

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
        area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # for scrolling by keys
        area.setAccessibleName(self.tr("Keys"))
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        wanted = inside.sizeHint()
        limit = self.screen().availableGeometry().size() * 0.8
        self.resize(
            min(limit.width(), wanted.width() + round(6 * em)), min(limit.height(), wanted.height() + round(6 * em))
        )


def _add_row(grid: QGridLayout, row: int, action: QAction) -> None:
    keys = QLabel(key_text(action))
    keys.setProperty("role", "heading")
    grid.addWidget(keys, row, 0, Qt.AlignmentFlag.AlignTop)
    grid.addWidget(text_label(action.text().replace("&", "")), row, 1)
