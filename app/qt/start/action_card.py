"""Buttons and drop zones of the start page."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.icons import IconName, IconView
from app.qt.widgets.page_parts import text_label
from app.session.folder import dropped_sources

_PAD_EM: Final = 0.9


class _Framed(QPushButton):
    """A button drawn as a card: icon, heading and explanation."""

    def __init__(self, icon: IconName, heading: str, line: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(heading)
        self.setAccessibleDescription(line)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        self._heading = text_label(heading, "heading")
        self._line = text_label(line, "dim")
        self._column = QVBoxLayout(self)
        self._column.addWidget(IconView(icon, 2.0))
        self._column.addWidget(self._heading)
        self._column.addWidget(self._line)
        self._column.addStretch()
        for label in (self._heading, self._line):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._measure()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Height for the text at the current width."""
        width = max(self.width(), self.minimumSizeHint().width())
        return QSize(width, self._height_at(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrowest width at which the heading's words fit."""
        width = round(11 * theme.em(self))
        return QSize(width, self._height_at(max(width, self.width())))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        if event.type() is QEvent.Type.FontChange:
            self._measure()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw background and frame; a wider frame for focus and hover."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marked = self.hasFocus() or self.underMouse() or self.isDown()
        width = max(2.0, 0.14 * em) if marked else 1.0
        painter.setPen(QPen(colours.colour("accent" if marked else "line"), width, self._pen_style()))
        painter.setBrush(colours.colour("track" if self.isDown() else "panel"))
        inset = width / 2 + 0.5
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), 0.5 * em, 0.5 * em)
        painter.end()

    def _pen_style(self) -> Qt.PenStyle:
        return Qt.PenStyle.SolidLine

    def _height_at(self, width: int) -> int:
        height = self._column.totalHeightForWidth(width)
        return height if height > 0 else self._column.totalSizeHint().height()

    def _measure(self) -> None:
        em = theme.em(self)
        pad = round(_PAD_EM * em)
        self._column.setContentsMargins(pad, pad, pad, pad)
        self._column.setSpacing(round(0.35 * em))
        self.updateGeometry()


class ActionCard(_Framed):
    """A large button with its shortcut below the text."""

    def __init__(self, icon: IconName, heading: str, line: str, key_line: str, parent: QWidget | None = None) -> None:
        super().__init__(icon, heading, line, parent)
        row = QHBoxLayout()
        shortcut = QLabel(key_line)
        shortcut.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        shortcut.setProperty("role", "heading")
        row.addWidget(shortcut)
        row.addStretch()
        self._column.addLayout(row)
        self.setToolTip(f"{heading} ({key_line})")


class DropZone(_Framed):
    """Accepts dropped files; a click opens a file dialog instead."""

    #: The dropped paths: tuple[str, ...].
    dropped = Signal(object)

    def __init__(self, icon: IconName, heading: str, line: str, parent: QWidget | None = None) -> None:
        super().__init__(icon, heading, line, parent)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Accept possible videos."""
        if self._sources(event):
            event.acceptProposedAction()
            self.setDown(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 (Qt's name)
        """Remove the highlight."""
        self.setDown(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Emit the paths."""
        self.setDown(False)
        paths = self._sources(event)
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def _sources(self, event: QDropEvent) -> tuple[str, ...]:
        return dropped_sources(url.toLocalFile() for url in event.mimeData().urls())

    def _pen_style(self) -> Qt.PenStyle:
        return Qt.PenStyle.DashLine


class LinkButton(QAbstractButton):
    """A text button: a name and a dimmed detail, elided in the middle if too long."""

    def __init__(self, text: str, detail: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self._detail = detail
        self.setToolTip(detail)
        self.setAccessibleName(text)
        self.setAccessibleDescription(detail)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line with padding."""
        em = theme.em(self)
        return QSize(round(12 * em), round(1.9 * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw both texts and the focus frame."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        whole = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        if self.underMouse():
            painter.fillRect(whole, colours.colour("track"))
        metrics = self.fontMetrics()
        box = whole.adjusted(0.4 * em, 0, -0.4 * em, 0)
        text = metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, round(box.width()))
        painter.setPen(colours.colour("accent"))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
        box.setLeft(box.left() + metrics.horizontalAdvance(text) + em)
        if box.width() > 4 * em:
            painter.setPen(colours.colour("dim"))
            detail = metrics.elidedText(self._detail, Qt.TextElideMode.ElideMiddle, round(box.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, detail)
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("accent"), max(1.0, 0.12 * em)))
            painter.drawRoundedRect(whole, 0.25 * em, 0.25 * em)
        painter.end()
