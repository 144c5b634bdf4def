"""The transport bar below the video: step, play, time and rate."""

from __future__ import annotations

from enum import Enum
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QWidget

from app.qt import theme
from app.qt.review.review_player import RATES
from app.review.timeline_layout import clock_text


class Glyph(Enum):
    """Icons of the transport buttons, drawn so that they follow theme and scale."""

    START = "start"
    BACK = "back"
    PLAY = "play"
    PAUSE = "pause"
    NEXT = "next"
    END = "end"


#: For each icon its bars (left, right) and triangles (flat side, tip), as fractions of its width.
_SHAPES: Final[dict[Glyph, tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]]] = {
    Glyph.START: (((0.1, 0.22),), ((0.9, 0.3),)),
    Glyph.BACK: (((0.72, 0.86),), ((0.62, 0.1),)),
    Glyph.PLAY: ((), ((0.16, 0.92),)),
    Glyph.PAUSE: (((0.2, 0.42), (0.58, 0.8)), ()),
    Glyph.NEXT: (((0.14, 0.28),), ((0.38, 0.9),)),
    Glyph.END: (((0.78, 0.9),), ((0.1, 0.7),)),
}


class GlyphButton(QToolButton):
    """Triggers an action; shows an icon, with the action's text and shortcut as tooltip."""

    def __init__(self, glyph: Glyph, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._glyph = glyph
        self._action = action
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(action.trigger)
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
        side = theme.em(self)
        place = QRectF(0, 0, side, side)
        place.moveCenter(QRectF(self.rect()).center())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.current().colour("text" if self.isEnabled() else "line"))
        bars, arrows = _SHAPES[self._glyph]
        for left, right in bars:
            painter.drawRect(
                QRectF(place.left() + left * side, place.top() + 0.1 * side, (right - left) * side, 0.8 * side)
            )
        for flat, tip in arrows:
            x, y = place.left() + flat * side, place.top()
            corners = [QPointF(x, y + 0.1 * side), QPointF(x, y + 0.9 * side)]
            painter.drawPolygon(QPolygonF([*corners, QPointF(place.left() + tip * side, place.center().y())]))
        if self.hasFocus():
            painter.setPen(theme.current().colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())
        self.setAccessibleName(self._action.text().replace("&", ""))


class TransportBar(QWidget):
    """Buttons for the player's actions, the time and the rate."""

    #: The chosen rate.
    rate_chosen = Signal(float)

    def __init__(self, actions: dict[Glyph, QAction], parent: QWidget | None = None) -> None:
        """``actions`` must hold START, BACK, PLAY, NEXT and END."""
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self._buttons = {glyph: GlyphButton(glyph, action) for glyph, action in actions.items()}
        for button in self._buttons.values():
            row.addWidget(button)
        self._time = QLabel()
        self._time.setAccessibleName(self.tr("Time"))
        # room for the time alone, so that the full text does not widen the window
        self._time.setMinimumWidth(self.fontMetrics().horizontalAdvance("0:00:00.00"))
        row.addSpacing(8)
        row.addWidget(self._time, 1)
        self._rates = QComboBox()
        self._rates.setAccessibleName(self.tr("Speed"))
        self._rates.setToolTip(self.tr("Playback speed; frames are skipped if decoding is too slow"))
        for rate in RATES:
            self._rates.addItem(f"{rate:g}×", rate)
        self._rates.setCurrentIndex(RATES.index(1.0))
        self._rates.activated.connect(lambda place: self.rate_chosen.emit(RATES[place]))
        row.addWidget(self._rates)

    @property
    def time_text(self) -> str:
        """Time, duration and frame index, even where only the time fits."""
        return self._time.toolTip() or self._time.text()

    def show_time(self, time_s: float, duration_s: float, frame: int) -> None:
        """Show the current time; ``frame`` is the frame index in the source."""
        now, total = clock_text(time_s, duration_s, 2), clock_text(duration_s, duration_s, 2)
        text = self.tr("{now} / {duration} · frame {frame}").format(now=now, duration=total, frame=frame)
        fits = self._time.fontMetrics().horizontalAdvance(text) <= self._time.width()
        self._time.setText(text if fits else now)
        self._time.setToolTip("" if fits else text)

    def show_playing(self, playing: bool, rate: float) -> None:
        """Show whether it is playing and the rate, negative when playing backwards."""
        self._buttons[Glyph.PLAY].set_glyph(Glyph.PAUSE if playing else Glyph.PLAY)
        if abs(rate) in RATES:
            self._rates.setCurrentIndex(RATES.index(abs(rate)))
