"""What moves over the timeline: the marked range and the playhead."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPen, QPolygonF

from app.qt import theme
from app.qt.review.timeline_painter import TimelineFrame, time_rect


def draw_range(painter: QPainter, frame: TimelineFrame, marked: tuple[float, float] | None) -> None:
    """A range of seconds over all rows, with a bar at the ruler; nothing for None or where it is not in view."""
    if marked is None or marked[1] < frame.scale.start_s or marked[0] > frame.scale.end_s:
        return
    accent = theme.current().colour("accent")
    tint = theme.current().colour("accent")
    tint.setAlpha(40)
    place = time_rect(frame, *marked, 0, frame.size.height())
    painter.fillRect(place, tint)
    painter.fillRect(QRectF(place.left(), frame.ruler_px - 4, place.width(), 4), accent)
    painter.setPen(QPen(accent, 1.5))
    for side, time_s in zip((place.left(), place.right()), marked, strict=True):
        if frame.scale.start_s <= time_s <= frame.scale.end_s:
            painter.drawLine(QPointF(side, 0), QPointF(side, frame.size.height()))


def draw_playhead(painter: QPainter, frame: TimelineFrame, time_s: float) -> None:
    """A line with a head on the ruler, where that time is in view."""
    if not frame.scale.start_s <= time_s <= frame.scale.end_s:
        return
    colours = theme.current()
    x = round(frame.names_px + frame.scale.x_of(time_s)) + 0.5  # between two pixels it would be a blur
    line = QPointF(x, 0), QPointF(x, frame.size.height())
    painter.setPen(QPen(colours.colour("panel"), 3))
    painter.drawLine(*line)
    painter.setPen(QPen(colours.colour("text"), 1))
    painter.drawLine(*line)
    painter.setBrush(colours.colour("text"))
    painter.drawPolygon(QPolygonF([QPointF(x - 5, 0), QPointF(x + 5, 0), QPointF(x, 7)]))
