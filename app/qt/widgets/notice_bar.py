"""The notice bar: one line for errors and news, replaced by the next. The window opens no message dialogs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

#: Milliseconds that information is shown; warnings and errors stay until closed or resolved.
_INFO_MS: Final = 6000


class Severity(str, Enum):
    """Severity of a notice."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence with the problem and the remedy. An empty text clears the notice of the same ``topic``."""

    text: str
    severity: Severity = Severity.INFO
    topic: str = ""  # lets the sender replace or clear its own notice


class NoticeBar(QFrame):
    """Shows the latest notice; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._notice: Notice | None = None
        self._icon = QLabel()
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
        for part in (self._icon, self._text, self._close):
            layout.addWidget(part)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)
        self.hide()

    @property
    def notice(self) -> Notice | None:
        """The notice shown, if any."""
        return self._notice

    def show_notice(self, notice: Notice) -> None:
        """Replace the notice shown.

        An empty notice only clears its own topic. Information does not replace an error on another topic, which would
        be lost with it.
        """
        shown = self._notice
        other = shown is not None and shown.topic != notice.topic
        if not notice.text:
            if not other:
                self.clear()
            return
        if other and notice.severity is Severity.INFO and shown is not None and shown.severity is Severity.ERROR:
            return
        self._notice = notice
        self._icon.setText({Severity.INFO: "✓", Severity.WARNING: "⚠", Severity.ERROR: "⚠"}[notice.severity])
        self._text.setText(notice.text)
        self.setAccessibleName(notice.text)
        self.setProperty("role", notice.severity.value)  # the background, in the style sheet of app/qt/theme.py
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()
        self._timer.stop()
        if notice.severity is Severity.INFO:
            self._timer.start(_INFO_MS)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def clear(self) -> None:
        """Hide the bar."""
        self._timer.stop()
        self._notice = None
        self.hide()
