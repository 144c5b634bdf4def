"""The names of the lines of the strip chart, and the dashes that tell lines apart without their colours."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.qt import theme
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, expression_word
from engine.facs import EXPRESSIONS

#: In em: a line's piece with the gap behind it, and the height of a line of text.
_SAMPLE_EM: Final = 2.6
_LINE_EM: Final = 1.25
#: Points that are drawn and left out in turn, of each expression's line.
_DASHES: Final[dict[str, tuple[int, ...]]] = dict(
    zip(
        EXPRESSIONS,
        ((2, 1), (1,), (7, 1), (8, 1, 2, 1), (14, 1), (4, 1), (8, 1, 2, 1, 2, 1), (14, 1, 4, 1)),
        strict=True,
    )
)


def drawn_points(label: str) -> npt.NDArray[np.bool_]:
    """Which points of a turn of dashes and gaps are drawn, of an expression's line."""
    lengths = np.array(_DASHES[label])
    return np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)


class LineKey(DrawnPanel):
    """Names the lines that are drawn: a piece of each with its word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._labels: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions named."""
        return self._labels

    def show_labels(self, labels: tuple[str, ...]) -> None:
        """Name these expressions."""
        if labels != self._labels:
            self._labels = labels
            self.setAccessibleName(", ".join(map(expression_word, labels)))
            self._grow()
            self.redraw(kept=True)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Another width may need other lines."""
        super().resizeEvent(event)
        self._grow()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Two lines, so that the plots under it keep their height."""
        em = theme.em(self)
        return QSize(round(20 * em), round(2.6 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrower, of the same height."""
        em = theme.em(self)
        return QSize(round(12 * em), round(2.6 * em))

    def draw_values(self, painter: QPainter) -> None:
        """All of it changes at once, and seldom."""

    def draw_kept(self, painter: QPainter) -> None:
        """A piece of each line and its word."""
        em = theme.em(self)
        if not self._labels:
            painter.setPen(theme.current().colour("dim"))
            nothing = QRectF(0.3 * em, 0.0, self.width() - 0.6 * em, self.height())
            painter.drawText(nothing, WRAP, self.tr("No expression in the last 60 seconds"))
        for label, place in zip(self._labels, self._places(), strict=True):
            middle = place.y() + 0.65 * em
            pen = QPen(theme.current().expression(label), max(0.14 * em, 2.0))
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            if len(_DASHES[label]) > 1:
                steps = [length + (1 if place % 2 else -1) for place, length in enumerate(_DASHES[label])]
                pen.setDashPattern([0.8 * step for step in steps])  # n points are joined by n - 1 pieces
            painter.setPen(pen)
            painter.drawLine(QLineF(place.x(), middle, place.x() + 2.2 * em, middle))
            painter.setPen(theme.current().colour("text"))
            word = QRectF(place.x() + _SAMPLE_EM * em, place.y(), self.width(), _LINE_EM * em)
            painter.drawText(word, Qt.AlignmentFlag.AlignVCenter, expression_word(label))

    def _places(self) -> list[QPointF]:
        """The left upper corner of each entry."""
        em, metrics = theme.em(self), QFontMetricsF(self.font())
        x, y = 0.3 * em, 0.0
        places: list[QPointF] = []
        for label in self._labels:
            wide = _SAMPLE_EM * em + metrics.horizontalAdvance(expression_word(label))
            if x + wide > self.width() and places:
                x, y = 0.3 * em, y + _LINE_EM * em
            places.append(QPointF(x, y))
            x += wide + 0.7 * em
        return places

    def _grow(self) -> None:
        """Take the lines that are needed, and keep them: the plots must not jump."""
        places = self._places()
        needed = round(places[-1].y() + _LINE_EM * theme.em(self)) if places else 0
        if needed > max(self.minimumHeight(), self.minimumSizeHint().height()):
            self.setMinimumHeight(needed)
