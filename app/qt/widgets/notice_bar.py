"""The one place for faults and news: a bar with one sentence, which the next sentence replaces. No dialogs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from app.qt import theme

#: Milliseconds that news stay; faults stay until they are closed or mended.
_NEWS_MS: Final = 6000


class Weight(str, Enum):
    """How much a notice matters."""

    NEWS = "news"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that says what is and what to do. An empty one takes the notice of the same ``topic`` away."""

    text: str
    weight: Weight = Weight.NEWS
    topic: str = ""  # what it is about; lets its sender take it away when it is over


class NoticeBar(QFrame):
    """Shows the newest notice; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._notice: Notice | None = None
        self._sign = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)  # file names may look like markup
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._close = QToolButton()
        self._close.setText("✕")
        self._close.setAutoRaise(True)
        self._close.setToolTip(self.tr("Close this message"))
        self._close.setAccessibleName(self.tr("Close this message"))
        self._close.clicked.connect(self.clear)
        layout = QHBoxLayout(self)
        for part in (self._sign, self._text, self._close):
            layout.addWidget(part)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)
        self.setAutoFillBackground(True)
        self.hide()

    @property
    def notice(self) -> Notice | None:
        """What is shown."""
        return self._notice

    def show_notice(self, notice: Notice) -> None:
        """Show it in place of what is there.

        An empty one only takes the notice of its topic away. News do not take the place of a fault about something
        else, which would be gone with them.
        """
        other = self._notice is not None and self._notice.topic != notice.topic
        if not notice.text:
            if not other:
                self.clear()
            return
        if other and notice.weight is Weight.NEWS and self._notice is not None and self._notice.weight is Weight.FAULT:
            return
        self._notice = notice
        self._sign.setText({Weight.NEWS: "✓", Weight.WARNING: "⚠", Weight.FAULT: "⚠"}[notice.weight])
        self._text.setText(notice.text)
        self.setAccessibleName(notice.text)
        self._paint_ground()
        self.show()
        self._timer.stop()
        if notice.weight is Weight.NEWS:
            self._timer.start(_NEWS_MS)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def clear(self) -> None:
        """Show nothing."""
        self._timer.stop()
        self._notice = None
        self.hide()

    def _paint_ground(self) -> None:
        weight = self._notice.weight if self._notice is not None else Weight.NEWS
        name = {Weight.NEWS: "panel", Weight.WARNING: "warning", Weight.FAULT: "fault"}[weight]
        palette = self.palette()
        palette.setColor(self.backgroundRole(), theme.current().colour(name))
        self.setPalette(palette)
