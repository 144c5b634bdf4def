"""The drop targets of the annotate page: the empty queue, and the veil shown while files are dragged."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.page_parts import text_label


class _DropIllustration(QWidget):
    """Illustration: a film and a photograph with an arrow into a tray. Ignored by screen readers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Scales with the font."""
        em = theme.em(self)
        return QSize(round(11 * em), round(7.5 * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw on a grid of 110 x 75 units."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(self.width() / 110, self.height() / 75)
        line = QPen(QColor(colours.dim), 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        for x, turn, draw in ((12.0, -8.0, _film), (56.0, 8.0, _photograph)):
            painter.save()
            painter.translate(x + 21, 22)
            painter.rotate(turn)
            painter.setPen(line)
            painter.setBrush(QColor(colours.panel))
            painter.drawRoundedRect(QRectF(-21, -15, 42, 30), 3, 3)
            draw(painter, colours)
            painter.restore()
        painter.setPen(QPen(QColor(colours.accent), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPolyline([QPointF(55, 43), QPointF(55, 61)])
        painter.drawPolyline([QPointF(46, 52), QPointF(55, 61), QPointF(64, 52)])
        painter.setPen(QPen(QColor(colours.text), 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPolyline([QPointF(28, 58), QPointF(28, 71), QPointF(82, 71), QPointF(82, 58)])
        painter.end()


def _film(painter: QPainter, colours: theme.Theme) -> None:
    for x in range(-17, 20, 7):
        for y in (-11.5, 9.0):
            painter.drawRect(QRectF(x - 1.4, y, 2.8, 2.5))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colours.accent))
    triangle = QPainterPath(QPointF(-4, -6))
    triangle.lineTo(7, 0)
    triangle.lineTo(-4, 6)
    triangle.closeSubpath()
    painter.drawPath(triangle)


def _photograph(painter: QPainter, colours: theme.Theme) -> None:
    """Head and shoulders."""
    painter.drawEllipse(QPointF(0, -4), 6, 7)
    shoulders = QPainterPath(QPointF(-12, 15))
    shoulders.cubicTo(-12, 5, 12, 5, 12, 15)
    painter.drawPath(shoulders)


class EmptyQueue(QWidget):
    """Shown in place of an empty list: what to do, and that all processing is local."""

    def __init__(self, buttons: tuple[QPushButton, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        heading = text_label(self.tr("Drop videos, pictures or folders here"), "title")
        line = text_label(
            self.tr(
                "Each file gets tables, metadata and, depending on the preset, a video with the overlay. "
                "A folder of pictures is one entry. Nothing leaves this computer."
            ),
            "dim",
        )
        for label in (heading, line):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column = QVBoxLayout(self)
        column.addStretch(1)
        column.addWidget(_DropIllustration(), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(heading)
        narrow = QHBoxLayout()  # shorter lines are easier to read
        narrow.addStretch(1)
        narrow.addWidget(line, 3)
        narrow.addStretch(1)
        column.addLayout(narrow)
        row = QHBoxLayout()
        row.addStretch()
        for button in buttons:
            row.addWidget(button)
        row.addStretch()
        column.addLayout(row)
        column.addStretch(2)
        em = theme.em(self)
        column.setContentsMargins(*(round(1.5 * em),) * 4)
        column.setSpacing(round(0.6 * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw a dashed frame on the background of lists."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.line), max(1.5, 0.1 * em), Qt.PenStyle.DashLine))
        painter.setBrush(QColor(colours.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), 0.6 * em, 0.6 * em)
        painter.end()


class DropVeil(QWidget):
    """Covers a page while files are dragged over it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._page = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Show the veil over the whole parent."""
        self.setGeometry(self._page.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Fade the page and draw a frame with the hint."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        background = QColor(colours.window)
        background.setAlphaF(0.85)
        painter.fillRect(self.rect(), background)
        painter.setPen(QPen(QColor(colours.accent), max(2.0, 0.2 * em), Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(em, em, -em, -em), 0.6 * em, 0.6 * em)
        font = painter.font()
        font.setPointSizeF(1.5 * font.pointSizeF())
        painter.setFont(font)
        hint = self.tr("Drop to add to the queue")
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        plate = QRectF(painter.boundingRect(self.rect(), flags, hint)).adjusted(-2 * em, -em, 2 * em, em)
        painter.setPen(QPen(QColor(colours.line), 1.0))
        painter.setBrush(QColor(colours.panel))
        painter.drawRoundedRect(plate, 0.6 * em, 0.6 * em)
        painter.setPen(QColor(colours.text))
        painter.drawText(self.rect(), flags, hint)
        painter.end()
