"""What the marks of the unit graph mean: entries of a mark and its words, in as many lines as they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt import theme
from app.qt.widgets.drawn_panel import DrawnPanel, hatch

_PITCH: Final = 1.35  # height of a line, in em
_MARK_EM: Final = 2.4  # width of a mark
_GAP_EM: Final = 0.9  # between two entries


@dataclass(frozen=True, slots=True)
class _Entry:
    draw: Callable[[QPainter, QRectF], None]
    words: str


class GraphLegend(DrawnPanel):
    """Words beside marks; has no focus, since its accessible name tells all of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._entries = (
            _Entry(_sizes, self.tr("size: occurrence")),
            _Entry(_ring, self.tr("ring: ± one deviation")),
            _Entry(_hollow, self.tr("not trusted")),
            _Entry(_widths, self.tr("width: link × mean mask")),
            _Entry(_broken, self.tr("more broken: mask varies more")),
        )
        self.setAccessibleName("; ".join(entry.words for entry in self._entries))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """As many lines as the entries need."""
        return round((self._places(width)[-1].y() + _PITCH + 0.2) * theme.em(self))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """For the width it has."""
        width = max(self.width(), round(14 * theme.em(self)))
        return QSize(round(18 * theme.em(self)), self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One entry to a line."""
        return QSize(round(14 * theme.em(self)), self.sizeHint().height())

    def draw_values(self, painter: QPainter) -> None:
        """Nothing changes here."""

    def draw_kept(self, painter: QPainter) -> None:
        """Every mark and its words."""
        em = theme.em(self)
        for entry, place in zip(self._entries, self._places(self.width()), strict=True):
            line = QRectF(place.x() * em, place.y() * em, self.width(), _PITCH * em)
            entry.draw(painter, QRectF(line.left(), line.top(), (_MARK_EM - 0.4) * em, line.height()))
            painter.setPen(theme.current().colour("dim"))
            line.setLeft(line.left() + _MARK_EM * em)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, entry.words)

    def _places(self, width: int) -> list[QPointF]:
        """The left upper corner of each entry, in em."""
        em, metrics = theme.em(self), QFontMetricsF(self.font())
        x, y, places = 0.3, 0.0, []
        for entry in self._entries:
            wide = _MARK_EM + metrics.horizontalAdvance(entry.words) / em
            if x > 0.3 and x + wide > width / em:
                x, y = 0.3, y + _PITCH
            places.append(QPointF(x, y))
            x += wide + _GAP_EM
        return places


def _sizes(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.current().colour("present"))
    for x, share in ((0.2, 0.22), (0.65, 0.42)):
        painter.drawEllipse(
            QPointF(box.left() + x * box.width(), box.center().y()), share * box.height(), share * box.height()
        )


def _ring(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.current().colour("present"))
    painter.drawEllipse(box.center(), 0.34 * box.height(), 0.34 * box.height())
    painter.setBrush(Qt.BrushStyle.NoBrush)
    colour = theme.current().colour("text")
    colour.setAlphaF(0.5)
    painter.setPen(QPen(colour, 0.14 * box.height()))
    painter.drawEllipse(box.center(), 0.34 * box.height(), 0.34 * box.height())


def _hollow(painter: QPainter, box: QRectF) -> None:
    colours = theme.current()
    painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DashLine))
    painter.setBrush(hatch(colours.hatch, "#00000000", max(round(0.1 * box.height()), 2)))
    painter.drawEllipse(box.center(), 0.38 * box.height(), 0.38 * box.height())


def _widths(painter: QPainter, box: QRectF) -> None:
    for y, width in ((0.3, 0.06), (0.65, 0.22)):
        painter.setPen(QPen(theme.current().colour("dim"), width * box.height()))
        level = box.top() + y * box.height()
        painter.drawLine(QLineF(box.left(), level, box.right(), level))


def _broken(painter: QPainter, box: QRectF) -> None:
    pen = QPen(theme.current().colour("dim"), 0.14 * box.height())
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pen.setDashPattern([2.2, 1.6])
    painter.setPen(pen)
    painter.drawLine(QLineF(box.left(), box.center().y(), box.right(), box.center().y()))
