"""Drawing of a time axis: ruler, markers, excluded ranges, the marked range and the playhead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from app.qt import theme
from app.qt.widgets.patterns import hatch
from app.review.notes import Notes
from app.review.timeline_layout import TimeScale, clock_text, ruler_marks_s, ruler_step_s

#: Font size on the axis, relative to that of the window.
SMALL: Final = 0.85
AT_LEFT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


@dataclass(frozen=True, slots=True)
class AxisFrame:
    """What is over and across the content; sizes in logical pixels."""

    scale: TimeScale  # its width excludes the names
    scroll_px: int  # how far the content is scrolled
    notes: Notes
    names_px: int  # width of the names on the left
    ruler_px: int  # height of the ruler
    head_px: int  # height of ruler and markers
    size: QSize
    ratio: float  # device pixels per logical pixel

    def parts(self) -> tuple[TimeScale, int, Notes, int, int, int, QSize, float]:
        """The fields in order, for a frame that adds its own."""
        return (
            *(self.scale, self.scroll_px, self.notes, self.names_px),
            *(self.ruler_px, self.head_px, self.size, self.ratio),
        )


def draw_exclusions(painter: QPainter, frame: AxisFrame) -> None:
    """Shade excluded ranges over all rows."""
    for exclusion in frame.notes.exclusions:
        if overlaps(frame.scale, exclusion.start_s, exclusion.end_s):
            height = frame.size.height() - frame.ruler_px
            rect = time_rect(frame, exclusion.start_s, exclusion.end_s, frame.ruler_px, height)
            draw_excluded(painter, rect, max(frame.ruler_px // 5, 3))


def draw_head(painter: QPainter, frame: AxisFrame, font: QFont) -> None:
    """Draw the ruler and the markers."""
    colours = theme.current()
    painter.setFont(scaled(font, SMALL))
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
    _draw_markers(painter, frame, metrics)


def _draw_markers(painter: QPainter, frame: AxisFrame, metrics: QFontMetricsF) -> None:
    """Draw a flag with its text below the ruler, and a dashed line over all rows."""
    colours = theme.current()
    middle, half = (frame.ruler_px + frame.head_px) / 2, (frame.head_px - frame.ruler_px) * 0.32
    painter.setPen(colours.colour("dim"))
    name = QRectF(8, frame.ruler_px, frame.names_px - 14, frame.head_px - frame.ruler_px)
    title = QCoreApplication.translate("mien", "Markers")
    fitted = metrics.elidedText(title, Qt.TextElideMode.ElideRight, name.width())
    painter.drawText(name, AT_LEFT, fitted)
    _draw_events(painter, frame, metrics)
    shown = [marker for marker in frame.notes.markers if overlaps(frame.scale, marker.time_s, marker.time_s)]
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
            painter.drawText(text_rect, AT_LEFT, text)


def _draw_events(painter: QPainter, frame: AxisFrame, metrics: QFontMetricsF) -> None:
    """Draw a bar with the code of each event in the lane of the markers, and its ends over all rows."""
    colours = theme.current()
    for event in frame.notes.events:
        if not overlaps(frame.scale, event.start_s, event.end_s):
            continue
        rect = time_rect(frame, event.start_s, event.end_s, frame.ruler_px + 2, frame.head_px - frame.ruler_px - 4)
        painter.setPen(QPen(colours.colour("edge"), 1))
        painter.setBrush(colours.colour("track"))
        painter.drawRect(rect)
        painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
        for time_s in (event.start_s, event.end_s):
            if frame.scale.start_s <= time_s <= frame.scale.end_s:
                x = frame.names_px + frame.scale.x_of(time_s)
                painter.drawLine(QPointF(x, frame.head_px), QPointF(x, frame.size.height()))
        if rect.width() > metrics.horizontalAdvance("mm"):
            painter.setPen(colours.colour("text"))
            text = metrics.elidedText(event.code, Qt.TextElideMode.ElideRight, rect.width() - 6)
            painter.drawText(rect.adjusted(4, 0, -2, 0), AT_LEFT, text)


def draw_range(painter: QPainter, frame: AxisFrame, marked: tuple[float, float] | None) -> None:
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


def draw_playhead(painter: QPainter, frame: AxisFrame, time_s: float) -> None:
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


def time_rect(frame: AxisFrame, start_s: float, end_s: float, top: float, height: float) -> QRectF:
    """The visible part of a time range."""
    left = max(frame.scale.x_of(start_s), 0.0)
    right = min(max(frame.scale.x_of(end_s), left + 1), float(frame.scale.width_px))
    return QRectF(frame.names_px + left, top, max(right - left, 0.0), height)


def scaled(font: QFont, factor: float) -> QFont:
    """The font in another size."""
    other = QFont(font)
    other.setPointSizeF(max(font.pointSizeF() * factor, 1.0))
    return other


def overlaps(scale: TimeScale, start_s: float, end_s: float) -> bool:
    """Whether a time range is partly in view."""
    return start_s <= scale.end_s and end_s >= scale.start_s


def _with_alpha(colour: QColor, alpha: int) -> str:
    return f"#{alpha:02x}{colour.name()[1:]}"
