"""The review desk: one session with its player, timeline, panels and notes, and the actions on them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.overlay.overlay import OverlayParts, face_at
from app.overlay.region import WHOLE, Region, face_box
from app.qt.review.agreement_box import AgreementScorer
from app.qt.review.desk_actions import note_actions, overlay_actions, playback_actions
from app.qt.review.event_keys import EventKeys
from app.qt.review.name_dialog import AskName, ask_for_name
from app.qt.review.neutral_ranges import NeutralRanges
from app.qt.review.note_store import NoteStore
from app.qt.review.review_panels import NotesPanel
from app.qt.review.review_player import Clip, ReviewPlayer, ShownFrame
from app.qt.review.series_box import SeriesBox
from app.qt.review.timeline_box import TimelineBox
from app.qt.review.timeline_painter import label_text
from app.qt.review.timeline_text import range_text
from app.qt.review.transport_bar import TransportBar
from app.qt.translation import picture_words
from app.qt.widgets.face_column import FaceColumn
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.units_page import UnitsPage
from app.qt.widgets.video_view import VideoView
from app.qt.widgets.workspace import Panel, Workspace, WorkspaceLayout
from app.review.clip import ClipReader
from app.review.notes import Event, Exclusion, FaceName, HumanLabel, Marker, NeutralRange, Notes
from app.review.people import clash_s, names_in_use
from app.review.session import Session
from app.review.timeline_layout import clock_text
from app.session.lock import FileLock
from app.settings.codes import EventCode

#: As `app.qt.widgets.page.Page.make_action`: text, shortcut, slot and, optionally, tooltip.
MakeAction = Callable[..., QAction]

_VIDEO_TOPIC: Final = "review-video"
_HINT_TOPIC: Final = "review-hint"
#: Share of the height that enlarged time series have.
_SERIES_SHARE: Final = 0.7


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and its notes, as read from disk."""

    session: Session  # the desk closes it
    notes: Notes | None  # None: review.json cannot be read, so notes are disabled
    lock: FileLock | None = None  # of the notes; the desk releases it
    read_only: bool = False  # another window may change the notes, this one may not


class ReviewDesk(QWidget):
    """Shows one session at a time; without a session its methods do nothing."""

    #: A Notice for the toasts of the window.
    noticed = Signal(Notice)
    #: The coder's name as the user changed it.
    coder_changed = Signal(str)
    #: The user wants to change the codes of events.
    codes_requested = Signal()
    #: The user wants to compare with the notes of another person.
    coder_requested = Signal()
    #: The time of the frame shown has changed, in seconds of the session; and whether it is playing.
    moved_s = Signal(float, bool)
    #: What is drawn over the picture (OverlayParts) has changed.
    overlay_changed = Signal(object)

    def __init__(
        self,
        make_action: MakeAction,
        parent: QWidget | None = None,
        *,
        open_clip: Callable[[Path], Clip] = ClipReader,
        ask_name: AskName = ask_for_name,
        layout: WorkspaceLayout = WorkspaceLayout.SIMPLE,
    ) -> None:
        """``make_action`` registers an action with the page, so that its shortcut works there."""
        super().__init__(parent)
        self._open_clip, self._ask_name = open_clip, ask_name
        self._session: Session | None = None
        self.player: ReviewPlayer | None = None
        self.note_store: NoteStore | None = None
        self._scorer: AgreementScorer | None = None
        self._shown: ShownFrame | None = None
        self._layout_before = layout
        self._started: dict[EventCode, float] = {}  # stretches without an end yet, with the time of their start
        self._in_s: float | None = None
        self._out_s: float | None = None
        self.video = VideoView()
        self._playback = playback_actions(self, make_action)
        self.overlay_actions = overlay_actions(make_action, self._apply_overlay)
        self.neutral_ranges = NeutralRanges(self)
        self._noting = note_actions(self, make_action)
        self.event_keys = EventKeys(make_action, self._noting.codes)
        self.transport = TransportBar(self._playback.buttons)
        self.timeline_box = TimelineBox(self._playback.zooms[:3])
        self.timeline = self.timeline_box.timeline
        self.series_box = SeriesBox(self._playback.zooms)
        self.series = self.series_box.series
        self.face_column, self.units_page = FaceColumn(), UnitsPage()
        self.units = self.units_page.panel
        self.units_page.baseline.set_commands(self._noting.neutral, ())
        self.notes_panel = NotesPanel(self._noting, self.event_keys)
        self._enable_actions(session=False, notes=False)
        self._lay_out(make_action, layout)
        self._connect()

    # Session

    @property
    def session(self) -> Session | None:
        """The open session."""
        return self._session

    @property
    def shown(self) -> ShownFrame | None:
        """The frame on screen; None until the first one is decoded."""
        return self._shown

    @property
    def notes(self) -> Notes:
        """The notes of the session; empty without a session."""
        return Notes() if self.note_store is None else self.note_store.now

    @property
    def marked_range(self) -> tuple[float | None, float | None]:
        """Start and end of the marked range in seconds; None = not marked."""
        return self._in_s, self._out_s

    def show_session(self, opened: OpenedSession, coder: str) -> None:
        """Show another session from its start; ``coder`` is used if the notes name no coder."""
        self.close_session()
        session = self._session = opened.session
        self.player = ReviewPlayer(session, self, open_clip=self._open_clip)
        self.player.shown.connect(self._show)
        self.player.moved.connect(self._follow_position)
        self.player.playing_changed.connect(self._follow_playing)
        if opened.notes is not None:
            store = self.note_store = NoteStore(
                *(session.folder, opened.notes, self),
                coder=coder,
                lock=opened.lock,
                read_only=opened.read_only,
            )
            store.noticed.connect(self.noticed)
            store.changed.connect(self._follow_notes)
            store.saved.connect(self.notes_panel.show_saved)
        can_change = self.note_store is not None and not opened.read_only
        self._enable_actions(session=True, notes=can_change)
        self._apply_overlay()
        self.notes_panel.show_coder(self.notes.coder)
        self.notes_panel.allow_changes(can_change)
        self.notes_panel.agreement.show_coders(None)
        self._scorer = AgreementScorer(session, self.notes_panel.agreement, self)
        self.face_column.set_header(session.header)
        self.units.set_header(session.header)
        self.timeline.set_session(session)
        self.series.set_session(session)
        self.timeline_box.follow_session()
        self.video.show_message(self._message_without_image(""))
        if self.timeline.faces:
            self.timeline.select_face(self.timeline.faces[0].face_id)
        self.series.select_face(self.timeline.selected)
        self._follow_notes()
        self._set_range(None, None)
        self.player.set_view_size(*self.video.space_px)

    def close_session(self) -> None:
        """Save the notes, stop the threads of the session and show nothing."""
        parts, session = (self.note_store, self._scorer, self.player), self._session
        self.player = self.note_store = self._scorer = self._shown = self._session = None
        self.timeline.set_session(None)
        self.series.set_session(None)
        self.face_column.set_header(None)
        self.face_column.set_names({})
        self._started.clear()
        self.event_keys.show_started(())
        self.units.set_header(None)
        self.units_page.baseline.show_row(None)
        self.neutral_ranges.forget()
        self.video.show_region(WHOLE)
        with contextlib.ExitStack() as cleanup:  # runs every callback, last first, even if one raises
            if session is not None:
                cleanup.callback(session.close)
            for part in parts:
                if part is not None:
                    cleanup.callback(part.deleteLater)
                    cleanup.callback(part.close)

    # Actions

    @property
    def desk_actions(self) -> tuple[QAction, ...]:
        """All actions in menu order."""
        layout = self.workspace.actions_of_layout
        return (*self._playback.all, *self._noting.all, *self.overlay_actions, *layout)

    def toggle_series(self) -> None:
        """Enlarge the time series, or restore the layout, as the action says."""
        self.show_series(self._playback.large_series.isChecked())

    def show_series(self, large: bool) -> None:
        """Give the time series most of the page, or restore the layout that was shown before."""
        workspace = self.workspace
        self._playback.large_series.setChecked(large)
        if large:
            self._layout_before = workspace.chosen
            workspace.reveal(self.series_box)
            workspace.enlarge_dock(_SERIES_SHARE)
            self.series.setFocus()
        else:
            workspace.choose(self._layout_before)
            workspace.layout_chosen.emit(self._layout_before)
            workspace.enlarge_dock(0.0)

    def toggle_zoom(self) -> None:
        """Zoom to the selected face, or show all again."""
        shown = self._shown
        box = face_box(shown.rows, self.timeline.selected, shown.frame_size_px) if shown is not None else None
        self.video.toggle_zoom(box)

    def _set_region(self, region: Region) -> None:
        if self.player is not None:
            self.player.set_region(region)

    def _enable_actions(self, *, session: bool, notes: bool) -> None:
        for action in self._playback.all:
            action.setEnabled(session)
        video = self._session.video if session and self._session is not None else None
        for action in self.overlay_actions:
            blurs = action is self.overlay_actions[-1]
            action.setEnabled(video is not None and (blurs or not video.annotated))
        for action in self._noting.all:
            action.setEnabled(notes)
        self.event_keys.allow(notes)

    def _apply_overlay(self) -> None:
        """Draw what the switches say; the standing line is in the picture if labels are, else beside it."""
        labels = self.overlay_parts.chips
        self.face_column.standing_line.setVisible(not labels or self._session is None or self._session.video is None)
        if self.player is not None:
            self.player.set_overlay(self.overlay_parts)
        self.overlay_changed.emit(self.overlay_parts)

    @property
    def overlay_parts(self) -> OverlayParts:
        """What is drawn over the picture."""
        boxes, labels, units, pose, blur = (action.isChecked() for action in self.overlay_actions)
        return OverlayParts(boxes, labels, units, labels, pose, False, blur, picture_words())

    # Playback

    def toggle(self) -> None:
        """Play or pause."""
        if self.player is not None:
            self.player.toggle()

    def pause(self) -> None:
        """Stop playing."""
        if self.player is not None:
            self.player.pause()

    def go_to(self, time_s: float) -> None:
        """Show the frame at this time, in seconds of the session."""
        if self.player is not None:
            self.player.go_to_time(time_s)

    def go_to_uncertain(self) -> None:
        """Go to the next moment at which the chosen face, or any if none is chosen, is ambiguous or not assessed.

        After the last one follows the first.
        """
        if self._session is None or self.player is None:
            return
        selected = self.timeline.selected
        faces = [face for face in self._session.faces if selected in (None, face.face_id)]
        for after in (self.player.position, -1):
            found = [place for face in faces if (place := face.next_uncertain(after)) is not None]
            if found:
                self.player.pause()
                self.player.go_to(min(found))
                return
        hint = self.tr("This face is never ambiguous, and never unlike the training pictures.")
        self.noticed.emit(Notice(hint, Severity.INFO, _HINT_TOPIC))

    def shuttle(self, direction: int) -> None:
        """Play in a direction, 1 or -1; again: faster."""
        if self.player is not None:
            self.player.shuttle(direction)

    def step(self, frames: int) -> None:
        """Move by some frames."""
        if self.player is not None:
            self.player.step(frames)

    def skip(self, seconds: float) -> None:
        """Move by some seconds."""
        if self.player is not None:
            self.player.go_to_time(self.player.time_s + seconds)

    def go_to_end(self) -> None:
        """Show the last frame."""
        if self._session is not None:
            self.go_to(self._session.duration_s)

    def _set_rate(self, rate: float) -> None:
        if self.player is not None:
            self.player.set_rate(rate)

    def _resize(self, width_px: int, height_px: int) -> None:
        if self.player is not None:
            self.player.set_view_size(width_px, height_px)

    # Range and notes

    def mark_in(self) -> None:
        """Start the range with the current frame; an end at or before it is dropped."""
        if self.player is not None:
            start = self.player.time_s
            self._set_range(start, self._out_s if self._out_s is not None and self._out_s > start else None)

    def mark_out(self) -> None:
        """End the range with the current frame; a start after it is dropped."""
        if self.player is not None and self._session is not None:
            end = self._session.end_of(self.player.position)
            self._set_range(self._in_s if self._in_s is not None and self._in_s < end else None, end)

    def mark_range(self, start_s: float, end_s: float) -> None:
        """Mark all frames shown between two times, in seconds."""
        session = self._session
        if session is not None:
            start = float(session.times_s[session.position_at(start_s)])
            self._set_range(start, session.end_of(session.position_at(end_s)))

    def add_marker(self) -> None:
        """Add an unnamed marker at the current frame and select it in the list."""
        if self.player is not None and self.note_store is not None:
            marker = Marker(self.player.time_s, "")
            self.note_store.change(self.tr("marker"), self.notes.with_marker(marker))
            self.notes_panel.notes.choose(marker)

    def exclude_range(self) -> None:
        """Exclude the marked range."""
        marked = self._required_range()
        if marked is not None and self.note_store is not None:
            self.note_store.change(self.tr("excluded range"), self.notes.with_exclusion(Exclusion(*marked)))

    def label_range(self, label: str) -> None:
        """Label the selected face over the marked range."""
        marked, face_id = self._required_range(), self.timeline.selected
        if marked is None or face_id is None or self.note_store is None:
            return
        name = self.tr("label {label}").format(label=label_text(label))
        self.note_store.change(name, self.notes.with_label(HumanLabel(face_id, *marked, label)))

    def mark_event(self, code: EventCode) -> None:
        """Mark a moment, or the start or the end of a stretch, at the current frame."""
        session, player, store = self._session, self.player, self.note_store
        if session is None or player is None or store is None or store.read_only:
            return
        text = self.tr("event {name}").format(name=code.name)
        if not code.lasts:
            store.change(text, self.notes.with_marker(Marker(player.time_s, code.name)))
        elif code in self._started:
            start_s, here_s = sorted((self._started.pop(code), player.time_s))
            end_s = session.end_of(session.position_at(here_s))
            store.change(text, self.notes.with_event(Event(start_s, end_s, code.name)))
        else:
            self._started[code] = player.time_s
        self.event_keys.show_started(self._started)

    def name_face(self) -> None:
        """Ask for the name of the chosen face; a name that another face has joins the two."""
        session, face_id, store = self._session, self.timeline.selected, self.note_store
        if session is None or face_id is None or store is None:
            return
        name = self._ask_name(self, face_id, self.notes.name_of(face_id), names_in_use(self.notes))
        if name is None:
            return
        both_s = clash_s(session, self.notes, face_id, name.strip())
        if both_s is None:
            store.change(self.tr("name of a face"), self.notes.with_name(face_id, name))
            return
        form = self.tr("Another face named {name} is in view together with this one at {time}: use another name.")
        text = form.format(name=name.strip(), time=clock_text(both_s, session.duration_s, 1))
        self.noticed.emit(Notice(text, Severity.WARNING, _HINT_TOPIC))

    def rename_marker(self, marker: Marker, text: str) -> None:
        """Give a marker another text."""
        if self.note_store is not None and self.note_store.read_only:
            self._follow_notes()  # the list shows the new text
        elif self.note_store is not None:
            renamed = Marker(marker.time_s, text)
            notes = self.notes.without_marker(marker).with_marker(renamed)
            self.note_store.change(self.tr("renamed marker"), notes)
            self.notes_panel.notes.choose(renamed)

    def remove_note(self) -> None:
        """Delete the note selected in the list."""
        note = self.notes_panel.notes.current_note
        if self.note_store is None or note is None:
            return
        if isinstance(note, Marker):
            self.note_store.change(self.tr("deleted marker"), self.notes.without_marker(note))
        elif isinstance(note, Event):
            self.note_store.change(self.tr("deleted event"), self.notes.without_event(note))
        elif isinstance(note, FaceName):
            self.note_store.change(self.tr("deleted name"), self.notes.with_name(note.face_id, ""))
        elif isinstance(note, NeutralRange):
            self.note_store.change(self.tr("deleted neutral range"), self.notes.without_neutral(note))
        elif isinstance(note, Exclusion):
            self.note_store.change(self.tr("deleted excluded range"), self.notes.without_exclusion(note))
        else:
            self.note_store.change(self.tr("deleted label"), self.notes.without_label(note))

    def edit_marker(self) -> None:
        """Edit the text of the selected marker."""
        self.workspace.reveal(self.notes_panel)
        self.notes_panel.notes.edit_current()

    def undo(self) -> None:
        """Take the last change of the notes back."""
        if self.note_store is not None:
            self.note_store.stack.undo()

    def redo(self) -> None:
        """Repeat the change that was taken back last."""
        if self.note_store is not None:
            self.note_store.stack.redo()

    def _set_coder(self, coder: str) -> None:
        if self.note_store is not None:
            self.note_store.set_coder(coder)
        self.coder_changed.emit(coder)

    def compare_with(self, other: Notes) -> None:
        """Show the agreement with the labels of another person."""
        if self._scorer is not None:
            self._scorer.compare_with(other)
            self.workspace.reveal(self.notes_panel)

    def _set_range(self, start_s: float | None, end_s: float | None) -> None:
        self._in_s, self._out_s = start_s, end_s
        for view in (self.timeline, self.series):
            view.set_range(None if start_s is None or end_s is None else (start_s, end_s))
        self._describe_range()

    def _required_range(self) -> tuple[float, float] | None:
        """The marked range; without one a notice explains how to mark it."""
        if self._in_s is None or self._out_s is None:
            hint = self.tr("Mark a range first: I at its start, O at its end, or drag over the timeline with Shift.")
            self.noticed.emit(Notice(hint, Severity.INFO, _HINT_TOPIC))
            return None
        return self._in_s, self._out_s

    def _describe_range(self) -> None:
        if self._session is not None:
            text = range_text(self._session, self.notes, self.timeline.selected, self._in_s, self._out_s)
            self.notes_panel.show_range(text.range, text.model)

    def _follow_notes(self) -> None:
        """Show the notes after every change."""
        session = self._session
        if session is not None and self._scorer is not None:
            self.timeline.set_notes(self.notes)
            self.series.set_notes(self.notes)
            self.face_column.set_names({name.face_id: name.name for name in self.notes.names})
            self.neutral_ranges.follow()
            self._show_face()
            self.notes_panel.show_notes(self.notes, session.duration_s)
            self._scorer.score(self.notes)

    # Frame and face

    def _show(self, shown: ShownFrame) -> None:
        """Show the image and the rows of one frame."""
        session, before = self._session, self._shown
        if session is None:
            return
        self._shown = shown
        if shown.image is not None:
            self.video.show_image(shown.image)
        else:
            self.video.show_message(self._message_without_image(shown.fault))
        if shown.fault != ("" if before is None else before.fault):
            self.noticed.emit(Notice(shown.fault, Severity.ERROR, _VIDEO_TOPIC))
        self.transport.show_time(
            float(session.times_s[shown.position]), session.duration_s, int(session.frames[shown.position])
        )
        self._show_face()

    def _message_without_image(self, fault: str) -> str:
        if fault:
            return self.tr("The picture cannot be shown.\n{fault}").format(fault=fault)
        if self._session is not None and self._session.video is None:
            return self.tr("This session has no video.\nTimeline, panels and notes work without it.")
        return ""

    def _show_face(self) -> None:
        shown = self._shown
        rows, thumbnails = ((), {}) if shown is None else (shown.rows, shown.thumbnails)
        self.units_page.show_row(self.face_column.show_faces(rows, self.timeline.selected, thumbnails))

    def _follow_position(self, position: int) -> None:
        if self._session is not None and self.player is not None:
            time_s = float(self._session.times_s[position])
            for view in (self.timeline, self.series):
                view.set_time(time_s, reveal=not self.player.playing)
            self.moved_s.emit(time_s, self.player.playing)

    def _follow_playing(self, playing: bool) -> None:
        if self.player is not None:
            self.transport.show_playing(playing, self.player.rate)

    def _choose_face(self, face_id: int) -> None:
        self.timeline.select_face(face_id)
        self.series.select_face(face_id)
        self.timeline_box.follow_session()
        self._show_face()
        self._describe_range()

    def choose_next_face(self) -> None:
        """Choose the next face in this frame; if it has none, the next on the timeline."""
        in_frame = [] if self._shown is None else [row.face_id for row in self._shown.rows if row.face_id is not None]
        face_ids = sorted(in_frame) or [face.face_id for face in self.timeline.faces]
        if face_ids:
            selected = self.timeline.selected
            place = face_ids.index(selected) + 1 if selected in face_ids else 0
            self._choose_face(face_ids[place % len(face_ids)])

    def _pick_face(self, x: float, y: float) -> None:
        """Choose the smallest face whose box contains this point of the image, as fractions of its size."""
        shown = self._shown
        if shown is None or not shown.frame_size_px[0]:
            return
        face_id = face_at(shown.rows, x * shown.frame_size_px[0], y * shown.frame_size_px[1])
        if face_id is not None:
            self._choose_face(face_id)

    # Layout

    def _connect(self) -> None:
        self.video.resized_px.connect(self._resize)
        self.video.face_picked.connect(self._pick_face)
        self.video.region_changed.connect(self._set_region)
        self.units_page.all_units.connect(self.face_column.map.show_all_units)
        self.face_column.face_chosen.connect(self._choose_face)
        for view, other in ((self.timeline, self.series), (self.series, self.timeline)):
            view.seek_requested.connect(self.go_to)
            view.range_marked.connect(self.mark_range)
            view.scale_changed.connect(other.follow_scale)
        self.timeline.face_chosen.connect(self._choose_face)
        self.transport.rate_chosen.connect(self._set_rate)
        self.notes_panel.notes.seek_requested.connect(self.go_to)
        self.notes_panel.notes.renamed.connect(self.rename_marker)
        self.event_keys.pressed.connect(self.mark_event)
        self.notes_panel.coder_changed.connect(self._set_coder)
        self.notes_panel.coder.returnPressed.connect(self.timeline.setFocus)  # label keys work again

    def _lay_out(self, make: MakeAction, layout: WorkspaceLayout) -> None:
        self.workspace = Workspace(
            "review",
            (self.video, self.transport),
            (
                Panel(self.tr("Faces"), self.face_column),
                Panel(self.tr("Notes"), self.notes_panel),
                Panel(self.tr("Action units"), self.units_page),
            ),
            (
                Panel(self.tr("Timeline"), self.timeline_box, scrolls=True),
                Panel(self.tr("Time series"), self.series_box, scrolls=True),
            ),
            make,
            layout,
            simple=2,
        )
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.workspace)
