"""The time series of the chosen face: expressions, uncertainties, action units and pose, stacked over one time axis."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.qt import theme
from app.qt.review.axis_painter import AT_LEFT, SMALL, scaled
from app.qt.review.series_painter import SeriesFrame, SeriesPainter, name_rects, value_text
from app.qt.review.time_axis_view import Drag, TimeAxisView
from app.review.face_timeline import FaceTimeline
from app.review.series_layout import SeriesLine, SeriesPlot, largest_angle_deg, layout_plots, series_lines
from app.review.session import Session
from app.review.timeline_layout import clock_text


class SeriesView(TimeAxisView):
    """Shows one face. A click seeks, a drag marks a range, a click on a name hides or shows its line."""

    #: The lines there are, or those that are hidden, have changed.
    lines_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._painter: SeriesPainter | None = None
        self._face: FaceTimeline | None = None
        self._angle_deg = 0.0
        self._all_units = False
        self._hidden: frozenset[SeriesLine] = frozenset()
        self._plots: tuple[SeriesPlot, ...] = ()
        self._pointed_s: float | None = None
        self.setAccessibleName(self.tr("Time series"))
        self.verticalScrollBar().setAccessibleName(self.tr("Plots shown"))

    # Content

    def set_session(self, session: Session | None) -> None:
        """Show all of another session; None shows nothing."""
        self.show_from_start(session)
        self._painter = None if session is None else SeriesPainter(session)
        self._face, self._pointed_s = None, None
        self.lay_out()
        self.lines_changed.emit()

    def select_face(self, face_id: int | None) -> None:
        """Show a face of the session; None shows empty plots."""
        faces = () if self._session is None else self._session.faces
        self._face = next((face for face in faces if face.face_id == face_id), None)
        self._angle_deg = 0.0  # computed when it is shown
        self.lay_out()

    def show_all_units(self, shown: bool) -> None:
        """Show or hide the units that are not trusted."""
        if shown != self._all_units:
            self._all_units = shown
            self.lay_out()
            self.lines_changed.emit()

    @property
    def lines(self) -> tuple[SeriesLine, ...]:
        """All lines that can be shown, from the top."""
        return () if self._session is None else series_lines(self._session.header, self._all_units)

    @property
    def is_graded(self) -> bool:
        """Whether the session has intensities of action units."""
        return self._session is not None and self._session.header.au_intensity

    @property
    def hidden(self) -> frozenset[SeriesLine]:
        """The lines that are hidden."""
        return self._hidden

    @property
    def plots(self) -> tuple[SeriesPlot, ...]:
        """The plots, from the top."""
        return self._plots

    def name_of(self, line: SeriesLine) -> str:
        """Name of a line, translated; empty without a session."""
        return "" if self._painter is None else self._painter.line_name(line)

    def show_lines(self, lines: Iterable[SeriesLine], shown: bool) -> None:
        """Show or hide lines."""
        hidden = self._hidden - set(lines) if shown else self._hidden | set(lines)
        if hidden != self._hidden:
            self._hidden = frozenset(hidden)
            self.lay_out()
            self.lines_changed.emit()

    def values_text(self) -> str:
        """The values of the visible lines at the playhead, such as "happy 82 %, yaw 4°"."""
        position = self._position_at(self._time_s)
        if self._face is None or position is None:
            return ""
        texts = []
        for plot in self._plots:
            values = self._face.series.values_at(plot.group, position)
            for line in plot.lines:
                if values is not None and line not in self._hidden:
                    text = value_text(line, float(values[line.place]))
                    texts += [f"{self.name_of(line)} {text}"] if text else []
        return ", ".join(texts)

    def describe(self) -> str:
        """Time and values at the playhead."""
        return ". ".join(filter(None, (super().describe(), self.values_text())))

    def set_time(self, time_s: float, reveal: bool = True) -> None:
        """Move the playhead, and show the values there."""
        super().set_time(time_s, reveal)
        if self._pointed_s is None:
            self._update_names()

    # Layout

    def names_px(self) -> int:
        """Room for names with their values."""
        return round(13.5 * self.em())

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Room for the expressions."""
        return QSize(round(40 * self.em()), self.head_px() + round(12 * self.em()))

    def lay_out(self) -> None:
        """Place the plots, and update scroll bars and image."""
        self.setMinimumHeight(self.head_px() + round(5 * self.em()))
        session = self._session
        room = self.viewport().height() - self.head_px()
        self._plots = (
            ()
            if session is None
            else layout_plots(session.header, self.lines, self._hidden, self._angle_deg or 30.0, self.em(), room)
        )
        super().lay_out()

    def content_px(self) -> int:
        """Height of all plots."""
        return self._plots[-1].bottom_px if self._plots else 0

    @property
    def frame(self) -> SeriesFrame:
        """What is drawn."""
        return SeriesFrame(*self.axis.parts(), plots=self._plots, hidden=self._hidden, face=self._face)

    def draw_static(self) -> QImage:
        """The plots below the axis. RuntimeError without a session."""
        if self._painter is None:
            raise RuntimeError("the time series have no session to draw")
        if self._face is not None and not self._angle_deg:
            self._angle_deg = largest_angle_deg(self._face.series)
            self.lay_out()
        return self._painter.image(self.frame, self.font())

    def draw_moving(self, painter: QPainter, rect: QRect) -> None:
        """Draw the line at the pointer, and time and values there or else at the playhead."""
        frame, time_s = self.frame, self._time_s
        if self._pointed_s is not None:
            time_s = self._pointed_s
            x = round(frame.names_px + frame.scale.x_of(time_s)) + 0.5
            painter.setPen(QPen(theme.current().colour("dim"), 1, Qt.PenStyle.DotLine))
            painter.drawLine(round(x), frame.ruler_px, round(x), frame.size.height())
        if rect.left() < frame.names_px and self._painter is not None:
            self._painter.draw_values(painter, frame, self._position_at(time_s) or 0, self.font())
            painter.setFont(scaled(self.font(), SMALL))
            painter.setPen(theme.current().colour("text"))
            text = clock_text(time_s, self._scale.duration_s, 2)
            painter.drawText(QRectF(8, 0, frame.names_px - 12, frame.ruler_px), AT_LEFT, text)

    def _position_at(self, time_s: float) -> int | None:
        return None if self._session is None else self._session.position_at(time_s)

    def _update_names(self) -> None:
        self.viewport().update(QRect(0, 0, self.names_px(), self.viewport().height()))

    # Events

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Scrub on the ruler; hide or show a line by its name; in a plot start a click or a drag."""
        if event.button() is not Qt.MouseButton.LeftButton or self._session is None:
            return
        if event.position().x() < self.names_px():
            self._toggle_at(event)
        else:
            in_head = event.position().y() < self.head_px()
            self.start_drag(Drag.SCRUB if in_head else Drag.RANGE, event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Seek after a click."""
        if self._drag is Drag.RANGE and not self.is_dragged(event.position()):
            self.seek_requested.emit(self.time_at(event.position()))
        super().mouseReleaseEvent(event)

    def _toggle_at(self, event: QMouseEvent) -> None:
        x, y = event.position().x(), self.body_y(event.position().y())
        for plot in self._plots:
            for line, rect in name_rects(plot, self.names_px(), self.em()):
                if event.position().y() >= self.head_px() and rect.contains(x, y):
                    self.show_lines((line,), line in self._hidden)
                    return

    def show_pointed(self, event: QMouseEvent) -> None:
        """Show the values under the pointer."""
        inside = self._session is not None and event.position().x() >= self.names_px()
        self._point_at(self.time_at(event.position()) if inside else None)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the values at the playhead again."""
        super().leaveEvent(event)
        self._point_at(None)

    def _point_at(self, time_s: float | None) -> None:
        if time_s == self._pointed_s:
            return
        for moment in (self._pointed_s, time_s):
            if moment is not None:
                self.viewport().update(self._playhead_rect(moment))
        self._pointed_s = time_s
        self._update_names()
