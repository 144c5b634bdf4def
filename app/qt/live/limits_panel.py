"""How careful the decisions are: one slider, its effect on the faces of the last half minute, and the two limits."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QSizePolicy, QSlider, QVBoxLayout, QWidget

from app.live.routing_history import RouteShares
from app.qt import theme
from app.qt.live.example_faces import ExampleFaces
from app.qt.widgets.disclosure import Disclosure
from app.qt.widgets.expression_panel import MAX_NATS
from app.qt.widgets.page_parts import GrowingLabel, ReflowRow, text_label
from app.settings.limits import Limits, bold_limits, boldness_of

#: Slider steps per nat, or per 1 of the epistemic scale (a share of the validation faces).
_STEPS_PER_UNIT: Final = 100
#: Steps of the slider from careful to bold; the middle one means the model's own limits.
_BOLD_STEPS: Final = 100
#: Start of the epistemic slider in percent; it ends at 100.
_MIN_PERCENT: Final = 50


class SharesBar(QWidget):
    """A stacked bar: accepted (solid), ambiguous (hatched), not assessed (slashes), poor image (dots)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Shares of the last 30 seconds"))
        self._shares = RouteShares(0.0, 0.0, 0.0, 0.0, 0)

    def show_shares(self, shares: RouteShares) -> None:
        """Show these shares."""
        if shares != self._shares:
            self._shares = shares
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line high."""
        unit = theme.em(self)
        return QSize(round(10 * unit), round(0.9 * unit))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the four shares from the left."""
        painter = QPainter(self)
        colours, shares = theme.current(), self._shares
        painter.fillRect(self.rect(), colours.colour("track"))
        styles = (
            (shares.accepted, "present", Qt.BrushStyle.SolidPattern),
            (shares.ambiguous, "present", Qt.BrushStyle.BDiagPattern),
            (shares.not_assessed, "dim", Qt.BrushStyle.FDiagPattern),
            (shares.low_quality, "dim", Qt.BrushStyle.Dense6Pattern),
        )
        left = 0.0
        for share, name, style in styles:
            width = share * self.width()
            painter.fillRect(QRectF(left, 0.0, width, self.height()), QBrush(colours.colour(name), style))
            left += width
        painter.end()


class LimitsPanel(QWidget):
    """Shows and changes the current limits."""

    changed = Signal(object)  # Limits, or None for the model's own

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model: Limits | None = None
        self._now = Limits(0.0, 0.0)
        self.boldness = self._bold_slider()
        self.accept = self._slider(
            "aleatoric_limit", 0, round(MAX_NATS * _STEPS_PER_UNIT), self.tr("Limit of one label")
        )
        self.accept.setToolTip(
            self.tr(
                "Aleatoric uncertainty (nats): how much people disagree about such faces. Above it, labels compete."
            )
        )
        self.ood = self._slider("ood_limit", _MIN_PERCENT, 100, self.tr("Limit of assessment"))
        self.ood.setToolTip(
            self.tr(
                "Epistemic uncertainty: a face that is more unusual to the model than this share of the validation "
                "faces is not assessed."
            )
        )
        self.accept_value, self.ood_value, self.bold_value = text_label(""), text_label(""), text_label("")
        self.advanced = Disclosure(self.tr("Advanced"), self.tr("Show the two limits that the slider moves together"))
        self.bar, self.examples = SharesBar(), ExampleFaces()
        self.shares_text = GrowingLabel(self.tr("No face in the last 30 s."))
        self.reset = QPushButton(self.tr("Back to the model's own limits"))
        self.reset.clicked.connect(self.reset_to_model)
        self.lock_reason = QLabel()
        self.lock_reason.setWordWrap(True)
        self.lock_reason.hide()
        self._lay_out()
        self.setEnabled(False)

    @property
    def limits(self) -> Limits:
        """The limits shown."""
        return self._now

    def set_limits(self, model: Limits, now: Limits) -> None:
        """Show the current limits, and enable the reset to the model's; does not emit `changed`."""
        self._model, self._now = model, now
        self._place_sliders()
        self._update_values()
        self.setEnabled(True)

    def lock(self, reason: str) -> None:
        """Disable the sliders and show the reason; an empty reason unlocks them."""
        for part in (self.boldness, self.accept, self.ood, self.reset):
            part.setEnabled(not reason)
        self.lock_reason.setText(reason)
        self.lock_reason.setVisible(bool(reason))
        if not reason:
            self._update_values()

    def show_shares(self, shares: RouteShares) -> None:
        """Show the shares at the current limits."""
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
                badly=round(100 * shares.low_quality),
            )
        if text != self.shares_text.text():
            self.shares_text.setText(text)
            self.bar.setAccessibleDescription(text)

    def _bold_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, _BOLD_STEPS)
        slider.setPageStep(10)
        slider.setAccessibleName(self.tr("Careful or bold"))
        slider.setToolTip(
            self.tr(
                "Careful: fewer faces get a label, and those are right more often. Bold: more faces get a single "
                "label, and more of those are wrong. In the middle: as the model was calibrated."
            )
        )
        slider.valueChanged.connect(self._moved_boldness)
        return slider

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
        layout.addWidget(_titled(self.boldness, self.bold_value, self.tr("Careful"), self.tr("Bold")))
        for part in (self.bar, self.shares_text, self.examples, self.lock_reason):
            layout.addWidget(part)
        layout.addWidget(self.reset, 0, Qt.AlignmentFlag.AlignLeft)
        self.advanced.body.addWidget(ReflowRow([_titled(*part) for part in parts]))
        layout.addWidget(self.advanced)
        layout.addStretch(1)

    def _place_sliders(self) -> None:
        """Move the sliders to the limits, without a signal."""
        now, model = self._now, self._model or self._now
        for slider, value in (
            (self.boldness, round(boldness_of(model, now, MAX_NATS) * _BOLD_STEPS)),
            (self.accept, round(now.aleatoric_limit * _STEPS_PER_UNIT)),
            (self.ood, round(now.ood_limit * _STEPS_PER_UNIT)),
        ):
            slider.blockSignals(True)
            slider.setValue(value)
            slider.blockSignals(False)

    def _moved_boldness(self, step: int) -> None:
        """Change both limits."""
        if self._model is None:
            return
        own = 2 * step == _BOLD_STEPS
        self._change(self._model if own else bold_limits(self._model, step / _BOLD_STEPS, MAX_NATS))

    def _change(self, limits: Limits) -> None:
        self._now = limits
        self._place_sliders()
        self._update_values()
        self.changed.emit(None if limits == self._model else limits)

    def _moved(self, field: str, step: int) -> None:
        """Change one limit; the other keeps its exact value, even between two steps or beyond its slider's range."""
        own = getattr(self._model, field, None)
        # at the step nearest to the model's value, the slider means that value, not its rounding
        value = own if own is not None and round(own * _STEPS_PER_UNIT) == step else step / _STEPS_PER_UNIT
        self._change(dataclasses.replace(self._now, **{field: value}))

    def reset_to_model(self) -> None:
        """Use the model's own limits again."""
        if self._model is not None:
            self.set_limits(self._model, self._model)
            self.changed.emit(None)

    def _update_values(self) -> None:
        now = self.limits
        self.accept_value.setText(self.tr("{value} nats").format(value=f"{now.aleatoric_limit:.2f}"))
        self.ood_value.setText(self.tr("more unusual than {value} %").format(value=round(100 * now.ood_limit)))
        is_own = now == self._model
        self.bold_value.setText(self.tr("as calibrated") if is_own else self.tr("changed"))
        self.reset.setEnabled(self._model is not None and not is_own)


def _titled(slider: QSlider, value: QLabel, low: str, high: str) -> QWidget:
    """A slider with its name and value above, and the meaning of its ends below."""
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
    grid.setRowStretch(3, 1)  # aligns the sliders, whatever is below them
    return part
