"""The timeline of a session: a lane per face, its action units, what people noted, and where the player is."""

from __future__ import annotations

from enum import Enum
from typing import Final

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from app.qt import theme
from app.qt.review.timeline_painter import TimelineFrame, TimelinePainter, draw_playhead, draw_range
from app.qt.review.timeline_text import timeline_tip
from app.review.face_timeline import FaceLane
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import (
    Row,
    TimeScale,
    clock_text,
    is_short,
    lanes_shown,
    rows_of_lanes,
    unit_order,
    whole_scale,
)

#: Time scrolls in steps of this many seconds.
_SCROLL_S: Final = 0.01
#: A notch of the wheel, in eighths of a degree.
_NOTCH: Final = 120
#: How much closer one step of zoom shows the time.
_ZOOM: Final = 1.5
#: Height of the rows, in em, below which nothing could be seen of them.
_LEAST_ROWS_EM: Final = 5.0
#: Pixels around the playhead that are painted again when it moves.
_HEAD_ROOM: Final = 8


class _Drag(Enum):
    """What the mouse does while its button is down."""

    NONE = "none"
    SCRUB = "scrub"
    RANGE = "range"


class TimelineView(QAbstractScrollArea):
    """Shows one session. Wheel scrolls, Ctrl+wheel zooms, a drag on the ruler scrubs, Shift+drag marks a range."""

    #: Seconds that the user wants to see.
    sought = Signal(float)
    #: Start and end of the marked range, seconds.
    range_marked = Signal(float, float)
    #: The number of the face that was chosen.
    face_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._painter: TimelinePainter | None = None
        self._notes = Notes()
        self._lanes: tuple[FaceLane, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._selected: int | None = None
        self._with_short = False
        self._with_units = True
        self._scale = whole_scale(0.0, 1)
        self._time_s = 0.0
        self._range: tuple[float, float] | None = None
        self._still: QImage | None = None
        self._drag = _Drag.NONE
        self._drag_from_s = 0.0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Timeline"))
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.horizontalScrollBar().setAccessibleName(self.tr("Time shown"))
        self.verticalScrollBar().setAccessibleName(self.tr("Faces shown"))
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    # What is shown

    def set_session(self, session: Session | None) -> None:
        """Show another session from its start, all of its time; None shows nothing."""
        self._session = session
        self._painter = None if session is None else TimelinePainter(session)
        self._selected, self._range, self._time_s = None, None, 0.0
        self._notes = Notes()
        self._scale = whole_scale(0.0 if session is None else session.duration_s, self._lane_width())
        self._find_lanes()

    def set_notes(self, notes: Notes) -> None:
        """Show what people noted."""
        self._notes = notes
        self._lay_out()

    def select_face(self, face_id: int | None) -> None:
        """Mark a face, show its action units and scroll to it."""
        if face_id == self._selected:
            return
        self._selected = face_id
        if self._session is not None and all(lane.face_id != face_id for lane in self._lanes):
            self._with_short = self._with_short or any(lane.face_id == face_id for lane in self._session.lanes)
            self._find_lanes()
        else:
            self._lay_out()
        self._reveal_selected()

    def set_range(self, marked: tuple[float, float] | None) -> None:
        """Show a marked range, seconds."""
        if marked != self._range:
            self._range = marked
            self.viewport().update()

    def set_time(self, time_s: float, reveal: bool = True) -> None:
        """Put the playhead there and turn the page to it; without ``reveal`` only when it leaves the view just now."""
        if time_s == self._time_s:
            return
        was_seen, before = self._is_seen(self._time_s), self._head_rect()
        self._time_s = time_s
        if reveal:
            self._describe()
        if not self._is_seen(time_s) and (reveal or was_seen):
            ahead = 0.05 if time_s > self._scale.end_s else 0.95
            self._show_scale(self._scale.moved_to(time_s - ahead * self._scale.span_s))
            return
        self.viewport().update(before)
        self.viewport().update(self._head_rect())

    def _describe(self) -> None:
        """Say where the playhead is; not while it plays."""
        words = self.tr("Playhead at {time}").format(time=clock_text(self._time_s, self._scale.duration_s, 1))
        self.setAccessibleDescription(words)

    def _is_seen(self, time_s: float) -> bool:
        return self._scale.start_s <= time_s <= self._scale.end_s

    def set_with_short(self, shown: bool) -> None:
        """Whether faces that were there for less than a second have lanes."""
        if shown != self._with_short:
            self._with_short = shown
            self._find_lanes()

    def set_with_units(self, shown: bool) -> None:
        """Whether the action units of the selected face are unfolded."""
        if shown != self._with_units:
            self._with_units = shown
            self._lay_out()

    def zoom(self, steps: float, at_s: float | None = None) -> None:
        """Show less time (above 0) or more, around the playhead or another time."""
        around = self._time_s if at_s is None else at_s
        if not self._scale.start_s <= around <= self._scale.end_s:
            around = self._scale.start_s + self._scale.span_s / 2
        self._show_scale(self._scale.zoomed(_ZOOM**-steps, around))

    def zoom_out_full(self) -> None:
        """Show all of the session."""
        self._show_scale(whole_scale(self._scale.duration_s, self._lane_width()))

    @property
    def scale(self) -> TimeScale:
        """The stretch of time that is shown."""
        return self._scale

    @property
    def lanes(self) -> tuple[FaceLane, ...]:
        """Faces that have lanes, from the top."""
        return self._lanes

    @property
    def selected(self) -> int | None:
        """The face that is marked."""
        return self._selected

    @property
    def with_short(self) -> bool:
        """Whether short faces are shown."""
        return self._with_short

    def short_count(self) -> int:
        """How many faces were there for less than a second."""
        session = self._session
        return 0 if session is None else sum(is_short(lane, session.times_s) for lane in session.lanes)

    # Layout

    def _em(self) -> float:
        return theme.em(self)

    def _names_px(self) -> int:
        return round(8 * self._em())

    def _ruler_px(self) -> int:
        return round(1.7 * self._em())

    def _head_px(self) -> int:
        return self._ruler_px() + round(1.3 * self._em())

    def _lane_width(self) -> int:
        return max(self.viewport().width() - self._names_px(), 1)

    def _find_lanes(self) -> None:
        session = self._session
        self._lanes = () if session is None else lanes_shown(session.lanes, session.times_s, self._with_short)
        self._lay_out()

    def _lay_out(self) -> None:
        """Rows and scroll bars after any change but of the playhead."""
        self.setMinimumHeight(self._head_px() + round(_LEAST_ROWS_EM * self._em()))
        session = self._session
        noted = {label.face_id for label in self._notes.labels}
        units = len(unit_order(session.header)) if session is not None and self._with_units else 0
        self._rows = rows_of_lanes(self._lanes, self._selected, noted, units, self._em())
        height = self._rows[-1].bottom_px if self._rows else 0
        room = max(self.viewport().height() - self._head_px(), 1)
        self.verticalScrollBar().setRange(0, max(height - room, 0))
        self.verticalScrollBar().setPageStep(room)
        self.verticalScrollBar().setSingleStep(round(1.8 * self._em()))
        self._show_scale(self._scale.resized(self._lane_width()))

    def _show_scale(self, scale: TimeScale) -> None:
        self._scale = scale
        bar = self.horizontalScrollBar()
        bar.blockSignals(True)
        bar.setRange(0, round((scale.duration_s - scale.span_s) / _SCROLL_S))
        bar.setPageStep(max(round(scale.span_s / _SCROLL_S), 1))
        bar.setSingleStep(max(round(scale.span_s / _SCROLL_S / 20), 1))
        bar.setValue(round(scale.start_s / _SCROLL_S))
        bar.blockSignals(False)
        self._redraw()

    def _redraw(self) -> None:
        self._still = None
        self.viewport().update()

    def _reveal_selected(self) -> None:
        mine = [row for row in self._rows if row.face_id == self._selected]
        if mine:
            bar = self.verticalScrollBar()
            room = self.viewport().height() - self._head_px()
            lowest = max(mine[-1].bottom_px - room, 0)
            bar.setValue(min(max(bar.value(), lowest), mine[0].top_px))

    def _frame(self) -> TimelineFrame:
        return TimelineFrame(
            self._scale,
            self._rows,
            self.verticalScrollBar().value(),
            self._selected,
            self._notes,
            self._names_px(),
            self._ruler_px(),
            self._head_px(),
            self.viewport().size(),
            self.devicePixelRatioF(),
        )

    # Qt's events

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Keep the stretch of time."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Other colours or letters."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802 (Qt's name)
        """Follow the scroll bars."""
        self._scale = self._scale.moved_to(self.horizontalScrollBar().value() * _SCROLL_S)
        self._redraw()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """The still picture, made again where something changed, and what moves over it."""
        painter = QPainter(self.viewport())
        frame = self._frame()
        if self._painter is None:
            painter.fillRect(event.rect(), theme.current().colour("panel"))
            painter.end()
            return
        if self._still is None or self._still.devicePixelRatio() != frame.ratio:
            self._still = self._painter.image(frame, self.font())
        painter.setClipRect(event.rect())
        painter.drawImage(0, 0, self._still)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_range(painter, frame, self._range)
        draw_playhead(painter, frame, self._time_s)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _head_rect(self) -> QRect:
        x = round(self._names_px() + self._scale.x_of(self._time_s))
        return QRect(x - _HEAD_ROOM, 0, 2 * _HEAD_ROOM, self.viewport().height())

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the frame and tell where the player is."""
        super().focusInEvent(event)
        self._describe()
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Take the frame away."""
        super().focusOutEvent(event)
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Up and Down choose the face; other keys belong to the page."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None or not self._lanes:
            super().keyPressEvent(event)
            return
        numbers = [lane.face_id for lane in self._lanes]
        place = numbers.index(self._selected) + step if self._selected in numbers else 0
        self.face_chosen.emit(numbers[min(max(place, 0), len(numbers) - 1)])

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        """Scroll faces where there are more than fit, else time; with Shift always time; with Ctrl zoom."""
        turned = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(turned.y() / _NOTCH, self._time_at(event.position()))
        else:
            sideways = turned.x() or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            upright = self.verticalScrollBar().maximum() > 0 and not sideways
            bar = self.verticalScrollBar() if upright else self.horizontalScrollBar()
            notches = (turned.x() or turned.y()) / _NOTCH
            bar.setValue(bar.value() - round(notches * 2 * bar.singleStep()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Begin to scrub or to mark a range, or choose a face."""
        if event.button() is not Qt.MouseButton.LeftButton or self._session is None:
            return
        at_s = self._time_at(event.position())
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and event.position().x() >= self._names_px():
            self._drag, self._drag_from_s = _Drag.RANGE, at_s
        elif event.position().y() < self._head_px():
            self._drag = _Drag.SCRUB
            self.sought.emit(at_s)
        else:
            row = self._row_at(event.position().toPoint())
            if row is not None:
                self.face_chosen.emit(row.face_id)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Go on with it."""
        at_s = self._time_at(event.position())
        if self._drag is _Drag.SCRUB:
            self.sought.emit(at_s)
        elif self._drag is _Drag.RANGE and at_s != self._drag_from_s:
            self.range_marked.emit(min(at_s, self._drag_from_s), max(at_s, self._drag_from_s))
        elif self._drag is _Drag.NONE:
            self._show_tip(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """End it."""
        self._drag = _Drag.NONE

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Go to what was clicked."""
        if self._session is not None and event.position().x() >= self._names_px():
            self.sought.emit(self._time_at(event.position()))

    def _show_tip(self, event: QMouseEvent) -> None:
        text = ""
        if self._session is not None and event.position().x() >= self._names_px():
            point = event.position().toPoint()
            row = self._row_at(point)
            line = 0.0 if row is None else (self._body_y(point) - row.top_px) / row.height_px
            text = timeline_tip(self._session, self._notes, row, line, self._time_at(event.position()))
        QToolTip.showText(event.globalPosition().toPoint(), text, self.viewport())

    def _body_y(self, point: QPoint) -> int:
        return point.y() - self._head_px() + self.verticalScrollBar().value()

    def _row_at(self, point: QPoint) -> Row | None:
        y = self._body_y(point)
        if point.y() < self._head_px():
            return None
        return next((row for row in self._rows if row.top_px <= y < row.bottom_px), None)

    def _time_at(self, position: QPointF) -> float:
        return self._scale.time_at(position.x() - self._names_px())
