"""The large buttons and drop zones of the start page, drawn in the theme's colours."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.icons import IconName, IconView
from app.qt.widgets.page_parts import text_label
from app.session.dropped import dropped_sources

_PAD_EM: Final = 0.9


class _Framed(QPushButton):
    """A button that is a card: an icon, then words below each other."""

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
        """Room for icon and words at the width that there is."""
        width = max(self.width(), self.minimumSizeHint().width())
        return QSize(width, self._height_at(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The longest word of the heading must fit, and the words of the line below each other."""
        width = round(11 * theme.em(self))
        return QSize(width, self._height_at(max(width, self.width())))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Follow the size of text."""
        if event.type() is QEvent.Type.FontChange:
            self._measure()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Ground and frame; a wider frame for the focus and under the mouse."""
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
    """A large button with its key below the words."""

    def __init__(self, icon: IconName, heading: str, line: str, key_line: str, parent: QWidget | None = None) -> None:
        super().__init__(icon, heading, line, parent)
        row = QHBoxLayout()
        sign = QLabel(key_line)
        sign.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        sign.setProperty("role", "heading")
        row.addWidget(sign)
        row.addStretch()
        self._column.addLayout(row)
        self.setToolTip(f"{heading} ({key_line})")


class DropZone(_Framed):
    """Takes files that are dropped on it; a click lets the user choose instead."""

    #: What was dropped: a tuple of paths as texts.
    dropped = Signal(object)

    def __init__(self, icon: IconName, heading: str, line: str, parent: QWidget | None = None) -> None:
        super().__init__(icon, heading, line, parent)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Take what may be a video."""
        if self._sources(event):
            event.acceptProposedAction()
            self.setDown(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 (Qt's name)
        """The mark goes with the mouse."""
        self.setDown(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Hand the paths on."""
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
    """A line of text that is a button: two texts, the second dim, cut in the middle where there is too little room."""

    def __init__(self, text: str, more: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self._more = more
        self.setToolTip(more)
        self.setAccessibleName(text)
        self.setAccessibleDescription(more)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line with air."""
        em = theme.em(self)
        return QSize(round(12 * em), round(1.9 * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Both texts; a frame for the focus."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        whole = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        if self.underMouse():
            painter.fillRect(whole, colours.colour("track"))
        metrics = self.fontMetrics()
        place = whole.adjusted(0.4 * em, 0, -0.4 * em, 0)
        text = metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, round(place.width()))
        painter.setPen(colours.colour("accent"))
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text)
        place.setLeft(place.left() + metrics.horizontalAdvance(text) + em)
        if place.width() > 4 * em:
            painter.setPen(colours.colour("dim"))
            more = metrics.elidedText(self._more, Qt.TextElideMode.ElideMiddle, round(place.width()))
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, more)
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("accent"), max(1.0, 0.12 * em)))
            painter.drawRoundedRect(whole, 0.25 * em, 0.25 * em)
        painter.end()
