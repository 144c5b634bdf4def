"""The last minute of one face: probabilities, and the two uncertainties against their limits, over one time axis.

Lines break where nothing is known: no face, or a face that is not assessed. The only file that meets pyqtgraph.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyqtgraph
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.live.trace import SPAN_S, Trace, TraceView
from app.qt import theme
from app.qt.drawn import WRAP, DrawnPanel, expression_word, hatch
from app.qt.panels.expression_panel import MOST_NATS
from app.thresholds import Thresholds
from engine.facs import EXPRESSIONS
from engine.recording import FaceRow, RunHeader
from engine.types import Float64

pyqtgraph.setConfigOption("exitCleanup", False)  # its own end of the process would take Qt's objects away before us

#: Milliseconds between two drawings; in that time the lines move by about a pixel.
_REDRAW_MS: Final = 200
#: Points of a line; more than about one per pixel cannot be seen.
_POINTS: Final = 240
#: An expression that did not reach this in the window has no line.
_LEAST_SHARE: Final = 0.15
#: In the names of the lines, in em: a line's piece with the gap behind it, and the height of a line of text.
_SAMPLE_EM: Final = 2.6
_LINE_EM: Final = 1.25
#: Points that are drawn and left out in turn, of each expression's line: lines differ without their colours. The
#: points themselves are left out, since Qt takes five times as long for pens with dashes.
_DASHES: Final[dict[str, tuple[int, ...]]] = dict(
    zip(
        EXPRESSIONS,
        ((2, 1), (1,), (7, 1), (8, 1, 2, 1), (14, 1), (4, 1), (8, 1, 2, 1, 2, 1), (14, 1, 4, 1)),
        strict=True,
    )
)


def _drawn_points(label: str) -> npt.NDArray[np.bool_]:
    """Which points of a turn of dashes and gaps are drawn."""
    lengths = np.array(_DASHES[label])
    return np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)


_DRAWN: Final = {label: _drawn_points(label) for label in EXPRESSIONS}


def _pen(colour: QColor, width: float) -> QPen:
    pen = QPen(colour, width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


class LineKey(DrawnPanel):
    """Names the lines that are drawn: a piece of each with its word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._labels: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions named."""
        return self._labels

    def show_labels(self, labels: tuple[str, ...]) -> None:
        """Name these expressions."""
        if labels != self._labels:
            self._labels = labels
            self.setAccessibleName(", ".join(map(expression_word, labels)))
            self._grow()
            self.redraw(kept=True)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Another width may need other lines."""
        super().resizeEvent(event)
        self._grow()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Two lines, so that the plots under it keep their height."""
        em = theme.em(self)
        return QSize(round(20 * em), round(2.6 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrower, of the same height."""
        em = theme.em(self)
        return QSize(round(12 * em), round(2.6 * em))

    def draw_values(self, painter: QPainter) -> None:
        """All of it changes at once, and seldom."""

    def draw_kept(self, painter: QPainter) -> None:
        """A piece of each line and its word."""
        em = theme.em(self)
        if not self._labels:
            painter.setPen(theme.current().colour("dim"))
            nothing = QRectF(0.3 * em, 0.0, self.width() - 0.6 * em, self.height())
            painter.drawText(nothing, WRAP, self.tr("No expression in the last 60 seconds"))
        for label, place in zip(self._labels, self._places(), strict=True):
            middle = place.y() + 0.65 * em
            pen = _pen(theme.current().expression(label), max(0.14 * em, 2.0))
            if len(_DASHES[label]) > 1:
                steps = [length + (1 if place % 2 else -1) for place, length in enumerate(_DASHES[label])]
                pen.setDashPattern([0.8 * step for step in steps])  # n points are joined by n - 1 pieces
            painter.setPen(pen)
            painter.drawLine(QLineF(place.x(), middle, place.x() + 2.2 * em, middle))
            painter.setPen(theme.current().colour("text"))
            word = QRectF(place.x() + _SAMPLE_EM * em, place.y(), self.width(), _LINE_EM * em)
            painter.drawText(word, Qt.AlignmentFlag.AlignVCenter, expression_word(label))

    def _places(self) -> list[QPointF]:
        """The left upper corner of each entry."""
        em, metrics = theme.em(self), QFontMetricsF(self.font())
        x, y = 0.3 * em, 0.0
        places: list[QPointF] = []
        for label in self._labels:
            wide = _SAMPLE_EM * em + metrics.horizontalAdvance(expression_word(label))
            if x + wide > self.width() and places:
                x, y = 0.3 * em, y + _LINE_EM * em
            places.append(QPointF(x, y))
            x += wide + 0.7 * em
        return places

    def _grow(self) -> None:
        """Take the lines that are needed, and keep them: the plots must not jump."""
        places = self._places()
        needed = round(places[-1].y() + _LINE_EM * theme.em(self)) if places else 0
        if needed > max(self.minimumHeight(), self.minimumSizeHint().height()):
            self.setMinimumHeight(needed)


class _Row:
    """One plot of the chart: an axis, a view that nobody can move, a limit, and its lines."""

    def __init__(self, chart: pyqtgraph.GraphicsLayoutWidget, place: int, title: str, top: float) -> None:
        self.title = chart.addLabel(title, row=2 * place, col=1, justify="left")
        self.view = pyqtgraph.ViewBox(enableMenu=False, enableMouse=False)
        self.axis = pyqtgraph.AxisItem("left", linkView=self.view)
        chart.addItem(self.axis, row=2 * place + 1, col=0)
        chart.addItem(self.view, row=2 * place + 1, col=1)
        self.view.setRange(xRange=(-SPAN_S, 0.0), yRange=(0.0, top), padding=0, disableAutoRange=True)
        self.refused = _Refused(top)
        self.view.addItem(self.refused)
        self.limit = pyqtgraph.PlotCurveItem()
        self.view.addItem(self.limit)
        self.lines: dict[str, pyqtgraph.PlotCurveItem] = {}

    def show_limit(self, limit: float | None) -> None:
        """Draw the limit, or take it away."""
        if limit is None:
            self.limit.clear()
        else:
            self.limit.setData(np.array([-SPAN_S, 0.0]), np.array([limit, limit]))

    def show_line(self, name: str, times_s: Float64, values: Float64, pen: QPen) -> None:
        """Draw a line, which breaks where a value is not known."""
        if name not in self.lines:
            self.lines[name] = pyqtgraph.PlotCurveItem(connect="finite", antialias=True)
            self.lines[name].setSegmentedLineMode("on")  # faster for pens wider than a pixel
            self.view.addItem(self.lines[name])
        self.lines[name].setData(times_s, values, pen=pen, connect="finite")

    def drop_lines(self, but: tuple[str, ...]) -> None:
        """Take away all lines except some."""
        for name in [name for name in self.lines if name not in but]:
            self.view.removeItem(self.lines.pop(name))


class _Refused(pyqtgraph.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """The spans in which the face was not assessed, under slashes."""

    def __init__(self, top: float) -> None:
        super().__init__()
        self._top = top
        self._spans: tuple[tuple[float, float], ...] = ()
        self._brush = QBrush()

    def show_spans(self, spans: tuple[tuple[float, float], ...], brush: QBrush) -> None:
        """Shade these spans of time."""
        if spans or self._spans:
            self._spans, self._brush = spans, brush
            self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 (Qt's name)
        """All of the view."""
        return QRectF(-SPAN_S, 0.0, SPAN_S, self._top)

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        """Fill in the view's pixels, so that the slashes keep their slope."""
        place = painter.worldTransform()
        painter.resetTransform()
        for start, stop in self._spans:
            painter.fillRect(place.mapRect(QRectF(start, 0.0, max(stop - start, 0.2), self._top)), self._brush)


class StripChart(QWidget):
    """Draws what `add` collects, five times a second while it can be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("The last 60 seconds"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip(
            self.tr(
                "Lines break where there is no face, and where a face is not assessed (slashes). Dashed: the limits."
            )
        )
        self.trace = Trace(len(EXPRESSIONS), _POINTS)
        self._limits: Thresholds | None = None
        self._new = True
        self.key = LineKey()
        self._chart = pyqtgraph.GraphicsLayoutWidget()
        self._chart.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._chart.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._rows = (
            _Row(self._chart, 0, self.tr("expression, %"), 1.0),
            _Row(self._chart, 1, self.tr("people disagree, nats"), MOST_NATS),
            _Row(self._chart, 2, self.tr("unlike the training pictures, %"), 1.0),
        )
        self._time = pyqtgraph.AxisItem("bottom", linkView=self._rows[2].view)
        self._chart.addItem(self._time, row=6, col=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        layout.addWidget(self.key)
        layout.addWidget(self._chart, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(_REDRAW_MS)
        self._timer.timeout.connect(self.refresh)
        self._dress()

    def set_header(self, header: RunHeader | None) -> None:
        """Take over the limits of a run and begin anew; None: no run."""
        self._limits = None if header is None else Thresholds(header.tau_accept, header.tau_ood)
        self._draw_limits()
        self.clear()

    def set_limits(self, limits: Thresholds) -> None:
        """Move the limits."""
        self._limits = limits
        self._draw_limits()

    def add(self, time_s: float, row: FaceRow | None) -> None:
        """Add what is known of the face at a time; None: no face. A time before the last one begins anew."""
        self.trace.add(time_s, row)
        self._new = True

    def clear(self) -> None:
        """Begin anew, as for another face."""
        self.trace.clear()
        self._new = True
        self.refresh()

    def refresh(self) -> None:
        """Draw what has come since the last time."""
        if not self._new:
            return
        self._new = False
        view = self.trace.view()
        self._draw_probabilities(view)
        for row, values in zip(self._rows[1:], (view.aleatoric, view.ood_score), strict=True):
            row.show_line("value", view.times_s, values, self._plot_pen(theme.current().colour("present")))
        self._describe()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Three plots."""
        em = theme.em(self)
        return QSize(round(22 * em), round(20 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The least at which the axes can be read."""
        em = theme.em(self)
        return QSize(round(15 * em), round(17 * em))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw while it is seen."""
        self.refresh()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        """Go on collecting, but draw no more."""
        self._timer.stop()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Other colours or letters."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._dress()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """The ground and the frame of the focus."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().colour("panel"))
        if self.hasFocus():
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the frame."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Take the frame away."""
        self.update()

    def _draw_probabilities(self, view: TraceView) -> None:
        row, colours, em = self._rows[0], theme.current(), theme.em(self)
        shown = tuple(
            label
            for label, values in zip(EXPRESSIONS, view.probabilities, strict=True)
            if (values >= _LEAST_SHARE).any()  # a comparison with NaN is False
        )
        row.drop_lines(but=shown)
        for label, values in zip(EXPRESSIONS, view.probabilities, strict=True):
            if label in shown:
                drawn = _DRAWN[label][view.numbers % len(_DRAWN[label])]
                pen = self._plot_pen(colours.expression(label))
                row.show_line(label, view.times_s, np.where(drawn, values, np.nan), pen)
        row.refused.show_spans(view.refused, hatch(colours.hatch, colours.panel, max(round(0.2 * em), 3)))
        self.key.show_labels(shown)

    def _plot_pen(self, colour: QColor) -> QPen:
        """A line inside a plot; its width is not stretched as the plot is, and so counts the screen's own pixels."""
        pen = _pen(colour, max(0.1 * theme.em(self), 1.5) * self.devicePixelRatioF())
        pen.setCosmetic(True)
        return pen

    def _draw_limits(self) -> None:
        limits = self._limits
        self._rows[1].show_limit(None if limits is None else limits.tau_accept)
        self._rows[2].show_limit(None if limits is None else limits.tau_ood)

    def _dress(self) -> None:
        """Give everything the colours and letters of the theme."""
        colours, em = theme.current(), theme.em(self)
        self._chart.setBackground(colours.colour("panel"))
        small = QFont(self.font())
        small.setPointSizeF(0.85 * self.font().pointSizeF())
        limit = QPen(colours.colour("text"), 1, Qt.PenStyle.DashLine)
        limit.setCosmetic(True)
        ticks = (((0.0, "0"), (0.5, "50"), (1.0, "100")), ((0.0, "0"), (1.0, "1"), (2.0, "2")))
        for row, marks in zip(self._rows, (ticks[0], ticks[1], ticks[0]), strict=True):
            row.title.setText(row.title.text, color=colours.text, size=f"{small.pointSizeF():.1f}pt")
            row.limit.setPen(limit)
            _dress_axis(row.axis, small, marks)
            row.axis.setWidth(round(QFontMetricsF(small).horizontalAdvance("100") + 0.9 * em))
            row.view.setBorder(QPen(colours.colour("line"), 1))
        seconds = tuple((at, self.tr("{seconds:.0f} s").format(seconds=at)) for at in (-45.0, -30.0, -15.0))
        _dress_axis(self._time, small, seconds)
        self._chart.ci.layout.setContentsMargins(0, 0, 0.6 * em, 0)
        self._chart.ci.layout.setSpacing(0)
        self._time.setHeight(round(1.5 * em))
        self._new = True

    def _describe(self) -> None:
        words = ", ".join(map(expression_word, self.key.labels))
        text = (
            self.tr("Expressions that reached 15%: {words}").format(words=words)
            if words
            else self.tr("No expression in the last 60 seconds")
        )
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)


def _dress_axis(axis: pyqtgraph.AxisItem, font: QFont, marks: tuple[tuple[float, str], ...]) -> None:
    colours = theme.current()
    axis.setTicks([list(marks), []])
    axis.setPen(colours.colour("line"))
    axis.setTextPen(colours.colour("dim"))
    axis.setStyle(tickFont=font, tickLength=-4, hideOverlappingLabels=False)
