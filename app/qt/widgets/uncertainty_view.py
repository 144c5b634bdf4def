"""The two uncertainties of a face in plain words: a strip with three zones and a sentence; numbers behind "Details"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPolygonF
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.qt import theme
from app.qt.translation import either_text, expression_name
from app.qt.widgets.disclosure import Disclosure
from app.qt.widgets.drawn_panel import DrawnPanel, bold
from app.qt.widgets.page_parts import GrowingLabel
from app.qt.widgets.patterns import hatch
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow
from app.settings.limits import Limits
from engine.types import Route

#: Resolution of the mark inside a zone; a smaller change is not painted.
_STEPS: Final = 40
#: Uncertainty, in multiples of the limit, at the right end of the zone of competing labels.
_FULL: Final = 2.0
#: How much wider than its zone a name may be, in em; names are shorter than that together.
_NAME_BEYOND: Final = 0.7


class Zone(IntEnum):
    """The zones of the strip, from the left."""

    CLEAR = 0
    SEVERAL = 1
    UNLIKE = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What the strip and the sentence show."""

    sentence: str  # translated
    zone: Zone | None = None  # None = not assessed for another reason
    place: float = 0.5  # of the mark within the zone, 0-1


def reading_of(row: FaceRow | None, limits: Limits | None) -> Reading:
    """Zone, sentence and mark of a face; the zone follows the decision, so that it never contradicts the label."""
    tr = QCoreApplication.translate
    if row is None or row.decision == NO_FACE:
        return Reading(tr("mien", "No face to assess."))
    if row.decision == LOW_QUALITY:
        return Reading(tr("mien", "Not seen well enough to say anything."))
    if row.decision == Route.ACCEPT.value:
        text = tr("mien", "Clear: looks {label}. Most people would agree.")
        return Reading(text.format(label=expression_name(row.labels[0])), Zone.CLEAR, _clear_place(row, limits))
    if row.decision == Route.AMBIGUOUS.value:
        return Reading(_readings(row.labels), Zone.SEVERAL, _several_place(row, limits))
    text = tr("mien", "Unlike what it learned from: no label. Perhaps a mask, an unusual angle or light, or a drawing.")
    return Reading(text, Zone.UNLIKE, _unlike_place(row, limits))


class ZoneStrip(DrawnPanel):
    """Three zones; the one of the face is filled, its name bold, and a mark shows how deep in it the face is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("How certain the label is"))
        self._zone: Zone | None = None
        self._step: int | None = None

    @property
    def zone(self) -> Zone | None:
        """The zone of the face."""
        return self._zone

    def show_reading(self, reading: Reading) -> None:
        """Show a zone and the mark in it."""
        step = None if reading.zone is None else round(_STEPS * reading.place)
        if (reading.zone, step) == (self._zone, self._step):
            return
        changed = reading.zone is not self._zone
        self._zone, self._step = reading.zone, step
        if changed:
            names = zone_names()
            self.setAccessibleDescription("" if self._zone is None else names[self._zone])
        self.redraw(static=changed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Names above the zones."""
        em = theme.em(self)
        return QSize(round(18 * em), round(2.6 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Short zones."""
        em = theme.em(self)
        return QSize(round(10.5 * em), round(2.6 * em))

    def draw_static(self, painter: QPainter) -> None:
        """Draw names and zones."""
        colours, em = theme.current(), theme.em(self)
        names, fonts = [], []
        for zone, name in zip(Zone, zone_names(), strict=True):
            font = bold(self.font()) if zone is self._zone else self.font()
            room = self._box(zone).width() + _NAME_BEYOND * em
            names.append(QFontMetricsF(font).elidedText(name, Qt.TextElideMode.ElideRight, room))
            fonts.append(font)
        first, middle, last = (
            QFontMetricsF(font).horizontalAdvance(name) for font, name in zip(fonts, names, strict=True)
        )
        left, right = self._box(Zone.CLEAR).left(), self._box(Zone.UNLIKE).right()
        # The outer names lie at the ends of the strip and the other between them: none touch where it is short.
        places = (left, (left + first + right - last - middle) / 2, right - last)
        for zone, name, font, x in zip(Zone, names, fonts, places, strict=True):
            active = zone is self._zone
            painter.setFont(font)
            painter.setPen(colours.colour("text" if active else "dim"))
            above = QRectF(x, 0, self.width() - x, 1.3 * em)
            painter.drawText(above, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
            painter.fillRect(self._box(zone), _fill(zone, active, round(0.18 * em)))

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw the mark."""
        if self._zone is None or self._step is None:
            return
        colours, em, box = theme.current(), theme.em(self), self._box(self._zone)
        x = box.left() + box.width() * (0.05 + 0.9 * self._step / _STEPS)
        tip, half = QPointF(x, box.bottom() + 1), 0.3 * em
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colours.colour("text"))
        painter.drawPolygon(QPolygonF([tip, tip + QPointF(-half, 0.42 * em), tip + QPointF(half, 0.42 * em)]))

    def _box(self, zone: Zone) -> QRectF:
        em = theme.em(self)
        gap, margin = 2.0, 0.3 * em
        width = (self.width() - 2 * margin - gap * (len(Zone) - 1)) / len(Zone)
        return QRectF(margin + zone * (width + gap), 1.35 * em, width, 0.7 * em)


class UncertaintyView(QWidget):
    """Strip, sentence, and the numbers behind "Details"."""

    def __init__(self, details: Sequence[QWidget], parent: QWidget | None = None) -> None:
        """``details``: the gauges with numbers and units."""
        super().__init__(parent)
        self.strip = ZoneStrip()
        self.sentence = GrowingLabel()
        self.details = Disclosure(self.tr("Details"), self.tr("Show both uncertainties with their limits, as numbers"))
        for part in details:
            self.details.body.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.strip, self.sentence, self.details):
            layout.addWidget(widget)
        self.show_row(None, None)

    def show_row(self, row: FaceRow | None, limits: Limits | None) -> None:
        """Show the uncertainty of a face."""
        reading = reading_of(row, limits)
        self.strip.show_reading(reading)
        if reading.sentence != self.sentence.text():
            self.sentence.setText(reading.sentence)


def zone_names() -> tuple[str, str, str]:
    """Translated names of the zones."""
    tr = QCoreApplication.translate
    return tr("mien", "Clear"), tr("mien", "Several"), tr("mien", "No label")


def _readings(labels: Sequence[str]) -> str:
    tr = QCoreApplication.translate
    form = {
        2: tr("mien", "Two readings: {labels}. People often disagree on such faces."),
        3: tr("mien", "Three readings: {labels}. People often disagree on such faces."),
    }.get(len(labels), tr("mien", "Several readings: {labels}. People often disagree on such faces."))
    return form.format(labels=either_text(labels))


def _clear_place(row: FaceRow, limits: Limits | None) -> float:
    """From no disagreement at the left to the limit at the right."""
    if limits is None or row.aleatoric is None or limits.aleatoric_limit <= 0:
        return 0.5
    return min(max(row.aleatoric / limits.aleatoric_limit, 0.0), 1.0)


def _several_place(row: FaceRow, limits: Limits | None) -> float:
    """From the limit at the left to twice the limit at the right."""
    if limits is None or row.aleatoric is None or limits.aleatoric_limit <= 0:
        return 0.5
    return min(max((row.aleatoric / limits.aleatoric_limit - 1) / (_FULL - 1), 0.0), 1.0)


def _unlike_place(row: FaceRow, limits: Limits | None) -> float:
    """From the limit at the left to the most unusual face at the right."""
    if limits is None or row.ood_score is None or limits.ood_limit >= 1:
        return 0.5
    return min(max((row.ood_score - limits.ood_limit) / (1 - limits.ood_limit), 0.0), 1.0)


def _fill(zone: Zone, active: bool, step_px: int) -> QBrush:
    """Brush of a zone: solid, stripes, crossed out; grey unless it is the zone of the face."""
    colours = theme.current()
    colour = colours.accent if active else colours.edge
    if zone is Zone.CLEAR:
        return QBrush(QColor(colour))
    if zone is Zone.SEVERAL:
        return hatch(colour, colours.track, step_px)
    return hatch(colour, colours.panel, max(step_px // 2, 1))
