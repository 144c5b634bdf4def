"""Drawing of the time series: plots below the time axis as one static image, and the values at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter

from app.live.plot_image import draw_line
from app.overlay.palette import Colour
from app.qt import theme
from app.qt.live.strip_chart import drawn_points
from app.qt.review.axis_painter import AT_LEFT, SMALL, AxisFrame, draw_exclusions, draw_head, scaled
from app.qt.translation import expression_name
from app.review.face_series import SeriesGroup
from app.review.face_timeline import FaceTimeline, bucket_edges
from app.review.series_layout import ALEATORIC, EPISTEMIC, OOD_SCORE, SeriesLine, SeriesPlot
from app.review.session import Session
from engine.facs import unit_code
from engine.types import Float32, Int64, UInt8

_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
#: Width of the values beside the names, and of the sample of a line, in em.
_VALUE_EM: Final = 3.4
_SAMPLE_EM: Final = 2.2
#: Pixels of one step of a dash in the sample.
_SAMPLE_STEP_PX: Final = 2
#: Pixels of one step of a dash. Lines with more frames per pixel than _DASHED_FRAMES are solid: gaps would hide peaks.
_DASH_PX: Final = 4
_DASHED_FRAMES: Final = 4.0
#: Points out of view are at most so many pixels away, which OpenCV can draw.
_FAR_PX: Final = 1e6
#: Colours and dashes (steps drawn and left out) of lines that are not expressions, by place in their group.
_OF_UNITS: Final = (SeriesGroup.UNITS, SeriesGroup.INTENSITIES)
_UNCERTAINTY_STYLES: Final = {ALEATORIC: ("present", (1,)), EPISTEMIC: ("dim", (3, 2)), OOD_SCORE: ("present", (1,))}
_POSE_STYLES: Final = {0: ("text", (1,)), 1: ("present", (4, 2)), 2: ("dim", (1, 1))}


@dataclass(frozen=True, slots=True)
class SeriesFrame(AxisFrame):
    """What to draw."""

    plots: tuple[SeriesPlot, ...]
    hidden: frozenset[SeriesLine]
    face: FaceTimeline | None


@dataclass(frozen=True, slots=True)
class _Style:
    colour: QColor
    dashes: npt.NDArray[np.bool_]  # (period,) which steps are drawn


class SeriesPainter:
    """Draws the time series of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def image(self, frame: SeriesFrame, font: QFont) -> QImage:
        """Draw everything that does not move with playhead and pointer."""
        image = QImage(frame.size * frame.ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(frame.ratio)
        image.fill(theme.current().colour("panel"))
        painter = QPainter(image)
        painter.setFont(font)
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.size.width(), frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        edges = self._edges(frame)
        for plot in visible_plots(frame):
            self._draw_plot(painter, frame, plot, edges)
            self._draw_names(painter, frame, plot)
        painter.restore()
        draw_exclusions(painter, frame)
        draw_head(painter, frame, font)
        painter.end()
        return image

    def draw_values(self, painter: QPainter, frame: SeriesFrame, position: int, font: QFont) -> None:
        """Draw the value of each visible line in one frame beside its name."""
        em = QFontMetricsF(font).height()
        painter.save()
        painter.setClipRect(QRectF(0, frame.head_px, frame.names_px, frame.size.height() - frame.head_px))
        painter.translate(0, frame.head_px - frame.scroll_px)
        painter.setFont(scaled(font, SMALL))
        painter.setPen(theme.current().colour("text"))
        for plot in visible_plots(frame):
            values = None if frame.face is None else frame.face.series.values_at(plot.group, position)
            for line, rect in name_rects(plot, frame.names_px, em):
                if values is not None and line not in frame.hidden:
                    painter.drawText(rect, _AT_RIGHT, value_text(line, float(values[line.place])))
        painter.restore()

    def line_name(self, line: SeriesLine) -> str:
        """Name of a line, translated."""
        if line.group is SeriesGroup.EXPRESSIONS:
            return expression_name(self._session.header.expressions[line.place])
        if line.group in _OF_UNITS:
            code = self._session.header.au_codes[line.place]
            name = unit_code(code) if code in self._session.header.au_trusted else f"({unit_code(code)})"
            return name if line.group is SeriesGroup.UNITS else f"{name} 0–5"
        translate = QCoreApplication.translate
        if line.group is SeriesGroup.POSE:
            return (translate("mien", "yaw"), translate("mien", "pitch"), translate("mien", "roll"))[line.place]
        return (
            translate("mien", "aleatoric"),
            translate("mien", "epistemic"),
            translate("mien", "unlike training"),
        )[line.place]

    def _edges(self, frame: SeriesFrame) -> Int64:
        """Frames of each column of device pixels, and one more on both sides, to which the lines continue."""
        width = max(round(frame.scale.width_px * frame.ratio), 1)
        edges = bucket_edges(self._session.times_s, frame.scale.start_s, frame.scale.end_s, width)
        last = len(self._session.times_s)
        return np.concatenate([[max(edges[0] - 1, 0)], edges, [min(edges[-1] + 1, last)]]).astype(np.int64)

    def _draw_plot(self, painter: QPainter, frame: SeriesFrame, plot: SeriesPlot, edges: Int64) -> None:
        rect = QRectF(frame.names_px, plot.top_px, frame.scale.width_px, plot.height_px)
        width, height = max(round(rect.width() * frame.ratio), 1), max(round(rect.height() * frame.ratio), 1)
        image = np.full((height, width, 3), _rgb(theme.current().colour("window")), np.uint8)
        _draw_limits(image, plot)
        if frame.face is not None:
            self._draw_lines(image, frame, plot, edges)
        painter.drawImage(rect, QImage(image.data, width, height, 3 * width, QImage.Format.Format_RGB888))
        if len(plot.lines) > 1:
            _draw_scale(painter, plot, rect)

    def _draw_lines(self, image: UInt8, frame: SeriesFrame, plot: SeriesPlot, edges: Int64) -> None:
        """Draw the visible lines of one plot into its image."""
        face, scale = frame.face, frame.scale
        if face is None or face.last < edges[0] or face.first >= edges[-1]:
            return
        envelope = face.series.envelope(plot.group, edges)
        if not len(envelope.positions):
            return
        times_s = self._session.times_s[envelope.positions]
        x = np.clip((times_s - scale.start_s) / scale.span_s * image.shape[1], -_FAR_PX, _FAR_PX)
        dashed = (edges[-1] - edges[0]) / image.shape[1] <= _DASHED_FRAMES
        for line in reversed(plot.lines):  # the first ones lie above
            if line not in frame.hidden:
                style = self._style(line)
                low = _rows_of(plot, envelope.low[line.place], image.shape[0])
                high = _rows_of(plot, envelope.high[line.place], image.shape[0])
                if dashed:
                    steps = (x // (_DASH_PX * frame.ratio)).astype(np.int64) % len(style.dashes)
                    low = np.where(style.dashes[steps], low, np.nan)
                draw_line(image, *_zigzag(x, low, high), _rgb(style.colour), max(round(1.5 * frame.ratio), 1))

    def _style(self, line: SeriesLine) -> _Style:
        colours = theme.current()
        if line.group is SeriesGroup.EXPRESSIONS:
            label = self._session.header.expressions[line.place]
            return _Style(colours.expression(label), drawn_points(label))
        if line.group in _OF_UNITS:
            trusted = self._session.header.au_codes[line.place] in self._session.header.au_trusted
            return _Style(colours.colour("present" if trusted else "hatch"), np.ones(1, np.bool_))
        styles = _POSE_STYLES if line.group is SeriesGroup.POSE else _UNCERTAINTY_STYLES
        name, dashes = styles[line.place]
        return _Style(colours.colour(name), np.repeat(np.arange(len(dashes)) % 2 == 0, dashes))

    def _draw_names(self, painter: QPainter, frame: SeriesFrame, plot: SeriesPlot) -> None:
        """Draw a sample and the name of each line; those that are hidden are struck out."""
        em = QFontMetricsF(painter.font()).height()
        painter.save()
        small = scaled(painter.font(), SMALL)
        for line, rect in name_rects(plot, frame.names_px, em):
            is_hidden, style = line in frame.hidden, self._style(line)
            if not is_hidden:
                _draw_sample(painter, style, QRectF(rect.left(), rect.center().y(), _SAMPLE_EM * em, 0.14 * em))
            small.setStrikeOut(is_hidden)
            painter.setFont(small)
            painter.setPen(theme.current().colour("dim" if is_hidden else "text"))
            room = rect.adjusted((_SAMPLE_EM + 0.4) * em, 0, -_VALUE_EM * em, 0)
            name = QFontMetricsF(small).elidedText(self.line_name(line), Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, AT_LEFT, name)
        painter.restore()


def _draw_sample(painter: QPainter, style: _Style, rect: QRectF) -> None:
    """Draw a piece of a line with its dashes, reduced."""
    for step in range(round(rect.width()) // _SAMPLE_STEP_PX):
        if style.dashes[step % len(style.dashes)]:
            left = rect.left() + step * _SAMPLE_STEP_PX
            painter.fillRect(QRectF(left, round(rect.top()), _SAMPLE_STEP_PX, max(rect.height(), 2.0)), style.colour)


def visible_plots(frame: SeriesFrame) -> tuple[SeriesPlot, ...]:
    """The plots that are at least partly in view."""
    low, high = frame.scroll_px, frame.scroll_px + frame.size.height() - frame.head_px
    return tuple(plot for plot in frame.plots if plot.bottom_px > low and plot.top_px < high)


def name_rects(plot: SeriesPlot, names_px: int, em: float) -> list[tuple[SeriesLine, QRectF]]:
    """Where the names of a plot's lines are, in pixels from the top of the first plot."""
    pitch = min(plot.height_px / len(plot.lines), 1.4 * em)
    left, width = 0.5 * em, names_px - 0.9 * em
    return [(line, QRectF(left, plot.top_px + place * pitch, width, pitch)) for place, line in enumerate(plot.lines)]


def value_text(line: SeriesLine, value: float) -> str:
    """A value with its unit; empty for NaN."""
    if np.isnan(value):
        return ""
    if line.group is SeriesGroup.POSE:
        return f"{value:.0f}°"
    if line.group is SeriesGroup.INTENSITIES:
        return f"{value:.1f}"
    if line.group is SeriesGroup.UNCERTAINTIES and line.place != OOD_SCORE:
        return QCoreApplication.translate("mien", "{value:.2f} nats").format(value=value)
    return f"{100 * value:.0f} %"


def _rows_of(plot: SeriesPlot, values: Float32, height: int) -> npt.NDArray[np.float64]:
    """Row of the image (0 = top) for each value."""
    share = (values.astype(np.float64) - plot.low) / (plot.high - plot.low)
    return np.asarray(np.clip((1.0 - share) * (height - 1), 1.0, max(height - 2.0, 1.0)))


def _zigzag(
    x: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A line through both ends of every column: up in one, down in the next; one point where both are equal."""
    up = np.arange(len(x)) % 2 == 0
    ends = np.stack([np.where(up, low, high), np.where(up, high, low)], axis=1).ravel()
    needed = np.ones((len(x), 2), np.bool_)
    needed[:, 1] = low != high
    kept = needed.ravel()
    return np.repeat(x, 2)[kept], np.where(np.isnan(np.repeat(low, 2)), np.nan, ends)[kept]


def _draw_limits(image: UInt8, plot: SeriesPlot) -> None:
    """Draw the limit of a plot as a dashed line, and zero of a scale with two signs."""
    height, width = image.shape[:2]
    if plot.low < 0:
        image[height // 2] = _rgb(theme.current().colour("line"))
    if plot.limit is not None and plot.low <= plot.limit <= plot.high:
        row = int(_rows_of(plot, np.array([plot.limit], np.float32), height)[0])
        image[row, np.arange(width) // (2 * _DASH_PX) % 2 == 0] = _rgb(theme.current().colour("edge"))


def _draw_scale(painter: QPainter, plot: SeriesPlot, rect: QRectF) -> None:
    """Draw the values at the top and at the bottom of a plot."""
    painter.save()
    painter.setFont(scaled(painter.font(), 0.75))
    painter.setPen(theme.current().colour("dim"))
    metrics = QFontMetricsF(painter.font())
    for value, y in ((plot.high, rect.top() + metrics.ascent()), (plot.low, rect.bottom() - metrics.descent())):
        painter.drawText(QPointF(rect.left() + 3, y), value_text(plot.lines[0], value))
    painter.restore()


def _rgb(colour: QColor) -> Colour:
    return colour.red(), colour.green(), colour.blue()
