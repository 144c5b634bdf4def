"""The neutral baseline of the face that is shown: what is known of it, and the commands that change it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from app.session.rows import FaceRow
from engine.types import BaselineState


class BaselineBar(QWidget):
    """A line of text above a button with a menu; hidden until it has commands."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QLabel()
        self.text.setAccessibleName(self.tr("Baseline of this face"))
        self.text.setWordWrap(True)
        self.text.setContentsMargins(4, 0, 0, 0)
        self.button = QToolButton()
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.text)
        self.setVisible(False)

    def set_commands(self, command: QAction, others: Sequence[QAction]) -> None:
        """Show the bar with the command of the button, and those of its menu, if any."""
        if others:
            menu = QMenu(self)
            menu.addActions([command, *others])
            self.button.setMenu(menu)
            self.button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.button.setDefaultAction(command)
        self.button.setAccessibleName(command.text())
        self.show_row(None)
        self.setVisible(True)

    def show_row(self, row: FaceRow | None) -> None:
        """Show the baseline of a face; None: there is no face."""
        text = "" if row is None else baseline_text(row)
        if text != self.text.text():
            self.text.setText(text)
            self.text.setAccessibleDescription(text)


def baseline_text(row: FaceRow) -> str:
    """What is known of a face's baseline, in a few words."""
    translate = QCoreApplication.translate
    if row.baseline == BaselineState.COLLECTING.value:
        return translate("mien", "Collecting neutral frames: {count}").format(count=row.baseline_frames)
    if row.baseline == BaselineState.KNOWN.value:
        return translate("mien", "Baseline: {count} frames, subtracted").format(count=row.baseline_frames)
    if row.baseline == BaselineState.UNKNOWN.value:
        return translate("mien", "No baseline: too few neutral frames ({count})").format(count=row.baseline_frames)
    return translate("mien", "No baseline")
