"""Drawing of the timeline: ruler, faces and notes as one static image, then the marked range and the playhead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPixmap, QPolygonF

from app.overlay.patterns import shade
from app.qt import theme
from app.qt.translation import expression_name
from app.qt.widgets.patterns import hatch
from app.review.face_timeline import FaceBuckets, FaceState, bucket_edges
from app.review.notes import UNCLEAR, HumanLabel, Notes
from app.review.session import Session
from app.review.timeline_layout import Row, RowKind, TimeScale, clock_text, ruler_marks_s, ruler_step_s, unit_order
from app.review.timeline_pixels import Pixels, Run, TimelineColours, packed, ramp, runs, state_pixels, unit_pixels
from engine.facs import EXPRESSIONS, unit_code
from engine.types import Int64

#: Font size on the timeline, relative to that of the window.
_SMALL: Final = 0.85
_AT_LEFT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True)
class TimelineFrame:
    """What to draw; sizes in logical pixels."""

    scale: TimeScale  # its width excludes the names
    rows: tuple[Row, ...]
    scroll_px: int  # how far the rows are scrolled
    selected: int | None
    notes: Notes
    names_px: int  # width of the names on the left
    ruler_px: int  # height of the ruler
    head_px: int  # height of ruler and markers
    size: QSize
    ratio: float  # device pixels per logical pixel


def label_text(label: str) -> str:
    """A human label, translated."""
    return QCoreApplication.translate("mien", "unclear") if label == UNCLEAR else expression_name(label)


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
        self._draw_exclusions(painter, frame)
        self._draw_head(painter, frame, font)
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
        small = scaled(painter.font(), _SMALL)
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
        painter.setFont(scaled(painter.font(), _SMALL))
        for label in frame.notes.labels:
            if label.face_id == row.face_id and _overlaps(frame.scale, label.start_s, label.end_s):
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
            painter.setFont(own if row.kind is RowKind.FACE else scaled(font, _SMALL))
            painter.setPen(theme.current().colour("text" if row.kind is RowKind.FACE else "dim"))
            text = QFontMetricsF(painter.font()).elidedText(_name_of(row), Qt.TextElideMode.ElideRight, rect.width())
            painter.drawText(rect, _AT_LEFT, text)
        painter.restore()

    def _draw_unit_names(self, painter: QPainter, rect: QRectF, font: QFont) -> None:
        """Draw unit codes right-aligned, untrusted ones in brackets."""
        pitch = rect.height() / len(self._order)
        painter.setFont(scaled(font, min(_SMALL, pitch / QFontMetricsF(font).height())))
        for line, number in enumerate(self._order):
            code, trusted = unit_code(self._session.header.au_codes[number]), self._trusted[line]
            painter.setPen(theme.current().colour("text" if trusted else "dim"))
            text_rect = QRectF(rect.left(), rect.top() + line * pitch, rect.width(), pitch)
            painter.drawText(text_rect, _AT_RIGHT, code if trusted else f"({code})")

    def _draw_exclusions(self, painter: QPainter, frame: TimelineFrame) -> None:
        """Shade excluded ranges over all rows."""
        for exclusion in frame.notes.exclusions:
            if _overlaps(frame.scale, exclusion.start_s, exclusion.end_s):
                height = frame.size.height() - frame.ruler_px
                rect = time_rect(frame, exclusion.start_s, exclusion.end_s, frame.ruler_px, height)
                draw_excluded(painter, rect, max(frame.ruler_px // 5, 3))

    def _draw_head(self, painter: QPainter, frame: TimelineFrame, font: QFont) -> None:
        colours = theme.current()
        painter.setFont(scaled(font, _SMALL))
        metrics = QFontMetricsF(painter.font())
        duration = frame.scale.duration_s
        painter.fillRect(QRectF(0, 0, frame.size.width(), frame.ruler_px), colours.colour("window"))
        room = metrics.horizontalAdvance(clock_text(duration, duration, 1)) * 1.6
        step = ruler_step_s(frame.scale, room)
        painter.setPen(colours.colour("dim"))
        for time_s in ruler_marks_s(frame.scale, step):
            x = round(frame.names_px + frame.scale.x_of(time_s)) + 0.5
            painter.drawLine(QPointF(x, frame.ruler_px - 5), QPointF(x, frame.ruler_px))
            text = clock_text(time_s, duration, 0 if step >= 1 else 1)
            width = metrics.horizontalAdvance(text)
            left = min(max(x - width / 2, frame.names_px), frame.size.width() - width - 1)
            painter.drawText(QPointF(left, frame.ruler_px - 7), text)
        painter.setPen(colours.colour("line"))
        for y in (frame.ruler_px, frame.head_px):
            painter.drawLine(QPointF(0, y - 0.5), QPointF(frame.size.width(), y - 0.5))
        painter.drawLine(QPointF(frame.names_px - 0.5, 0), QPointF(frame.names_px - 0.5, frame.size.height()))
        self._draw_markers(painter, frame, metrics)

    def _draw_markers(self, painter: QPainter, frame: TimelineFrame, metrics: QFontMetricsF) -> None:
        """Draw a flag with its text below the ruler, and a dashed line over all rows."""
        colours = theme.current()
        middle, half = (frame.ruler_px + frame.head_px) / 2, (frame.head_px - frame.ruler_px) * 0.32
        painter.setPen(colours.colour("dim"))
        name = QRectF(8, frame.ruler_px, frame.names_px - 14, frame.head_px - frame.ruler_px)
        title = QCoreApplication.translate("mien", "Markers")
        fitted = metrics.elidedText(title, Qt.TextElideMode.ElideRight, name.width())
        painter.drawText(name, _AT_LEFT, fitted)
        shown = [marker for marker in frame.notes.markers if _overlaps(frame.scale, marker.time_s, marker.time_s)]
        places = [frame.names_px + frame.scale.x_of(marker.time_s) for marker in shown] + [float(frame.size.width())]
        for marker, x, following in zip(shown, places, places[1:], strict=False):
            painter.setPen(QPen(colours.colour("text"), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, frame.ruler_px), QPointF(x, frame.size.height()))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.colour("text"))
            flag = [QPointF(x, middle - half), QPointF(x + 2 * half, middle), QPointF(x, middle + half)]
            painter.drawPolygon(QPolygonF(flag))
            painter.setPen(colours.colour("text"))
            room = following - x - 2 * half - 8
            if marker.text and room > metrics.horizontalAdvance("mm"):
                text_rect = QRectF(x + 2 * half + 4, frame.ruler_px, room, frame.head_px - frame.ruler_px)
                text = metrics.elidedText(marker.text, Qt.TextElideMode.ElideRight, room)
                painter.drawText(text_rect, _AT_LEFT, text)


def draw_excluded(painter: QPainter, rect: QRectF, step_px: int) -> None:
    """Draw the tint and stripes of an excluded range over what is there."""
    colour = theme.current().colour("recording")
    tint = QColor(colour)
    tint.setAlpha(46)
    painter.fillRect(rect, tint)
    painter.fillRect(rect, hatch(_with_alpha(colour, 120), "#00000000", step_px))
    painter.setPen(QPen(colour, 1))
    painter.drawLine(rect.topLeft(), rect.bottomLeft())
    painter.drawLine(rect.topRight(), rect.bottomRight())


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


def time_rect(frame: TimelineFrame, start_s: float, end_s: float, top: float, height: float) -> QRectF:
    """The visible part of a time range."""
    left = max(frame.scale.x_of(start_s), 0.0)
    right = min(max(frame.scale.x_of(end_s), left + 1), float(frame.scale.width_px))
    return QRectF(frame.names_px + left, top, max(right - left, 0.0), height)


def scaled(font: QFont, factor: float) -> QFont:
    """The font in another size."""
    other = QFont(font)
    other.setPointSizeF(max(font.pointSizeF() * factor, 1.0))
    return other


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


def _name_of(row: Row) -> str:
    if row.kind is RowKind.LABELS:
        return QCoreApplication.translate("mien", "human labels")
    return QCoreApplication.translate("mien", "Face {number}").format(number=row.face_id)


def _overlaps(scale: TimeScale, start_s: float, end_s: float) -> bool:
    return start_s <= scale.end_s and end_s >= scale.start_s


def _background() -> QColor:
    return theme.current().colour("window")


def _pixel(colour: QColor) -> int:
    return packed(colour.red(), colour.green(), colour.blue())


def _with_alpha(colour: QColor, alpha: int) -> str:
    return f"#{alpha:02x}{colour.name()[1:]}"


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


def draw_range(painter: QPainter, frame: TimelineFrame, marked: tuple[float, float] | None) -> None:
    """Draw the marked range (seconds) over all rows, with a bar at the ruler; nothing for None or out of view."""
    if marked is None or marked[1] < frame.scale.start_s or marked[0] > frame.scale.end_s:
        return
    accent = theme.current().colour("accent")
    tint = theme.current().colour("accent")
    tint.setAlpha(40)
    rect = time_rect(frame, *marked, 0, frame.size.height())
    painter.fillRect(rect, tint)
    painter.fillRect(QRectF(rect.left(), frame.ruler_px - 4, rect.width(), 4), accent)
    painter.setPen(QPen(accent, 1.5))
    for side, time_s in zip((rect.left(), rect.right()), marked, strict=True):
        if frame.scale.start_s <= time_s <= frame.scale.end_s:
            painter.drawLine(QPointF(side, 0), QPointF(side, frame.size.height()))


def draw_playhead(painter: QPainter, frame: TimelineFrame, time_s: float) -> None:
    """Draw the playhead if its time is in view."""
    if not frame.scale.start_s <= time_s <= frame.scale.end_s:
        return
    colours = theme.current()
    x = round(frame.names_px + frame.scale.x_of(time_s)) + 0.5  # at the centre of a pixel: a sharp line
    line = QPointF(x, 0), QPointF(x, frame.size.height())
    painter.setPen(QPen(colours.colour("panel"), 3))
    painter.drawLine(*line)
    painter.setPen(QPen(colours.colour("text"), 1))
    painter.drawLine(*line)
    painter.setBrush(colours.colour("text"))
    painter.drawPolygon(QPolygonF([QPointF(x - 5, 0), QPointF(x + 5, 0), QPointF(x, 7)]))
