"""The graph of action units: a node per trusted unit at its position on a face, and the links that the model learned.

A link is drawn in two halves because the sampled mask is directed: the half at a unit is what that unit receives from
the other one (training/action_units/model.py, Eq. 3). Halves that are as usual in this session are thin; one that
differs from its average is strong, as wide as it differs: solid if it is stronger than usual, dashed if weaker.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QVBoxLayout, QWidget

from app.live.link_average import MIN_FRAMES, LinkAverage
from app.live.unit_layout import MIN_LINK, links_of, neighbour, row_count, unit_positions
from app.qt import theme
from app.qt.widgets.action_unit_panel import full_name
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel
from app.qt.widgets.patterns import hatch
from app.session.rows import SessionHeader
from engine.facs import unit_code
from engine.types import AUEstimate, Float64, Int64

#: Milliseconds between two repaints; a graph is read slowly.
_REDRAW_MS: Final = 200
#: Width of a half link per unit of its difference from the average, in em, and the largest width.
_LINK_EM: Final = 6.0
_MAX_LINK_EM: Final = 0.7
#: Dash period, in em.
_DASH_EM: Final = 0.6
#: The mask's standard deviation at which a strong half is as pale as it gets.
_UNSURE: Final = 0.3
#: Lines of text below the graph.
_TEXT_LINES: Final = 7
#: Radius of a node with occurrence 1, in em; its code takes one em below it.
_RADIUS_EM: Final = 0.95
#: Minimum distance between rows of nodes, in em.
_ROW_EM: Final = 3.2
#: Space above the centre of the highest node and below that of the lowest, in em.
_ABOVE_EM: Final = 1.6
_BELOW_EM: Final = _TEXT_LINES + 2.9
_ARROWS: Final = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
#: Legend: line height, width of a mark, and gap between two entries, in em.
_PITCH: Final = 1.35
_MARK_EM: Final = 2.4
_GAP_EM: Final = 0.9


class GraphCanvas(DrawnPanel):
    """The graph; arrow keys and clicks select a unit, whose numbers are shown below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, _REDRAW_MS)
        self.setAccessibleName(self.tr("Graph of action units"))
        self._header: SessionHeader | None = None
        self._estimate: AUEstimate | None = None
        self._average: LinkAverage | None = None
        self._difference: Float64 = np.zeros((0, 0))
        self._shown: tuple[int, ...] = ()  # indices of the units drawn
        self._all = False
        self._links: Int64 = np.zeros((0, 2), np.int64)
        self._places: Float64 = np.zeros((0, 2))
        self._points: list[QPointF] = []
        self._radius = 0.0
        self._selected: int | None = None  # index in header.au_codes
        self._describe()

    @property
    def selected(self) -> int | None:
        """FACS number of the selected unit."""
        return None if self._selected is None or self._header is None else self._header.au_codes[self._selected]

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the units of a session; None: no session."""
        self._header = header
        self._places = unit_positions(header.au_codes if header is not None else ())
        self._average = LinkAverage(len(header.au_codes)) if header is not None else None
        self._choose_units()
        self._selected = None
        self._estimate = None
        self._lay_out()
        self._describe()
        self.updateGeometry()
        self.redraw(static=True)

    def show_estimate(self, estimate: AUEstimate | None) -> None:
        """Show an estimate with the units in header order; None: not assessed."""
        if self._header is None or self._average is None:
            return
        if estimate is not None:
            self._average.add(estimate)
            self._difference = self._average.difference(estimate)
        if (estimate is None) != (self._estimate is None):
            self._estimate = estimate
            if estimate is not None:
                self._links = self._links_of(estimate)
            self._describe()
            self.redraw(static=True)
        elif estimate is not None:
            self._estimate = estimate
            self.redraw()

    def show_all_units(self, everything: bool) -> None:
        """Draw the units that are not trusted too."""
        self._all = everything
        self._choose_units()
        self._select(None)
        self.redraw(static=True)

    @property
    def unusual(self) -> int:
        """Number of directed links drawn strong."""
        visible = [(to, source) for pair in self._links.tolist() for to, source in (pair, pair[::-1])]
        return sum(bool(self._difference[to, source]) for to, source in visible) if len(self._difference) else 0

    def _choose_units(self) -> None:
        codes, trusted = ((), ()) if self._header is None else (self._header.au_codes, self._header.au_trusted)
        self._shown = tuple(index for index, code in enumerate(codes) if self._all or code in trusted)

    def _links_of(self, estimate: AUEstimate) -> Int64:
        """The links between units drawn."""
        pairs = links_of(estimate.adjacency)
        return np.asarray(pairs[np.isin(pairs, self._shown).all(axis=1)])

    def node_centre(self, index: int) -> QPointF:
        """Centre of the node of a unit, in widget coordinates."""
        return QPointF(self._points[index])

    def numbers(self, index: int) -> str:
        """Text with all numbers of a unit and of its strongest link."""
        header, estimate = self._header, self._estimate
        if header is None or estimate is None:
            return (
                "" if header is None else self.tr("{unit}: not assessed").format(unit=full_name(header.au_codes[index]))
            )
        code = header.au_codes[index]
        lines = [
            full_name(code)
            if code in header.au_trusted
            else self.tr("{unit}, not trusted").format(unit=full_name(code))
        ]
        lines.append(
            self.tr("occurrence {mean:.2f} ± {std:.2f}").format(
                mean=estimate.occurrence[index], std=estimate.occurrence_std[index]
            )
        )
        lines.append(
            self.tr("aleatoric {aleatoric:.2f}, epistemic {epistemic:.2f} nats").format(
                aleatoric=estimate.aleatoric[index], epistemic=estimate.epistemic[index]
            )
        )
        others = [int(b if a == index else a) for a, b in links_of(estimate.adjacency) if index in (a, b)]
        if others:
            best = max(others, key=lambda other: float(estimate.adjacency[index, other]))
            lines.append(self.tr("strongest link: {link}").format(link=self._link_text(header, estimate, index, best)))
        else:
            lines.append(self.tr("no link of {least} or more").format(least=MIN_LINK))
        return "\n".join(lines)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Comfortable space for all labels."""
        em = theme.em(self)
        return QSize(round(20 * em), self._height(0.6))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The smallest size at which labels do not touch."""
        em = theme.em(self)
        return QSize(round(16 * em), self._height(0.0))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Move the nodes."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Move the nodes after a change of font."""
        super().changeEvent(event)
        self._lay_out()

    def draw_static(self, painter: QPainter) -> None:
        """Draw the background, and the outline of each node at occurrence 1."""
        colours, em = theme.current(), theme.em(self)
        painter.setPen(QPen(colours.colour("line"), 1))
        painter.setBrush(colours.colour("panel"))
        background = QRectF(self.rect()).adjusted(3, 3, -3, -(_TEXT_LINES + 0.5) * em)
        painter.drawRoundedRect(background, 0.4 * em, 0.4 * em)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        codes = () if self._header is None else self._header.au_codes
        for index in self._shown:
            painter.setPen(self._outline(codes[index]))
            painter.drawEllipse(self._points[index], self._radius, self._radius)

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw links, nodes and the text below."""
        header, estimate = self._header, self._estimate
        if header is None:
            return
        if estimate is not None:
            self._links = self._links_of(estimate)
            for first, second in self._links.tolist():
                self._draw_link(painter, estimate, first, second)
                self._draw_link(painter, estimate, second, first)
            for index in self._shown:
                self._draw_node(painter, header, estimate, index)
        self._draw_codes(painter, header)
        if self._selected is not None:
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self._points[self._selected], self._radius + 3, self._radius + 3)
        em = theme.em(self)
        painter.setPen(theme.current().colour("text"))
        box = QRectF(0.3 * em, self.height() - (_TEXT_LINES + 0.2) * em, self.width() - 0.6 * em, _TEXT_LINES * em)
        painter.drawText(box, WRAP, self._text())

    def event(self, event: QEvent) -> bool:
        """Show the numbers of the node or link under the pointer as a tooltip."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Select the next unit in the arrow's direction; Escape clears the selection."""
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is not None and self._shown:
            now = self._shown.index(self._selected) if self._selected in self._shown else None
            near = 0 if now is None else neighbour(self._places[list(self._shown)], now, *step)
            self._select(self._shown[near])
        elif event.key() == Qt.Key.Key_Escape and self._selected is not None:
            self._select(None)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Select the clicked unit."""
        self._select(self._node_at(event.position()))

    def text_at(self, point: QPointF) -> str:
        """The numbers of the node or link at a point of the widget; "" if there is none."""
        node = self._node_at(point)
        if node is not None:
            return self.numbers(node)
        link, header, estimate = self._link_at(point), self._header, self._estimate
        if link is None or header is None or estimate is None:
            return ""
        unit = unit_code(header.au_codes[link[0]])
        text = self._link_text(header, estimate, *link)
        return self.tr("{unit} linked with {link}").format(unit=unit, link=text)

    def _select(self, index: int | None) -> None:
        self._selected = index
        self._describe()
        self.redraw()

    def _height(self, extra_em: float) -> int:
        """Height in pixels of all rows, each ``extra_em`` above its minimum, and of the text below."""
        rows = row_count(self._header.au_codes if self._header is not None else ())
        return round(((rows - 1) * (_ROW_EM + extra_em) + _ABOVE_EM + _BELOW_EM) * theme.em(self))

    def _lay_out(self) -> None:
        em = theme.em(self)
        side, above, below = 1.9 * em, _ABOVE_EM * em, _BELOW_EM * em
        width, height = max(self.width() - 2 * side, em), max(self.height() - above - below, em)
        scaled = self._places * (width, height)
        self._points = [QPointF(side + x, above + y) for x, y in scaled.tolist()]
        self._radius = _RADIUS_EM * em

    def _draw_link(self, painter: QPainter, estimate: AUEstimate, to: int, source: int) -> None:
        """Draw the half of a link that ends at ``to``."""
        em, colours = theme.em(self), theme.current()
        near, far = self._points[to], self._points[source]
        line = QLineF((near + far) / 2, near)
        line.setLength(max(line.length() - self._radius, 1.0))
        change = float(self._difference[to, source])
        selected = self._selected in (to, source)
        if not change:
            painter.setPen(QPen(colours.colour("accent" if selected else "line"), 1.0))
            painter.drawLine(line)
            return
        width = min(max(_LINK_EM * abs(change), 0.15), _MAX_LINK_EM) * em
        colour = colours.colour("accent" if selected else "text")
        colour.setAlphaF(1.0 - 0.7 * min(float(estimate.mask_std[to, source]) / _UNSURE, 1.0))
        pen = QPen(colour, width)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if change < 0:
            pen.setDashPattern([0.5 * _DASH_EM * em / width, 0.5 * _DASH_EM * em / width])
        painter.setPen(pen)
        painter.drawLine(line)

    def _draw_node(self, painter: QPainter, header: SessionHeader, estimate: AUEstimate, index: int) -> None:
        """Draw a disc with the area of the occurrence, and a ring of ± one standard deviation."""
        colours, em, point = theme.current(), theme.em(self), self._points[index]
        mean, std = float(estimate.occurrence[index]), float(estimate.occurrence_std[index])
        radius, low, high = (
            self._radius * math.sqrt(min(max(value, 0.0), 1.0)) for value in (mean, mean - std, mean + std)
        )
        if header.au_codes[index] in header.au_trusted:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.colour("present" if mean > header.au_thresholds[index] else "below"))
        else:
            painter.setPen(QPen(colours.colour("hatch"), 1))
            painter.setBrush(hatch(colours.hatch, "#00000000", max(round(0.13 * em), 2)))
        painter.drawEllipse(point, radius, radius)
        if high - low >= 1.0:  # a pixel
            ring = QPainterPath()
            ring.addEllipse(point, low, low)
            ring.addEllipse(point, high, high)
            shade = colours.colour("text")
            shade.setAlphaF(0.4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(shade)
            painter.drawPath(ring)

    def _outline(self, code: int) -> QPen:
        """Pen of a node's outline: dotted if not assessed, dashed if not trusted."""
        colours = theme.current()
        if self._estimate is None:
            return QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine)
        if self._header is not None and code in self._header.au_trusted:
            return QPen(colours.colour("line"), 1)
        return QPen(colours.colour("hatch"), 1, Qt.PenStyle.DashLine)

    def _draw_codes(self, painter: QPainter, header: SessionHeader) -> None:
        """Draw each unit's code below its node, over the links."""
        colours, em = theme.current(), theme.em(self)
        for index in self._shown:
            point, code = self._points[index], header.au_codes[index]
            box = QRectF(point.x() - 1.25 * em, point.y() + self._radius + 1, 2.5 * em, em)
            painter.fillRect(box, colours.colour("panel"))
            painter.setPen(
                colours.colour("text" if code in header.au_trusted and self._estimate is not None else "dim")
            )
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, unit_code(code))

    def _node_at(self, point: QPointF) -> int | None:
        reach = self._radius + theme.em(self)
        for index in self._shown:
            if QLineF(point, self._points[index]).length() <= reach:
                return index
        return None

    def _link_at(self, point: QPointF) -> tuple[int, int] | None:
        """The link at a point: the unit whose half it is, and the other one."""
        if self._estimate is None:
            return None
        for first, second in self._links.tolist():
            a, b = self._points[first], self._points[second]
            along = b - a
            share = QPointF.dotProduct(point - a, along) / max(QPointF.dotProduct(along, along), 1.0)
            if 0 < share < 1 and QLineF(point, a + along * share).length() <= 0.4 * theme.em(self):
                return (first, second) if share < 0.5 else (second, first)
        return None

    def _link_text(self, header: SessionHeader, estimate: AUEstimate, to: int, source: int) -> str:
        average, link = self._average, estimate.adjacency[to, source]
        text = self.tr(
            "{unit}, {link:.2f}\nmask from it {mean:.2f} ± {std:.2f}, to it {back:.2f} ± {back_std:.2f}"
        ).format(
            unit=unit_code(header.au_codes[source]),
            link=link,
            mean=estimate.mask_mean[to, source],
            std=estimate.mask_std[to, source],
            back=estimate.mask_mean[source, to],
            back_std=estimate.mask_std[source, to],
        )
        if average is None or average.frames < MIN_FRAMES:
            return text
        usual = (average.mean[to, source], average.deviation[to, source], average.mean[source, to])
        form = self.tr("link × mask: from it {now:.3f}, usually {usual:.3f} ± {spread:.3f}; to it usually {back:.3f}")
        now = link * estimate.mask_mean[to, source]
        return f"{text}\n" + form.format(now=now, usual=usual[0], spread=usual[1], back=usual[2])

    def _text(self) -> str:
        if self._header is None:
            return ""
        if self._selected is not None:
            return self.numbers(self._selected)
        if self._estimate is None:
            return self.tr("Action units: not assessed")
        if not len(self._links):
            return self.tr("The model keeps no link of {least} or more.").format(least=MIN_LINK)
        use = self.tr(
            "Shows where the model used its links otherwise than usual in this session. It explains an estimate, and "
            "measures no muscles. In the shipped model links change little."
        )
        left_out = self.tr("Learned links below {least} are left out.").format(least=MIN_LINK)
        return f"{use}\n{left_out} " + self.tr("Click a unit to read its numbers.")

    def _describe(self) -> None:
        self.setAccessibleDescription(self._text())


@dataclass(frozen=True, slots=True)
class _Entry:
    draw: Callable[[QPainter, QRectF], None]
    text: str


class GraphLegend(DrawnPanel):
    """The legend; not focusable, since its accessible name holds all its text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._entries = (
            _Entry(_sizes, self.tr("size: occurrence")),
            _Entry(_ring, self.tr("ring: ± one std. deviation")),
            _Entry(_hollow, self.tr("not trusted")),
            _Entry(_widths, self.tr("thin: as usual; wide: stronger than usual")),
            _Entry(_broken, self.tr("dashed: weaker than usual; pale: uncertain")),
        )
        self.setAccessibleName("; ".join(entry.text for entry in self._entries))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """Height of the lines that the entries need."""
        return round((self._places(width)[-1].y() + _PITCH + 0.2) * theme.em(self))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Size for the current width."""
        width = max(self.width(), round(14 * theme.em(self)))
        return QSize(round(18 * theme.em(self)), self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One entry per line."""
        return QSize(round(14 * theme.em(self)), self.sizeHint().height())

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw nothing: the legend is static."""

    def draw_static(self, painter: QPainter) -> None:
        """Draw every mark and its text."""
        em = theme.em(self)
        for entry, corner in zip(self._entries, self._places(self.width()), strict=True):
            line = QRectF(corner.x() * em, corner.y() * em, self.width(), _PITCH * em)
            entry.draw(painter, QRectF(line.left(), line.top(), (_MARK_EM - 0.4) * em, line.height()))
            painter.setPen(theme.current().colour("dim"))
            line.setLeft(line.left() + _MARK_EM * em)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, entry.text)

    def _places(self, width: int) -> list[QPointF]:
        """Top left corner of each entry, in em."""
        em, metrics = theme.em(self), QFontMetricsF(self.font())
        x, y, places = 0.3, 0.0, []
        for entry in self._entries:
            wide = _MARK_EM + metrics.horizontalAdvance(entry.text) / em
            if x > 0.3 and x + wide > width / em:
                x, y = 0.3, y + _PITCH
            places.append(QPointF(x, y))
            x += wide + _GAP_EM
        return places


def _sizes(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.current().colour("present"))
    for x, share in ((0.2, 0.22), (0.65, 0.42)):
        painter.drawEllipse(
            QPointF(box.left() + x * box.width(), box.center().y()), share * box.height(), share * box.height()
        )


def _ring(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.current().colour("present"))
    painter.drawEllipse(box.center(), 0.34 * box.height(), 0.34 * box.height())
    painter.setBrush(Qt.BrushStyle.NoBrush)
    colour = theme.current().colour("text")
    colour.setAlphaF(0.5)
    painter.setPen(QPen(colour, 0.14 * box.height()))
    painter.drawEllipse(box.center(), 0.34 * box.height(), 0.34 * box.height())


def _hollow(painter: QPainter, box: QRectF) -> None:
    colours = theme.current()
    painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DashLine))
    painter.setBrush(hatch(colours.hatch, "#00000000", max(round(0.1 * box.height()), 2)))
    painter.drawEllipse(box.center(), 0.38 * box.height(), 0.38 * box.height())


def _widths(painter: QPainter, box: QRectF) -> None:
    for y, width in ((0.3, 0.06), (0.65, 0.22)):
        painter.setPen(QPen(theme.current().colour("dim"), width * box.height()))
        level = box.top() + y * box.height()
        painter.drawLine(QLineF(box.left(), level, box.right(), level))


def _broken(painter: QPainter, box: QRectF) -> None:
    pen = QPen(theme.current().colour("dim"), 0.14 * box.height())
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pen.setDashPattern([2.2, 1.6])
    painter.setPen(pen)
    painter.drawLine(QLineF(box.left(), box.center().y(), box.right(), box.center().y()))


class UnitGraphView(QWidget):
    """The graph of action units and its legend."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas = GraphCanvas()
        self.legend = GraphLegend()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.legend)

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the units of a session; None: no session."""
        self.canvas.set_header(header)

    def show_all_units(self, everything: bool) -> None:
        """Draw the units that are not trusted too."""
        self.canvas.show_all_units(everything)

    def show_estimate(self, estimate: AUEstimate | None) -> None:
        """Show the units of a face; None for a face that is not assessed, even if it has an estimate."""
        self.canvas.show_estimate(estimate)
