"""The transport bar below the video: step, play, time and rate."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from app.qt.review.review_player import RATES
from app.qt.widgets.glyph_button import Glyph, GlyphButton
from app.review.timeline_layout import clock_text


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
