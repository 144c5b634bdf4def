"""The review desk: one session with its player, timeline, panels and notes, and the actions on them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.overlay.overlay import OverlayParts, face_at
from app.overlay.region import WHOLE, Region
from app.qt.review.agreement_box import AgreementScorer
from app.qt.review.note_store import NoteStore
from app.qt.review.review_panels import NotesPanel
from app.qt.review.review_player import Clip, ReviewPlayer, ShownFrame
from app.qt.review.series_box import SeriesBox
from app.qt.review.timeline_box import TimelineBox
from app.qt.review.timeline_painter import label_text
from app.qt.review.timeline_text import range_text
from app.qt.review.transport_bar import TransportBar
from app.qt.widgets.face_column import FaceColumn
from app.qt.widgets.glyph_button import Glyph
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.units_page import UnitsPage
from app.qt.widgets.video_view import VideoView
from app.qt.widgets.workspace import Panel, Workspace, WorkspaceLayout
from app.review.clip import ClipReader
from app.review.notes import HUMAN_LABELS, UNCLEAR, Exclusion, HumanLabel, Marker, Notes
from app.review.session import Session
from app.session.lock import FileLock
from engine.facs import EXPRESSIONS

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

    def __init__(
        self,
        make_action: MakeAction,
        parent: QWidget | None = None,
        *,
        open_clip: Callable[[Path], Clip] = ClipReader,
        layout: WorkspaceLayout = WorkspaceLayout.SIMPLE,
    ) -> None:
        """``make_action`` registers an action with the page, so that its shortcut works there."""
        super().__init__(parent)
        self._open_clip = open_clip
        self._session: Session | None = None
        self.player: ReviewPlayer | None = None
        self.note_store: NoteStore | None = None
        self._scorer: AgreementScorer | None = None
        self._shown: ShownFrame | None = None
        self._layout_before = layout
        self._in_s: float | None = None
        self._out_s: float | None = None
        self.video = VideoView()
        transport, zooms = self._make_playback_actions(make_action)
        self.overlay_actions = self._make_overlay_actions(make_action)
        labels, exclude, remove = self._make_note_actions(make_action)
        self.transport = TransportBar(transport)
        self.timeline_box = TimelineBox(zooms)
        self.timeline = self.timeline_box.timeline
        self.series_box = SeriesBox((*zooms, self._zoom_to_range))
        self.series = self.series_box.series
        self.face_column, self.units_page = FaceColumn(), UnitsPage()
        self.units = self.units_page.panel
        self.notes_panel = NotesPanel(labels, exclude, remove)
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
        self.units.set_header(None)
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
        return (*self._session_actions, *self._note_actions, *self.overlay_actions, *self.workspace.actions_of_layout)

    def _make_playback_actions(self, make: MakeAction) -> tuple[dict[Glyph, QAction], tuple[QAction, QAction, QAction]]:
        """Make the actions that need only a session; return those with buttons in the transport bar and for zoom."""
        tr = self.tr
        play = make(tr("Play or pause"), "Space", self.toggle)
        back = make(tr("Frame back"), "Left", partial(self._step, -1))
        forward = make(tr("Frame forward"), "Right", partial(self._step, 1))
        five_back = make(tr("Five frames back"), "Ctrl+Left", partial(self._step, -5))
        five_forward = make(tr("Five frames forward"), "Ctrl+Right", partial(self._step, 5))
        uncertain = make(
            tr("Next uncertain moment"),
            "N",
            self.go_to_uncertain,
            tr("Go to where the chosen face is next ambiguous or not assessed"),
        )
        second_back = make(tr("Second back"), "Shift+Left", partial(self._skip, -1.0))
        second_forward = make(tr("Second forward"), "Shift+Right", partial(self._skip, 1.0))
        start = make(tr("Go to start"), "Home", partial(self.go_to, 0.0))
        end = make(tr("Go to end"), "End", self._go_to_end)
        backwards = partial(self._shuttle, -1)
        reverse = make(tr("Play backwards"), "J", backwards, tr("Play backwards; press again to double the speed"))
        stop = make(tr("Pause"), "K", self.pause)
        forwards = partial(self._shuttle, 1)
        shuttle = make(tr("Play forwards"), "L", forwards, tr("Play forwards; press again to double the speed"))
        mark_in = make(tr("Start of range"), "I", self.mark_in)
        mark_out = make(tr("End of range"), "O", self.mark_out)
        self._next_face = make(tr("Next face"), "F", self._choose_next_face)
        zoom = make(
            tr("Zoom"), "Z", self._toggle_zoom, tr("Zoom to the face, or show all; the wheel zooms, a drag moves")
        )
        zooms = (
            make(tr("Zoom in"), "+", lambda: self.timeline.zoom(1), tr("Show less time on the timeline")),
            make(tr("Zoom out"), "-", lambda: self.timeline.zoom(-1), tr("Show more time on the timeline")),
            make(tr("Whole session"), "A", lambda: self.timeline.zoom_out_full()),
        )
        self._zoom_to_range = make(
            tr("Zoom to range"), "Shift+A", lambda: self.timeline.zoom_to_range(), tr("Show the marked range alone")
        )
        self._large_series = make(
            tr("Time series"),
            "T",
            self._toggle_series,
            tr("Plots of expressions, uncertainties, units and pose over time; again: as before"),
        )
        self._large_series.setCheckable(True)
        self._session_actions: tuple[QAction, ...] = (
            *(play, back, forward, five_back, five_forward, second_back, second_forward, start, end, uncertain),
            *(reverse, stop, shuttle, mark_in, mark_out, self._next_face, zoom, *zooms, self._zoom_to_range),
            self._large_series,
        )
        buttons = {Glyph.START: start, Glyph.BACK: back, Glyph.PLAY: play, Glyph.NEXT: forward, Glyph.END: end}
        return buttons, zooms

    def _make_note_actions(self, make: MakeAction) -> tuple[dict[str, QAction], QAction, QAction]:
        """Make the actions that change notes; return those with buttons in the panels."""
        tr = self.tr
        marker = make(tr("Add marker"), "M", self.add_marker, tr("Mark this moment"))
        exclude = make(
            tr("Exclude range"), "X", self.exclude_range, tr("Leave the range out of agreement and reviewed tables")
        )
        labels = {label: self._make_label_action(make, label) for label in HUMAN_LABELS}
        remove = make(tr("Delete selected note"), "Del", self._remove_note)
        rename = make(tr("Rename selected marker"), "F2", self._edit_marker)
        undo = make(tr("Undo"), "Ctrl+Z", self._undo)
        redo = make(tr("Redo"), "Ctrl+Shift+Z", self._redo)
        self._note_actions: tuple[QAction, ...] = (marker, exclude, *labels.values(), remove, rename, undo, redo)
        return labels, exclude, remove

    def _make_overlay_actions(self, make: MakeAction) -> tuple[QAction, ...]:
        """Make the switches of what is drawn over the image, and of the blur."""
        tr = self.tr
        texts = (
            (tr("Boxes"), "B", tr("Boxes around faces")),
            (tr("Labels"), "Shift+B", tr("Labels and decisions over the picture")),
            (tr("Units"), "U", tr("Action units over the picture")),
            (tr("Pose"), "H", tr("Axes of the head; the white one is its direction")),
            (tr("Blur"), "Shift+X", tr("Blur faces in this view; the export writes a video with blurred faces")),
        )
        switches = tuple(make(text, key, self._apply_overlay, tip) for text, key, tip in texts)
        for place, switch in enumerate(switches):
            switch.setCheckable(True)
            switch.setChecked(place < 2)  # the units are shown beside the picture
        return switches

    def _toggle_series(self) -> None:
        self.show_series(self._large_series.isChecked())

    def show_series(self, large: bool) -> None:
        """Give the time series most of the page, or restore the layout that was shown before."""
        workspace = self.workspace
        self._large_series.setChecked(large)
        if large:
            self._layout_before = workspace.chosen
            workspace.reveal(self.series_box)
            workspace.enlarge_dock(_SERIES_SHARE)
            self.series.setFocus()
        else:
            workspace.choose(self._layout_before)
            workspace.layout_chosen.emit(self._layout_before)
            workspace.enlarge_dock(0.0)

    def _toggle_zoom(self) -> None:
        """Zoom to the selected face, or show all again."""
        shown, box = self._shown, None
        if shown is not None and shown.frame_size_px[0]:
            width, height = shown.frame_size_px
            row = next((row for row in shown.rows if row.face_id == self.timeline.selected), None)
            if row is not None and row.x is not None and row.y is not None and row.w and row.h:
                box = (row.x / width, row.y / height, (row.x + row.w) / width, (row.y + row.h) / height)
        self.video.toggle_zoom(box)

    def _set_region(self, region: Region) -> None:
        if self.player is not None:
            self.player.set_region(region)

    def _make_label_action(self, make: MakeAction, label: str) -> QAction:
        key = "0" if label == UNCLEAR else str(EXPRESSIONS.index(label) + 1)
        text = self.tr("Label as {label}").format(label=label_text(label))
        return make(text, key, partial(self.label_range, label))

    def _enable_actions(self, *, session: bool, notes: bool) -> None:
        for action in self._session_actions:
            action.setEnabled(session)
        video = self._session.video if session and self._session is not None else None
        for action in self.overlay_actions:
            blurs = action is self.overlay_actions[-1]
            action.setEnabled(video is not None and (blurs or not video.annotated))
        for action in self._note_actions:
            action.setEnabled(notes)

    def _apply_overlay(self) -> None:
        """Draw what the switches say; the standing line is in the picture if labels are, else beside it."""
        boxes, labels, units, pose, blur = (action.isChecked() for action in self.overlay_actions)
        self.face_column.standing_line.setVisible(not labels or self._session is None or self._session.video is None)
        if self.player is not None:
            self.player.set_overlay(OverlayParts(boxes, labels, units, labels, pose, False, blur))

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

    def _shuttle(self, direction: int) -> None:
        if self.player is not None:
            self.player.shuttle(direction)

    def _step(self, frames: int) -> None:
        if self.player is not None:
            self.player.step(frames)

    def _skip(self, seconds: float) -> None:
        if self.player is not None:
            self.player.go_to_time(self.player.time_s + seconds)

    def _go_to_end(self) -> None:
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

    def rename_marker(self, marker: Marker, text: str) -> None:
        """Give a marker another text."""
        if self.note_store is not None and self.note_store.read_only:
            self._follow_notes()  # the list shows the new text
        elif self.note_store is not None:
            renamed = Marker(marker.time_s, text)
            notes = self.notes.without_marker(marker).with_marker(renamed)
            self.note_store.change(self.tr("renamed marker"), notes)
            self.notes_panel.notes.choose(renamed)

    def _remove_note(self) -> None:
        note = self.notes_panel.notes.current_note
        if self.note_store is None or note is None:
            return
        if isinstance(note, Marker):
            self.note_store.change(self.tr("deleted marker"), self.notes.without_marker(note))
        elif isinstance(note, Exclusion):
            self.note_store.change(self.tr("deleted excluded range"), self.notes.without_exclusion(note))
        else:
            self.note_store.change(self.tr("deleted label"), self.notes.without_label(note))

    def _edit_marker(self) -> None:
        self.workspace.reveal(self.notes_panel)
        self.notes_panel.notes.edit_current()

    def _undo(self) -> None:
        if self.note_store is not None:
            self.note_store.stack.undo()

    def _redo(self) -> None:
        if self.note_store is not None:
            self.note_store.stack.redo()

    def _set_coder(self, coder: str) -> None:
        if self.note_store is not None:
            self.note_store.set_coder(coder)
        self.coder_changed.emit(coder)

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
            text = range_text(self._session, self.timeline.selected, self._in_s, self._out_s)
            self.notes_panel.show_range(text.range, text.model)

    def _follow_notes(self) -> None:
        """Show the notes after every change."""
        session = self._session
        if session is not None and self._scorer is not None:
            self.timeline.set_notes(self.notes)
            self.series.set_notes(self.notes)
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
        self.units.show_row(self.face_column.show_faces(rows, self.timeline.selected, thumbnails))

    def _follow_position(self, position: int) -> None:
        if self._session is not None and self.player is not None:
            for view in (self.timeline, self.series):
                view.set_time(float(self._session.times_s[position]), reveal=not self.player.playing)

    def _follow_playing(self, playing: bool) -> None:
        if self.player is not None:
            self.transport.show_playing(playing, self.player.rate)

    def _choose_face(self, face_id: int) -> None:
        self.timeline.select_face(face_id)
        self.series.select_face(face_id)
        self.timeline_box.follow_session()
        self._show_face()
        self._describe_range()

    def _choose_next_face(self) -> None:
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
        self.notes_panel.coder_changed.connect(self._set_coder)
        self.notes_panel.coder.returnPressed.connect(self.timeline.setFocus)  # label keys work again

    def _lay_out(self, make: MakeAction, layout: WorkspaceLayout) -> None:
        picture = QWidget()
        column = QVBoxLayout(picture)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.video, 1)
        column.addWidget(self.transport)
        self.workspace = Workspace(
            "review",
            picture,
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
