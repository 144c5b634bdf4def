"""Faces of the last half minute with the decision that each has at the present limits, from clear to unclear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.live.routing_history import ExampleFace
from app.qt import theme
from app.qt.translation import either_text, expression_name
from app.qt.widgets.drawn_panel import DrawnPanel
from engine.types import Decision, Reason

#: Faces shown at most.
EXAMPLES: Final = 6
#: Side of a picture, least and largest width of a place, and height of the row, in em.
_PICTURE_EM: Final = 3.2
_PLACE_EM: Final = 6.6
_WIDE_EM: Final = 10.0
_HEIGHT_EM: Final = 4.9


class ExampleFaces(DrawnPanel):
    """A row of small pictures, framed and named as their faces would be in the picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Examples of the last 30 seconds"))
        self.setToolTip(
            self.tr(
                "Faces of the last 30 seconds as they are decided at this setting. They are kept in memory only, and "
                "not while faces are blurred."
            )
        )
        self._examples: tuple[ExampleFace, ...] = ()
        self._shown: tuple[tuple[int, str], ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The decision on each face as text, from left to right."""
        return tuple(decision_text(example.decision) for example in self._examples)

    def show_examples(self, examples: Sequence[ExampleFace]) -> None:
        """Show these faces, at most `EXAMPLES`."""
        self._examples = tuple(examples)[:EXAMPLES]
        shown = tuple((id(one.picture), text) for one, text in zip(self._examples, self.texts, strict=True))
        if shown != self._shown:
            self._shown = shown
            self.setAccessibleDescription(", ".join(self.texts))
            self.redraw()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """All places in one row."""
        em = theme.em(self)
        return QSize(round(EXAMPLES * _PLACE_EM * em), round(_HEIGHT_EM * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Three places; the others are left out."""
        return QSize(round(0.5 * EXAMPLES * _PLACE_EM * theme.em(self)), self.sizeHint().height())

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw pictures, frames and texts."""
        colours, em = theme.current(), theme.em(self)
        if not self._examples:
            painter.setPen(colours.colour("dim"))
            painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignVCenter, self.tr("Examples appear here."))
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        places = min(max(int(self.width() // (_PLACE_EM * em)), 1), len(self._examples))
        wide = min(self.width() / EXAMPLES if places == len(self._examples) else self.width() / places, _WIDE_EM * em)
        wide = max(wide, _PLACE_EM * em)
        for place in range(places):
            example = self._examples[place * (len(self._examples) - 1) // max(places - 1, 1)]
            box = QRectF(place * wide, 0.2 * em, wide, _HEIGHT_EM * em - 0.2 * em)
            self._draw_one(painter, example, box)

    def _draw_one(self, painter: QPainter, example: ExampleFace, box: QRectF) -> None:
        colours, em = theme.current(), theme.em(self)
        picture = QRectF(box.center().x() - _PICTURE_EM * em / 2, box.top(), _PICTURE_EM * em, _PICTURE_EM * em)
        side = example.picture.shape[0]
        image = QImage(example.picture.data, side, side, 3 * side, QImage.Format.Format_RGB888)
        painter.drawImage(picture, image)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in _frame(example.decision.labels, max(0.14 * em, 2.0)):
            painter.setPen(pen)
            painter.drawRect(picture)
        painter.setPen(colours.colour("text" if example.decision.labels else "dim"))
        below = QRectF(box.left(), picture.bottom() + 0.15 * em, box.width(), 1.3 * em)
        metrics = QFontMetricsF(self.font())
        text = metrics.elidedText(decision_text(example.decision), Qt.TextElideMode.ElideRight, box.width() - 4)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, text)


def decision_text(decision: Decision) -> str:
    """A decision in a few words."""
    tr = QCoreApplication.translate
    if len(decision.labels) > 1:
        return either_text(decision.labels)
    if decision.labels:
        return expression_name(decision.labels[0])
    return tr("mien", "not seen well") if decision.reason is Reason.LOW_QUALITY else tr("mien", "no label")


def _frame(labels: tuple[str, ...], thick: float) -> list[QPen]:
    """Solid for one label, dashes in the colours of several, dots for none: as the boxes in the picture."""
    colours = theme.current()
    if not labels:
        return [QPen(colours.colour("dim"), thick, Qt.PenStyle.DotLine)]
    pens = []
    for turn, label in enumerate(labels):
        pen = QPen(QColor(colours.expression(label)), thick)
        if len(labels) > 1:
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            pen.setDashPattern([3, 4 * len(labels) - 3])
            pen.setDashOffset(-4 * turn)
        pens.append(pen)
    return pens
