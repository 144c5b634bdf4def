"""Base of the timeline and the time series: a time axis with ruler, notes and playhead, scrolling and zoom."""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from app.qt import theme
from app.qt.review.axis_painter import AxisFrame, draw_playhead, draw_range
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import TimeScale, clock_text, whole_scale

#: Step of the horizontal scroll bar in seconds.
_SCROLL_S: Final = 0.01
#: One notch of the wheel, in eighths of a degree.
_NOTCH: Final = 120
#: Zoom factor per step.
_ZOOM: Final = 1.5
#: Pixels left and right of the playhead that are repainted when it moves.
_PLAYHEAD_MARGIN_PX: Final = 8
#: A drag of so many pixels is no click.
_CLICK_PX: Final = 4


class Drag(Enum):
    """What a drag of the mouse does."""

    NONE = "none"
    SCRUB = "scrub"
    RANGE = "range"


class TimeAxisView(QAbstractScrollArea):
    """Shows one session over time. The wheel scrolls, Ctrl+wheel zooms, a drag on the ruler scrubs."""

    #: Time to show, in seconds.
    seek_requested = Signal(float)
    #: Start and end of the marked range in seconds.
    range_marked = Signal(float, float)
    #: The time range in view (TimeScale) has changed.
    scale_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._notes = Notes()
        self._scale = whole_scale(0.0, 1)
        self._time_s = 0.0
        self._range: tuple[float, float] | None = None
        self._static: QImage | None = None
        self._drag = Drag.NONE
        self._drag_from_s, self._drag_from_x = 0.0, 0.0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.horizontalScrollBar().setAccessibleName(self.tr("Time shown"))
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    # What subclasses show

    @abstractmethod
    def content_px(self) -> int:
        """Height of the content below the head."""

    @abstractmethod
    def draw_static(self) -> QImage:
        """Everything that moves neither with the playhead nor with the pointer; asked for with a session only."""

    def draw_moving(self, painter: QPainter, rect: QRect) -> None:
        """Draw what moves with the playhead, in addition to it; ``rect`` is painted."""

    # Content

    def show_from_start(self, session: Session | None) -> None:
        """Show all of another session; None shows nothing."""
        self._session = session
        self._range, self._time_s, self._notes = None, 0.0, Notes()
        self._scale = whole_scale(0.0 if session is None else session.duration_s, self._plot_width())

    def set_notes(self, notes: Notes) -> None:
        """Show these notes."""
        self._notes = notes
        self.lay_out()

    def set_range(self, marked: tuple[float, float] | None) -> None:
        """Show the marked range in seconds."""
        if marked != self._range:
            self._range = marked
            self.viewport().update()

    def set_time(self, time_s: float, reveal: bool = True) -> None:
        """Move the playhead and scroll to it; without ``reveal``, scroll only if it was in view before."""
        if time_s == self._time_s:
            return
        was_in_view, before = self._is_in_view(self._time_s), self._playhead_rect(self._time_s)
        self._time_s = time_s
        if reveal:
            self._describe()
        if not self._is_in_view(time_s) and (reveal or was_in_view):
            ahead = 0.05 if time_s > self._scale.end_s else 0.95
            self._show_scale(self._scale.moved_to(time_s - ahead * self._scale.span_s))
            return
        self.viewport().update(before)
        self.viewport().update(self._playhead_rect(time_s))

    def describe(self) -> str:
        """The accessible description of the present moment."""
        form = self.tr("Playhead at {time}")
        return form.format(time=clock_text(self._time_s, self._scale.duration_s, 1))

    def _describe(self) -> None:
        """Update the accessible description; skipped during playback."""
        self.setAccessibleDescription(self.describe())

    def _is_in_view(self, time_s: float) -> bool:
        return self._scale.start_s <= time_s <= self._scale.end_s

    def zoom(self, steps: float, at_s: float | None = None) -> None:
        """Show less time (``steps`` > 0) or more, around the playhead or ``at_s``."""
        around = self._time_s if at_s is None else at_s
        if not self._scale.start_s <= around <= self._scale.end_s:
            around = self._scale.start_s + self._scale.span_s / 2
        self._show_scale(self._scale.zoomed(_ZOOM**-steps, around))

    def zoom_out_full(self) -> None:
        """Show the whole session."""
        self._show_scale(whole_scale(self._scale.duration_s, self._plot_width()))

    def zoom_to_range(self) -> None:
        """Show the marked range alone; nothing happens without one."""
        if self._range is not None:
            start_s, end_s = self._range
            whole = whole_scale(self._scale.duration_s, self._plot_width())
            # zoomed around its end that stays, the start of the range becomes the start of the view
            closer = whole.zoomed((end_s - start_s) / whole.span_s, 0.0)
            self._show_scale(closer.moved_to((start_s + end_s - closer.span_s) / 2))

    def follow_scale(self, scale: TimeScale) -> None:
        """Show the same time as another view; its width is kept."""
        if (scale.start_s, scale.span_s) != (self._scale.start_s, self._scale.span_s):
            self._show_scale(scale.resized(self._plot_width()))

    @property
    def scale(self) -> TimeScale:
        """The time range in view."""
        return self._scale

    # Layout

    def em(self) -> float:
        """Height of a line of text in pixels."""
        return theme.em(self)

    def names_px(self) -> int:
        """Width of the names at the left of the plot."""
        return round(8 * self.em())

    def _ruler_px(self) -> int:
        return round(1.7 * self.em())

    def head_px(self) -> int:
        """Height of ruler and markers."""
        return self._ruler_px() + round(1.3 * self.em())

    def _plot_width(self) -> int:
        return max(self.viewport().width() - self.names_px(), 1)

    def lay_out(self) -> None:
        """Update scroll bars and image after any change other than of the playhead."""
        room = max(self.viewport().height() - self.head_px(), 1)
        self.verticalScrollBar().setRange(0, max(self.content_px() - room, 0))
        self.verticalScrollBar().setPageStep(room)
        self.verticalScrollBar().setSingleStep(round(1.8 * self.em()))
        self._show_scale(self._scale.resized(self._plot_width()))

    def _show_scale(self, scale: TimeScale) -> None:
        before = self._scale
        self._scale = scale
        bar = self.horizontalScrollBar()
        bar.blockSignals(True)
        bar.setRange(0, round((scale.duration_s - scale.span_s) / _SCROLL_S))
        bar.setPageStep(max(round(scale.span_s / _SCROLL_S), 1))
        bar.setSingleStep(max(round(scale.span_s / _SCROLL_S / 20), 1))
        bar.setValue(round(scale.start_s / _SCROLL_S))
        bar.blockSignals(False)
        self._follow_change(before)

    def _follow_change(self, before: TimeScale) -> None:
        """Draw the new scale, and report it if another time is in view."""
        self.redraw()
        if (before.start_s, before.span_s) != (self._scale.start_s, self._scale.span_s):
            self.scale_changed.emit(self._scale)

    def redraw(self) -> None:
        """Draw everything again."""
        self._static = None
        self.viewport().update()

    @property
    def axis(self) -> AxisFrame:
        """What the axis shows: scale, notes and sizes."""
        return AxisFrame(
            self._scale,
            self.verticalScrollBar().value(),
            self._notes,
            self.names_px(),
            self._ruler_px(),
            self.head_px(),
            QSize(self.viewport().size()),
            self.devicePixelRatioF(),
        )

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Keep the time range."""
        super().resizeEvent(event)
        self.lay_out()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to other colours or fonts."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802 (Qt's name)
        """Follow the scroll bars."""
        before = self._scale
        self._scale = before.moved_to(self.horizontalScrollBar().value() * _SCROLL_S)
        self._follow_change(before)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the static image, rendered again only after a change, and the playhead over it."""
        painter = QPainter(self.viewport())
        if self._session is None:
            painter.fillRect(event.rect(), theme.current().colour("panel"))
            painter.end()
            return
        axis = self.axis
        if self._static is None or self._static.devicePixelRatio() != axis.ratio:
            self._static = self.draw_static()
        painter.setClipRect(event.rect())
        painter.drawImage(0, 0, self._static)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_range(painter, axis, self._range)
        self.draw_moving(painter, event.rect())
        draw_playhead(painter, axis, self._time_s)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _playhead_rect(self, time_s: float) -> QRect:
        x = round(self.names_px() + self._scale.x_of(time_s))
        return QRect(x - _PLAYHEAD_MARGIN_PX, 0, 2 * _PLAYHEAD_MARGIN_PX, self.viewport().height())

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the focus frame and describe the playhead."""
        super().focusInEvent(event)
        self._describe()
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Remove the focus frame."""
        super().focusOutEvent(event)
        self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        """Zoom with Ctrl; scroll the content if it does not fit, otherwise or with Shift scroll time."""
        turned = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(turned.y() / _NOTCH, self.time_at(event.position()))
        else:
            sideways = turned.x() or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            upright = self.verticalScrollBar().maximum() > 0 and not sideways
            bar = self.verticalScrollBar() if upright else self.horizontalScrollBar()
            notches = (turned.x() or turned.y()) / _NOTCH
            bar.setValue(bar.value() - round(notches * 2 * bar.singleStep()))
        event.accept()

    def start_drag(self, drag: Drag, position: QPointF) -> None:
        """Start to scrub, with a seek, or to mark a range."""
        self._drag, self._drag_from_s, self._drag_from_x = drag, self.time_at(position), position.x()
        if drag is Drag.SCRUB:
            self.seek_requested.emit(self._drag_from_s)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Continue the drag, or show what is under the pointer."""
        at_s = self.time_at(event.position())
        if self._drag is Drag.SCRUB:
            self.seek_requested.emit(at_s)
        elif self._drag is Drag.RANGE and self.is_dragged(event.position()):
            self.range_marked.emit(min(at_s, self._drag_from_s), max(at_s, self._drag_from_s))
        elif self._drag is Drag.NONE:
            self.show_pointed(event)

    def is_dragged(self, position: QPointF) -> bool:
        """Whether the pointer has moved too far for a click."""
        return abs(position.x() - self._drag_from_x) >= _CLICK_PX

    def show_pointed(self, event: QMouseEvent) -> None:
        """Show what is under the pointer."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """End the drag."""
        self._drag = Drag.NONE

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Seek to the clicked time."""
        if self._session is not None and event.position().x() >= self.names_px():
            self.seek_requested.emit(self.time_at(event.position()))

    def body_y(self, y: float) -> int:
        """Pixels below the top of the content."""
        return round(y) - self.head_px() + self.verticalScrollBar().value()

    def time_at(self, position: QPointF) -> float:
        """Time in seconds below a point."""
        return self._scale.time_at(position.x() - self.names_px())
