"""Drawing of the timeline: faces and notes below the time axis, as one static image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPixmap

from app.overlay.patterns import shade
from app.qt import theme
from app.qt.review.axis_painter import (
    AT_LEFT,
    SMALL,
    AxisFrame,
    draw_exclusions,
    draw_head,
    overlaps,
    scaled,
    time_rect,
)
from app.qt.translation import expression_name
from app.review.face_timeline import FaceBuckets, FaceState, bucket_edges
from app.review.notes import UNCLEAR, HumanLabel, Notes
from app.review.session import Session
from app.review.timeline_layout import Row, RowKind, unit_order
from app.review.timeline_pixels import Pixels, Run, TimelineColours, packed, ramp, runs, state_pixels, unit_pixels
from engine.facs import EXPRESSIONS, unit_code
from engine.types import Int64

_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True)
class TimelineFrame(AxisFrame):
    """What to draw."""

    rows: tuple[Row, ...]
    selected: int | None


def label_text(label: str) -> str:
    """A human label, translated."""
    return QCoreApplication.translate("mien", "unclear") if label == UNCLEAR else expression_name(label)


def face_title(face_id: int, notes: Notes) -> str:
    """Number of a face, after the name that it has, if any."""
    name = notes.name_of(face_id)
    number = QCoreApplication.translate("mien", "Face {number}").format(number=face_id)
    return f"{name} · {number}" if name else number


class TimelinePainter:
    """Draws the timeline of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        header = session.header
        self._order = unit_order(header)
        self._thresholds = tuple(header.au_thresholds[index] for index in self._order)
        self._trusted = tuple(header.au_codes[index] in header.au_trusted for index in self._order)
        self._pixmaps: dict[tuple[str, str, float, float], QPixmap] = {}

    def image(self, frame: TimelineFrame, font: QFont) -> QImage:
        """Draw everything that does not move with the playhead."""
        image = QImage(frame.size * frame.ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(frame.ratio)
        image.fill(theme.current().colour("panel"))
        painter = QPainter(image)
        painter.setFont(font)
        self._draw_body(painter, frame, font)
        draw_exclusions(painter, frame)
        draw_head(painter, frame, font)
        painter.end()
        return image

    def _draw_body(self, painter: QPainter, frame: TimelineFrame, font: QFont) -> None:
        visible = visible_rows(frame)
        width = max(round(frame.scale.width_px * frame.ratio), 1)
        edges = bucket_edges(self._session.times_s, frame.scale.start_s, frame.scale.end_s, width)
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.size.width(), frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        colours = _timeline_colours(self._session.header.expressions)
        for row in visible:
            if row.face_id == frame.selected:
                painter.fillRect(QRectF(0, row.top_px, 3, row.height_px + 1), theme.current().colour("accent"))
            if row.kind is RowKind.FACE:
                self._draw_states(painter, frame, row, edges, colours)
                _draw_neutral_range(painter, frame, row)
            elif row.kind is RowKind.LABELS:
                self._draw_labels(painter, frame, row)
            else:
                self._draw_units(painter, frame, row, edges, colours)
        painter.restore()
        self._draw_names(painter, frame, visible, font)

    def _draw_states(
        self, painter: QPainter, frame: TimelineFrame, row: Row, edges: Int64, colours: TimelineColours
    ) -> None:
        rect = QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px)
        if row.face.last < edges[0] or row.face.first >= edges[-1]:
            painter.fillRect(rect, _background())
            return
        view = row.face.buckets(edges)
        height = max(round(row.height_px * frame.ratio), 1)
        phase = round(frame.scale.start_s / frame.scale.span_s * frame.scale.width_px * frame.ratio)
        pixels = state_pixels(view, colours, height, phase, _pitch(height))
        _draw_pixels(painter, pixels, rect)
        small = scaled(painter.font(), SMALL)
        min_width = QFontMetricsF(small).horizontalAdvance("x") * 4 * frame.ratio
        for run in runs(view, round(min_width)):
            self._draw_run_text(painter, frame, row, run, small)

    def _draw_run_text(self, painter: QPainter, frame: TimelineFrame, row: Row, run: Run, font: QFont) -> None:
        """Draw the text of a run if it is wide enough."""
        text, background = self._text_of(run)
        room = (run.right - run.left) / frame.ratio
        pixmap = self._text_pixmap(text, background, font, frame.ratio)
        width, height = pixmap.width() / frame.ratio, pixmap.height() / frame.ratio
        if width + 4 <= room:
            left = frame.names_px + run.left / frame.ratio + (room - width) / 2
            painter.drawPixmap(QPointF(round(left), row.top_px + round((row.height_px - height) / 2)), pixmap)

    def _text_of(self, run: Run) -> tuple[str, str]:
        """Text of a run, and its background colour."""
        names = self._session.header.expressions
        panel = theme.current().panel
        if run.state is FaceState.ACCEPT:
            label = names[run.label]
            return expression_name(label), theme.current().expression(label).name()
        if run.state is FaceState.AMBIGUOUS:
            both = QCoreApplication.translate("mien", "{first} or {second}")
            second = names[run.second] if run.second >= 0 else names[run.label]
            return both.format(first=expression_name(names[run.label]), second=expression_name(second)), panel
        if run.state is FaceState.REJECT:
            return QCoreApplication.translate("mien", "not assessed"), panel
        return QCoreApplication.translate("mien", "can't see well"), panel

    def _text_pixmap(self, text: str, background: str, font: QFont, ratio: float) -> QPixmap:
        """A text on its background, cached: drawing text takes most of the time."""
        key = (text, background, font.pointSizeF(), ratio)
        if key not in self._pixmaps:
            metrics = QFontMetricsF(font)
            width, height = metrics.horizontalAdvance(text) + 6, metrics.height()
            pixmap = QPixmap(round(width * ratio), round(height * ratio))
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(QColor(background))
            painter = QPainter(pixmap)
            painter.setFont(font)
            painter.setPen(text_colour_on(QColor(background)))
            painter.drawText(QRectF(0, 0, width, height), Qt.AlignmentFlag.AlignCenter, text)
            painter.end()
            self._pixmaps[key] = pixmap
        return self._pixmaps[key]

    def _draw_units(
        self, painter: QPainter, frame: TimelineFrame, row: Row, edges: Int64, colours: TimelineColours
    ) -> None:
        occurrence = row.face.occurrence(edges)[:, list(self._order)]
        heat = unit_pixels(occurrence, self._thresholds, self._trusted, colours)
        lines = round(row.height_px * frame.ratio)
        tops = np.arange(lines) * len(self._order) // max(lines, 1)
        pixels = heat[tops]
        starts = np.flatnonzero(np.diff(tops)) + 1
        pixels[starts] = _pixel(theme.current().colour("panel"))  # a line between two units
        _draw_pixels(painter, pixels, QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px))

    def _draw_labels(self, painter: QPainter, frame: TimelineFrame, row: Row) -> None:
        """Draw human labels as outlines, so that they cannot be mistaken for the model's."""
        painter.fillRect(QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px), _background())
        painter.save()
        painter.setClipRect(
            QRectF(frame.names_px, row.top_px - 1, frame.scale.width_px, row.height_px + 2),
            Qt.ClipOperation.IntersectClip,
        )
        painter.setFont(scaled(painter.font(), SMALL))
        for label in frame.notes.labels:
            if label.face_id == row.face_id and overlaps(frame.scale, label.start_s, label.end_s):
                _draw_label(painter, frame, row, label)
        painter.restore()

    def _draw_names(self, painter: QPainter, frame: TimelineFrame, visible: Sequence[Row], font: QFont) -> None:
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.names_px, frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        for row in visible:
            rect = QRectF(8, row.top_px, frame.names_px - 14, row.height_px)
            if row.kind is RowKind.UNITS:
                self._draw_unit_names(painter, rect, font)
                continue
            chosen = row.face_id == frame.selected
            own = QFont(font)
            own.setBold(chosen and row.kind is RowKind.FACE)
            painter.setFont(own if row.kind is RowKind.FACE else scaled(font, SMALL))
            painter.setPen(theme.current().colour("text" if row.kind is RowKind.FACE else "dim"))
            text = QFontMetricsF(painter.font()).elidedText(
                _name_of(row, frame), Qt.TextElideMode.ElideRight, rect.width()
            )
            painter.drawText(rect, AT_LEFT, text)
        painter.restore()

    def _draw_unit_names(self, painter: QPainter, rect: QRectF, font: QFont) -> None:
        """Draw unit codes right-aligned, untrusted ones in brackets."""
        pitch = rect.height() / len(self._order)
        painter.setFont(scaled(font, min(SMALL, pitch / QFontMetricsF(font).height())))
        for line, number in enumerate(self._order):
            code, trusted = unit_code(self._session.header.au_codes[number]), self._trusted[line]
            painter.setPen(theme.current().colour("text" if trusted else "dim"))
            text_rect = QRectF(rect.left(), rect.top() + line * pitch, rect.width(), pitch)
            painter.drawText(text_rect, _AT_RIGHT, code if trusted else f"({code})")


def draw_state_sample(painter: QPainter, rect: QRectF, state: FaceState) -> None:
    """Draw a sample of one state, for the legend."""
    ratio = painter.device().devicePixelRatioF()
    width, height = max(round(rect.width() * ratio), 1), max(round(rect.height() * ratio), 1)
    view = FaceBuckets(
        np.full(width, state, np.uint8),
        np.full(width, EXPRESSIONS.index("happiness"), np.int8),
        np.full(width, EXPRESSIONS.index("surprise"), np.int8),
    )
    _draw_pixels(painter, state_pixels(view, _timeline_colours(EXPRESSIONS), height, 0, _pitch(height)), rect)


def _pitch(height_px: int) -> int:
    """Distance between two stripes in a row of this height."""
    return max(round(height_px / 2), 4)


def visible_rows(frame: TimelineFrame) -> tuple[Row, ...]:
    """The rows that are at min_width partly in view."""
    low, high = frame.scroll_px, frame.scroll_px + frame.size.height() - frame.head_px
    return tuple(row for row in frame.rows if row.bottom_px > low and row.top_px < high)


def text_colour_on(background: QColor) -> QColor:
    """Black or white, whichever has more contrast on this background (WCAG relative luminance)."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in _channels(background)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return QColor(Qt.GlobalColor.black if luminance > 0.179 else Qt.GlobalColor.white)


def _channels(colour: QColor) -> tuple[float, float, float]:
    return colour.redF(), colour.greenF(), colour.blueF()


def _draw_pixels(painter: QPainter, pixels: Pixels, rect: QRectF) -> None:
    height, width = pixels.shape
    contiguous = np.ascontiguousarray(pixels)  # QImage does not copy it
    painter.drawImage(rect, QImage(contiguous.data, width, height, 4 * width, QImage.Format.Format_RGB32))


def _draw_label(painter: QPainter, frame: TimelineFrame, row: Row, label: HumanLabel) -> None:
    colours = theme.current()
    colour = colours.colour("dim") if label.label == UNCLEAR else colours.expression(label.label)
    rect = time_rect(frame, label.start_s, label.end_s, row.top_px + 1, row.height_px - 2).adjusted(1, 1, -1, -1)
    style = Qt.PenStyle.DotLine if label.label == UNCLEAR else Qt.PenStyle.SolidLine
    painter.setPen(QPen(colour, 2, style))
    painter.setBrush(colours.colour("panel"))
    painter.drawRoundedRect(rect, 3, 3)
    text = label_text(label.label)
    if QFontMetricsF(painter.font()).horizontalAdvance(text) + 6 <= rect.width():
        painter.setPen(colours.colour("text"))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)


def _draw_neutral_range(painter: QPainter, frame: TimelineFrame, row: Row) -> None:
    for chosen in frame.notes.neutral:
        if chosen.face_id == row.face_id and overlaps(frame.scale, chosen.start_s, chosen.end_s):
            draw_neutral(painter, time_rect(frame, chosen.start_s, chosen.end_s, row.top_px, row.height_px))


def draw_neutral(painter: QPainter, rect: QRectF) -> None:
    """Draw the mark of a neutral range over a row of this size: a bar at its lower edge, and its ends."""
    colours, thick = theme.current(), max(round(rect.height() / 8), 2)
    bar = QRectF(rect.left(), rect.bottom() - thick, rect.width(), thick)
    ends = (
        QRectF(rect.left(), rect.top(), thick, rect.height()),
        QRectF(rect.right() - thick, rect.top(), thick, rect.height()),
    )
    for part in (bar, *ends):  # a light edge sets it off from the colours of expressions
        painter.fillRect(part.adjusted(-1, -1, 1, 1) & rect, colours.colour("panel"))
    for part in (bar, *ends):
        painter.fillRect(part, colours.colour("text"))


def _name_of(row: Row, frame: TimelineFrame) -> str:
    if row.kind is RowKind.LABELS:
        return QCoreApplication.translate("mien", "human labels")
    return face_title(row.face_id, frame.notes)


def _background() -> QColor:
    return theme.current().colour("window")


def _pixel(colour: QColor) -> int:
    return packed(colour.red(), colour.green(), colour.blue())


def _timeline_colours(expressions: Sequence[str]) -> TimelineColours:
    """The colours of the current theme."""
    colours = theme.current()
    background = _pixel(_background())
    labels = [colours.expression(label) for label in expressions]
    return TimelineColours(
        background,
        _pixel(colours.colour("track")),
        _pixel(colours.colour("dim")),
        tuple(expressions),
        np.array([_pixel(colour) for colour in labels], np.uint32),
        np.array([packed(*shade(colour.red(), colour.green(), colour.blue())) for colour in labels], np.uint32),
        ramp(background, _pixel(colours.colour("present")), 0.3),
        ramp(background, _pixel(colours.colour("below")), 0.0),
        ramp(background, _pixel(colours.colour("hatch")), 0.0),
    )
