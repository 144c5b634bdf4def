"""The still part of the timeline: ruler, lanes, notes; all but what moves with the player."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPixmap, QPolygonF

from app.qt import theme
from app.qt.translation import expression_name
from app.qt.widgets.drawn_panel import hatch
from app.review.face_timeline import LaneState, LaneView, bucket_edges
from app.review.notes import UNCLEAR, HumanLabel, Notes
from app.review.session import Session
from app.review.timeline_layout import Row, RowKind, TimeScale, clock_text, ruler_marks_s, ruler_step_s, unit_order
from app.review.timeline_pixels import LaneColours, Pixels, Run, lane_pixels, packed, ramp, runs, unit_pixels
from engine.facs import EXPRESSIONS, unit_code
from engine.types import Int64

#: Letters in the lanes, against those of the window.
_SMALL: Final = 0.85
_AT_LEFT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True)
class TimelineFrame:
    """What is to be drawn; sizes in logical pixels."""

    scale: TimeScale  # its width is that of the lanes
    rows: tuple[Row, ...]
    scroll_px: int  # lines of the rows above the upper edge
    selected: int | None
    notes: Notes
    names_px: int  # width of the names at the left
    ruler_px: int  # height of the ruler
    head_px: int  # of ruler and markers
    size: QSize
    ratio: float  # device pixels per logical pixel


def unclear_word() -> str:
    """What people say where no label fits."""
    return QCoreApplication.translate("mien", "unclear")


def label_word(label: str) -> str:
    """A label that people give, in words of the user's language."""
    return unclear_word() if label == UNCLEAR else expression_name(label)


class TimelinePainter:
    """Draws one session's timeline."""

    def __init__(self, session: Session) -> None:
        self._session = session
        header = session.header
        self._order = unit_order(header)
        self._thresholds = tuple(header.au_thresholds[place] for place in self._order)
        self._trusted = tuple(header.au_codes[place] in header.au_trusted for place in self._order)
        self._words: dict[tuple[str, str, float, float], QPixmap] = {}

    def image(self, frame: TimelineFrame, font: QFont) -> QImage:
        """The picture of all still parts."""
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
        seen = visible_rows(frame)
        width = max(round(frame.scale.width_px * frame.ratio), 1)
        edges = bucket_edges(self._session.times_s, frame.scale.start_s, frame.scale.end_s, width)
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.size.width(), frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        colours = _lane_colours(self._session.header.expressions)
        for row in seen:
            if row.face_id == frame.selected:
                painter.fillRect(QRectF(0, row.top_px, 3, row.height_px + 1), theme.current().colour("accent"))
            if row.kind is RowKind.FACE:
                self._draw_lane(painter, frame, row, edges, colours)
            elif row.kind is RowKind.NOTED:
                self._draw_noted(painter, frame, row)
            else:
                self._draw_units(painter, frame, row, edges, colours)
        painter.restore()
        self._draw_names(painter, frame, seen, font)

    def _draw_lane(self, painter: QPainter, frame: TimelineFrame, row: Row, edges: Int64, colours: LaneColours) -> None:
        place = QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px)
        if row.lane.last < edges[0] or row.lane.first >= edges[-1]:
            painter.fillRect(place, _ground())
            return
        view = row.lane.view(edges)
        height = max(round(row.height_px * frame.ratio), 1)
        phase = round(frame.scale.start_s / frame.scale.span_s * frame.scale.width_px * frame.ratio)
        pixels = lane_pixels(view, colours, height, phase, _pitch(height))
        _draw_pixels(painter, pixels, place)
        small = scaled(painter.font(), _SMALL)
        least = QFontMetricsF(small).horizontalAdvance("x") * 4 * frame.ratio
        for run in runs(view, round(least)):
            self._draw_word(painter, frame, row, run, small)

    def _draw_word(self, painter: QPainter, frame: TimelineFrame, row: Row, run: Run, font: QFont) -> None:
        """What a run says, where it is wide enough for the word."""
        text, ground = self._told(run)
        room = (run.right - run.left) / frame.ratio
        word = self._word(text, ground, font, frame.ratio)
        width, height = word.width() / frame.ratio, word.height() / frame.ratio
        if width + 4 <= room:
            left = frame.names_px + run.left / frame.ratio + (room - width) / 2
            painter.drawPixmap(QPointF(round(left), row.top_px + round((row.height_px - height) / 2)), word)

    def _told(self, run: Run) -> tuple[str, str]:
        """Word and ground of a run."""
        names = self._session.header.expressions
        panel = theme.current().panel
        if run.state is LaneState.ACCEPT:
            label = names[run.label]
            return expression_name(label), theme.current().expression(label).name()
        if run.state is LaneState.AMBIGUOUS:
            both = QCoreApplication.translate("mien", "{first} or {second}")
            second = names[run.second] if run.second >= 0 else names[run.label]
            return both.format(first=expression_name(names[run.label]), second=expression_name(second)), panel
        if run.state is LaneState.REJECT:
            return QCoreApplication.translate("mien", "not assessed"), panel
        return QCoreApplication.translate("mien", "can't see well"), panel

    def _word(self, text: str, ground: str, font: QFont, ratio: float) -> QPixmap:
        """A word on its ground; made once, since letters cost more than all else."""
        key = (text, ground, font.pointSizeF(), ratio)
        if key not in self._words:
            metrics = QFontMetricsF(font)
            width, height = metrics.horizontalAdvance(text) + 6, metrics.height()
            word = QPixmap(round(width * ratio), round(height * ratio))
            word.setDevicePixelRatio(ratio)
            word.fill(QColor(ground))
            painter = QPainter(word)
            painter.setFont(font)
            painter.setPen(ink_on(QColor(ground)))
            painter.drawText(QRectF(0, 0, width, height), Qt.AlignmentFlag.AlignCenter, text)
            painter.end()
            self._words[key] = word
        return self._words[key]

    def _draw_units(
        self, painter: QPainter, frame: TimelineFrame, row: Row, edges: Int64, colours: LaneColours
    ) -> None:
        occurrence = row.lane.occurrence(edges)[:, list(self._order)]
        heat = unit_pixels(occurrence, self._thresholds, self._trusted, colours)
        lines = round(row.height_px * frame.ratio)
        tops = np.arange(lines) * len(self._order) // max(lines, 1)
        pixels = heat[tops]
        starts = np.flatnonzero(np.diff(tops)) + 1
        pixels[starts] = _pixel(theme.current().colour("panel"))  # a line between two units
        _draw_pixels(painter, pixels, QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px))

    def _draw_noted(self, painter: QPainter, frame: TimelineFrame, row: Row) -> None:
        """What people said: outlined, never filled, so that it cannot be taken for the model's lane."""
        painter.fillRect(QRectF(frame.names_px, row.top_px, frame.scale.width_px, row.height_px), _ground())
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

    def _draw_names(self, painter: QPainter, frame: TimelineFrame, seen: Sequence[Row], font: QFont) -> None:
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.names_px, frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        for row in seen:
            place = QRectF(8, row.top_px, frame.names_px - 14, row.height_px)
            if row.kind is RowKind.UNITS:
                self._draw_unit_names(painter, place, font)
                continue
            chosen = row.face_id == frame.selected
            own = QFont(font)
            own.setBold(chosen and row.kind is RowKind.FACE)
            painter.setFont(own if row.kind is RowKind.FACE else scaled(font, _SMALL))
            painter.setPen(theme.current().colour("text" if row.kind is RowKind.FACE else "dim"))
            text = QFontMetricsF(painter.font()).elidedText(_name_of(row), Qt.TextElideMode.ElideRight, place.width())
            painter.drawText(place, _AT_LEFT, text)
        painter.restore()

    def _draw_unit_names(self, painter: QPainter, place: QRectF, font: QFont) -> None:
        """Codes at the right; those that are not to be built on in brackets."""
        pitch = place.height() / len(self._order)
        painter.setFont(scaled(font, min(_SMALL, pitch / QFontMetricsF(font).height())))
        for line, number in enumerate(self._order):
            code, trusted = unit_code(self._session.header.au_codes[number]), self._trusted[line]
            painter.setPen(theme.current().colour("text" if trusted else "dim"))
            spot = QRectF(place.left(), place.top() + line * pitch, place.width(), pitch)
            painter.drawText(spot, _AT_RIGHT, code if trusted else f"({code})")

    def _draw_exclusions(self, painter: QPainter, frame: TimelineFrame) -> None:
        """Over all lanes: left out of every count."""
        for exclusion in frame.notes.exclusions:
            if _overlaps(frame.scale, exclusion.start_s, exclusion.end_s):
                height = frame.size.height() - frame.ruler_px
                place = time_rect(frame, exclusion.start_s, exclusion.end_s, frame.ruler_px, height)
                draw_excluded(painter, place, max(frame.ruler_px // 5, 3))

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
        """A flag with its words in the row below the ruler, and a dashed line over the lanes."""
        colours = theme.current()
        middle, half = (frame.ruler_px + frame.head_px) / 2, (frame.head_px - frame.ruler_px) * 0.32
        painter.setPen(colours.colour("dim"))
        name = QRectF(8, frame.ruler_px, frame.names_px - 14, frame.head_px - frame.ruler_px)
        title = QCoreApplication.translate("mien", "Markers")
        fitted = metrics.elidedText(title, Qt.TextElideMode.ElideRight, name.width())
        painter.drawText(name, _AT_LEFT, fitted)
        shown = [one for one in frame.notes.markers if _overlaps(frame.scale, one.time_s, one.time_s)]
        places = [frame.names_px + frame.scale.x_of(one.time_s) for one in shown] + [float(frame.size.width())]
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
                spot = QRectF(x + 2 * half + 4, frame.ruler_px, room, frame.head_px - frame.ruler_px)
                text = metrics.elidedText(marker.text, Qt.TextElideMode.ElideRight, room)
                painter.drawText(spot, _AT_LEFT, text)


def draw_excluded(painter: QPainter, place: QRectF, step_px: int) -> None:
    """The tint and stripes of what counts for nothing, over what is there."""
    colour = theme.current().colour("recording")
    tint = QColor(colour)
    tint.setAlpha(46)
    painter.fillRect(place, tint)
    painter.fillRect(place, hatch(_with_alpha(colour, 120), "#00000000", step_px))
    painter.setPen(QPen(colour, 1))
    painter.drawLine(place.topLeft(), place.bottomLeft())
    painter.drawLine(place.topRight(), place.bottomRight())


def draw_lane_sample(painter: QPainter, place: QRectF, state: LaneState) -> None:
    """A piece of a lane in one state, for the key."""
    ratio = painter.device().devicePixelRatioF()
    width, height = max(round(place.width() * ratio), 1), max(round(place.height() * ratio), 1)
    view = LaneView(
        np.full(width, state, np.uint8),
        np.full(width, EXPRESSIONS.index("happiness"), np.int8),
        np.full(width, EXPRESSIONS.index("surprise"), np.int8),
    )
    _draw_pixels(painter, lane_pixels(view, _lane_colours(EXPRESSIONS), height, 0, _pitch(height)), place)


def _pitch(height_px: int) -> int:
    """From one stripe to the next in a lane of that height."""
    return max(round(height_px / 2), 4)


def visible_rows(frame: TimelineFrame) -> tuple[Row, ...]:
    """Those that are at least partly in view."""
    low, high = frame.scroll_px, frame.scroll_px + frame.size.height() - frame.head_px
    return tuple(row for row in frame.rows if row.bottom_px > low and row.top_px < high)


def time_rect(frame: TimelineFrame, start_s: float, end_s: float, top: float, height: float) -> QRectF:
    """A stretch of time, as far as it is in view."""
    left = max(frame.scale.x_of(start_s), 0.0)
    right = min(max(frame.scale.x_of(end_s), left + 1), float(frame.scale.width_px))
    return QRectF(frame.names_px + left, top, max(right - left, 0.0), height)


def scaled(font: QFont, factor: float) -> QFont:
    """The same letters in another size."""
    other = QFont(font)
    other.setPointSizeF(max(font.pointSizeF() * factor, 1.0))
    return other


def ink_on(ground: QColor) -> QColor:
    """Black or white, whichever is read better there (WCAG's relative luminance)."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in _shares(ground)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return QColor(Qt.GlobalColor.black if luminance > 0.179 else Qt.GlobalColor.white)


def _shares(colour: QColor) -> tuple[float, float, float]:
    return colour.redF(), colour.greenF(), colour.blueF()


def _draw_pixels(painter: QPainter, pixels: Pixels, place: QRectF) -> None:
    height, width = pixels.shape
    kept = np.ascontiguousarray(pixels)  # QImage only looks at it
    painter.drawImage(place, QImage(kept.data, width, height, 4 * width, QImage.Format.Format_RGB32))


def _draw_label(painter: QPainter, frame: TimelineFrame, row: Row, label: HumanLabel) -> None:
    colours = theme.current()
    colour = colours.colour("dim") if label.label == UNCLEAR else colours.expression(label.label)
    place = time_rect(frame, label.start_s, label.end_s, row.top_px + 1, row.height_px - 2).adjusted(1, 1, -1, -1)
    style = Qt.PenStyle.DotLine if label.label == UNCLEAR else Qt.PenStyle.SolidLine
    painter.setPen(QPen(colour, 2, style))
    painter.setBrush(colours.colour("panel"))
    painter.drawRoundedRect(place, 3, 3)
    word = label_word(label.label)
    if QFontMetricsF(painter.font()).horizontalAdvance(word) + 6 <= place.width():
        painter.setPen(colours.colour("text"))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, word)


def _name_of(row: Row) -> str:
    if row.kind is RowKind.NOTED:
        return QCoreApplication.translate("mien", "people's labels")
    return QCoreApplication.translate("mien", "Face {number}").format(number=row.face_id)


def _overlaps(scale: TimeScale, start_s: float, end_s: float) -> bool:
    return start_s <= scale.end_s and end_s >= scale.start_s


def _ground() -> QColor:
    return theme.current().colour("window")


def _pixel(colour: QColor) -> int:
    return packed(colour.red(), colour.green(), colour.blue())


def _with_alpha(colour: QColor, alpha: int) -> str:
    return f"#{alpha:02x}{colour.name()[1:]}"


def _lane_colours(expressions: Sequence[str]) -> LaneColours:
    """Of the theme in force."""
    colours = theme.current()
    ground = _pixel(_ground())
    return LaneColours(
        ground,
        _pixel(colours.colour("track")),
        _pixel(colours.colour("dim")),
        np.array([_pixel(colours.expression(label)) for label in expressions], np.uint32),
        ramp(ground, _pixel(colours.colour("present")), 0.3),
        ramp(ground, _pixel(colours.colour("below")), 0.0),
        ramp(ground, _pixel(colours.colour("hatch")), 0.0),
    )


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
