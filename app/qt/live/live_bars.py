"""The bars of the live page: source and overlay above the workspace, the transport below the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.live.source_chooser import SourceChooser
from app.qt.widgets.flow_row import FlowRow, chip_button
from app.qt.widgets.glyph_button import Glyph, GlyphButton
from app.qt.widgets.workspace import Workspace
from app.review.timeline_layout import clock_text

#: Speeds of a file on offer.
SPEEDS: Final = (0.25, 0.5, 1.0, 1.5, 2.0)
#: Steps of the seek bar per second.
_STEPS_PER_S: Final = 10
_SOURCE_EM: Final = 21.0


class LiveBar(FlowRow):
    """Source, overlay chips, layout and state."""

    def __init__(
        self,
        chooser: SourceChooser,
        chips: Sequence[QAction],
        state: Sequence[QWidget],
        workspace: Workspace,
    ) -> None:
        """``chips`` are checkable actions; ``state`` is shown at the right."""
        chooser.setFixedWidth(round(_SOURCE_EM * theme.em(chooser)))
        space = QWidget()
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        parts = (chooser, *map(chip_button, chips), space, *state, workspace.chooser, *workspace.switches)
        super().__init__(parts, (space,))


class LiveTransport(QWidget):
    """Start, pause, step, record, snapshot; for a file also seek bar, speed and loop."""

    #: Time to go to, in seconds.
    seek_requested = Signal(float)
    #: Seconds of the file per second.
    speed_chosen = Signal(float)

    def __init__(self, actions: dict[Glyph, QAction], loop: QAction, parent: QWidget | None = None) -> None:
        """``actions``: PLAY, PAUSE, NEXT, RECORD, SNAPSHOT."""
        super().__init__(parent)
        self._buttons = {glyph: GlyphButton(glyph, action) for glyph, action in actions.items()}
        self._duration_s: float | None = None
        self.seek = QSlider(Qt.Orientation.Horizontal)
        self.seek.setAccessibleName(self.tr("Position in the file"))
        self.seek.setMinimumWidth(round(8 * theme.em(self)))
        self.seek.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.seek.setSingleStep(_STEPS_PER_S)
        self.seek.setPageStep(10 * _STEPS_PER_S)
        self.seek.valueChanged.connect(self._moved)
        self.seek.sliderReleased.connect(self._seek)
        self.time = QLabel()
        self.time.setAccessibleName(self.tr("Time"))
        self.speed = QComboBox()
        self.speed.setAccessibleName(self.tr("Speed"))
        self.speed.setToolTip(self.tr("Playback speed; a computer that cannot keep up plays slower"))
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}×", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.activated.connect(lambda place: self.speed_chosen.emit(SPEEDS[place]))
        self._loop = GlyphButton(Glyph.LOOP, loop)
        self._space = QWidget()
        self._space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        parts = (*self._buttons.values(), self.seek, self._space, self.time, self.speed, self._loop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(FlowRow(parts, (self.seek, self._space)))
        self.show_file(None)

    @property
    def duration_s(self) -> float | None:
        """Length of the file shown; None for another source."""
        return self._duration_s

    def show_file(self, duration_s: float | None) -> None:
        """Show the controls of a file of this length in seconds; None: another source."""
        self._duration_s = duration_s
        for part in (self.seek, self.time, self.speed, self._loop):
            part.setVisible(duration_s is not None)
        self._space.setVisible(duration_s is None)
        if duration_s is not None:
            self._set_quietly(0, round(duration_s * _STEPS_PER_S))
            self.show_time(0.0)

    def show_time(self, time_s: float) -> None:
        """Show the position in the file."""
        if self._duration_s is None:
            return
        text = f"{clock_text(time_s, self._duration_s)} / {clock_text(self._duration_s, self._duration_s)}"
        if text != self.time.text():
            self.time.setText(text)
        if not self.seek.isSliderDown():
            self._set_quietly(round(time_s * _STEPS_PER_S), self.seek.maximum())

    def show_state(self, active: bool, recording: bool) -> None:
        """Show whether a source runs, and whether it is recorded; a recording cannot be sought."""
        self._buttons[Glyph.PLAY].set_glyph(Glyph.STOP if active else Glyph.PLAY)
        self._buttons[Glyph.RECORD].set_glyph(Glyph.RECORDING if recording else Glyph.RECORD)
        self.seek.setEnabled(not recording)

    def _set_quietly(self, value: int, maximum: int) -> None:
        self.seek.blockSignals(True)
        self.seek.setMaximum(maximum)
        self.seek.setValue(value)
        self.seek.blockSignals(False)

    def _moved(self, value: int) -> None:
        if not self.seek.isSliderDown():  # by the wheel, a key or a click
            self.seek_requested.emit(value / _STEPS_PER_S)

    def _seek(self) -> None:
        self.seek_requested.emit(self.seek.value() / _STEPS_PER_S)
