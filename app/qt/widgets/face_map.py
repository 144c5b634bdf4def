"""A drawing of a face whose regions are lit by the action units: brighter = more likely, softer = less certain.

Only trusted units are drawn, unless the others are asked for. The drawing is the same for every person.
"""

from __future__ import annotations

import functools
import math
from typing import Final

from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QRadialGradient,
    QTransform,
)
from PySide6.QtWidgets import QToolTip, QWidget

from app.live.unit_regions import FaceRegion, region_of
from app.qt import theme
from app.qt.widgets.action_unit_panel import full_name
from app.qt.widgets.drawn_panel import DrawnPanel
from app.session.rows import FaceRow, SessionHeader
from engine.facs import unit_code

#: Resolution of a value; a smaller change is not painted.
_STEPS: Final = 50
#: Steps of softness that are drawn.
_BLURS: Final = 16
#: A standard deviation of this much blurs a region completely.
_BLURRED: Final = 0.25
#: Growth of a region by its blur.
_GROWTH: Final = 0.6
#: Opacity of a region with occurrence 1, and of one that is not trusted.
_OPACITY: Final = 0.85
_UNTRUSTED: Final = 0.4


class FaceMap(DrawnPanel):
    """Shows the action units of one face on a drawing; a click or the pointer on a region gives its numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Action units on a face"))
        self._header: SessionHeader | None = None
        self._row: FaceRow | None = None
        self._values: tuple[tuple[int, int, int], ...] = ()  # FACS number, occurrence and deviation in steps
        self._all = False
        self._describe()

    @property
    def lit(self) -> tuple[int, ...]:
        """FACS numbers of the units drawn."""
        return tuple(number for number, _, _ in self._values)

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the units of a session; None: no session."""
        self._header = header
        self.show_row(None)

    def show_all_units(self, everything: bool) -> None:
        """Draw the units that are not trusted too."""
        self._all = everything
        self.show_row(self._row)

    def show_row(self, row: FaceRow | None) -> None:
        """Show a face; one that is not assessed, and None, get the drawing alone."""
        header, self._row = self._header, row
        values: list[tuple[int, int, int]] = []
        if header is not None and row is not None and row.occurrence:
            for number, mean, std in zip(header.au_codes, row.occurrence, row.occurrence_std, strict=True):
                if (self._all or number in header.au_trusted) and region_of(number) is not None:
                    values.append((number, round(_STEPS * mean), round(_STEPS * std)))
        if tuple(values) != self._values:
            self._values = tuple(values)
            self.redraw()
            self._describe()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """A square."""
        side = round(13 * theme.em(self))
        return QSize(side, side)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The smallest square with readable codes."""
        side = round(10.5 * theme.em(self))
        return QSize(side, side)

    def draw_static(self, painter: QPainter) -> None:
        """Draw the outline of a face."""
        painter.setPen(QPen(theme.current().colour("edge"), max(0.08 * theme.em(self), 1.0)))
        painter.setBrush(theme.current().colour("panel"))
        square = self._square()
        painter.drawEllipse(_ellipse(square, FaceRegion(0.5, 0.55, 0.36, 0.43, False), False))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(_features(square))

    def draw_dynamic(self, painter: QPainter) -> None:
        """Light the regions, and name the units that are present."""
        header, row, square = self._header, self._row, self._square()
        if header is None or row is None:
            return
        colours, em = theme.current(), theme.em(self)
        present = []
        for number, mean, std in sorted(self._values, key=lambda value: value[1]):
            region = region_of(number)
            index = header.au_codes.index(number)
            trusted = number in header.au_trusted
            here = trusted and row.occurrence[index] > header.au_thresholds[index]
            if region is None or not mean:
                continue
            colour = colours.colour("present" if here else "below" if trusted else "hatch")
            colour.setAlphaF((_OPACITY if trusted else _UNTRUSTED) * mean / _STEPS)
            blur = min(std / _STEPS / _BLURRED, 1.0)
            for mirrored in (False, True) if region.both_sides else (False,):
                _light(painter, _ellipse(square, region, mirrored), colour, blur)
            if here:
                present.append((number, _ellipse(square, region, False)))
        painter.setPen(colours.colour("text"))
        metrics = QFontMetricsF(self.font())
        taken: list[QRectF] = []
        for number, place in present:
            wide = metrics.horizontalAdvance(unit_code(number)) + 0.2 * em
            left = min(max(place.center().x() - wide / 2, 0.0), self.width() - wide)
            box = QRectF(left, place.center().y() - 0.5 * em, wide, em)
            while any(box.intersects(other) for other in taken):
                box.translate(0, 0.9 * em)
            taken.append(box)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, unit_code(number))

    def event(self, event: QEvent) -> bool:
        """Show the numbers of the unit under the pointer as a tooltip."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the numbers of the clicked unit."""
        QToolTip.showText(event.globalPosition().toPoint(), self.text_at(event.position()), self)
        super().mousePressEvent(event)  # a card around it may take the click

    def text_at(self, point: QPointF) -> str:
        """The numbers of the unit nearest to a point of the widget, and how to read the drawing."""
        lines = [
            self.tr("Brighter: more likely. Softer: less certain."),
            self.tr("Estimated muscle movements (FACS codes), not a certified FACS coding."),
        ]
        nearest = self._nearest(point)
        if nearest is not None and self._header is not None and self._row is not None:
            index = self._header.au_codes.index(nearest)
            text = self.tr("{unit}: {mean:.2f} ± {std:.2f}").format(
                unit=full_name(nearest), mean=self._row.occurrence[index], std=self._row.occurrence_std[index]
            )
            if nearest not in self._header.au_trusted:
                text = self.tr("{numbers}, not trusted").format(numbers=text)
            lines.insert(0, text)
        return "\n".join(lines)

    def _nearest(self, point: QPointF) -> int | None:
        """The unit drawn whose region holds the point, the one with the nearest centre if several do."""
        found: list[tuple[float, int]] = []
        for number, _, _ in self._values:
            region = region_of(number)
            for mirrored in (False, True):
                place = _ellipse(self._square(), region, mirrored) if region is not None else QRectF()
                if place.contains(point):
                    found.append((QLineF(place.center(), point).length(), number))
        return min(found)[1] if found else None

    def _square(self) -> QRectF:
        side = float(min(self.width(), self.height()))
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def _describe(self) -> None:
        header, row = self._header, self._row
        if header is None or row is None or not row.occurrence:
            text = self.tr("Action units: not assessed")
        else:
            pairs = zip(header.au_codes, row.occurrence, header.au_thresholds, strict=True)
            names = [full_name(code) for code, mean, limit in pairs if code in header.au_trusted and mean > limit]
            text = ", ".join(names) or self.tr("None of the trusted units is present")
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)


def _ellipse(square: QRectF, region: FaceRegion, mirrored: bool) -> QRectF:
    """The place of a region in a square of the widget."""
    x = 1.0 - region.x if mirrored else region.x
    side = square.width()
    return QRectF(
        square.left() + (x - region.across) * side,
        square.top() + (region.y - region.down) * side,
        2 * region.across * side,
        2 * region.down * side,
    )


def _light(painter: QPainter, place: QRectF, colour: QColor, blur: float) -> None:
    """Fill an ellipse; with more blur its edge is softer and wider."""
    ratio = painter.device().devicePixelRatioF()
    size = (round(place.width() * ratio), round(place.height() * ratio))
    light = _soft_ellipse(*size, colour.name(), round(_BLURS * blur))
    target = QRectF(0, 0, light.width() / ratio, light.height() / ratio)
    target.moveCenter(place.center())
    painter.setOpacity(colour.alphaF())
    painter.drawImage(target, light)
    painter.setOpacity(1.0)


@functools.lru_cache(maxsize=512)
def _soft_ellipse(width: int, height: int, colour: str, blur: int) -> QImage:
    """An ellipse of this size in pixels with ``blur`` of `_BLURS`: a gradient is slow to fill, an image is not."""
    share = blur / _BLURS
    grown = 1.0 + _GROWTH * share
    across, down = max(grown * width / 2, 1.0), max(grown * height / 2, 1.0)
    image = QImage(math.ceil(2 * across), math.ceil(2 * down), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    gradient = QRadialGradient(QPointF(0, 0), 1.0)
    plain, clear = QColor(colour), QColor(colour)
    clear.setAlpha(0)
    gradient.setColorAt(0.0, plain)
    gradient.setColorAt(max(0.9 * (1.0 - share), 0.02), plain)
    gradient.setColorAt(1.0, clear)
    middle = QPointF(image.width() / 2, image.height() / 2)
    brush = QBrush(gradient)
    brush.setTransform(QTransform(across, 0, 0, down, middle.x(), middle.y()))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brush)
    painter.drawEllipse(middle, across, down)
    painter.end()
    return image


def _features(square: QRectF) -> QPainterPath:
    """Brows, eyes, nose and mouth."""

    def at(x: float, y: float) -> QPointF:
        return QPointF(square.left() + x * square.width(), square.top() + y * square.height())

    path = QPainterPath()
    for side in (-1, 1):
        path.moveTo(at(0.5 + side * 0.24, 0.34))
        path.quadTo(at(0.5 + side * 0.16, 0.29), at(0.5 + side * 0.07, 0.335))
        path.addEllipse(at(0.5 + side * 0.16, 0.43), 0.06 * square.width(), 0.026 * square.height())
        path.addEllipse(at(0.5 + side * 0.16, 0.43), 0.02 * square.width(), 0.02 * square.height())
    path.moveTo(at(0.48, 0.45))
    path.quadTo(at(0.44, 0.59), at(0.5, 0.61))
    path.quadTo(at(0.55, 0.61), at(0.55, 0.58))
    path.moveTo(at(0.37, 0.75))
    path.quadTo(at(0.5, 0.70), at(0.63, 0.75))
    path.quadTo(at(0.5, 0.82), at(0.37, 0.75))
    return path
