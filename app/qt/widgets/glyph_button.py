"""Buttons that show an icon and trigger an action."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QToolButton, QWidget

from app.qt import theme

#: Line width in shares of an icon's side.
_LINE: Final = 0.09


class Glyph(Enum):
    """Icons of the buttons, drawn so that they follow theme and scale."""

    START = "start"
    BACK = "back"
    PLAY = "play"
    PAUSE = "pause"
    STOP = "stop"
    NEXT = "next"
    END = "end"
    RECORD = "record"
    RECORDING = "recording"
    SNAPSHOT = "snapshot"
    LOOP = "loop"
    SIDE = "side"
    DOCK = "dock"


class GlyphButton(QToolButton):
    """Triggers an action and shows its state; text and shortcut of the action are the tooltip."""

    def __init__(self, glyph: Glyph, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._glyph = glyph
        self._action = action
        self.setAutoRaise(True)
        self.setCheckable(action.isCheckable())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(self._trigger)
        action.changed.connect(self._follow)
        self._follow()

    @property
    def glyph(self) -> Glyph:
        """The current icon."""
        return self._glyph

    def set_glyph(self, glyph: Glyph) -> None:
        """Change the icon."""
        if glyph is not self._glyph:
            self._glyph = glyph
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """A square large enough for touch."""
        side = round(2.1 * theme.em(self))
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the style's background, the icon and the focus frame."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        side, colours = theme.em(self), theme.current()
        red = self._glyph in (Glyph.RECORD, Glyph.RECORDING)
        name = "line" if not self.isEnabled() else "recording" if red else "text"
        painter.save()
        painter.translate(QRectF(self.rect()).center() - QPointF(side / 2, side / 2))
        painter.scale(side, side)
        filled, lines = _SHAPES[self._glyph]()
        painter.fillPath(filled, colours.colour(name))
        pen = QPen(colours.colour(name), _LINE, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        painter.strokePath(lines, pen)
        painter.restore()
        if self.hasFocus():
            painter.setPen(colours.colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()

    def _trigger(self) -> None:
        self._action.trigger()
        self.setChecked(self._action.isChecked())

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setChecked(self._action.isChecked())
        self.setToolTip(self._action.toolTip())
        self.setAccessibleName(self._action.text().replace("&", ""))
        self.update()


_Shape = tuple[QPainterPath, QPainterPath]  # filled, and drawn as lines, in a square of side 1


def _bars_and_arrows(bars: tuple[tuple[float, float], ...], arrows: tuple[tuple[float, float], ...]) -> _Shape:
    """Bars (left, right) and triangles (flat side, tip)."""
    path = QPainterPath()
    for left, right in bars:
        path.addRect(QRectF(left, 0.1, right - left, 0.8))
    for flat, tip in arrows:
        path.moveTo(flat, 0.1)
        path.lineTo(flat, 0.9)
        path.lineTo(tip, 0.5)
        path.closeSubpath()
    return path, QPainterPath()


def _record() -> _Shape:
    path = QPainterPath()
    path.addEllipse(QPointF(0.5, 0.5), 0.36, 0.36)
    return path, QPainterPath()


def _stop() -> _Shape:
    path = QPainterPath()
    path.addRect(QRectF(0.17, 0.17, 0.66, 0.66))
    return path, QPainterPath()


def _snapshot() -> _Shape:
    lines = QPainterPath()
    lines.addRoundedRect(QRectF(0.06, 0.26, 0.88, 0.6), 0.1, 0.1)
    lines.addEllipse(QPointF(0.5, 0.56), 0.18, 0.18)
    lines.moveTo(0.34, 0.26)
    lines.lineTo(0.4, 0.14)
    lines.lineTo(0.6, 0.14)
    lines.lineTo(0.66, 0.26)
    return QPainterPath(), lines


def _loop() -> _Shape:
    filled, lines = QPainterPath(), QPainterPath()
    lines.arcMoveTo(QRectF(0.14, 0.14, 0.72, 0.72), 40)
    lines.arcTo(QRectF(0.14, 0.14, 0.72, 0.72), 40, 290)
    filled.moveTo(0.62, 0.24)
    filled.lineTo(0.98, 0.2)
    filled.lineTo(0.84, 0.52)
    filled.closeSubpath()
    return filled, lines


def _window(part: QRectF) -> _Shape:
    """A window with one part filled."""
    filled, lines = QPainterPath(), QPainterPath()
    filled.addRect(part)
    lines.addRoundedRect(QRectF(0.06, 0.14, 0.88, 0.72), 0.08, 0.08)
    return filled, lines


_SHAPES: Final[dict[Glyph, Callable[[], _Shape]]] = {
    Glyph.START: lambda: _bars_and_arrows(((0.1, 0.22),), ((0.9, 0.3),)),
    Glyph.BACK: lambda: _bars_and_arrows(((0.72, 0.86),), ((0.62, 0.1),)),
    Glyph.PLAY: lambda: _bars_and_arrows((), ((0.16, 0.92),)),
    Glyph.PAUSE: lambda: _bars_and_arrows(((0.2, 0.42), (0.58, 0.8)), ()),
    Glyph.STOP: _stop,
    Glyph.NEXT: lambda: _bars_and_arrows(((0.14, 0.28),), ((0.38, 0.9),)),
    Glyph.END: lambda: _bars_and_arrows(((0.78, 0.9),), ((0.1, 0.7),)),
    Glyph.RECORD: _record,
    Glyph.RECORDING: _stop,
    Glyph.SNAPSHOT: _snapshot,
    Glyph.LOOP: _loop,
    Glyph.SIDE: lambda: _window(QRectF(0.62, 0.14, 0.32, 0.72)),
    Glyph.DOCK: lambda: _window(QRectF(0.06, 0.58, 0.88, 0.28)),
}
