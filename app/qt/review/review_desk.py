"""The desk of the review page: one session with its player, timeline, panels and notes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.overlay.presentation import face_at
from app.qt import theme
from app.qt.review.agreement_box import Scoring
from app.qt.review.note_store import NoteKeeper
from app.qt.review.review_actions import ReviewActions
from app.qt.review.review_panels import FacePanel, LabelPanel
from app.qt.review.review_player import Clip, ReviewPlayer, Shown
from app.qt.review.timeline_box import TimelineBox
from app.qt.review.timeline_painter import label_word
from app.qt.review.timeline_text import range_words
from app.qt.review.transport_bar import TransportBar
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page_parts import SideArea
from app.qt.widgets.video_view import VideoView
from app.review.clip import ClipReader
from app.review.notes import Exclusion, HumanLabel, Marker, Notes
from app.review.session import Session

_VIDEO_TOPIC: Final = "review-video"
_HINT_TOPIC: Final = "review-hint"
#: Width of the panels at first, in em, and of the whole desk in a window of 1280 pixels.
_SIDE_EM: Final = 24.0
_FIRST_PX: Final = 1060


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What is needed to work on a session."""

    session: Session  # becomes the desk's own
    notes: Notes | None  # None: they cannot be read, so nothing is noted either


class ReviewDesk(QWidget):
    """Shows one session at a time. Without one its methods do nothing."""

    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)
    #: The name under which labels are given, when the user changed it.
    coder_named = Signal(str)

    def __init__(
        self,
        actions: ReviewActions,
        parent: QWidget | None = None,
        *,
        open_clip: Callable[[Path], Clip] = ClipReader,
    ) -> None:
        super().__init__(parent)
        self._open_clip = open_clip
        self._session: Session | None = None
        self.player: ReviewPlayer | None = None
        self.keeper: NoteKeeper | None = None
        self._scoring: Scoring | None = None
        self._shown: Shown | None = None
        self._in_s: float | None = None
        self._out_s: float | None = None
        self.view = VideoView()
        self.transport = TransportBar(actions.transport)
        self.box = TimelineBox(actions.zooms)
        self.timeline = self.box.timeline
        self.face = FacePanel(actions.next_face)
        self.panel = LabelPanel(actions.labels, actions.exclude, actions.remove)
        self.tabs = QTabWidget()
        self._lay_out()
        self._connect()

    # One session

    @property
    def session(self) -> Session | None:
        """What is shown."""
        return self._session

    @property
    def notes(self) -> Notes:
        """What is noted; empty without a session."""
        return Notes() if self.keeper is None else self.keeper.now

    def show_session(self, opened: OpenedSession, coder: str) -> None:
        """Show another session from its start; ``coder`` labels where the notes name nobody."""
        self.close_session()
        session = self._session = opened.session
        self.player = ReviewPlayer(session, self, open_clip=self._open_clip)
        self.player.shown.connect(self._show)
        self.player.moved.connect(self._follow_position)
        self.player.playing_changed.connect(self._follow_playing)
        if opened.notes is not None:
            notes = opened.notes if opened.notes.coder else opened.notes.with_coder(coder)
            self.keeper = NoteKeeper(session.folder, notes, self)
            self.keeper.noticed.connect(self.noticed)
            self.keeper.changed.connect(self._follow_notes)
        self.panel.show_coder(self.notes.coder)
        self._scoring = Scoring(session, self.panel.agreement, self)
        self.face.set_header(session.header)
        self.timeline.set_session(session)
        self.box.follow_session()
        self.view.show_message(self._words_without_picture(""))
        if self.timeline.lanes:
            self.timeline.select_face(self.timeline.lanes[0].face_id)
        self._follow_notes()
        self._set_range(None, None)
        self.player.set_view_size(*self.view.space_px)

    def close_session(self) -> None:
        """End what belongs to the session, write what is not written, and show nothing."""
        parts, session = (self.keeper, self._scoring, self.player), self._session
        self.player = self.keeper = self._scoring = self._shown = self._session = None
        self.timeline.set_session(None)
        self.face.set_header(None)
        with contextlib.ExitStack() as ends:  # runs all of them from the last on, whatever one raises
            if session is not None:
                ends.callback(session.close)
            for part in parts:
                if part is not None:
                    ends.callback(part.deleteLater)
                    ends.callback(part.close)

    # What the actions do

    def toggle(self) -> None:
        """Play or pause."""
        if self.player is not None:
            self.player.toggle()

    def pause(self) -> None:
        """Stop playing."""
        if self.player is not None:
            self.player.pause()

    def shuttle(self, sign: int) -> None:
        """Play forwards (1) or backwards (-1)."""
        if self.player is not None:
            self.player.shuttle(sign)

    def step(self, frames: int) -> None:
        """So many analysed frames on."""
        if self.player is not None:
            self.player.step(frames)

    def jump(self, seconds: float) -> None:
        """So many seconds on."""
        if self.player is not None:
            self.player.go_to_time(self.player.time_s + seconds)

    def go_to(self, time_s: float) -> None:
        """Show the frame of that time."""
        if self.player is not None:
            self.player.go_to_time(time_s)

    def go_to_start(self) -> None:
        """Show the first frame."""
        self.go_to(0.0)

    def go_to_end(self) -> None:
        """Show the last frame."""
        if self._session is not None:
            self.go_to(self._session.duration_s)

    def zoom(self, steps: float) -> None:
        """Show less time, or more."""
        self.timeline.zoom(steps)

    def zoom_out_full(self) -> None:
        """Show all time."""
        self.timeline.zoom_out_full()

    def next_face(self) -> None:
        """Choose the next of the faces in this frame; where there is none, the next on the timeline."""
        here = [] if self._shown is None else [row.face_id for row in self._shown.rows if row.face_id is not None]
        numbers = sorted(here) or [lane.face_id for lane in self.timeline.lanes]
        if numbers:
            selected = self.timeline.selected
            place = numbers.index(selected) + 1 if selected in numbers else 0
            self._choose_face(numbers[place % len(numbers)])

    def add_marker(self) -> None:
        """Mark the moment; F2 then gives it a name."""
        if self.player is not None and self.keeper is not None:
            marker = Marker(self.player.time_s, "")
            self.keeper.change(self.tr("marker"), self.notes.with_marker(marker))
            self.panel.notes.choose(marker)

    def mark_in(self) -> None:
        """The range starts with this frame."""
        if self.player is not None:
            start = self.player.time_s
            self._set_range(start, self._out_s if self._out_s is not None and self._out_s > start else None)

    def mark_out(self) -> None:
        """The range ends with this frame."""
        if self.player is not None and self._session is not None:
            end = self._session.end_of(self.player.position)
            self._set_range(self._in_s if self._in_s is not None and self._in_s < end else None, end)

    def exclude_range(self) -> None:
        """Leave the range out."""
        marked = self._marked_range()
        if marked is not None and self.keeper is not None:
            self.keeper.change(self.tr("excluded range"), self.notes.with_exclusion(Exclusion(*marked)))

    def label_range(self, label: str) -> None:
        """Give the chosen face this label over the range."""
        marked, face_id = self._marked_range(), self.timeline.selected
        if marked is None or face_id is None or self.keeper is None:
            return
        name = self.tr("label {label}").format(label=label_word(label))
        self.keeper.change(name, self.notes.with_label(HumanLabel(face_id, *marked, label)))

    def remove_note(self) -> None:
        """Take the note away that is chosen in the list."""
        note = self.panel.notes.current_note
        if self.keeper is None or note is None:
            return
        if isinstance(note, Marker):
            self.keeper.change(self.tr("deleted marker"), self.notes.without_marker(note))
        elif isinstance(note, Exclusion):
            self.keeper.change(self.tr("deleted excluded range"), self.notes.without_exclusion(note))
        else:
            self.keeper.change(self.tr("deleted label"), self.notes.without_label(note))

    def rename_marker(self) -> None:
        """Let the user write the words of the chosen marker."""
        self.tabs.setCurrentIndex(1)
        self.panel.notes.rename_current()

    def undo(self) -> None:
        """Take the last change of the notes back."""
        if self.keeper is not None:
            self.keeper.stack.undo()

    def redo(self) -> None:
        """Make the change again that was taken back."""
        if self.keeper is not None:
            self.keeper.stack.redo()

    # What comes from the parts

    def _show(self, shown: Shown) -> None:
        """Picture and panels of one frame."""
        session, before = self._session, self._shown
        if session is None:
            return
        self._shown = shown
        if shown.picture is not None:
            self.view.show_image(shown.picture)
        else:
            self.view.show_message(self._words_without_picture(shown.fault))
        if shown.fault != ("" if before is None else before.fault):
            self.noticed.emit(Notice(shown.fault, Severity.ERROR, _VIDEO_TOPIC))
        self.transport.show_time(
            float(session.times_s[shown.position]), session.duration_s, int(session.frames[shown.position])
        )
        self._show_face()

    def _words_without_picture(self, fault: str) -> str:
        if fault:
            return self.tr("The picture cannot be shown.\n{fault}").format(fault=fault)
        if self._session is not None and self._session.video is None:
            return self.tr("This session has no pictures.\nTimeline, panels and notes work without them.")
        return ""

    def _show_face(self) -> None:
        rows = () if self._shown is None else self._shown.rows
        self.face.show_face(self.timeline.selected, rows)

    def _follow_position(self, position: int) -> None:
        if self._session is not None and self.player is not None:
            self.timeline.set_time(float(self._session.times_s[position]), reveal=not self.player.playing)

    def _follow_playing(self, playing: bool) -> None:
        if self.player is not None:
            self.transport.show_playing(playing, self.player.rate)

    def _follow_notes(self) -> None:
        """After every change of the notes."""
        session = self._session
        if session is not None and self._scoring is not None:
            self.timeline.set_notes(self.notes)
            self.panel.show_notes(self.notes, session.duration_s)
            self._scoring.score(self.notes)

    def _choose_face(self, face_id: int) -> None:
        self.timeline.select_face(face_id)
        self.box.follow_session()
        self._show_face()
        self._tell_range()

    def _pick(self, x: float, y: float) -> None:
        """Choose the smallest face whose box holds this point of the picture (0-1)."""
        shown = self._shown
        if shown is None or not shown.frame_px[0]:
            return
        face_id = face_at(shown.rows, x * shown.frame_px[0], y * shown.frame_px[1])
        if face_id is not None:
            self._choose_face(face_id)

    def _rename(self, marker: Marker, text: str) -> None:
        if self.keeper is not None:
            renamed = Marker(marker.time_s, text)
            notes = self.notes.without_marker(marker).with_marker(renamed)
            self.keeper.change(self.tr("renamed marker"), notes)
            self.panel.notes.choose(renamed)

    def _name_coder(self, coder: str) -> None:
        if self.keeper is not None:
            self.keeper.set_coder(coder)
        self.coder_named.emit(coder)

    # The range

    def _mark(self, start_s: float, end_s: float) -> None:
        """Whole frames between two moments."""
        session = self._session
        if session is not None:
            start = float(session.times_s[session.position_at(start_s)])
            self._set_range(start, session.end_of(session.position_at(end_s)))

    def _set_range(self, start_s: float | None, end_s: float | None) -> None:
        self._in_s, self._out_s = start_s, end_s
        self.timeline.set_range(None if start_s is None or end_s is None else (start_s, end_s))
        self._tell_range()

    def _marked_range(self) -> tuple[float, float] | None:
        """The range; without one the user is told how to get one."""
        if self._in_s is None or self._out_s is None:
            told = self.tr("Mark a range first: I at its start, O at its end, or drag over the lanes with Shift.")
            self.noticed.emit(Notice(told, Severity.INFO, _HINT_TOPIC))
            return None
        return self._in_s, self._out_s

    def _tell_range(self) -> None:
        if self._session is not None:
            told = range_words(self._session, self.timeline.selected, self._in_s, self._out_s)
            self.panel.show_range(told.range, told.model)

    # Making

    def _connect(self) -> None:
        self.view.resized_px.connect(self._resize)
        self.view.face_picked.connect(self._pick)
        self.timeline.sought.connect(self.go_to)
        self.timeline.range_marked.connect(self._mark)
        self.timeline.face_chosen.connect(self._choose_face)
        self.transport.rate_chosen.connect(self._set_rate)
        self.panel.notes.sought.connect(self.go_to)
        self.panel.notes.renamed.connect(self._rename)
        self.panel.coder_named.connect(self._name_coder)
        self.panel.coder.returnPressed.connect(self.timeline.setFocus)  # the next key is a label again

    def _resize(self, width_px: int, height_px: int) -> None:
        if self.player is not None:
            self.player.set_view_size(width_px, height_px)

    def _set_rate(self, rate: float) -> None:
        if self.player is not None:
            self.player.set_rate(rate)

    def _lay_out(self) -> None:
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view, 1)
        column.addWidget(self.transport)
        rows = QSplitter(Qt.Orientation.Vertical)
        rows.setObjectName("review-rows")
        rows.addWidget(upper)
        rows.addWidget(self.box)
        rows.setSizes([430, 260])
        self.tabs.addTab(SideArea(self.face), self.tr("Face"))
        self.tabs.addTab(SideArea(self.panel), self.tr("Notes"))
        columns = QSplitter(Qt.Orientation.Horizontal)
        columns.setObjectName("review-columns")
        columns.addWidget(rows)
        columns.addWidget(self.tabs)
        columns.setStretchFactor(0, 1)
        side = min(round(_SIDE_EM * theme.em(self)), _FIRST_PX * 9 // 20)
        columns.setSizes([_FIRST_PX - side, side])
        for splitter in (rows, columns):
            splitter.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(columns)
