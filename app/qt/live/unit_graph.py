"""The graph of action units: a node per unit where it stands on a face, and the links that the model learned.

A link is drawn in two halves, since the sampled mask has two directions: the half at a unit is what that unit takes
from the other one (training/action_units/model.py, Eq. 3). Width and breaks are the mask's mean and deviation for this
face.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QVBoxLayout, QWidget

from app.live.unit_layout import LEAST_LINK, links_of, neighbour, row_count, unit_places
from app.qt import theme
from app.qt.live.graph_legend import GraphLegend
from app.qt.widgets.action_unit_panel import full_name
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, hatch
from app.session.journal import RunHeader
from engine.facs import unit_code
from engine.types import AUEstimate, Float64, Int64

#: Milliseconds between two paintings; a graph is read slowly.
_REDRAW_MS: Final = 200
#: Width of a link of 1 whose mask is 1, in em.
_LINK_EM: Final = 2.2
#: Length of a dash with the gap behind it, in em; twice the mask's deviation of it is gap.
_DASH_EM: Final = 0.6
#: Lines of numbers under the graph.
_TOLD_LINES: Final = 6
#: Radius of a node that is certain to be there, in em; its code takes one em below it.
_RADIUS_EM: Final = 0.95
#: From one row of nodes to the next, in em, at least.
_ROW_EM: Final = 3.2
#: Over the centre of the highest node and under that of the lowest, in em.
_ABOVE_EM: Final = 1.6
_BELOW_EM: Final = _TOLD_LINES + 2.9
_ARROWS: Final = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class GraphCanvas(DrawnPanel):
    """The graph itself; arrow keys and clicks choose a unit, whose numbers stand under it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, _REDRAW_MS)
        self.setAccessibleName(self.tr("Graph of action units"))
        self._header: RunHeader | None = None
        self._estimate: AUEstimate | None = None
        self._links: Int64 = np.zeros((0, 2), np.int64)
        self._places: Float64 = np.zeros((0, 2))
        self._points: list[QPointF] = []
        self._radius = 0.0
        self._chosen: int | None = None  # place in header.au_codes
        self._describe()

    @property
    def chosen(self) -> int | None:
        """FACS number of the unit that is chosen."""
        return None if self._chosen is None or self._header is None else self._header.au_codes[self._chosen]

    def set_header(self, header: RunHeader | None) -> None:
        """Take over the units of a run."""
        self._header = header
        self._places = unit_places(header.au_codes if header is not None else ())
        self._chosen = None
        self._estimate = None
        self._lay_out()
        self._describe()
        self.updateGeometry()
        self.redraw(kept=True)

    def show_estimate(self, estimate: AUEstimate | None) -> None:
        """Show the units of a face, in the order of the header; None: not assessed."""
        if self._header is None:
            return
        if (estimate is None) != (self._estimate is None):
            self._estimate = estimate
            self._describe()
            self.redraw(kept=True)
        elif estimate is not None:
            self._estimate = estimate
            self.redraw()

    def numbers(self, place: int) -> str:
        """All numbers of a unit and of its strongest link."""
        header, estimate = self._header, self._estimate
        if header is None or estimate is None:
            return (
                "" if header is None else self.tr("{unit}: not assessed").format(unit=full_name(header.au_codes[place]))
            )
        code = header.au_codes[place]
        lines = [
            full_name(code)
            if code in header.au_trusted
            else self.tr("{unit}, not trusted").format(unit=full_name(code))
        ]
        lines.append(
            self.tr("occurrence {mean:.2f} ± {std:.2f}").format(
                mean=estimate.occurrence[place], std=estimate.occurrence_std[place]
            )
        )
        lines.append(
            self.tr("aleatoric {aleatoric:.2f}, epistemic {epistemic:.2f} nats").format(
                aleatoric=estimate.aleatoric[place], epistemic=estimate.epistemic[place]
            )
        )
        others = [int(b if a == place else a) for a, b in links_of(estimate.adjacency) if place in (a, b)]
        if others:
            best = max(others, key=lambda other: float(estimate.adjacency[place, other]))
            lines.append(
                self.tr("strongest link: {words}").format(words=self._link_words(header, estimate, place, best))
            )
        else:
            lines.append(self.tr("no link of {least} or more").format(least=LEAST_LINK))
        return "\n".join(lines)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Room for all labels."""
        em = theme.em(self)
        return QSize(round(20 * em), self._height(0.6))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The least at which labels do not touch."""
        em = theme.em(self)
        return QSize(round(16 * em), self._height(0.0))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Move the nodes."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Other letters move the nodes."""
        super().changeEvent(event)
        self._lay_out()

    def draw_kept(self, painter: QPainter) -> None:
        """The ground, and the places that nodes would fill if they were certain to be there."""
        colours, em = theme.current(), theme.em(self)
        painter.setPen(QPen(colours.colour("line"), 1))
        painter.setBrush(colours.colour("panel"))
        ground = QRectF(self.rect()).adjusted(3, 3, -3, -(_TOLD_LINES + 0.5) * em)
        painter.drawRoundedRect(ground, 0.4 * em, 0.4 * em)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        codes = () if self._header is None else self._header.au_codes
        for point, code in zip(self._points, codes, strict=True):
            painter.setPen(self._outline(code))
            painter.drawEllipse(point, self._radius, self._radius)

    def draw_values(self, painter: QPainter) -> None:
        """Links, nodes and the numbers under them."""
        header, estimate = self._header, self._estimate
        if header is None:
            return
        if estimate is not None:
            self._links = links_of(estimate.adjacency)
            for first, second in self._links.tolist():
                self._draw_link(painter, estimate, first, second)
                self._draw_link(painter, estimate, second, first)
            for place in range(len(self._points)):
                self._draw_node(painter, header, estimate, place)
        self._draw_codes(painter, header)
        if self._chosen is not None:
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self._points[self._chosen], self._radius + 3, self._radius + 3)
        em = theme.em(self)
        painter.setPen(theme.current().colour("text"))
        box = QRectF(0.3 * em, self.height() - (_TOLD_LINES + 0.2) * em, self.width() - 0.6 * em, _TOLD_LINES * em)
        painter.drawText(box, WRAP, self._told())

    def event(self, event: QEvent) -> bool:
        """Tell the numbers of the node or link under the pointer."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.told_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Arrows go to the next unit that way; Escape lets go."""
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is not None and self._points:
            self._choose(0 if self._chosen is None else neighbour(self._places, self._chosen, *step))
        elif event.key() == Qt.Key.Key_Escape and self._chosen is not None:
            self._choose(None)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the unit that is clicked."""
        self._choose(self._node_at(event.position()))

    def told_at(self, point: QPointF) -> str:
        """The numbers of what is drawn at a point of the widget; "" where nothing is."""
        node = self._node_at(point)
        if node is not None:
            return self.numbers(node)
        link, header, estimate = self._link_at(point), self._header, self._estimate
        if link is None or header is None or estimate is None:
            return ""
        unit = unit_code(header.au_codes[link[0]])
        words = self._link_words(header, estimate, *link)
        return self.tr("{unit} linked with {words}").format(unit=unit, words=words)

    def _choose(self, place: int | None) -> None:
        self._chosen = place
        self._describe()
        self.redraw()

    def _height(self, more: float) -> int:
        """Of all rows, each ``more`` em higher than it must be, and the numbers under them."""
        rows = row_count(self._header.au_codes if self._header is not None else ())
        return round(((rows - 1) * (_ROW_EM + more) + _ABOVE_EM + _BELOW_EM) * theme.em(self))

    def _lay_out(self) -> None:
        em = theme.em(self)
        side, above, below = 1.9 * em, _ABOVE_EM * em, _BELOW_EM * em
        width, height = max(self.width() - 2 * side, em), max(self.height() - above - below, em)
        scaled = self._places * (width, height)
        self._points = [QPointF(side + x, above + y) for x, y in scaled.tolist()]
        self._radius = _RADIUS_EM * em

    def _draw_link(self, painter: QPainter, estimate: AUEstimate, to: int, source: int) -> None:
        """The half of a link that ends at ``to``."""
        em = theme.em(self)
        near, far = self._points[to], self._points[source]
        line = QLineF((near + far) / 2, near)
        line.setLength(max(line.length() - self._radius, 1.0))
        width = max(_LINK_EM * em * float(estimate.adjacency[to, source] * estimate.mask_mean[to, source]), 1.0)
        gap = min(2.0 * float(estimate.mask_std[to, source]), 0.9)
        chosen = self._chosen in (to, source)
        pen = QPen(theme.current().colour("accent" if chosen else "dim"), width)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if gap > 0.02:
            pen.setDashPattern([(1 - gap) * _DASH_EM * em / width, gap * _DASH_EM * em / width])
        painter.setPen(pen)
        painter.drawLine(line)

    def _draw_node(self, painter: QPainter, header: RunHeader, estimate: AUEstimate, place: int) -> None:
        """A disc whose area is the occurrence, and a ring from one deviation below it to one above."""
        colours, em, point = theme.current(), theme.em(self), self._points[place]
        mean, std = float(estimate.occurrence[place]), float(estimate.occurrence_std[place])
        radius, low, high = (
            self._radius * math.sqrt(min(max(value, 0.0), 1.0)) for value in (mean, mean - std, mean + std)
        )
        if header.au_codes[place] in header.au_trusted:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.colour("present" if mean > header.au_thresholds[place] else "below"))
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
        """Of the place of a unit: dotted where it is not known, dashed where it is not trusted."""
        colours = theme.current()
        if self._estimate is None:
            return QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine)
        if self._header is not None and code in self._header.au_trusted:
            return QPen(colours.colour("line"), 1)
        return QPen(colours.colour("hatch"), 1, Qt.PenStyle.DashLine)

    def _draw_codes(self, painter: QPainter, header: RunHeader) -> None:
        """Each unit's code under its node, over the links."""
        colours, em = theme.current(), theme.em(self)
        for point, code in zip(self._points, header.au_codes, strict=True):
            box = QRectF(point.x() - 1.25 * em, point.y() + self._radius + 1, 2.5 * em, em)
            painter.fillRect(box, colours.colour("panel"))
            painter.setPen(
                colours.colour("text" if code in header.au_trusted and self._estimate is not None else "dim")
            )
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, unit_code(code))

    def _node_at(self, point: QPointF) -> int | None:
        reach = self._radius + theme.em(self)
        for place, node in enumerate(self._points):
            if QLineF(point, node).length() <= reach:
                return place
        return None

    def _link_at(self, point: QPointF) -> tuple[int, int] | None:
        """The link under a point: the unit at whose half it lies, and the other one."""
        if self._estimate is None:
            return None
        for first, second in self._links.tolist():
            a, b = self._points[first], self._points[second]
            along = b - a
            share = QPointF.dotProduct(point - a, along) / max(QPointF.dotProduct(along, along), 1.0)
            if 0 < share < 1 and QLineF(point, a + along * share).length() <= 0.4 * theme.em(self):
                return (first, second) if share < 0.5 else (second, first)
        return None

    def _link_words(self, header: RunHeader, estimate: AUEstimate, to: int, source: int) -> str:
        return self.tr(
            "{unit}, {link:.2f}\nmask from it {mean:.2f} ± {std:.2f}, to it {back:.2f} ± {back_std:.2f}"
        ).format(
            unit=unit_code(header.au_codes[source]),
            link=estimate.adjacency[to, source],
            mean=estimate.mask_mean[to, source],
            std=estimate.mask_std[to, source],
            back=estimate.mask_mean[source, to],
            back_std=estimate.mask_std[source, to],
        )

    def _told(self) -> str:
        if self._header is None:
            return ""
        if self._chosen is not None:
            return self.numbers(self._chosen)
        if self._estimate is None:
            return self.tr("Action units: not assessed")
        if not len(self._links):
            return self.tr("The model keeps no link of {least} or more.").format(least=LEAST_LINK)
        hint = self.tr("Click a unit, or use the arrow keys, to read its numbers.")
        return f"{hint}\n" + self.tr("Learned links below {least} are left out.").format(least=LEAST_LINK)

    def _describe(self) -> None:
        self.setAccessibleDescription(self._told())


class UnitGraphView(QWidget):
    """The graph of action units with what its marks mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas = GraphCanvas()
        self.legend = GraphLegend()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.legend)

    def set_header(self, header: RunHeader | None) -> None:
        """Take over the units of a run; None: no run."""
        self.canvas.set_header(header)

    def show_estimate(self, estimate: AUEstimate | None) -> None:
        """Show the units of a face; None for one that is not assessed (though its FaceResult has an estimate)."""
        self.canvas.show_estimate(estimate)
