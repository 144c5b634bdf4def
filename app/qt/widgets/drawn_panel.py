"""What the drawn panels share: a widget that paints itself in two layers, hatches, icons, and a frame for the focus."""

from __future__ import annotations

import functools
import math
import time
from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFocusEvent,
    QFont,
    QHideEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QTabWidget, QWidget

from app.qt import theme
from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS

#: Milliseconds between two paintings: numbers that change faster cannot be read.
REDRAW_MS: Final = 100
#: Shares of that time from which on, and after which, a change is painted. Most are then painted together with the
#: picture that they came with, which spares the window a turn of its own.
_EARLY: Final = 0.9
_LATE: Final = 1.4
#: For drawText: words go to the next line.
WRAP: Final = int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignLeft.value)
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))
_LOOKS: Final = (
    QEvent.Type.PaletteChange,
    QEvent.Type.FontChange,
    QEvent.Type.StyleChange,
    QEvent.Type.LayoutDirectionChange,
)


def told(text: str) -> str:
    """A text of the parts that know no Qt, in the user's language."""
    return QCoreApplication.translate("mien", text)


def expression_word(label: str) -> str:
    """The adjective of an expression, in the user's language.

    Raises:
        KeyError: no such expression.
    """
    return told(_ADJECTIVES[label])


class DrawnPanel(QWidget):
    """Paints itself: `draw_kept` into a picture that stays until size or looks change, `draw_values` over it.

    It can have the focus, and shows it. However often `redraw` is called, it paints at most every ``redraw_ms``. What
    lies below it has one colour and becomes part of the picture: else Qt would paint all of that first, every time.
    """

    def __init__(self, name: str, parent: QWidget | None = None, redraw_ms: int = REDRAW_MS) -> None:
        """``name``, translated, is what a screen reader says."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.seen = QRect()  # what of the panel is being painted; drawing outside of it is for nothing
        self._kept: QPixmap | None = None
        self._redrawn_s = -math.inf
        self._every_s = _EARLY * redraw_ms / 1000
        self._late = QTimer(self)  # for the last change; while changes go on, one of them comes before it
        self._late.setSingleShot(True)
        self._late.setInterval(round(_LATE * redraw_ms))
        self._late.timeout.connect(self._redraw_now)

    def draw_kept(self, painter: QPainter) -> None:
        """Draw what stays."""

    def draw_values(self, painter: QPainter) -> None:
        """Draw what changes."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make ready what `draw_values` needs: called as seldom as it is painted."""

    def redraw(self, kept: bool = False) -> None:
        """Paint soon; ``kept``: what stays has changed as well."""
        if kept:
            self._kept = None
        if not self.isVisible():  # it is painted whole when it is shown
            return
        if time.monotonic() - self._redrawn_s >= self._every_s:
            self._redraw_now()
        elif not self._late.isActive():
            self._late.start()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Both layers and the frame of the focus."""
        self.seen = event.rect()
        painter = QPainter(self)
        if self._kept is None or self._kept.devicePixelRatio() != self.devicePixelRatioF():
            self._kept = self._picture()
        painter.drawPixmap(0, 0, self._kept)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw_values(painter)
        if self.hasFocus():
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Other colours or letters: draw all of it again."""
        super().changeEvent(event)
        if event.type() in _LOOKS:
            self._kept = None
            self.updateGeometry()
            self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw all of it again."""
        self._kept = None

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        """No timer runs while nobody looks."""
        self._late.stop()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the frame."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Take the frame away."""
        self.update()

    def _picture(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(_ground_of(self))
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        self.draw_kept(painter)
        painter.end()
        return picture

    def _redraw_now(self) -> None:
        self._late.stop()
        self._redrawn_s = time.monotonic()
        self.prepare()
        self.update()


def _ground_of(widget: QWidget) -> QColor:
    """The colour that lies below a widget: of the next one around it that fills its ground."""
    around = widget.parentWidget()
    while around is not None and not around.isWindow() and not around.autoFillBackground():
        if isinstance(around, QTabWidget):
            return theme.current().colour("panel")
        around = around.parentWidget()
    return (around or widget).palette().color((around or widget).backgroundRole())


def bold(font: QFont, factor: float = 1.0) -> QFont:
    """The same letters, heavier and ``factor`` times as large."""
    heavy = QFont(font)
    heavy.setBold(True)
    heavy.setPointSizeF(font.pointSizeF() * factor)
    return heavy


@functools.lru_cache(maxsize=64)
def hatch(colour: str, other: str, step_px: int) -> QBrush:
    """Diagonal stripes, each ``step_px`` wide, in two colours (``#rrggbb``, or ``#00000000`` for none)."""
    side = 2 * max(step_px, 1)
    rows, columns = np.indices((side, side))
    first, second = QColor(colour).rgba(), QColor(other).rgba()
    pixels = np.where((rows + columns) % side < side // 2, first, second).astype(np.uint32)
    return QBrush(QImage(pixels.tobytes(), side, side, 4 * side, QImage.Format.Format_ARGB32).copy())


def draw_icon(painter: QPainter, name: str, box: QRectF, colour: QColor) -> None:
    """Draw ``check``, ``or``, ``crossed`` or ``camera`` into a square; they look as in the overlay."""
    side = box.width()

    def at(x: float, y: float) -> QPointF:
        return QPointF(box.left() + x * side, box.top() + y * side)

    painter.setPen(QPen(colour, side / 9, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if name == "check":
        painter.drawPolyline([at(0.14, 0.54), at(0.4, 0.8), at(0.88, 0.2)])
    elif name == "or":  # two faces of one thing: overlapping circles
        for x in (0.34, 0.66):
            painter.drawEllipse(at(x, 0.5), 0.27 * side, 0.27 * side)
    elif name == "crossed":
        painter.drawEllipse(at(0.5, 0.5), 0.4 * side, 0.4 * side)
        painter.drawLine(at(0.22, 0.78), at(0.78, 0.22))
    elif name == "camera":
        painter.drawRect(QRectF(at(0.08, 0.3), at(0.92, 0.84)))
        painter.drawRect(QRectF(at(0.34, 0.16), at(0.66, 0.3)))
        painter.drawEllipse(at(0.5, 0.57), 0.14 * side, 0.14 * side)
