"""The decision on a face in words: one label, "A or B", "not assessed" with the reason, or what to do to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.overlay.overlay import LOW_QUALITY_TEXT, NO_FACE_TEXT, REASON_TEXTS, REJECT_TEXT
from app.qt import theme
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, bold, draw_icon, expression_word, hatch, told
from app.session.journal import LOW_QUALITY, NO_FACE, FaceRow
from engine.types import QualityReason, Route

#: Lines of plain text that the chip is high at least, so that it seldom changes its height.
_MIN_LINES: Final = 6.0
#: Between the edge and the words, in em.
_SIDE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Said:
    """What the chip says of a face."""

    icon: str  # of `draw_icon`, or "" for none
    headline: str
    parts: tuple[tuple[str, int], ...] = ()  # labels with their percent, likeliest first
    note: str = ""
    tip: str = ""


class DecisionChip(DrawnPanel):
    """Shows the decision; its frame is drawn as the face's box is: solid, dashed in two colours, or dotted grey."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Decision"), parent)
        self._row: FaceRow | None = None
        self._percents: tuple[int, ...] = ()
        self._said = said_of(None)
        self._settle()

    @property
    def said(self) -> Said:
        """What is shown."""
        return self._said

    def show_row(self, row: FaceRow | None) -> None:
        """Show the decision on a face; None: no picture has come yet."""
        before, self._row = self._row, row
        percents = () if row is None else tuple(map(_percent, row.shares))
        if _words_of(row) != _words_of(before):
            self._percents = percents
            self._settle()
            self._grow()
            self.redraw(kept=True)
        elif percents != self._percents:  # the words are made when they are painted
            self._percents = percents
            self.redraw()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As many lines as most decisions need."""
        em = theme.em(self)
        return QSize(round(18 * em), round((_MIN_LINES + 1) * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The same height, and as narrow as is readable."""
        em = theme.em(self)
        return QSize(round(12 * em), round((_MIN_LINES + 1) * em))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Another width may need other lines."""
        super().resizeEvent(event)
        self._grow()

    def draw_kept(self, painter: QPainter) -> None:
        """The frame."""
        self._draw_frame(painter)

    def draw_values(self, painter: QPainter) -> None:
        """Icon, headline, bar and note, in the middle of the frame."""
        self._settle()
        said, em, colours = self._said, theme.em(self), theme.current()
        head, note, bar = heights = self._heights()
        top = (self.height() - self._needed(heights)) / 2 + 0.5 * em
        side = 1.4 * em if said.icon else 0.0
        if said.icon:
            single = said.icon == "check"
            colour = colours.expression(said.parts[0][0]) if single else colours.colour("text")
            draw_icon(painter, said.icon, QRectF(_SIDE * em, top + 0.05 * em, side, side), colour)
        left = _SIDE * em + side + (0.4 * em if side else 0.0)
        painter.setFont(bold(self.font(), 1.15))
        painter.setPen(colours.colour("text"))
        painter.drawText(QRectF(left, top, self._text_width(side), head), WRAP, said.headline)
        if bar:
            self._draw_bar(painter, QRectF(_SIDE * em, top + head + 0.3 * em, self.width() - 2 * _SIDE * em, 0.5 * em))
        painter.setFont(self.font())
        painter.setPen(colours.colour("text"))
        below = top + head + bar + 0.2 * em
        painter.drawText(QRectF(_SIDE * em, below, self.width() - 2 * _SIDE * em, note), WRAP, said.note)

    def _settle(self) -> None:
        """Find the words for the row."""
        said = self._said = said_of(self._row)
        name = f"{said.headline}. {said.note}".removesuffix(". ")
        if name != self.accessibleName():
            self.setAccessibleName(name)
        if said.tip != self.toolTip():
            self.setToolTip(said.tip)

    def _draw_frame(self, painter: QPainter) -> None:
        colours, em = theme.current(), theme.em(self)
        edge = 3.0 + 0.06 * em  # leaves room for the frame of the focus
        inner = QRectF(self.rect()).adjusted(edge, edge, -edge, -edge)
        thick = max(0.12 * em, 1.5)
        painter.setBrush(colours.colour("panel"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        labels = [label for label, _ in self._said.parts]
        if not labels:
            dotted = QPen(colours.colour("dim"), thick, Qt.PenStyle.DotLine)
            painter.setPen(dotted if self._said.icon else QPen(colours.colour("line"), 1))
            painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)
        for turn, label in enumerate(labels):
            pen = QPen(colours.expression(label), thick)
            if len(labels) > 1:  # the dashes take turns in the colours
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                pen.setDashPattern([4, 6 * len(labels) - 4])
                pen.setDashOffset(-6 * turn)
            painter.setPen(pen)
            painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)

    def _draw_bar(self, painter: QPainter, box: QRectF) -> None:
        """Each label's share from the left; labels that compete are hatched."""
        colours, em = theme.current(), theme.em(self)
        painter.fillRect(box, colours.colour("track"))
        left = box.left()
        for label, percent in self._said.parts:
            part = QRectF(left, box.top(), box.width() * percent / 100, box.height()) & box
            colour = colours.expression(label)
            several = len(self._said.parts) > 1
            lighter = colours.track if several else colour.name()
            painter.fillRect(part, hatch(colour.name(), lighter, round(0.18 * em)) if several else colour)
            left += part.width()
            painter.fillRect(QRectF(left - 1, box.top(), 2, box.height()), colours.colour("panel"))

    def _text_width(self, side: float) -> float:
        em = theme.em(self)
        return max(self.width() - 2 * _SIDE * em - (side + 0.4 * em if side else 0.0), em)

    def _heights(self) -> tuple[float, float, float]:
        """Of headline, note, and bar with the gap above it."""
        em, said = theme.em(self), self._said
        side = 1.4 * em if said.icon else 0.0
        wide = QRectF(0, 0, self._text_width(side), 100 * em)
        head = QFontMetricsF(bold(self.font(), 1.15)).boundingRect(wide, WRAP, said.headline).height()
        wide.setWidth(self._text_width(0.0))
        note = QFontMetricsF(self.font()).boundingRect(wide, WRAP, said.note).height() if said.note else 0.0
        return max(head, side + 0.1 * em), note, 0.9 * em if said.parts else 0.0

    def _needed(self, heights: tuple[float, float, float]) -> float:
        return sum(heights) + theme.em(self) * (1.2 if self._said.note else 1.0)

    def _grow(self) -> None:
        """Long words in a narrow chip need more lines; the height never shrinks while the width stays."""
        needed = round(self._needed(self._heights()) + 1)
        if needed > max(self.minimumHeight(), self.minimumSizeHint().height()):
            self.setMinimumHeight(needed)


def _words_of(row: FaceRow | None) -> tuple[object, ...]:
    """What the words depend on, without the percents."""
    return () if row is None else (row.decision, row.labels, row.quality_reasons)


def _percent(share: float) -> int:
    return round(100 * share)


def said_of(row: FaceRow | None) -> Said:
    """The words for a row; None: no picture has come yet."""
    tr = QCoreApplication.translate
    if row is None:
        return Said("", tr("mien", "Waiting for a picture"))
    if row.decision == NO_FACE:
        return Said("", told(NO_FACE_TEXT), note=tr("mien", "Come into the picture, or move the camera."))
    if row.decision == LOW_QUALITY:
        return _seen_badly(row)
    parts = tuple((label, _percent(share)) for label, share in zip(row.labels, row.shares, strict=True))
    if row.decision == Route.ACCEPT.value:
        label, percent = parts[0]
        headline = tr("mien", "{label} {percent}%").format(label=expression_word(label), percent=percent)
        return Said("check", headline, parts, tip=percent_tip())
    if row.decision == Route.AMBIGUOUS.value:
        return _ambiguous(parts)
    return Said(
        "crossed",
        told(REJECT_TEXT),
        note=tr("mien", "The model has not learned from such pictures, so no label is given."),
        tip=tr(
            "mien",
            "This face is unlike the pictures the model learned from (mask, angle, light, age, drawing ...). "
            "No label is given.",
        ),
    )


def percent_tip() -> str:
    """What a percent means, and what it does not."""
    return QCoreApplication.translate(
        "mien",
        "Of faces given 80%, about 80 in 100 agreed with the raters in our test set FERPlus PrivateTest. "
        "Not measured for your camera.",
    )


def _ambiguous(parts: tuple[tuple[str, int], ...]) -> Said:
    tr = QCoreApplication.translate
    words = [expression_word(label) for label, _ in parts]
    headline = tr("mien", "{first} or {last}").format(first=", ".join(words[:-1]), last=words[-1])
    note = ", ".join(f"{word} {percent}%" for word, (_, percent) in zip(words, parts, strict=True))
    fits = (
        tr("mien", "Both labels fit. In pictures like this, people disagree too.")
        if len(parts) == 2
        else tr("mien", "All of these labels fit. In pictures like this, people disagree too.")
    )
    return Said("or", headline, parts, note, f"{fits}\n{percent_tip()}")


def _seen_badly(row: FaceRow) -> Said:
    tr = QCoreApplication.translate
    advice = {
        QualityReason.TOO_SMALL.value: tr("mien", "Move closer to the camera."),
        QualityReason.TURNED_AWAY.value: tr("mien", "Turn the face towards the camera."),
        QualityReason.BLURRED.value: tr("mien", "Hold still, and check that the lens is clean and in focus."),
        QualityReason.DARK.value: tr("mien", "Put more light on the face."),
        QualityReason.CUT_OFF.value: tr("mien", "Move so that the whole face is in the picture."),
    }
    reasons = ", ".join(told(REASON_TEXTS[reason]) for reason in row.quality_reasons[:2])
    headline = told(LOW_QUALITY_TEXT)
    if reasons:
        headline = tr("mien", "{told}: {reasons}").format(told=headline, reasons=reasons)
    return Said(
        "camera",
        headline,
        note=advice[row.quality_reasons[0]] if row.quality_reasons else "",
        tip=tr("mien", "No label is given while the face cannot be seen well."),
    )
