"""What every page of the main window offers, and how its actions are made."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from app.qt.widgets.notice_bar import Notice


class Page(QWidget):
    """A page. Its keys work while it is shown; every key belongs to an action with a text, which menus show with it."""

    #: A sentence for the user; shown in the notice bar above the pages, where it takes the place of the one before.
    noticed = Signal(Notice)
    #: A session folder (pathlib.Path) to be opened on the review page.
    session_wanted = Signal(object)

    def page_title(self) -> str:
        """Name of the page, translated."""
        raise NotImplementedError

    def page_actions(self) -> tuple[QAction, ...]:
        """All actions of the page in the order of its menu."""
        raise NotImplementedError

    def enter(self) -> None:
        """The page is shown now."""

    def leave(self) -> None:
        """Another page is shown now."""

    def shut(self) -> None:
        """The window closes: end all threads and timers. Called once."""

    def make_action(self, text: str, keys: str, slot: Callable[[], None], tip: str = "") -> QAction:
        """An action of this page: ``text`` translated, ``keys`` such as "Space" or "Ctrl+O" ("" for none)."""
        action = QAction(text, self)
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        told = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{tip or text} ({told})" if keys else tip or text)
        action.triggered.connect(lambda checked=False: slot())
        self.addAction(action)
        return action
