"""The expression of one face: distribution over the labels, aleatoric and epistemic uncertainty.

The two uncertainties are shown separately: aleatoric = people disagree about such a face, epistemic = the face is
unlike the training data. A face that is not assessed has empty bars, which differ from bars of zero.
"""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QPolygonF, QResizeEvent, QStaticText
from PySide6.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.translation import expression_name
from app.qt.widgets.decision_chip import percent_tip
from app.qt.widgets.drawn_panel import DrawnPanel, bold
from app.qt.widgets.icons import IconName, draw_icon
from app.qt.widgets.patterns import expression_brush, hatch
from app.qt.widgets.uncertainty_view import UncertaintyView
from app.session.rows import FaceRow, SessionHeader
from app.settings.limits import Limits
from engine.facs import EXPRESSIONS

#: Line height of the distribution, in em.
_PITCH: Final = 1.4
#: In a narrower panel, in em, each name is above its bar, and a line is so high.
_BESIDE_EM: Final = 14.0
_STACKED_PITCH: Final = 1.7
#: From this width on, in em, the uncertainties are beside the distribution.
_WIDE_EM: Final = 30.0
#: Resolution of a bar; a smaller change is not painted.
_STEPS: Final = 250
#: Width of the line that shows the single frame; it extends 2 px above and below its bar.
_TICK_PX: Final = 1.5
#: Maximum of the aleatoric uncertainty in nats: all labels equally likely.
MAX_NATS: Final = math.log(len(EXPRESSIONS))


class DistributionBars(DrawnPanel):
    """One bar per expression in fixed order; competing labels are hatched. A thin line shows the single frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Share of each expression"))
        self.setToolTip(
            percent_tip()
            + "\n"
            + self.tr(
                "The bars show the average over time that the label is made of; the thin lines, this frame alone."
            )
        )
        self._values: tuple[int, ...] = ()
        self._percents: tuple[int, ...] = ()  # rounded as everywhere else, not from the steps of the bars
        self._ticks: tuple[int, ...] = ()  # of the single frame; empty if it is not known
        self._labels: tuple[str, ...] = ()
        self._numbers: dict[int, QStaticText] = {}
        self._full: list[QRectF] = []  # rectangles of full bars, from the last repaint

    def show_row(self, row: FaceRow | None) -> None:
        """Show the steady probabilities of a face, or empty bars if it has none."""
        steady = () if row is None else row.shown().probabilities
        values = tuple(round(_STEPS * value) for value in steady)
        percents = tuple(round(100 * value) for value in steady)
        ticks = () if row is None or not values else tuple(round(_STEPS * value) for value in row.probabilities)
        labels = row.labels if row is not None and values else ()
        static = labels != self._labels or bool(values) != bool(self._values)
        if (values, percents, ticks) != (self._values, self._percents, self._ticks) or static:
            self._values, self._percents, self._ticks, self._labels = values, percents, ticks, labels
            self.redraw(static)
            self._describe()

    @property
    def percents(self) -> tuple[int, ...]:
        """The numbers shown, in the order of EXPRESSIONS; empty without an estimate."""
        return self._percents

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Eight lines."""
        return self.minimumSizeHint() + QSize(round(6 * theme.em(self)), 0)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Eight lines with short bars."""
        em = theme.em(self)
        return QSize(round(10.5 * em), round(len(EXPRESSIONS) * self._pitch()) + 4)

    def draw_static(self, painter: QPainter) -> None:
        """Draw names and empty bars."""
        colours, em, pitch = theme.current(), theme.em(self), self._pitch()
        beside = self._names_beside()
        left, right = (self._bar_left(), 3.4 * em) if beside else (0.3 * em, 0.4 * em)
        width, name = max(self.width() - left - right, em), self._bar_left() - 0.8 * em
        top, high, line_high = (0.24 * pitch, 0.52 * pitch, pitch) if beside else (1.1 * em, 0.4 * em, 1.1 * em)
        self._full = [QRectF(left, 2 + row * pitch + top, width, high) for row in range(len(EXPRESSIONS))]
        self._numbers.clear()
        heavy = bold(self.font())
        for row, label in enumerate(EXPRESSIONS):
            chosen = label in self._labels
            painter.setFont(heavy if chosen else self.font())
            painter.setPen(colours.colour("text" if self._values else "dim"))
            line = QRectF(0.3 * em, 2 + row * pitch, name, line_high)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, expression_name(label))
            if self._values:
                painter.fillRect(self._full[row], colours.colour("track"))
            else:
                painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
                painter.drawRect(self._full[row])

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw bars, percentages and the thin lines of the single frame."""
        colours, em = theme.current(), theme.em(self)
        several, beside = len(self._labels) > 1, self._names_beside()
        painter.setPen(colours.colour("text"))
        for label, value, percent, full in zip(EXPRESSIONS, self._values, self._percents, self._full, strict=False):
            colour = colours.expression(label)
            bar = QRectF(full.left(), full.top(), full.width() * value / _STEPS, full.height())
            if several and label in self._labels:
                painter.fillRect(bar, hatch(colour.name(), colours.track, round(0.18 * em)))
            else:
                painter.setBrushOrigin(full.topLeft())
                painter.fillRect(bar, expression_brush(label, em))
            number = self._number(percent)
            size = number.size()
            right, middle = (
                (full.right() + 3.0 * em, full.center().y()) if beside else (full.right(), full.top() - 0.55 * em)
            )
            painter.drawStaticText(QPointF(right - size.width(), middle - size.height() / 2), number)
        for tick, full in zip(self._ticks, self._full, strict=False):
            left = full.left() + min(full.width() * tick / _STEPS, full.width() - _TICK_PX)
            painter.fillRect(QRectF(left, full.top() - 2, _TICK_PX, full.height() + 4), colours.colour("text"))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """A narrow panel is higher."""
        super().resizeEvent(event)
        self.updateGeometry()

    def _names_beside(self) -> bool:
        return self.width() >= _BESIDE_EM * theme.em(self)

    def _pitch(self) -> float:
        """Distance of two lines in pixels."""
        return (_PITCH if self._names_beside() else _STACKED_PITCH) * theme.em(self)

    def _bar_left(self) -> float:
        metrics = QFontMetricsF(bold(self.font()))
        em = theme.em(self)
        return 1.1 * em + max(metrics.horizontalAdvance(expression_name(label)) for label in EXPRESSIONS)

    def _number(self, percent: int) -> QStaticText:
        if percent not in self._numbers:
            text = QStaticText(f"{percent} %")
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.prepare(font=self.font())
            self._numbers[percent] = text
        return self._numbers[percent]

    def _describe(self) -> None:
        """Update the description in steps of 10 %, so that a screen reader is not flooded."""
        rounded = [
            (round(10 * value / _STEPS) * 10, label) for value, label in zip(self._values, EXPRESSIONS, strict=False)
        ]
        shares = [f"{expression_name(label)} {tens} %" for tens, label in sorted(rounded, reverse=True) if tens]
        text = self.tr("about {shares}").format(shares=", ".join(shares)) if shares else self.tr("not assessed")
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)


class LimitGauge(DrawnPanel):
    """An uncertainty on its scale with a mark at the limit; the part above the limit is hatched."""

    def __init__(
        self, icon: IconName, title: str, tip: str, maximum: float, form: str, parent: QWidget | None = None
    ) -> None:
        """Create an empty gauge.

        Args:
            icon: shown before the title.
            title: meaning of the uncertainty.
            tip: tooltip.
            maximum: right end of the scale.
            form: format of a value, with ``{value}``.
            parent: Qt parent.
        """
        super().__init__(title, parent)
        self.setToolTip(tip)
        self._icon, self._title, self._maximum, self._form = icon, title, maximum, form
        self._value: float | None = None
        self._limit: float | None = None
        self._shown: tuple[object, ...] = (None, None)

    def show_value(self, value: float | None, limit: float | None) -> None:
        """Show a value and its limit in units of the scale; None: unknown."""
        self._value, self._limit = value, limit
        shown = (None if value is None else round(_STEPS * value / self._maximum), limit)
        if shown == self._shown:
            return
        static = (shown[0] is None) != (self._shown[0] is None) or limit != self._shown[1]
        self._shown = shown
        self.redraw(static)
        description = self._description()
        if description != self.accessibleDescription():
            self.setAccessibleDescription(description)

    @property
    def over(self) -> bool:
        """Whether the value is above its limit."""
        return self._value is not None and self._limit is not None and self._value > self._limit

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Title and bar."""
        em = theme.em(self)
        return QSize(round(18 * em), round(2.7 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Title and a short bar."""
        em = theme.em(self)
        return QSize(round(10.5 * em), round(2.7 * em))

    def draw_static(self, painter: QPainter) -> None:
        """Draw icon, title, empty scale and limit mark."""
        colours, em, bar = theme.current(), theme.em(self), self._bar()
        draw_icon(painter, self._icon, QRectF(0.3 * em, 0.2 * em, em, em), colours.colour("dim"))
        painter.setPen(colours.colour("text"))
        wide = self.width() - 1.9 * em
        title = QFontMetricsF(self.font()).elidedText(self._title, Qt.TextElideMode.ElideRight, wide)
        painter.drawText(QRectF(1.6 * em, 0.1 * em, wide, 1.2 * em), Qt.AlignmentFlag.AlignVCenter, title)
        if self._value is None:
            painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(bar)
        else:
            painter.fillRect(bar, colours.colour("track"))
        if self._limit is not None:
            x = bar.left() + bar.width() * min(max(self._limit / self._maximum, 0.0), 1.0)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.colour("text"))
            painter.drawRect(QRectF(x - 1, bar.top() - 2, 2, bar.height() + 4))
            corner = 0.25 * em
            tip = QPointF(x, bar.top() - 1)
            painter.drawPolygon(QPolygonF([tip, tip + QPointF(-corner, -corner), tip + QPointF(corner, -corner)]))

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw bar and value."""
        if self._value is None:
            return
        colours, em, bar = theme.current(), theme.em(self), self._bar()
        share = min(self._value / self._maximum, 1.0)
        limit = 1.0 if self._limit is None else min(max(self._limit / self._maximum, 0.0), 1.0)
        below, beyond = QRectF(bar), QRectF(bar)
        below.setWidth(bar.width() * min(share, limit))
        painter.fillRect(below.adjusted(0, 2, 0, -2), colours.colour("present"))
        if share > limit:
            beyond.setLeft(bar.left() + bar.width() * limit + 1)
            beyond.setRight(bar.left() + bar.width() * share)
            painter.fillRect(beyond.adjusted(0, 2, 0, -2), hatch(colours.text, colours.track, round(0.15 * em)))
        painter.setPen(colours.colour("text"))
        painter.setFont(bold(self.font()) if self.over else self.font())
        where = QRectF(bar.right() + 0.4 * em, bar.center().y() - em, self.width() - bar.right() - 0.6 * em, 2 * em)
        painter.drawText(where, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._number())

    def _bar(self) -> QRectF:
        em = theme.em(self)
        number = QFontMetricsF(bold(self.font())).horizontalAdvance(self._text(self._maximum)) + 0.9 * em
        return QRectF(0.3 * em, 1.65 * em, max(self.width() - 0.3 * em - number, em), 0.7 * em)

    def _text(self, value: float) -> str:
        return self._form.format(value=value).replace("%", " %")

    def _number(self) -> str:
        return "" if self._value is None else self._text(self._value)

    def _description(self) -> str:
        if self._value is None:
            return self.tr("not assessed")
        tens = self._text(round(10 * self._value / self._maximum) / 10 * self._maximum)
        if self._limit is None:
            return self.tr("about {value}").format(value=tens)
        limit = self._text(self._limit)
        form = (
            self.tr("about {value}, above the limit {limit}")
            if self.over
            else self.tr("about {value}, not above the limit {limit}")
        )
        return form.format(value=tens, limit=limit)


class ExpressionPanel(QWidget):
    """Distribution and uncertainties of one face; side by side where there is room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = DistributionBars()
        self.aleatoric = LimitGauge(
            IconName.AMBIGUOUS,
            self.tr("people disagree"),
            self.tr(
                "Aleatoric uncertainty: how much people disagree about faces like this one. "
                "Above the mark, the competing labels are shown instead of one."
            ),
            MAX_NATS,
            self.tr("{value:.2f} nats"),
        )
        self.ood_score = LimitGauge(
            IconName.NOT_ASSESSED,
            self.tr("unlike the training pictures"),
            self.tr(
                "Epistemic uncertainty: the share of the validation faces that were less unusual to the model. "
                "Above the mark, no label is given."
            ),
            1.0,
            "{value:.0%}",
        )
        self.uncertainty = UncertaintyView((self.aleatoric, self.ood_score))
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.uncertainty)
        column.addStretch(1)
        self._layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.bars, 1)
        self._layout.addWidget(side, 1)
        self._limits: Limits | None = None
        self._row: FaceRow | None = None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the direction."""
        super().resizeEvent(event)
        wide = self.width() >= _WIDE_EM * theme.em(self)
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if direction is not self._layout.direction():
            self._layout.setDirection(direction)

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the limits of a session; None: no session."""
        self._limits = None if header is None else Limits(header.aleatoric_limit, header.ood_limit)
        self.show_row(None)

    def set_limits(self, limits: Limits) -> None:
        """Move the marks of the limits."""
        self._limits = limits
        self._show_gauges()

    def show_row(self, row: FaceRow | None) -> None:
        """Show a face; None before the first frame."""
        self._row = row
        self.bars.show_row(row)
        self._show_gauges()

    def _show_gauges(self) -> None:
        row, limits = None if self._row is None else self._row.shown(), self._limits
        aleatoric, ood_score = (None, None) if row is None else (row.aleatoric, row.ood_score)
        aleatoric_limit, ood_limit = (None, None) if limits is None else (limits.aleatoric_limit, limits.ood_limit)
        self.uncertainty.show_row(row, limits)
        self.aleatoric.show_value(aleatoric, aleatoric_limit)
        self.ood_score.show_value(ood_score, ood_limit)
