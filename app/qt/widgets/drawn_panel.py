"""Base of the painted panels: two layers, a focus frame."""

from __future__ import annotations

import math
import time
from typing import Final
from weakref import WeakSet

from PySide6.QtCore import QEvent, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QTabWidget, QWidget
from shiboken6 import isValid

from app.qt import theme

#: Milliseconds between two repaints: numbers that change faster cannot be read.
REDRAW_MS: Final = 100
#: Fractions of that interval: a change is painted at once after _EARLY of it, by the timer after _LATE. Most changes
#: are then painted together with the video frame they belong to, which saves an event loop turn.
_EARLY: Final = 0.9
_LATE: Final = 1.4
#: Flags of drawText for wrapped text.
WRAP: Final = int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignLeft.value)
_STYLE_EVENTS: Final = (
    QEvent.Type.PaletteChange,
    QEvent.Type.FontChange,
    QEvent.Type.StyleChange,
    QEvent.Type.LayoutDirectionChange,
)


class _Beat:
    """The common rhythm of the panels with one interval: what changes together is painted together.

    A pass begins when a panel is due, and lasts until control returns to the event loop; in it every panel is painted
    at once, also those that wait. So all panels show the same frame.
    """

    def __init__(self) -> None:
        self._began_s = -math.inf
        self._in_pass = False
        self._waiting: WeakSet[DrawnPanel] = WeakSet()

    def ask(self, panel: DrawnPanel, every_s: float, at_once: bool) -> None:
        """Paint a panel and all that wait if they are due, else let it wait."""
        if self._in_pass:
            panel.paint_now()
        elif at_once or time.monotonic() - self._began_s >= every_s:
            self._waiting.add(panel)
            self.begin()
        else:
            self._waiting.add(panel)
            panel.wait()

    def begin(self) -> None:
        """Begin a pass."""
        self._began_s, self._in_pass = time.monotonic(), True
        QTimer.singleShot(0, self._end)
        waiting, self._waiting = self._waiting, WeakSet()
        for panel in tuple(waiting):
            if isValid(panel):
                panel.paint_now()

    def leave(self, panel: DrawnPanel) -> None:
        """A panel no longer waits."""
        self._waiting.discard(panel)

    def _end(self) -> None:
        self._in_pass = False


#: One rhythm per interval in milliseconds.
_BEATS: Final[dict[int, _Beat]] = {}


class DrawnPanel(QWidget):
    """A painted widget: `draw_static` goes to a pixmap cached until size or style change, `draw_dynamic` over it.

    Focusable, with a focus frame. Paints at most every ``redraw_ms``, however often `redraw` is called, together with
    all other panels of this interval. The plain
    background below the widget is part of the pixmap: otherwise Qt would paint all parents first, every time.
    """

    def __init__(self, name: str, parent: QWidget | None = None, redraw_ms: int = REDRAW_MS) -> None:
        """``name``, translated, is read by screen readers."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.exposed = QRect()  # the part being painted; drawing outside it has no effect
        self._static: QPixmap | None = None
        self._beat = _BEATS.setdefault(redraw_ms, _Beat())
        self._every_s = _EARLY * redraw_ms / 1000
        self._late = QTimer(self)  # paints the last of a series of changes
        self._late.setSingleShot(True)
        self._late.setInterval(round(_LATE * redraw_ms))
        self._late.timeout.connect(self._beat.begin)

    def draw_static(self, painter: QPainter) -> None:
        """Draw the static layer."""

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw the values."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Prepare data for `draw_dynamic`: called before a repaint, not at each `redraw`."""

    def redraw(self, static: bool = False, at_once: bool = False) -> None:
        """Schedule a repaint.

        Args:
            static: of the static layer too.
            at_once: now, with all panels that wait: for what the picture shows in the same frame.
        """
        if static:
            self._static = None
        if self.isVisible():  # otherwise painted in full when shown
            self._beat.ask(self, self._every_s, at_once)

    def wait(self) -> None:
        """Be painted a little later, unless that is planned."""
        if not self._late.isActive():
            self._late.start()

    def paint_now(self) -> None:
        """Schedule a repaint in this pass of the event loop."""
        self._late.stop()
        self.prepare()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Paint both layers and the focus frame."""
        self.exposed = event.rect()
        painter = QPainter(self)
        if self._static is None or self._static.devicePixelRatio() != self.devicePixelRatioF():
            self._static = self._static_layer()
        painter.drawPixmap(0, 0, self._static)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw_dynamic(painter)
        if self.hasFocus():
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Redraw all after a change of theme, font or direction."""
        super().changeEvent(event)
        if event.type() in _STYLE_EVENTS:
            self._static = None
            self.updateGeometry()
            self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Redraw all."""
        self._static = None

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        """Stop the timer while hidden."""
        self._late.stop()
        self._beat.leave(self)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the focus frame."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Hide the focus frame."""
        self.update()

    def _static_layer(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        layer = QPixmap(self.size() * ratio)
        layer.setDevicePixelRatio(ratio)
        layer.fill(_background_of(self))
        painter = QPainter(layer)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        self.draw_static(painter)
        painter.end()
        return layer


def _background_of(widget: QWidget) -> QColor:
    """The colour below a widget: that of the nearest parent that fills its background."""
    around = widget.parentWidget()
    while around is not None and not around.isWindow() and not around.autoFillBackground():
        if isinstance(around, QTabWidget):
            return theme.current().colour("panel")
        around = around.parentWidget()
    return (around or widget).palette().color((around or widget).backgroundRole())


def bold(font: QFont, factor: float = 1.0) -> QFont:
    """The font in bold, ``factor`` times as large."""
    heavy = QFont(font)
    heavy.setBold(True)
    heavy.setPointSizeF(font.pointSizeF() * factor)
    return heavy
