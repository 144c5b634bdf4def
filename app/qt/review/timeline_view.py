"""The timeline widget: rows per face, notes and playhead, with scrolling, zoom, scrubbing and range selection."""

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
from app.qt.review.timeline_text import tooltip_text
from app.review.face_timeline import FaceTimeline
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import (
    Row,
    TimeScale,
    clock_text,
    is_short,
    layout_rows,
    unit_order,
    visible_faces,
    whole_scale,
)

#: Step of the horizontal scroll bar in seconds.
_SCROLL_S: Final = 0.01
#: One notch of the wheel, in eighths of a degree.
_NOTCH: Final = 120
#: Zoom factor per step.
_ZOOM: Final = 1.5
#: Minimum height of the rows in em.
_MIN_ROWS_EM: Final = 5.0
#: Pixels left and right of the playhead that are repainted when it moves.
_PLAYHEAD_MARGIN_PX: Final = 8


class _Drag(Enum):
    """What a drag of the mouse does."""

    NONE = "none"
    SCRUB = "scrub"
    RANGE = "range"


class TimelineView(QAbstractScrollArea):
    """Shows one session. The wheel scrolls, Ctrl+wheel zooms, a drag on the ruler scrubs, Shift+drag marks a range."""

    #: Time to show, in seconds.
    seek_requested = Signal(float)
    #: Start and end of the marked range in seconds.
    range_marked = Signal(float, float)
    #: Id of the chosen face.
    face_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._painter: TimelinePainter | None = None
        self._notes = Notes()
        self._faces: tuple[FaceTimeline, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._selected: int | None = None
        self._with_short = False
        self._with_units = True
        self._scale = whole_scale(0.0, 1)
        self._time_s = 0.0
        self._range: tuple[float, float] | None = None
        self._static: QImage | None = None
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

    # Content

    def set_session(self, session: Session | None) -> None:
        """Show all of another session; None shows nothing."""
        self._session = session
        self._painter = None if session is None else TimelinePainter(session)
        self._selected, self._range, self._time_s = None, None, 0.0
        self._notes = Notes()
        self._scale = whole_scale(0.0 if session is None else session.duration_s, self._plot_width())
        self._update_faces()

    def set_notes(self, notes: Notes) -> None:
        """Show these notes."""
        self._notes = notes
        self._lay_out()

    def select_face(self, face_id: int | None) -> None:
        """Select a face, show its action units and scroll to it."""
        if face_id == self._selected:
            return
        self._selected = face_id
        if self._session is not None and all(face.face_id != face_id for face in self._faces):
            self._with_short = self._with_short or any(face.face_id == face_id for face in self._session.faces)
            self._update_faces()
        else:
            self._lay_out()
        self._reveal_selected()

    def set_range(self, marked: tuple[float, float] | None) -> None:
        """Show the marked range in seconds."""
        if marked != self._range:
            self._range = marked
            self.viewport().update()

    def set_time(self, time_s: float, reveal: bool = True) -> None:
        """Move the playhead and scroll to it; without ``reveal``, scroll only if it was in view before."""
        if time_s == self._time_s:
            return
        was_in_view, before = self._is_in_view(self._time_s), self._playhead_rect()
        self._time_s = time_s
        if reveal:
            self._describe()
        if not self._is_in_view(time_s) and (reveal or was_in_view):
            ahead = 0.05 if time_s > self._scale.end_s else 0.95
            self._show_scale(self._scale.moved_to(time_s - ahead * self._scale.span_s))
            return
        self.viewport().update(before)
        self.viewport().update(self._playhead_rect())

    def _describe(self) -> None:
        """Update the accessible description; skipped during playback."""
        words = self.tr("Playhead at {time}").format(time=clock_text(self._time_s, self._scale.duration_s, 1))
        self.setAccessibleDescription(words)

    def _is_in_view(self, time_s: float) -> bool:
        return self._scale.start_s <= time_s <= self._scale.end_s

    def set_with_short(self, shown: bool) -> None:
        """Show or hide faces present for less than a second."""
        if shown != self._with_short:
            self._with_short = shown
            self._update_faces()

    def set_with_units(self, shown: bool) -> None:
        """Show or hide the action units of the selected face."""
        if shown != self._with_units:
            self._with_units = shown
            self._lay_out()

    def zoom(self, steps: float, at_s: float | None = None) -> None:
        """Show less time (``steps`` > 0) or more, around the playhead or ``at_s``."""
        around = self._time_s if at_s is None else at_s
        if not self._scale.start_s <= around <= self._scale.end_s:
            around = self._scale.start_s + self._scale.span_s / 2
        self._show_scale(self._scale.zoomed(_ZOOM**-steps, around))

    def zoom_out_full(self) -> None:
        """Show the whole session."""
        self._show_scale(whole_scale(self._scale.duration_s, self._plot_width()))

    @property
    def scale(self) -> TimeScale:
        """The time range in view."""
        return self._scale

    @property
    def faces(self) -> tuple[FaceTimeline, ...]:
        """Faces with rows, from the top."""
        return self._faces

    @property
    def selected(self) -> int | None:
        """Id of the selected face."""
        return self._selected

    @property
    def with_short(self) -> bool:
        """Whether faces present for less than a second are shown."""
        return self._with_short

    def short_count(self) -> int:
        """Number of faces present for less than a second."""
        session = self._session
        return 0 if session is None else sum(is_short(face, session.times_s) for face in session.faces)

    # Layout

    def _em(self) -> float:
        return theme.em(self)

    def _names_px(self) -> int:
        return round(8 * self._em())

    def _ruler_px(self) -> int:
        return round(1.7 * self._em())

    def _head_px(self) -> int:
        return self._ruler_px() + round(1.3 * self._em())

    def _plot_width(self) -> int:
        return max(self.viewport().width() - self._names_px(), 1)

    def _update_faces(self) -> None:
        session = self._session
        self._faces = () if session is None else visible_faces(session.faces, session.times_s, self._with_short)
        self._lay_out()

    def _lay_out(self) -> None:
        """Update rows and scroll bars after any change other than of the playhead."""
        self.setMinimumHeight(self._head_px() + round(_MIN_ROWS_EM * self._em()))
        session = self._session
        labelled = {label.face_id for label in self._notes.labels}
        units = len(unit_order(session.header)) if session is not None and self._with_units else 0
        self._rows = layout_rows(self._faces, self._selected, labelled, units, self._em())
        height = self._rows[-1].bottom_px if self._rows else 0
        room = max(self.viewport().height() - self._head_px(), 1)
        self.verticalScrollBar().setRange(0, max(height - room, 0))
        self.verticalScrollBar().setPageStep(room)
        self.verticalScrollBar().setSingleStep(round(1.8 * self._em()))
        self._show_scale(self._scale.resized(self._plot_width()))

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
        self._static = None
        self.viewport().update()

    def _reveal_selected(self) -> None:
        selected_rows = [row for row in self._rows if row.face_id == self._selected]
        if selected_rows:
            bar = self.verticalScrollBar()
            room = self.viewport().height() - self._head_px()
            lowest = max(selected_rows[-1].bottom_px - room, 0)
            bar.setValue(min(max(bar.value(), lowest), selected_rows[0].top_px))

    @property
    def frame(self) -> TimelineFrame:
        """What is drawn: scale, rows and sizes."""
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

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Keep the time range."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to other colours or fonts."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802 (Qt's name)
        """Follow the scroll bars."""
        self._scale = self._scale.moved_to(self.horizontalScrollBar().value() * _SCROLL_S)
        self._redraw()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the static image, rendered again only after a change, and the playhead over it."""
        painter = QPainter(self.viewport())
        frame = self.frame
        if self._painter is None:
            painter.fillRect(event.rect(), theme.current().colour("panel"))
            painter.end()
            return
        if self._static is None or self._static.devicePixelRatio() != frame.ratio:
            self._static = self._painter.image(frame, self.font())
        painter.setClipRect(event.rect())
        painter.drawImage(0, 0, self._static)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_range(painter, frame, self._range)
        draw_playhead(painter, frame, self._time_s)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.current().colour("accent"), 2))
            painter.drawRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _playhead_rect(self) -> QRect:
        x = round(self._names_px() + self._scale.x_of(self._time_s))
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

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the face above or below with Up and Down; other keys are left to the page."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None or not self._faces:
            super().keyPressEvent(event)
            return
        face_ids = [face.face_id for face in self._faces]
        place = face_ids.index(self._selected) + step if self._selected in face_ids else 0
        self.face_chosen.emit(face_ids[min(max(place, 0), len(face_ids) - 1)])

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        """Zoom with Ctrl; scroll faces if not all fit, otherwise or with Shift scroll time."""
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
        """Seek and start to scrub, and choose the face of a lane; with Shift, start to mark a range."""
        if event.button() is not Qt.MouseButton.LeftButton or self._session is None:
            return
        at_s = self._time_at(event.position())
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and event.position().x() >= self._names_px():
            self._drag, self._drag_from_s = _Drag.RANGE, at_s
        elif event.position().y() < self._head_px():
            self._drag = _Drag.SCRUB
            self.seek_requested.emit(at_s)
        else:
            row = self._row_at(event.position().toPoint())
            if row is not None:
                self.face_chosen.emit(row.face_id)
            if event.position().x() >= self._names_px():
                self._drag = _Drag.SCRUB
                self.seek_requested.emit(at_s)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Continue the drag, or show the tooltip."""
        at_s = self._time_at(event.position())
        if self._drag is _Drag.SCRUB:
            self.seek_requested.emit(at_s)
        elif self._drag is _Drag.RANGE and at_s != self._drag_from_s:
            self.range_marked.emit(min(at_s, self._drag_from_s), max(at_s, self._drag_from_s))
        elif self._drag is _Drag.NONE:
            self._show_tooltip(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """End the drag."""
        self._drag = _Drag.NONE

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Seek to the clicked time."""
        if self._session is not None and event.position().x() >= self._names_px():
            self.seek_requested.emit(self._time_at(event.position()))

    def _show_tooltip(self, event: QMouseEvent) -> None:
        text = ""
        if self._session is not None and event.position().x() >= self._names_px():
            point = event.position().toPoint()
            row = self._row_at(point)
            line = 0.0 if row is None else (self._body_y(point) - row.top_px) / row.height_px
            text = tooltip_text(self._session, self._notes, row, line, self._time_at(event.position()))
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
