"""The last minute of one face: probabilities, and the two uncertainties against their limits, over one time axis.

Lines break where nothing is known: no face, or a face that is not assessed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PySide6.QtCore import QLineF, QRect, QRectF, QSize, Qt, Signal
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
    QShowEvent,
)
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.live.strip_picture import Plot, PlotLooks, plot_picture
from app.live.trace import SPAN_S, Trace, TraceView
from app.overlay.patches import Colour
from app.qt import theme
from app.qt.live.line_key import LineKey, drawn_points
from app.qt.widgets.drawn_panel import DrawnPanel, expression_word
from app.qt.widgets.expression_panel import MOST_NATS
from app.session.journal import FaceRow, RunHeader
from app.settings.limits import Thresholds
from engine.facs import EXPRESSIONS
from engine.types import Float64

#: Milliseconds between two drawings; in that time the lines move by about a pixel.
_REDRAW_MS: Final = 200
#: Points of a line; more than about one per pixel cannot be seen.
_POINTS: Final = 240
#: An expression that did not reach this in the window has no line.
_LEAST_SHARE: Final = 0.15
#: Letters of the axes, against those of the window.
_SMALL: Final = 0.85
#: The line of an uncertainty.
_VALUE: Final = "value"
_DRAWN: Final = {label: drawn_points(label) for label in EXPRESSIONS}
_NO_PLOT: Final = Plot(np.zeros(0), {})
_AT_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_AT_LEFT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


class PlotStack(DrawnPanel):
    """Three plots below each other over one axis of time."""

    #: Time to call `show_plots`.
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, _REDRAW_MS)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._plots: tuple[Plot, ...] = (_NO_PLOT,) * 3
        shares = ((0.0, "0"), (0.5, "50"), (1.0, "100"))
        self._axes = (  # title, marks at shares of the height
            (self.tr("expression, %"), shares),
            (self.tr("people disagree, nats"), tuple((nats / MOST_NATS, f"{nats}") for nats in (0, 1, 2))),
            (self.tr("unlike the training pictures, %"), shares),
        )

    @property
    def plots(self) -> tuple[Plot, ...]:
        """What is shown, from the top."""
        return self._plots

    def show_plots(self, plots: tuple[Plot, ...]) -> None:
        """Show these three."""
        self._plots = plots
        self.update()

    def prepare(self) -> None:
        """Ask for the plots."""
        self.wanted.emit()

    def draw_kept(self, painter: QPainter) -> None:
        """Titles, axes and frames."""
        colours, em, small = theme.current(), theme.em(self), _small(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(small)
        line = QFontMetricsF(small).height()
        places = self._places()
        for (title, marks), place in zip(self._axes, places, strict=True):
            painter.setPen(colours.colour("text"))
            above = QRectF(place.left() + 0.3 * em, place.top() - 1.05 * line, place.width(), line)
            painter.drawText(above, _AT_LEFT, title)
            for share, text in marks:
                y = place.bottom() + 0.5 - share * place.height()
                painter.setPen(colours.colour("dim"))
                painter.drawText(QRectF(0, y - line / 2, place.left() - 0.3 * em, line), _AT_RIGHT, text)
                painter.setPen(colours.colour("line"))
                painter.drawLine(QLineF(place.left() - 0.2 * em, y, place.left(), y))
            painter.drawRect(place.adjusted(-1, -1, 0, 0))
        lowest = places[-1]
        for seconds in (-45.0, -30.0, -15.0):
            x = lowest.left() + (1 + seconds / SPAN_S) * lowest.width()
            painter.setPen(colours.colour("line"))
            painter.drawLine(QLineF(x, lowest.bottom() + 1, x, lowest.bottom() + 1 + 0.2 * em))
            painter.setPen(colours.colour("dim"))
            below = QRectF(x - 4 * em, lowest.bottom() + 1 + 0.2 * em, 8 * em, line)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.tr("{seconds:.0f} s").format(seconds=seconds))

    def draw_values(self, painter: QPainter) -> None:
        """The insides of the plots."""
        ratio = self.devicePixelRatioF()
        looks = _looks(theme.em(self) * ratio)
        for plot, place in zip(self._plots, self._places(), strict=True):
            width, height = round(place.width() * ratio), round(place.height() * ratio)
            picture = plot_picture(plot, looks, width, height)
            painter.drawImage(place, QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888))

    def _places(self) -> tuple[QRect, ...]:
        """The insides of the three plots."""
        em = theme.em(self)
        metrics = QFontMetricsF(_small(self.font()))
        left = round(metrics.horizontalAdvance("100") + 0.9 * em)
        title, foot = 1.15 * metrics.height(), metrics.height() + 0.5 * em
        width = max(self.width() - left - round(0.6 * em), 1)
        pitch = max((self.height() - foot) / 3, title + 1)
        return tuple(QRect(left, round(row * pitch + title), width, round(pitch - title - 3)) for row in range(3))


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPointSizeF(_SMALL * font.pointSizeF())
    return small


def _looks(em_px: float) -> PlotLooks:
    """The theme's; ``em_px`` in pixels of the screen."""
    colours = theme.current()
    return PlotLooks(
        ground=_rgb(QColor(colours.panel)),
        slashes=_rgb(QColor(colours.hatch)),
        limit=_rgb(QColor(colours.text)),
        lines={label: _rgb(colours.expression(label)) for label in EXPRESSIONS}
        | {_VALUE: _rgb(colours.colour("present"))},
        line_px=max(round(0.07 * em_px), 1),
        slash_px=max(round(0.2 * em_px), 3),
    )


def _rgb(colour: QColor) -> Colour:
    return colour.red(), colour.green(), colour.blue()


class StripChart(QWidget):
    """Draws what `add` collects, five times a second while it can be seen."""

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
        self._limits: Thresholds | None = None
        self._new = True
        self.key = LineKey()
        self.plots = PlotStack()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        layout.addWidget(self.key)
        layout.addWidget(self.plots, 1)
        self.plots.wanted.connect(self.refresh)

    def set_header(self, header: RunHeader | None) -> None:
        """Take over the limits of a run and begin anew; None: no run."""
        self._limits = None if header is None else Thresholds(header.tau_accept, header.tau_ood)
        self.clear()

    def set_limits(self, limits: Thresholds) -> None:
        """Move the limits."""
        self._limits = limits
        self._new = True
        self.refresh()

    def add(self, time_s: float, row: FaceRow | None) -> None:
        """Add what is known of the face at a time; None: no face. A time before the last one begins anew."""
        self.trace.add(time_s, row)
        self._new = True
        self.plots.redraw()

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
        view, limits = self.trace.view(), self._limits
        shown = tuple(
            label
            for label, values in zip(EXPRESSIONS, view.probabilities, strict=True)
            if (values >= _LEAST_SHARE).any()  # a comparison with NaN is False
        )
        accept, ood = (None, None) if limits is None else (limits.tau_accept / MOST_NATS, limits.tau_ood)
        self.plots.show_plots(
            (
                Plot(view.times_s, _dashed(view, shown), None, view.refused),
                Plot(view.times_s, {_VALUE: view.aleatoric / MOST_NATS}, accept),
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
        """The least at which the axes can be read."""
        em = theme.em(self)
        return QSize(round(15 * em), round(17 * em))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw what was collected meanwhile."""
        self.refresh()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """The frame of the focus."""
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
            painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the frame."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Take the frame away."""
        self.update()

    def _describe(self) -> None:
        words = ", ".join(map(expression_word, self.key.labels))
        text = (
            self.tr("Expressions that reached 15%: {words}").format(words=words)
            if words
            else self.tr("No expression in the last 60 seconds")
        )
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)


def _dashed(view: TraceView, shown: tuple[str, ...]) -> dict[str, Float64]:
    """The lines of these expressions, without the points that their dashes leave out."""
    lines = {}
    for label, values in zip(EXPRESSIONS, view.probabilities, strict=True):
        if label in shown:
            drawn = _DRAWN[label][view.numbers % len(_DRAWN[label])]
            lines[label] = np.where(drawn, values, np.nan)
    return lines
