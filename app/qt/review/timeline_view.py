"""The timeline widget: rows per face, notes and playhead, with scrolling, zoom, scrubbing and range selection."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QToolTip, QWidget

from app.qt.review.time_axis_view import Drag, TimeAxisView
from app.qt.review.timeline_painter import TimelineFrame, TimelinePainter
from app.qt.review.timeline_text import tooltip_text
from app.review.face_timeline import FaceTimeline
from app.review.session import Session
from app.review.timeline_layout import Row, by_person, is_short, layout_rows, unit_order, visible_faces

#: Minimum height of the rows in em.
_MIN_ROWS_EM: Final = 5.0


class TimelineView(TimeAxisView):
    """Shows one session. The wheel scrolls, Ctrl+wheel zooms, a drag on the ruler scrubs, Shift+drag marks a range."""

    #: Id of the chosen face.
    face_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._painter: TimelinePainter | None = None
        self._faces: tuple[FaceTimeline, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._selected: int | None = None
        self._with_short = False
        self._with_units = True
        self.setAccessibleName(self.tr("Timeline"))
        self.verticalScrollBar().setAccessibleName(self.tr("Faces shown"))

    # Content

    def set_session(self, session: Session | None) -> None:
        """Show all of another session; None shows nothing."""
        self.show_from_start(session)
        self._painter = None if session is None else TimelinePainter(session)
        self._selected = None
        self._update_faces()

    def select_face(self, face_id: int | None) -> None:
        """Select a face, show its action units and scroll to it."""
        if face_id == self._selected:
            return
        self._selected = face_id
        if self._session is not None and all(face.face_id != face_id for face in self._faces):
            self._with_short = self._with_short or any(face.face_id == face_id for face in self._session.faces)
            self._update_faces()
        else:
            self.lay_out()
        self._reveal_selected()

    def set_with_short(self, shown: bool) -> None:
        """Show or hide faces present for less than a second."""
        if shown != self._with_short:
            self._with_short = shown
            self._update_faces()

    def set_with_units(self, shown: bool) -> None:
        """Show or hide the action units of the selected face."""
        if shown != self._with_units:
            self._with_units = shown
            self.lay_out()

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

    def _update_faces(self) -> None:
        session = self._session
        self._faces = () if session is None else visible_faces(session.faces, session.times_s, self._with_short)
        self.lay_out()

    def lay_out(self) -> None:
        """Place the rows, and update scroll bars and image."""
        self.setMinimumHeight(self.head_px() + round(_MIN_ROWS_EM * self.em()))
        session = self._session
        labelled = {label.face_id for label in self._notes.labels}
        units = len(unit_order(session.header)) if session is not None and self._with_units else 0
        self._rows = layout_rows(by_person(self._faces, self._notes), self._selected, labelled, units, self.em())
        super().lay_out()

    def content_px(self) -> int:
        """Height of all rows."""
        return self._rows[-1].bottom_px if self._rows else 0

    def _reveal_selected(self) -> None:
        selected_rows = [row for row in self._rows if row.face_id == self._selected]
        if selected_rows:
            bar = self.verticalScrollBar()
            room = self.viewport().height() - self.head_px()
            lowest = max(selected_rows[-1].bottom_px - room, 0)
            bar.setValue(min(max(bar.value(), lowest), selected_rows[0].top_px))

    @property
    def frame(self) -> TimelineFrame:
        """What is drawn."""
        return TimelineFrame(*self.axis.parts(), rows=self._rows, selected=self._selected)

    def draw_static(self) -> QImage:
        """The rows below the axis. RuntimeError without a session."""
        if self._painter is None:
            raise RuntimeError("the timeline has no session to draw")
        return self._painter.image(self.frame, self.font())

    # Events

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the face above or below with Up and Down; other keys are left to the page."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None or not self._faces:
            super().keyPressEvent(event)
            return
        face_ids = [face.face_id for face in by_person(self._faces, self._notes)]
        place = face_ids.index(self._selected) + step if self._selected in face_ids else 0
        self.face_chosen.emit(face_ids[min(max(place, 0), len(face_ids) - 1)])

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Seek and start to scrub, and choose the face of a lane; with Shift, start to mark a range."""
        if event.button() is not Qt.MouseButton.LeftButton or self._session is None:
            return
        is_in_plot = event.position().x() >= self.names_px()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and is_in_plot:
            self.start_drag(Drag.RANGE, event.position())
        elif event.position().y() < self.head_px():
            self.start_drag(Drag.SCRUB, event.position())
        else:
            row = self._row_at(event.position().toPoint())
            if row is not None:
                self.face_chosen.emit(row.face_id)
            if is_in_plot:
                self.start_drag(Drag.SCRUB, event.position())

    def show_pointed(self, event: QMouseEvent) -> None:
        """Show the tooltip."""
        text = ""
        if self._session is not None and event.position().x() >= self.names_px():
            point = event.position().toPoint()
            row = self._row_at(point)
            line = 0.0 if row is None else (self.body_y(point.y()) - row.top_px) / row.height_px
            text = tooltip_text(self._session, self._notes, row, line, self.time_at(event.position()))
        QToolTip.showText(event.globalPosition().toPoint(), text, self.viewport())

    def _row_at(self, point: QPoint) -> Row | None:
        y = self.body_y(point.y())
        if point.y() < self.head_px():
            return None
        return next((row for row in self._rows if row.top_px <= y < row.bottom_px), None)
