"""Drawing of one job as a row: state icon, name, state, progress bar and buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.jobs.job_queue import JobState
from app.qt import theme
from app.qt.annotate.job_view import (
    JobCommand,
    JobView,
    buttons_of,
    choice_text,
    command_text,
    location_text,
    progress_of,
    state_text,
    translate,
)
from app.qt.theme import Theme

AnyIndex = QModelIndex | QPersistentModelIndex
#: Role of a row's JobView.
VIEW_ROLE: Final = Qt.ItemDataRole.UserRole
#: The button that opens the menu of a row; the others are JobCommands.
MENU: Final = "menu"
RowButton = JobCommand | str

#: Sizes in em.
_ROW: Final = 5.0
_ICON: Final = 1.7
_BUTTON: Final = 1.9
_MIN_TEXT: Final = 14.0  # with less room, only the menu button is shown


class JobDelegate(QStyledItemDelegate):
    """Draws rows and locates their buttons."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._hovered: tuple[int, RowButton | None] = (-1, None)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:  # noqa: N802 (Qt's name)
        """Three lines of text with padding."""
        return QSize(10, round(_ROW * QFontMetricsF(_parts(option)[2]).height()))

    def hover(self, row: int, command: RowButton | None) -> bool:
        """Set the button under the pointer; return whether it has changed."""
        changed = (row, command) != self._hovered
        self._hovered = (row, command)
        return changed

    def command_at(self, view: QAbstractItemView, index: QModelIndex, place: QPoint) -> RowButton | None:
        """The button of the row at a point of the view's viewport."""
        rects = _button_rects(view.visualRect(index), _view_of(index), view.font())
        return next((command for command, rect in rects.items() if rect.contains(place)), None)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw the row."""
        rect, state, font = _parts(option)
        view, colours, em = _view_of(index), theme.current(), QFontMetricsF(font).height()
        painter.save()
        _draw_background(painter, rect, state, colours, em)
        buttons = _button_rects(rect, view, font)
        left = rect.left() + round(1.2 * em + _ICON * em)
        right = min(box.left() for box in buttons.values()) - round(em)
        icon = QRectF(rect.left() + 0.8 * em, rect.top() + 0.7 * em, _ICON * em, _ICON * em)
        draw_state_icon(painter, icon, view.job.state, colours)
        _draw_texts(painter, QRect(left, rect.top(), right - left, rect.height()), view, font)
        for command, box in buttons.items():
            hovered = self._hovered == (index.row(), command)
            _draw_button(painter, box, command, font, hovered)
        painter.restore()


def _parts(option: QStyleOptionViewItem) -> tuple[QRect, QStyle.StateFlag, QFont]:
    """Rect, state and font of a style option."""
    return option.rect, option.state, option.font


def _view_of(index: AnyIndex) -> JobView:
    view = index.data(VIEW_ROLE)
    if not isinstance(view, JobView):
        raise TypeError("the index does not belong to a list of jobs")
    return view


def _button_rects(row: QRect, view: JobView, font: QFont) -> dict[RowButton, QRect]:
    """Rectangles of the buttons of a row; those that do not fit are only in the menu."""
    metrics = QFontMetricsF(font)
    em = metrics.height()
    height = round(_BUTTON * em)
    top = row.center().y() - height // 2
    right = row.right() - round(0.8 * em)
    rects: dict[RowButton, QRect] = {MENU: QRect(right - height, top, height, height)}
    right -= height + round(0.4 * em)
    for command in reversed(buttons_of(view)):
        width = round(metrics.horizontalAdvance(command_text(command)) + 1.6 * em)
        if right - width - row.left() < _MIN_TEXT * em:
            break
        rects[command] = QRect(right - width, top, width, height)
        right -= width + round(0.4 * em)
    return rects


def _draw_background(painter: QPainter, rect: QRect, state: QStyle.StateFlag, colours: theme.Theme, em: float) -> None:
    painter.fillRect(rect, QColor(colours.panel))
    if state & QStyle.StateFlag.State_Selected:
        tint = QColor(colours.accent)
        tint.setAlphaF(0.14)
        painter.fillRect(rect, tint)
        painter.fillRect(
            QRect(rect.left(), rect.top(), max(3, round(0.25 * em)), rect.height()), QColor(colours.accent)
        )
    painter.setPen(QColor(colours.line))
    painter.drawLine(rect.bottomLeft(), rect.bottomRight())
    if state & QStyle.StateFlag.State_HasFocus:
        painter.setPen(QPen(QColor(colours.accent), 2))
        painter.drawRect(rect.adjusted(1, 1, -2, -2))


def _draw_texts(painter: QPainter, area: QRect, view: JobView, font: QFont) -> None:
    colours, em = theme.current(), QFontMetricsF(font).height()
    top = area.top() + 0.6 * em
    job = view.job
    preset = choice_text(job)
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    gap = round(em)
    room = area.width() - round(QFontMetricsF(font).horizontalAdvance(preset)) - gap
    name = QFontMetricsF(bold).elidedText(job.name, Qt.TextElideMode.ElideMiddle, max(room, area.width() // 2))
    painter.setFont(bold)
    painter.setPen(QColor(colours.text))
    line = QRectF(area.left(), top, area.width(), 1.2 * em)
    painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, name)
    painter.setFont(font)
    painter.setPen(QColor(colours.dim))
    after = QFontMetricsF(bold).horizontalAdvance(name) + gap
    if after + QFontMetricsF(font).horizontalAdvance(preset) <= area.width():
        painter.drawText(line.adjusted(after, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, preset)
    fraction = progress_of(job) if job.state is not JobState.DONE else None
    has_bar = job.state is JobState.RUNNING or (fraction is not None and fraction > 0)
    state_area = QRectF(area.left(), line.bottom() + 0.1 * em, area.width(), 1.2 * em if has_bar else 2.4 * em)
    painter.setPen(QColor(colours.text))
    lines = _draw_state(painter, state_area, state_text(view), font)
    third = QRectF(area.left(), line.bottom() + 1.35 * em, area.width(), 1.2 * em)
    if has_bar:
        _draw_bar(painter, third, fraction, job.state is JobState.RUNNING, font)
    elif lines == 1:
        painter.setPen(QColor(colours.dim))
        place = QFontMetricsF(font).elidedText(location_text(job), Qt.TextElideMode.ElideMiddle, area.width())
        painter.drawText(third, Qt.AlignmentFlag.AlignTop, place)


def _draw_state(painter: QPainter, area: QRectF, text: str, font: QFont) -> int:
    """Draw the state in one line, or two if there is room, and return their number; the tooltip has the full text."""
    metrics = QFontMetricsF(font)
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
    if area.height() > 2 * metrics.height() and metrics.horizontalAdvance(text) > area.width():
        wrapped = flags | Qt.TextFlag.TextWordWrap
        short = text
        while len(short) > 8 and metrics.boundingRect(area, wrapped, short).height() > area.height():
            short = f"{short[: -max(2, len(short) // 16)].rstrip('…')}…"
        painter.drawText(area, wrapped, short)
        return 2
    painter.drawText(area, flags, metrics.elidedText(text, Qt.TextElideMode.ElideRight, area.width()))
    return 1


def draw_progress(painter: QPainter, bar: QRectF, fraction: float | None, colour: str) -> None:
    """Draw a bar filled to a fraction, 0-1; hatched if unknown."""
    colours, radius = theme.current(), bar.height() / 2
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colours.track))
    painter.drawRoundedRect(bar, radius, radius)
    if fraction is None:
        painter.setBrush(QBrush(QColor(colours.dim), Qt.BrushStyle.BDiagPattern))
        painter.drawRoundedRect(bar, radius, radius)
    elif fraction > 0:
        painter.setBrush(QColor(colour))
        width = max(bar.height(), fraction * bar.width())
        painter.drawRoundedRect(QRectF(bar.left(), bar.top(), width, bar.height()), radius, radius)


def _draw_bar(painter: QPainter, area: QRectF, fraction: float | None, running: bool, font: QFont) -> None:
    colours, metrics = theme.current(), QFontMetricsF(font)
    percent = "" if fraction is None else translate("mien", "{percent} %").format(percent=int(100 * fraction))
    room = metrics.horizontalAdvance(translate("mien", "{percent} %").format(percent=100)) + 0.6 * metrics.height()
    bar = QRectF(area.left(), area.center().y() - 0.25 * area.height(), area.width() - room, 0.5 * area.height())
    draw_progress(painter, bar, fraction, colours.accent if running else colours.dim)
    painter.setPen(QColor(colours.text))
    painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, percent)


def _draw_button(painter: QPainter, box: QRect, command: RowButton, font: QFont, hovered: bool) -> None:
    colours, em = theme.current(), QFontMetricsF(font).height()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colours.accent if hovered else colours.line), 1.5 if hovered else 1.0))
    painter.setBrush(QColor(colours.track if hovered else colours.panel))
    painter.drawRoundedRect(QRectF(box), 0.25 * em, 0.25 * em)
    painter.setPen(QColor(colours.text))
    if isinstance(command, JobCommand):
        painter.setFont(font)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, command_text(command))
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colours.text))
    for step in (-1, 0, 1):
        middle = QRectF(box).center()
        painter.drawEllipse(
            QRectF(middle.x() - 0.09 * em, middle.y() + 0.36 * em * step - 0.09 * em, 0.18 * em, 0.18 * em)
        )


def draw_state_icon(painter: QPainter, square: QRectF, state: JobState, theme: Theme) -> None:
    """Draw the icon of a state into a square."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(square.topLeft())
    painter.scale(square.width(), square.height())  # icons are defined on a 1 x 1 square
    _ICONS[state](painter, theme)
    painter.restore()


def _pen(colour: str, width: float = 0.08) -> QPen:
    return QPen(QColor(colour), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


def _ring(painter: QPainter, colour: str) -> None:
    painter.setPen(_pen(colour))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(0.06, 0.06, 0.88, 0.88))


def _disc(painter: QPainter, colour: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(QRectF(0.02, 0.02, 0.96, 0.96))


def _line(painter: QPainter, *points: tuple[float, float]) -> None:
    painter.drawPolyline(QPolygonF([QPointF(*point) for point in points]))


def _clock(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.dim)
    _line(painter, (0.5, 0.26), (0.5, 0.52), (0.68, 0.62))


def _playing(painter: QPainter, theme: Theme) -> None:
    _disc(painter, theme.accent)
    painter.setBrush(QColor(theme.on_accent))
    painter.drawPolygon(QPolygonF([QPointF(0.38, 0.26), QPointF(0.76, 0.5), QPointF(0.38, 0.74)]))


def _two_bars(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.text)
    painter.setPen(_pen(theme.text, 0.11))
    _line(painter, (0.39, 0.34), (0.39, 0.66))
    _line(painter, (0.61, 0.34), (0.61, 0.66))


def _check(painter: QPainter, theme: Theme) -> None:
    _disc(painter, theme.present)
    painter.setPen(_pen(theme.on_accent, 0.11))
    _line(painter, (0.28, 0.52), (0.44, 0.68), (0.73, 0.34))


def _triangle(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme.recording, 0.08))
    painter.setBrush(QColor(theme.recording))
    painter.drawPolygon(QPolygonF([QPointF(0.5, 0.08), QPointF(0.95, 0.9), QPointF(0.05, 0.9)]))
    painter.setPen(_pen(theme.panel, 0.1))
    _line(painter, (0.5, 0.38), (0.5, 0.6))
    _line(painter, (0.5, 0.77), (0.5, 0.775))


def _square(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.dim)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.dim))
    painter.drawRect(QRectF(0.34, 0.34, 0.32, 0.32))


def _broken_ring(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme.text))
    painter.drawArc(QRectF(0.1, 0.1, 0.8, 0.8), 60 * 16, 300 * 16)  # angles in 1/16 degree
    painter.setBrush(QColor(theme.text))
    painter.drawPolygon(QPolygonF([QPointF(0.62, 0.02), QPointF(0.86, 0.2), QPointF(0.6, 0.32)]))


_ICONS: Final[dict[JobState, Callable[[QPainter, Theme], None]]] = {
    JobState.WAITING: _clock,
    JobState.RUNNING: _playing,
    JobState.PAUSED: _two_bars,
    JobState.DONE: _check,
    JobState.FAILED: _triangle,
    JobState.CANCELLED: _square,
    JobState.INTERRUPTED: _broken_ring,
}
