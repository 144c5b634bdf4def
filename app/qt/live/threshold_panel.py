"""The two sliders that decide what is assessed, and what they do to the faces of the last half minute."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QSizePolicy, QSlider, QVBoxLayout, QWidget

from app.live.routing_history import RouteShares
from app.qt import theme
from app.qt.widgets.page_parts import TurningRow, text_label
from app.settings.limits import Thresholds
from engine.facs import EXPRESSIONS

#: Steps of a slider per nat, or for all faces that the model was checked on.
_PER_ONE: Final = 100
#: End of the first slider, where all expressions are equally likely.
_MOST_NATS: Final = math.log(len(EXPRESSIONS))
#: The other slider goes over these percents of the faces that the model was checked on.
_LEAST_PERCENT: Final = 50


class SharesBar(QWidget):
    """One bar: accepted (solid), ambiguous (hatched), not assessed (slashes), seen badly (dots)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Shares of the last 30 seconds"))
        self._shares = RouteShares(0.0, 0.0, 0.0, 0.0, 0)

    def show_shares(self, shares: RouteShares) -> None:
        """Show them."""
        if shares != self._shares:
            self._shares = shares
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """A line high."""
        unit = theme.em(self)
        return QSize(round(10 * unit), round(0.9 * unit))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the four parts from the left."""
        painter = QPainter(self)
        colours, shares = theme.current(), self._shares
        painter.fillRect(self.rect(), colours.colour("track"))
        styles = (
            (shares.accepted, "present", Qt.BrushStyle.SolidPattern),
            (shares.ambiguous, "present", Qt.BrushStyle.BDiagPattern),
            (shares.not_assessed, "dim", Qt.BrushStyle.FDiagPattern),
            (shares.seen_badly, "dim", Qt.BrushStyle.Dense6Pattern),
        )
        left = 0.0
        for share, name, style in styles:
            width = share * self.width()
            painter.fillRect(QRectF(left, 0.0, width, self.height()), QBrush(colours.colour(name), style))
            left += width
        painter.end()


class ThresholdPanel(QWidget):
    """Shows and changes the limits in force."""

    changed = Signal(object)  # Thresholds, or None for the model's own

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model: Thresholds | None = None
        self._now = Thresholds(0.0, 0.0)
        self.accept = self._slider("tau_accept", 0, round(_MOST_NATS * _PER_ONE), self.tr("Limit of one label"))
        self.accept.setToolTip(
            self.tr(
                "Aleatoric uncertainty (nats): how much people disagree about such faces. Above it, labels compete."
            )
        )
        self.ood = self._slider("tau_ood", _LEAST_PERCENT, 100, self.tr("Limit of assessment"))
        self.ood.setToolTip(
            self.tr(
                "Epistemic uncertainty, as a share of the faces that the model was checked on: a face that is stranger "
                "than so many of them is not assessed."
            )
        )
        self.accept_value, self.ood_value = text_label(""), text_label("")
        self.bar = SharesBar()
        self.told = QLabel(self.tr("No face in the last 30 s."))
        self.told.setWordWrap(True)
        self.reset = QPushButton(self.tr("Back to the model's own limits"))
        self.reset.clicked.connect(self.go_back)
        self.lock_reason = QLabel()
        self.lock_reason.setWordWrap(True)
        self.lock_reason.hide()
        self._lay_out()
        self.setEnabled(False)

    @property
    def thresholds(self) -> Thresholds:
        """Those in force, until a slider is moved."""
        return self._now

    def set_thresholds(self, model: Thresholds, now: Thresholds) -> None:
        """The model's own limits and those in force; `changed` is not emitted."""
        self._model, self._now = model, now
        for slider, value in (
            (self.accept, round(now.tau_accept * _PER_ONE)),
            (self.ood, round(now.tau_ood * _PER_ONE)),
        ):
            slider.blockSignals(True)
            slider.setValue(value)
            slider.blockSignals(False)
        self._write_values()
        self.setEnabled(True)

    def lock(self, reason: str) -> None:
        """Let nobody move the sliders, and say why; an empty reason unlocks."""
        for part in (self.accept, self.ood, self.reset):
            part.setEnabled(not reason)
        self.lock_reason.setText(reason)
        self.lock_reason.setVisible(bool(reason))
        if not reason:
            self._write_values()

    def show_shares(self, shares: RouteShares) -> None:
        """What went where by the limits in force."""
        self.bar.show_shares(shares)
        if not shares.known:
            text = self.tr("No face in the last 30 s.")
        else:
            text = self.tr(
                "At this setting, of the last 30 s: {accepted} % accepted, {ambiguous} % ambiguous, {rejected} % not "
                "assessed, {badly} % not seen well."
            ).format(
                accepted=round(100 * shares.accepted),
                ambiguous=round(100 * shares.ambiguous),
                rejected=round(100 * shares.not_assessed),
                badly=round(100 * shares.seen_badly),
            )
        if text != self.told.text():
            self.told.setText(text)
            self.bar.setAccessibleDescription(text)

    def _slider(self, field: str, low: int, high: int, name: str) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(low, high)
        slider.setPageStep(5)
        slider.setAccessibleName(name)
        slider.valueChanged.connect(partial(self._moved, field))
        return slider

    def _lay_out(self) -> None:
        parts = (
            (self.accept, self.accept_value, self.tr("More labels compete"), self.tr("More single labels")),
            (
                self.ood,
                self.ood_value,
                self.tr("Assess fewer faces, be right more often"),
                self.tr("Assess more faces"),
            ),
        )
        layout = QVBoxLayout(self)
        layout.addWidget(TurningRow([_titled(*part) for part in parts]))
        for part in (self.bar, self.told, self.lock_reason):
            layout.addWidget(part)
        layout.addWidget(self.reset, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)

    def _moved(self, field: str, step: int) -> None:
        """Take one limit; the other stays, even where it lies between two steps or beyond its slider's end."""
        own = getattr(self._model, field, None)
        # a slider that stands at the model's value means that value, not its rounding
        value = own if own is not None and round(own * _PER_ONE) == step else step / _PER_ONE
        self._now = dataclasses.replace(self._now, **{field: value})
        self._write_values()
        self.changed.emit(None if self._now == self._model else self._now)

    def go_back(self) -> None:
        """Go back to the model's own limits."""
        if self._model is not None:
            self.set_thresholds(self._model, self._model)
            self.changed.emit(None)

    def _write_values(self) -> None:
        now = self.thresholds
        self.accept_value.setText(self.tr("{value} nats").format(value=f"{now.tau_accept:.2f}"))
        self.ood_value.setText(self.tr("stranger than {value} %").format(value=round(100 * now.tau_ood)))
        self.reset.setEnabled(self._model is not None and now != self._model)


def _titled(slider: QSlider, value: QLabel, low: str, high: str) -> QWidget:
    """A slider under its name and value, over what its two ends mean."""
    title = text_label(slider.accessibleName(), "heading")
    title.setBuddy(slider)
    part = QWidget()
    grid = QGridLayout(part)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.addWidget(title, 0, 0)
    value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
    grid.addWidget(value, 0, 1)
    grid.addWidget(slider, 1, 0, 1, 2)
    for column, text in enumerate((low, high)):
        end = text_label(text, "dim")
        side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
        end.setAlignment(side | Qt.AlignmentFlag.AlignTop)
        grid.addWidget(end, 2, column)
    grid.setRowStretch(3, 1)  # the sliders stand at one height, however many lines are below them
    return part
