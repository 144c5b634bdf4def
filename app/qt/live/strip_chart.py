"""Strip chart of the last minute of one face: probabilities, and both uncertainties against their limits.

Lines break where there is no face, or a face that is not assessed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QImage,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.live.plot_image import Plot, PlotStyle, plot_image
from app.live.trace import SPAN_S, Trace, TraceView
from app.overlay.palette import Colour
from app.qt import theme
from app.qt.translation import expression_name
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel
from app.qt.widgets.expression_panel import MAX_NATS
from app.session.rows import FaceRow, SessionHeader
from app.settings.limits import Limits
from engine.facs import EXPRESSIONS
from engine.types import Float64

#: Milliseconds between two repaints; in that time the lines move by about a pixel.
_REDRAW_MS: Final = 200
#: Points per line: about one per pixel.
_POINTS: Final = 240
#: Expressions that stay below this probability have no line.
_MIN_PROBABILITY: Final = 0.15
#: Font size of the axes relative to the window's.
_SMALL: Final = 0.85
#: A lower panel, in em, shows the first plot alone, without the key.
_ALL_PLOTS_EM: Final = 14.0
#: Name of the line of an uncertainty.
_VALUE: Final = "value"
#: Line sample with the gap after it, and line height of the key, in em.
_SAMPLE_EM: Final = 2.6
_LINE_EM: Final = 1.25
#: Numbers of points alternately drawn and left out, per expression: lines differ without colour.
_DASHES: Final[dict[str, tuple[int, ...]]] = dict(
    zip(
        EXPRESSIONS,
        ((2, 1), (1,), (7, 1), (8, 1, 2, 1), (14, 1), (4, 1), (8, 1, 2, 1, 2, 1), (14, 1, 4, 1)),
        strict=True,
    )
)
_NO_PLOT: Final = Plot(np.zeros(0), {})
_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_AT_LEFT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


def drawn_points(label: str) -> npt.NDArray[np.bool_]:
    """Which points of one dash period of an expression's line are drawn, (period,)."""
    lengths = np.array(_DASHES[label])
    return np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)


class LineKey(DrawnPanel):
    """The key of the chart: a sample and the name of each line drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._labels: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions listed."""
        return self._labels

    def show_labels(self, labels: tuple[str, ...]) -> None:
        """List these expressions."""
        if labels != self._labels:
            self._labels = labels
            self.setAccessibleName(", ".join(map(expression_name, labels)))
            self._grow()
            self.redraw(static=True)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Another width may need more lines."""
        super().resizeEvent(event)
        self._grow()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Two lines, so that the plots below keep their height."""
        em = theme.em(self)
        return QSize(round(20 * em), round(2.6 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrower, of the same height."""
        em = theme.em(self)
        return QSize(round(12 * em), round(2.6 * em))

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw nothing: the whole key is static."""

    def draw_static(self, painter: QPainter) -> None:
        """Draw a sample and the name of each line."""
        em = theme.em(self)
        if not self._labels:
            painter.setPen(theme.current().colour("dim"))
            nothing = QRectF(0.3 * em, 0.0, self.width() - 0.6 * em, self.height())
            painter.drawText(nothing, WRAP, self.tr("No expression in the last 60 seconds"))
        for label, corner in zip(self._labels, self._places(), strict=True):
            middle = corner.y() + 0.65 * em
            pen = QPen(theme.current().expression(label), max(0.14 * em, 2.0))
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            if len(_DASHES[label]) > 1:
                steps = [length + (1 if index % 2 else -1) for index, length in enumerate(_DASHES[label])]
                pen.setDashPattern([0.8 * step for step in steps])  # n points are joined by n - 1 pieces
            painter.setPen(pen)
            painter.drawLine(QLineF(corner.x(), middle, corner.x() + 2.2 * em, middle))
            painter.setPen(theme.current().colour("text"))
            name = QRectF(corner.x() + _SAMPLE_EM * em, corner.y(), self.width(), _LINE_EM * em)
            painter.drawText(name, Qt.AlignmentFlag.AlignVCenter, expression_name(label))

    def _places(self) -> list[QPointF]:
        """Top left corner of each entry in pixels."""
        em, metrics = theme.em(self), QFontMetricsF(self.font())
        x, y = 0.3 * em, 0.0
        places: list[QPointF] = []
        for label in self._labels:
            wide = _SAMPLE_EM * em + metrics.horizontalAdvance(expression_name(label))
            if x + wide > self.width() and places:
                x, y = 0.3 * em, y + _LINE_EM * em
            places.append(QPointF(x, y))
            x += wide + 0.7 * em
        return places

    def _grow(self) -> None:
        """Raise the minimum height to what is needed; it never shrinks, so that the plots do not jump."""
        places = self._places()
        needed = round(places[-1].y() + _LINE_EM * theme.em(self)) if places else 0
        if needed > max(self.minimumHeight(), self.minimumSizeHint().height()):
            self.setMinimumHeight(needed)


_DRAWN: Final = {label: drawn_points(label) for label in EXPRESSIONS}


class PlotStack(DrawnPanel):
    """Three stacked plots over one time axis."""

    #: Emitted before a repaint: call `show_plots`.
    prepared = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, _REDRAW_MS)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._plots: tuple[Plot, ...] = (_NO_PLOT,) * 3
        shares = ((0.0, "0"), (0.5, "50"), (1.0, "100"))
        self._axes = (  # title, marks at shares of the height
            (self.tr("expression, %"), shares),
            (self.tr("people disagree, nats"), tuple((nats / MAX_NATS, f"{nats}") for nats in (0, 1, 2))),
            (self.tr("unlike the training pictures, %"), shares),
        )

    @property
    def plots(self) -> tuple[Plot, ...]:
        """The plots shown, from the top."""
        return self._plots

    def show_plots(self, plots: tuple[Plot, ...]) -> None:
        """Show three plots."""
        self._plots = plots
        self.update()

    def prepare(self) -> None:
        """Request new plots."""
        self.prepared.emit()

    def draw_static(self, painter: QPainter) -> None:
        """Draw titles, axes and frames."""
        colours, em, small = theme.current(), theme.em(self), _small(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(small)
        line = QFontMetricsF(small).height()
        areas = self.plot_areas()
        for (title, marks), area in zip(self._axes, areas, strict=False):
            painter.setPen(colours.colour("text"))
            above = QRectF(area.left() + 0.3 * em, area.top() - 1.05 * line, area.width(), line)
            painter.drawText(above, _AT_LEFT, title)
            for share, text in marks:
                y = area.bottom() + 0.5 - share * area.height()
                painter.setPen(colours.colour("dim"))
                painter.drawText(QRectF(0, y - line / 2, area.left() - 0.3 * em, line), _AT_RIGHT, text)
                painter.setPen(colours.colour("line"))
                painter.drawLine(QLineF(area.left() - 0.2 * em, y, area.left(), y))
            painter.drawRect(area.adjusted(-1, -1, 0, 0))
        lowest = areas[-1]
        for seconds in (-45.0, -30.0, -15.0):
            x = lowest.left() + (1 + seconds / SPAN_S) * lowest.width()
            painter.setPen(colours.colour("line"))
            painter.drawLine(QLineF(x, lowest.bottom() + 1, x, lowest.bottom() + 1 + 0.2 * em))
            painter.setPen(colours.colour("dim"))
            below = QRectF(x - 4 * em, lowest.bottom() + 1 + 0.2 * em, 8 * em, line)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.tr("{seconds:.0f} s").format(seconds=seconds))

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw the plot areas."""
        ratio = self.devicePixelRatioF()
        looks = _looks(theme.em(self) * ratio)
        for plot, area in zip(self._plots, self.plot_areas(), strict=False):
            width, height = round(area.width() * ratio), round(area.height() * ratio)
            pixels = plot_image(plot, looks, width, height)
            painter.drawImage(area, QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888))

    def plot_areas(self) -> tuple[QRect, ...]:
        """The plot areas in logical pixels: all three, or the first one where they would be too low."""
        em = theme.em(self)
        metrics = QFontMetricsF(_small(self.font()))
        left = round(metrics.horizontalAdvance("100") + 0.9 * em)
        title, foot = 1.15 * metrics.height(), metrics.height() + 0.5 * em
        width = max(self.width() - left - round(0.6 * em), 1)
        count = 3 if self.height() >= _ALL_PLOTS_EM * em else 1
        pitch = max((self.height() - foot) / count, title + 1)
        return tuple(QRect(left, round(row * pitch + title), width, round(pitch - title - 3)) for row in range(count))


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPointSizeF(_SMALL * font.pointSizeF())
    return small


def _looks(em_px: float) -> PlotStyle:
    """Colours of the theme; ``em_px`` in device pixels."""
    colours = theme.current()
    return PlotStyle(
        background=_rgb(QColor(colours.panel)),
        hatch=_rgb(QColor(colours.hatch)),
        limit=_rgb(QColor(colours.text)),
        lines={label: _rgb(colours.expression(label)) for label in EXPRESSIONS}
        | {_VALUE: _rgb(colours.colour("present"))},
        line_px=max(round(0.07 * em_px), 1),
        hatch_px=max(round(0.2 * em_px), 3),
    )


def _rgb(colour: QColor) -> Colour:
    return colour.red(), colour.green(), colour.blue()


class StripChart(QWidget):
    """Collects rows with `add` and draws them five times per second while visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("The last 60 seconds"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip(
            self.tr(
                "Lines break where there is no face, and where a face is not assessed (slashes). Dashed: the limits."
            )
        )
        self.trace = Trace(len(EXPRESSIONS), _POINTS)
        self._limits: Limits | None = None
        self._changed = True
        self.key = LineKey()
        self.plots = PlotStack()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        layout.addWidget(self.key)
        layout.addWidget(self.plots, 1)
        self.plots.prepared.connect(self.refresh)

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the limits of a session and clear the chart; None: no session."""
        self._limits = None if header is None else Limits(header.aleatoric_limit, header.ood_limit)
        self.clear()

    def set_limits(self, limits: Limits) -> None:
        """Show other limits."""
        self._limits = limits
        self._changed = True
        self.refresh()

    def add(self, time_s: float, row: FaceRow | None) -> None:
        """Add the row of a face; None: no face. A time before the last one clears the chart."""
        self.trace.add(time_s, row)
        self._changed = True
        self.plots.redraw()

    def clear(self) -> None:
        """Clear the chart, as for another face."""
        self.trace.clear()
        self._changed = True
        self.refresh()

    def refresh(self) -> None:
        """Update plots and key if rows were added."""
        if not self._changed:
            return
        self._changed = False
        view, limits = self.trace.view(), self._limits
        shown = tuple(
            label
            for label, values in zip(EXPRESSIONS, view.probabilities, strict=True)
            if (values >= _MIN_PROBABILITY).any()  # a comparison with NaN is False
        )
        accept, ood = (None, None) if limits is None else (limits.aleatoric_limit / MAX_NATS, limits.ood_limit)
        self.plots.show_plots(
            (
                Plot(view.times_s, _dashed(view, shown), None, view.not_assessed),
                Plot(view.times_s, {_VALUE: view.aleatoric / MAX_NATS}, accept),
                Plot(view.times_s, {_VALUE: view.ood_score}, ood),
            )
        )
        self.key.show_labels(shown)
        self._describe()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Three plots."""
        em = theme.em(self)
        return QSize(round(22 * em), round(20 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One plot with readable axes."""
        em = theme.em(self)
        return QSize(round(15 * em), round(5.5 * em))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Leave the key out of a low panel."""
        super().resizeEvent(event)
        self.key.setVisible(self.height() >= (_ALL_PLOTS_EM + 3) * theme.em(self))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the rows added while hidden."""
        self.refresh()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the focus frame."""
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
            painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the focus frame."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Hide the focus frame."""
        self.update()

    def _describe(self) -> None:
        names = ", ".join(map(expression_name, self.key.labels))
        text = (
            self.tr("Expressions that reached 15 %: {names}").format(names=names)
            if names
            else self.tr("No expression in the last 60 seconds")
        )
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)


def _dashed(view: TraceView, shown: tuple[str, ...]) -> dict[str, Float64]:
    """The lines of these expressions, NaN where their dashes have gaps."""
    lines = {}
    for label, values in zip(EXPRESSIONS, view.probabilities, strict=True):
        if label in shown:
            drawn = _DRAWN[label][view.numbers % len(_DRAWN[label])]
            lines[label] = np.where(drawn, values, np.nan)
    return lines
