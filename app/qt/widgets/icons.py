"""Line icons, drawn at any size in any colour; always shown beside a text."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.overlay.palette import DECISION_ICON_LINE, DECISION_ICONS, Circle, Polyline
from app.qt import theme

#: Icons are drawn on a square of this many units, with lines of _LINE units; those of decisions as in the overlay.
_GRID: Final = 24.0
_LINE: Final = 1.8


class IconName(str, Enum):
    """All icons."""

    HOME = "home"
    CAMERA = "camera"
    FILM = "film"
    QUEUE = "queue"
    TIMELINE = "timeline"
    GEAR = "gear"
    ABOUT = "about"
    FOLDER = "folder"
    DROP = "drop"
    SHIELD = "shield"
    PLAY = "play"
    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"
    NOT_ASSESSED = "not assessed"
    POOR_IMAGE = "poor image"


def draw_icon(painter: QPainter, name: IconName, box: QRectF, colour: QColor) -> None:
    """Draw an icon into the middle of ``box``, as large as fits."""
    side = min(box.width(), box.height())
    line = _GRID * DECISION_ICON_LINE if name in _DECISIONS else _LINE
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(box.center() - QPointF(side / 2, side / 2))
    painter.scale(side / _GRID, side / _GRID)
    pen = QPen(colour, line, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(_PATHS[name](), pen)
    painter.restore()


class IconView(QWidget):
    """A decorative icon: screen readers and Tab skip it."""

    def __init__(self, name: IconName, side_em: float, colour: str = "accent", parent: QWidget | None = None) -> None:
        """``colour`` is a field of `app.qt.theme.Theme`."""
        super().__init__(parent)
        self._name, self._side_em, self._colour = name, side_em, colour
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """A square."""
        side = round(self._side_em * theme.em(self))
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw it in the current theme."""
        painter = QPainter(self)
        draw_icon(painter, self._name, QRectF(self.rect()), theme.current().colour(self._colour))
        painter.end()


def _decision(name: str) -> QPainterPath:
    """The outlines of an icon of the overlay."""
    path = QPainterPath()
    for shape in DECISION_ICONS[name]:
        if isinstance(shape, Polyline):
            path.addPath(_lines(tuple((x * _GRID, y * _GRID) for x, y in shape.points)))
        elif isinstance(shape, Circle):
            radius = shape.radius * _GRID
            path.addEllipse(QPointF(*shape.centre) * _GRID, radius, radius)
        else:
            path.addRect(QRectF(QPointF(*shape.top_left) * _GRID, QPointF(*shape.bottom_right) * _GRID))
    return path


def _lines(*strokes: tuple[tuple[float, float], ...]) -> QPainterPath:
    path = QPainterPath()
    for start, *others in strokes:
        path.moveTo(*start)
        for point in others:
            path.lineTo(*point)
    return path


def _home() -> QPainterPath:
    return _lines(((3, 11.5), (12, 3.5), (21, 11.5)), ((5.5, 9.5), (5.5, 20.5), (18.5, 20.5), (18.5, 9.5)))


def _camera() -> QPainterPath:
    path = _lines(((15.5, 10.5), (21.5, 7), (21.5, 17), (15.5, 13.5)))
    path.addRoundedRect(QRectF(2.5, 6, 13, 12), 2.5, 2.5)
    return path


def _film() -> QPainterPath:
    path = _lines(((10, 8.7), (15.5, 12), (10, 15.3), (10, 8.7)))
    path.addRoundedRect(QRectF(2.5, 4.5, 19, 15), 2.5, 2.5)
    return path


def _queue() -> QPainterPath:
    path = _lines(((10.5, 6), (21, 6)), ((10.5, 12), (21, 12)), ((10.5, 18), (21, 18)))
    path.addPath(_lines(((3, 6), (4.6, 7.6), (7.4, 4.4)), ((3, 12), (4.6, 13.6), (7.4, 10.4)), ((3, 18), (7, 18))))
    return path


def _timeline() -> QPainterPath:
    path = _lines(((12, 2.5), (12, 21.5)))
    for x, y, width in ((3, 5, 6), (15, 5, 6), (3, 10, 3.5), (15, 15, 6), (3, 15, 6)):
        path.addRoundedRect(QRectF(x, y, width, 3.6), 1, 1)
    return path


def _gear() -> QPainterPath:
    path = QPainterPath()
    for x, y in ((8, 6), (16, 12), (9, 18)):
        path.addEllipse(QPointF(x, y), 2.4, 2.4)
    path.addPath(_lines(((3, 6), (5.6, 6)), ((10.4, 6), (21, 6)), ((3, 12), (13.6, 12)), ((18.4, 12), (21, 12))))
    path.addPath(_lines(((3, 18), (6.6, 18)), ((11.4, 18), (21, 18))))
    return path


def _about() -> QPainterPath:
    path = _lines(((12, 11), (12, 16.5)), ((12, 7.6), (12, 7.7)))
    path.addEllipse(QPointF(12, 12), 9.2, 9.2)
    return path


def _folder() -> QPainterPath:
    path = QPainterPath(QPointF(3, 18))
    for point in ((3, 6), (9, 6), (11.5, 8.5), (21, 8.5), (21, 18.5), (3, 18.5)):
        path.lineTo(*point)
    path.closeSubpath()
    return path


def _drop() -> QPainterPath:
    return _lines(
        ((12, 3), (12, 14.5)), ((7, 9.7), (12, 14.7), (17, 9.7)), ((3.5, 15), (3.5, 20.5), (20.5, 20.5), (20.5, 15))
    )


def _play() -> QPainterPath:
    path = _lines(((9.6, 7.8), (16.6, 12), (9.6, 16.2), (9.6, 7.8)))
    path.addEllipse(QPointF(12, 12), 9.2, 9.2)
    return path


def _shield() -> QPainterPath:
    path = QPainterPath(QPointF(12, 2.8))
    path.lineTo(20, 5.6)
    path.cubicTo(20, 13, 18.5, 18, 12, 21.2)
    path.cubicTo(5.5, 18, 4, 13, 4, 5.6)
    path.closeSubpath()
    path.addPath(_lines(((8.3, 11.8), (11, 14.5), (15.8, 9.3))))
    return path


_DECISIONS: Final = {
    IconName.ACCEPTED: "check",
    IconName.AMBIGUOUS: "or",
    IconName.NOT_ASSESSED: "crossed",
    IconName.POOR_IMAGE: "camera",
}
_PATHS: Final[dict[IconName, Callable[[], QPainterPath]]] = {
    IconName.HOME: _home,
    IconName.CAMERA: _camera,
    IconName.FILM: _film,
    IconName.QUEUE: _queue,
    IconName.TIMELINE: _timeline,
    IconName.GEAR: _gear,
    IconName.ABOUT: _about,
    IconName.FOLDER: _folder,
    IconName.DROP: _drop,
    IconName.SHIELD: _shield,
    IconName.PLAY: _play,
} | {icon: partial(_decision, name) for icon, name in _DECISIONS.items()}
