"""Toasts: notices stacked in the corner of the window, above the page, which never moves for them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QDesktopServices, QEnterEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity

#: Milliseconds that information is shown, without and with buttons; warnings and errors stay until closed or solved.
_INFO_MS: Final = 6000
_ACTION_MS: Final = 15_000
#: More notices than this drop the oldest information, or else the oldest warning, or else the oldest error.
_MOST: Final = 4
#: Width of a toast, and distance from the edge of the window.
_WIDTH_EM: Final = 24.0
_MARGIN_EM: Final = 0.8
_RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class Toast(QFrame):
    """One notice with its buttons."""

    #: It was closed, by the user or by time.
    closed = Signal()

    def __init__(self, notice: Notice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = notice
        self.setProperty("role", notice.severity.value)  # the background, in the style sheet of app/qt/theme.py
        self.setAccessibleName(notice.text)
        icon = QLabel({Severity.INFO: "✓", Severity.WARNING: "⚠", Severity.ERROR: "⚠"}[notice.severity])
        text = QLabel(notice.text)
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)  # file names may look like markup
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        line = QHBoxLayout()
        line.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(text, 1)
        line.addWidget(self._close_button(), 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.addLayout(line)
        if notice.actions:
            row = QHBoxLayout()
            row.addStretch()
            for action in notice.actions:
                row.addWidget(self._button(action))
            column.addLayout(row)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ACTION_MS if notice.actions else _INFO_MS)
        self._timer.timeout.connect(self.closed)
        self._count_down()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Stay while the mouse is on it."""
        self._timer.stop()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Begin to count again."""
        self._count_down()
        super().leaveEvent(event)

    def _count_down(self) -> None:
        if self.notice.severity is Severity.INFO:
            self._timer.start()

    def _close_button(self) -> QToolButton:
        button = QToolButton()
        button.setText("✕")
        button.setAutoRaise(True)
        button.setToolTip(self.tr("Close this message"))
        button.setAccessibleName(self.tr("Close this message"))
        button.clicked.connect(lambda checked=False: self.closed.emit())
        return button

    def _button(self, action: NoticeAction) -> QPushButton:
        button = QPushButton(action.text)

        def run() -> None:
            self.closed.emit()
            action.run()

        button.clicked.connect(lambda checked=False: run())
        return button


class Toasts(QWidget):
    """All notices shown, the newest lowest, in the lower right corner of the parent. Not part of its layout."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._around = parent
        self._toasts: list[Toast] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.setAccessibleName(self.tr("Messages"))
        parent.installEventFilter(self)
        self.hide()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notices shown, oldest first."""
        return tuple(toast.notice for toast in self._toasts)

    def show_notice(self, notice: Notice) -> None:
        """Show a notice in place of an earlier one on the same topic or with the same text.

        An empty notice only clears its topic.
        """
        for toast in list(self._toasts):
            same_topic = toast.notice.topic == notice.topic and (notice.topic or not notice.text)
            if same_topic or toast.notice.text == notice.text:
                self._remove(toast)
        if notice.text:
            self._add(notice)
            self._make_room()
        self._place()

    def clear(self) -> None:
        """Close all."""
        for toast in list(self._toasts):
            self._remove(toast)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Keep the place in the corner."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        """Adapt to the texts and their size."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.FontChange):
            self._place()
        return super().event(event)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Of all toasts at their width."""
        width = self._width()
        return QSize(width, self._column.totalHeightForWidth(width))

    def _add(self, notice: Notice) -> None:
        toast = Toast(notice)
        toast.closed.connect(lambda: self._close(toast))
        self._toasts.append(toast)
        self._column.addWidget(toast)
        toast.show()
        QAccessible.updateAccessibility(QAccessibleEvent(toast, QAccessible.Event.Alert))

    def _make_room(self) -> None:
        while len(self._toasts) > _MOST:
            self._remove(min(self._toasts, key=lambda toast: _RANK[toast.notice.severity]))

    def _close(self, toast: Toast) -> None:
        self._remove(toast)
        self._place()

    def _remove(self, toast: Toast) -> None:
        if toast in self._toasts:
            self._toasts.remove(toast)
            self._column.removeWidget(toast)
            toast.hide()
            toast.deleteLater()

    def _width(self) -> int:
        em, parent = theme.em(self), self._around
        return round(min(_WIDTH_EM * em, parent.width() - 2 * _MARGIN_EM * em))

    def _place(self) -> None:
        self.setVisible(bool(self._toasts))
        if not self._toasts:
            return
        em, parent = theme.em(self), self._around
        self._column.setSpacing(round(0.4 * em))
        size = self.sizeHint()
        margin = round(_MARGIN_EM * em)
        height = min(size.height(), parent.height() - 2 * margin)
        left, top = parent.width() - size.width() - margin, parent.height() - height - margin
        if self.geometry().getRect() != (left, top, size.width(), height):
            self.setGeometry(left, top, size.width(), height)
        self.raise_()


def folder_action(folder: Path) -> NoticeAction:
    """The button that shows a folder in the file manager."""
    text = QCoreApplication.translate("mien", "Show folder")
    return NoticeAction(text, lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
