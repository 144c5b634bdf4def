"""A second session beside the one under review: picture, timeline and time series, which follow the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSplitter, QTabWidget, QToolButton, QVBoxLayout, QWidget

from app.overlay.overlay import OverlayParts
from app.qt.review.review_player import Clip, ReviewPlayer, ShownFrame
from app.qt.review.series_view import SeriesView
from app.qt.review.timeline_view import TimelineView
from app.qt.widgets.page_parts import text_label
from app.qt.widgets.video_view import VideoView
from app.review.clip import ClipReader
from app.review.face_baselines import session_baselines
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import clock_text

#: Added to times that were converted from one clock to the other, so that a frame is not missed by rounding.
_ROUNDING_S: Final = 1e-6


class Companion(QWidget):
    """Shows one session at a time, read only. While it is linked, it shows the same moment as the first session.

    Both clocks start at the first frame of their session; what is shown side by side when the link is made stays so.
    """

    #: Time of the first session to show, in seconds of its clock.
    seek_requested = Signal(float)
    #: The button that closes it was pressed.
    close_requested = Signal()

    def __init__(self, parent: QWidget | None = None, *, open_clip: Callable[[Path], Clip] = ClipReader) -> None:
        super().__init__(parent)
        self._open_clip = open_clip
        self._session: Session | None = None
        self._player: ReviewPlayer | None = None
        self._first_s = 0.0  # time of the first session
        self._reveals = True  # whether a time outside the view is scrolled to
        self._ahead_s = 0.0  # time of the first session less the time of this one, while linked
        self.title, self._time = text_label("", "heading"), text_label("", "dim")
        self.video, self.timeline, self.series = VideoView(), TimelineView(), SeriesView()
        self.link = QCheckBox(self.tr("Linked"))
        self.link.setToolTip(self.tr("Both sessions move together; without the link, each moves alone"))
        self.link.setChecked(True)
        self.link.toggled.connect(self._follow_link)
        self._close = QToolButton()
        self._close.setText("✕")
        self._close.setToolTip(self.tr("Close the second session"))
        self._close.setAccessibleName(self.tr("Close the second session"))
        self._close.clicked.connect(self.close_requested)
        for view, other in ((self.timeline, self.series), (self.series, self.timeline)):
            view.seek_requested.connect(self._seek)
            view.scale_changed.connect(other.follow_scale)
        self.timeline.face_chosen.connect(self._choose_face)
        self.video.resized_px.connect(self._resize)
        self._lay_out()
        self.hide()

    @property
    def session(self) -> Session | None:
        """The session shown."""
        return self._session

    @property
    def time_s(self) -> float:
        """Time of the frame shown, on this session's clock."""
        return 0.0 if self._player is None else self._player.time_s

    def show_session(self, session: Session, notes: Notes, first_s: float, parts: OverlayParts) -> None:
        """Show a session from its start, linked to the present moment of the first one.

        Args:
            session: closed by `close_session`.
            notes: shown over the time axis.
            first_s: time that the first session shows.
            parts: what is drawn over the picture, and whether faces are blurred.
        """
        self.close_session()
        self._session = session
        session.use_baselines(session_baselines(session, notes))
        self._player = ReviewPlayer(session, self, parts=parts, open_clip=self._open_clip)
        self._player.shown.connect(self._show)
        self._player.moved.connect(self._follow_position)
        self.title.setText(session.folder.path.name)
        self._first_s = self._ahead_s = first_s
        for view in (self.timeline, self.series):
            view.set_session(session)
            view.set_notes(notes)
        if self.timeline.faces:
            self._choose_face(self.timeline.faces[0].face_id)
        self.video.setVisible(session.video is not None)
        self.link.setChecked(True)
        self._show_time()
        self.show()
        self._player.set_view_size(*self.video.space_px)

    def close_session(self) -> None:
        """Stop the thread, close the session and hide."""
        player, session = self._player, self._session
        self._player = self._session = None
        self.timeline.set_session(None)
        self.series.set_session(None)
        self.hide()
        if player is not None:
            player.close()
            player.deleteLater()
        if session is not None:
            session.close()

    def set_overlay(self, parts: OverlayParts) -> None:
        """Draw the same over the picture as in the first session, and blur faces if they are blurred there."""
        if self._player is not None:
            self._player.set_overlay(parts)

    def follow(self, first_s: float, playing: bool = False) -> None:
        """The first session shows this time now; while it is ``playing``, who scrolls elsewhere can look around."""
        self._first_s = first_s
        if self._player is not None and self.link.isChecked():
            self._reveals = not playing
            self._player.go_to_time(first_s - self._ahead_s + _ROUNDING_S)
            self._reveals = True

    def _seek(self, time_s: float) -> None:
        """Move both sessions, or without the link this one."""
        if self._player is None:
            return
        self._player.go_to_time(time_s)
        if self.link.isChecked():
            self.seek_requested.emit(time_s + self._ahead_s)

    def _follow_link(self, linked: bool) -> None:
        if linked:
            self._ahead_s = self._first_s - self.time_s
        self._show_time()

    def _follow_position(self, position: int) -> None:
        if self._session is not None:
            for view in (self.timeline, self.series):
                view.set_time(float(self._session.times_s[position]), self._reveals)
            self._show_time()

    def _show(self, shown: ShownFrame) -> None:
        if shown.image is not None:
            self.video.show_image(shown.image)
        elif shown.fault:
            self.video.show_message(shown.fault)

    def _show_time(self) -> None:
        session = self._session
        if session is not None:
            now, whole = (clock_text(time_s, session.duration_s, 1) for time_s in (self.time_s, session.duration_s))
            self._time.setText(f"{now} / {whole}")

    def _choose_face(self, face_id: int) -> None:
        self.timeline.select_face(face_id)
        self.series.select_face(face_id)

    def _resize(self, width_px: int, height_px: int) -> None:
        if self._player is not None:
            self._player.set_view_size(width_px, height_px)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(4, 2, 4, 0)
        for part in (self.title, self._time, self.link, self._close):
            head.addWidget(part, 1 if part is self.title else 0)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.setAccessibleName(self.tr("Second session"))
        tabs.addTab(self.series, self.tr("Time series"))
        tabs.addTab(self.timeline, self.tr("Timeline"))
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.video)
        parts.addWidget(tabs)
        parts.setObjectName("review-second-rows")  # the main window stores the state of named splitters
        parts.setSizes([400, 300])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(parts, 1)
