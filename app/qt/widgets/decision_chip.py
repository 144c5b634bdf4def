"""The decision on a face as text: one label, "A or B", "not assessed", or advice on a poor image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.overlay.words import COVERED_TEXT, LOW_QUALITY_TEXT, NO_FACE_TEXT, REASON_TEXTS, REJECT_TEXT
from app.qt import theme
from app.qt.translation import either_text, expression_name, translated
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, bold
from app.qt.widgets.icons import IconName, draw_icon
from app.qt.widgets.patterns import expression_brush, hatch
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow
from engine.types import QualityReason, Route

#: Minimum height in lines of plain text, so that the height seldom changes.
_MIN_LINES: Final = 2.6
#: Between edge and text, in em.
_SIDE: Final = 0.8


@dataclass(frozen=True, slots=True)
class ChipText:
    """Content of the chip, translated."""

    icon: IconName | None
    headline: str
    parts: tuple[tuple[str, int], ...] = ()  # labels with their percentage, most likely first
    note: str = ""
    tip: str = ""


class DecisionChip(DrawnPanel):
    """Shows the decision in a frame styled like the face's box: solid, dashed in two colours, or dotted grey."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Decision"), parent)
        self._row: FaceRow | None = None
        self._percents: tuple[int, ...] = ()
        self._text = chip_text(None)
        self._update_text()

    @property
    def text(self) -> ChipText:
        """The content shown."""
        return self._text

    @property
    def percents(self) -> tuple[int, ...]:
        """The number of each label, as the next repaint shows it."""
        return self._percents

    def show_row(self, row: FaceRow | None) -> None:
        """Show the decision on a face; None before the first frame."""
        before, self._row = self._row, row
        percents = () if row is None else tuple(map(_percent, row.shares))
        if _text_key(row) != _text_key(before):
            self._percents = percents
            self._update_text()
            self._grow()
            self.redraw(static=True, at_once=True)
        elif percents != self._percents:  # the text is updated by the repaint
            self._percents = percents
            self.redraw()

    def shrink(self) -> None:
        """Take no more height than the text needs, as for another face."""
        self.setMinimumHeight(0)
        self._grow()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Lines that most decisions need."""
        em = theme.em(self)
        return QSize(round(18 * em), round((_MIN_LINES + 1) * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The same height, as narrow as is readable."""
        em = theme.em(self)
        return QSize(round(10 * em), round((_MIN_LINES + 1) * em))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Another width needs another number of lines."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.shrink()
        else:
            self._grow()

    def draw_static(self, painter: QPainter) -> None:
        """Draw the frame."""
        self._draw_frame(painter)

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw icon, headline, bar and note in the middle of the frame."""
        self._update_text()
        content, em, colours = self._text, theme.em(self), theme.current()
        head, note, bar = heights = self._heights()
        top = (self.height() - self._needed(heights)) / 2 + 0.5 * em
        side = 1.4 * em if content.icon else 0.0
        if content.icon:
            single = content.icon is IconName.ACCEPTED
            colour = colours.expression(content.parts[0][0]) if single else colours.colour("text")
            draw_icon(painter, content.icon, QRectF(_SIDE * em, top + 0.05 * em, side, side), colour)
        left = _SIDE * em + side + (0.4 * em if side else 0.0)
        painter.setFont(bold(self.font(), 1.15))
        painter.setPen(colours.colour("text"))
        painter.drawText(QRectF(left, top, self._text_width(side), head), WRAP, content.headline)
        if bar:
            self._draw_bar(painter, QRectF(_SIDE * em, top + head + 0.3 * em, self.width() - 2 * _SIDE * em, 0.5 * em))
        painter.setFont(self.font())
        painter.setPen(colours.colour("text"))
        below = top + head + bar + 0.2 * em
        painter.drawText(QRectF(_SIDE * em, below, self.width() - 2 * _SIDE * em, note), WRAP, content.note)

    def _update_text(self) -> None:
        content = self._text = chip_text(self._row)
        name = f"{content.headline}. {content.note}".removesuffix(". ")
        if name != self.accessibleName():
            self.setAccessibleName(name)
        if content.tip != self.toolTip():
            self.setToolTip(content.tip)

    def _draw_frame(self, painter: QPainter) -> None:
        colours, em = theme.current(), theme.em(self)
        edge = 3.0 + 0.06 * em  # inside the focus frame
        inner = QRectF(self.rect()).adjusted(edge, edge, -edge, -edge)
        thick = max(0.12 * em, 1.5)
        painter.setBrush(colours.colour("panel"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        labels = [label for label, _ in self._text.parts]
        if not labels:
            dotted = QPen(colours.colour("dim"), thick, Qt.PenStyle.DotLine)
            painter.setPen(dotted if self._text.icon else QPen(colours.colour("line"), 1))
            painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)
        for turn, label in enumerate(labels):
            pen = QPen(colours.expression(label), thick)
            if len(labels) > 1:  # dashes alternate between the colours
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                pen.setDashPattern([4, 6 * len(labels) - 4])
                pen.setDashOffset(-6 * turn)
            painter.setPen(pen)
            painter.drawRoundedRect(inner, 0.4 * em, 0.4 * em)

    def _draw_bar(self, painter: QPainter, box: QRectF) -> None:
        """Draw each label's share from the left; competing labels are hatched."""
        colours, em = theme.current(), theme.em(self)
        painter.fillRect(box, colours.colour("track"))
        left = box.left()
        for label, percent in self._text.parts:
            part = QRectF(left, box.top(), box.width() * percent / 100, box.height()) & box
            colour = colours.expression(label).name()
            several = len(self._text.parts) > 1
            painter.setBrushOrigin(box.topLeft())
            painter.fillRect(
                part, hatch(colour, colours.track, round(0.18 * em)) if several else expression_brush(label, em)
            )
            left += part.width()
            painter.fillRect(QRectF(left - 1, box.top(), 2, box.height()), colours.colour("panel"))

    def _text_width(self, side: float) -> float:
        em = theme.em(self)
        return max(self.width() - 2 * _SIDE * em - (side + 0.4 * em if side else 0.0), em)

    def _heights(self) -> tuple[float, float, float]:
        """Heights of headline, note, and bar with the gap above it, in pixels."""
        em, content = theme.em(self), self._text
        side = 1.4 * em if content.icon else 0.0
        wide = QRectF(0, 0, self._text_width(side), 100 * em)
        head = QFontMetricsF(bold(self.font(), 1.15)).boundingRect(wide, WRAP, content.headline).height()
        wide.setWidth(self._text_width(0.0))
        note = QFontMetricsF(self.font()).boundingRect(wide, WRAP, content.note).height() if content.note else 0.0
        return max(head, side + 0.1 * em), note, 0.9 * em if content.parts else 0.0

    def _needed(self, heights: tuple[float, float, float]) -> float:
        return sum(heights) + theme.em(self) * (1.2 if self._text.note else 1.0)

    def _grow(self) -> None:
        """Raise the minimum height to what the text needs; for one face it stays, so that the layout does not jump."""
        needed = round(self._needed(self._heights()) + 1)
        if needed > max(self.minimumHeight(), self.minimumSizeHint().height()):
            self.setMinimumHeight(needed)


def _text_key(row: FaceRow | None) -> tuple[object, ...]:
    """What the text depends on besides the percentages."""
    return () if row is None else (row.decision, row.labels, row.quality_reasons)


def _percent(share: float) -> int:
    return round(100 * share)


def chip_text(row: FaceRow | None) -> ChipText:
    """Content of the chip for a row; None before the first frame."""
    tr = QCoreApplication.translate
    if row is None:
        return ChipText(None, tr("mien", "Waiting for a picture"))
    if row.decision == NO_FACE:
        return ChipText(None, translated(NO_FACE_TEXT), note=tr("mien", "Move into view, or turn the camera."))
    if row.decision == LOW_QUALITY:
        return _poor_image(row)
    parts = tuple((label, _percent(share)) for label, share in zip(row.labels, row.shares, strict=True))
    if row.decision == Route.ACCEPT.value:
        label, percent = parts[0]
        headline = tr("mien", "{label} {percent} %").format(label=expression_name(label), percent=percent)
        return ChipText(IconName.ACCEPTED, headline, parts, tip=percent_tip())
    if row.decision == Route.AMBIGUOUS.value:
        return _ambiguous(parts)
    headline, reasons = translated(REJECT_TEXT), _reasons(row)
    if reasons:
        headline = translated(COVERED_TEXT).format(reasons=reasons)
    return ChipText(
        IconName.NOT_ASSESSED,
        headline,
        note=tr("mien", "Too much of the face is hidden, so no label is given.")
        if reasons
        else tr("mien", "The model was not trained on such faces, so no label is given."),
        tip=tr(
            "mien",
            "This face is unlike the pictures the model was trained on (mask, angle, light, age, drawing ...). "
            "No label is given.",
        ),
    )


def percent_tip() -> str:
    """Tooltip on the meaning of a percentage."""
    return QCoreApplication.translate(
        "mien",
        "Of faces given 80 %, about 80 in 100 agreed with the raters in our test set FERPlus PrivateTest. "
        "Not measured for your camera.",
    )


def _ambiguous(parts: tuple[tuple[str, int], ...]) -> ChipText:
    tr = QCoreApplication.translate
    names = [expression_name(label) for label, _ in parts]
    headline = either_text([label for label, _ in parts])
    note = ", ".join(f"{name} {percent} %" for name, (_, percent) in zip(names, parts, strict=True))
    fits = (
        tr("mien", "Both labels fit. In pictures like this, people disagree too.")
        if len(parts) == 2
        else tr("mien", "All of these labels fit. In pictures like this, people disagree too.")
    )
    return ChipText(IconName.AMBIGUOUS, headline, parts, note, f"{fits}\n{percent_tip()}")


def _reasons(row: FaceRow) -> str:
    """The first two reasons in words; empty if there are none."""
    return ", ".join(translated(REASON_TEXTS[reason]) for reason in row.quality_reasons[:2])


def _poor_image(row: FaceRow) -> ChipText:
    tr = QCoreApplication.translate
    advice = {
        QualityReason.TOO_SMALL.value: tr("mien", "Move closer to the camera."),
        QualityReason.TURNED_AWAY.value: tr("mien", "Turn the face towards the camera."),
        QualityReason.BLURRED.value: tr("mien", "Hold still, and check that the lens is clean and in focus."),
        QualityReason.DARK.value: tr("mien", "Put more light on the face."),
        QualityReason.CUT_OFF.value: tr("mien", "Move so that the whole face is in the picture."),
    }
    reasons = _reasons(row)
    headline = translated(LOW_QUALITY_TEXT)
    if reasons:
        headline = tr("mien", "{problem}: {reasons}").format(problem=headline, reasons=reasons)
    return ChipText(
        IconName.POOR_IMAGE,
        headline,
        note=advice[row.quality_reasons[0]] if row.quality_reasons else "",
        tip=tr("mien", "No label is given while the face cannot be seen well."),
    )
