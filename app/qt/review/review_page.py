"""The review page: chooses a session, reads it off the main thread and shows it on the desk."""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.background import Worker
from app.qt.preference_store import PreferenceStore
from app.qt.review.codes_dialog import CodesDialog
from app.qt.review.companion import Companion
from app.qt.review.export_dialog import ExportDialog
from app.qt.review.name_dialog import AskName, ask_for_name
from app.qt.review.review_desk import OpenedSession, ReviewDesk
from app.qt.review.review_player import Clip
from app.qt.review.summary_maker import SummaryMaker, show_in_browser
from app.qt.sentences import fault_text
from app.qt.start.recent_list import RecentList
from app.qt.start.start_page import Ask, session_dialog
from app.qt.translation import translated
from app.qt.widgets.flow_row import FlowRow, chip_button
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import ActionButton, Column, scrolled, text_label
from app.qt.widgets.workspace import WorkspaceLayout
from app.review.clip import ClipReader
from app.review.coders import read_coder
from app.review.notes import Notes, read_notes
from app.review.session import Session, open_session
from app.review.timeline_layout import clock_text
from app.session.folder import SessionFolder, dropped_session
from app.session.lock import FileLock, owner_of
from app.settings.codes import EventCode
from engine.errors import OutputError, Remedy

_TOPIC: Final = "review-session"
#: Width of the page in em from which all buttons fit beside the title.
_ROOMY_EM: Final = 70.0


@dataclass(frozen=True, slots=True)
class _ReadSession:
    """A session read from its folder."""

    folder: Path
    session: Session
    notes: Notes | None
    notes_fault: str


@dataclass(frozen=True, slots=True)
class _ReadFault:
    """A folder that cannot be opened as a session."""

    folder: Path
    fault: str


def _with_lock(read: _ReadSession) -> tuple[_ReadSession, FileLock | None, str]:
    """Take the lock of the notes, and read them again, since another window may just have changed them.

    Returns:
        the session, the lock if it could be taken, and the program that holds it instead, if any. A folder that
        cannot be written to has neither; the first change reports that.
    """
    folder = read.session.folder
    lock = FileLock(folder.notes_lock, folder.path)
    is_held, holder = True, ""
    try:
        lock.acquire()
    except OutputError as error:
        is_held = False
        if error.remedy is Remedy.IN_USE:
            holder = _holder_of(folder)
    try:
        again = dataclasses.replace(read, notes=read_notes(folder), notes_fault="")
    except OutputError as error:
        lock.release()
        return dataclasses.replace(read, notes=None, notes_fault=fault_text(error)), None, ""
    return again, lock if is_held else None, holder


def _holder_of(folder: SessionFolder) -> str:
    with contextlib.suppress(OutputError):
        return str(owner_of(folder.notes_lock) or "another window")
    return "another window"


def notes_dialog(parent: QWidget, title: str) -> Sequence[str]:
    """Ask for a file of notes."""
    return (QFileDialog.getOpenFileName(parent, title, "", "review.json (*.json)")[0],)


class _SessionReader:
    """Opens sessions on the worker thread, and closes any left unclaimed."""

    def __init__(self) -> None:
        self._unclaimed: list[Session] = []

    def read(self, folder: Path) -> _ReadSession | _ReadFault:
        """Open a session with its notes; unreadable notes do not prevent that."""
        try:
            session = open_session(folder)
        except OutputError as error:
            return _ReadFault(folder, fault_text(error))
        self._unclaimed.append(session)
        try:
            return _ReadSession(folder, session, read_notes(session.folder), "")
        except OutputError as error:
            return _ReadSession(folder, session, None, fault_text(error))

    def claim(self, session: Session) -> None:
        """Leave closing this session to the caller."""
        self._unclaimed.remove(session)

    def close(self) -> None:
        """Close unclaimed sessions; call it after the thread has ended."""
        for session in self._unclaimed:
            session.close()
        self._unclaimed.clear()


class ReviewPage(Page):
    """Shows the session chooser, or the desk with a session."""

    def __init__(
        self,
        store: PreferenceStore,
        parent: QWidget | None = None,
        *,
        ask_for_session: Ask | None = None,
        open_clip: Callable[[Path], Clip] = ClipReader,
        show_page: Callable[[Path], object] = show_in_browser,
        ask_name: AskName = ask_for_name,
        ask_for_coder: Ask | None = None,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._show_page = show_page
        self._summary_maker: SummaryMaker | None = None
        self._ask = ask_for_session or session_dialog(store)
        self._ask_coder = ask_for_coder or notes_dialog
        self._requested: Path | None = None
        self._export_dialog: ExportDialog | None = None
        self._reader = _SessionReader()
        self._worker = Worker("mien-open-session", self._reader.read, self._take, self._fail)
        self._make_actions()
        layout = WorkspaceLayout(store.now.layout)
        self.desk = ReviewDesk(self.make_action, open_clip=open_clip, ask_name=ask_name, layout=layout)
        self.companion = Companion(open_clip=open_clip)
        self._second_reader = _SessionReader()
        #: The session that it is to be beside, which may be closed and freed meanwhile, and its folder.
        self._second_asked: tuple[weakref.ref[Session], Path] | None = None
        self._second = Worker("mien-open-second", self._second_reader.read, self._take_second, self._fail_second)
        self.chooser = SessionChooser(self._open)
        self._title = text_label("", "heading")
        self._stack = QStackedWidget()
        self._lay_out()
        self.setAcceptDrops(True)
        self._connect()
        self._taken_keys = frozenset(
            key for action in self.page_actions() if len(key := action.shortcut().toString()) == 1
        )
        self.desk.event_keys.set_codes(store.now.codes, self._taken_keys)

    def _make_actions(self) -> None:
        self._open = self.make_action(self.tr("Open session…"), "Ctrl+O", self.choose_session)
        self._export = self.make_action(
            self.tr("Export…"), "Ctrl+E", self.export, self.tr("Write tables, notes or a video of this session")
        )
        self._summary = self.make_action(
            self.tr("Summary"),
            "Ctrl+P",
            self.show_summary,
            self.tr("Shares, counts, episodes and the longest ambiguous stretches on one page that can be printed"),
        )
        self._beside = self.make_action(
            self.tr("Session beside…"),
            "Ctrl+Shift+S",
            self.choose_second,
            self.tr("Show a second session beside this one, which moves with it"),
        )
        for action in (self._export, self._summary, self._beside):
            action.setEnabled(False)

    def _connect(self) -> None:
        self.desk.noticed.connect(self.noticed)
        workspace = self.desk.workspace
        workspace.layout_chosen.connect(lambda layout: self._store.change(layout=layout.value))
        self._store.changed.connect(lambda: workspace.follow(WorkspaceLayout(self._store.now.layout)))  # chosen in Live
        self.desk.coder_changed.connect(lambda coder: self._store.change(coder=coder))
        self.desk.moved_s.connect(self.companion.follow)
        self.desk.overlay_changed.connect(self.companion.set_overlay)
        self.companion.seek_requested.connect(self.desk.go_to)
        self.companion.close_requested.connect(self.companion.close_session)
        self.desk.codes_requested.connect(self.edit_codes)
        self.desk.coder_requested.connect(self.compare_with_coder)
        self.chooser.session_chosen.connect(self.open_path)

    @property
    def session_title(self) -> str:
        """Name, number of faces and duration of the open session; empty without one."""
        return self._title.text()

    def page_title(self) -> str:
        """Name of the page."""
        return self.tr("Review")

    def page_actions(self) -> tuple[QAction, ...]:
        """All actions in menu order."""
        return (self._open, self._beside, self._export, self._summary, *self.desk.desk_actions)

    def enter(self) -> None:
        """Update the recent sessions."""
        now = self._store.now
        self.chooser.look(now.sessions, (now.recordings, now.annotations))
        if self.desk.session is not None:
            self.desk.timeline.setFocus()

    def leave(self) -> None:
        """Stop playing."""
        self.desk.pause()

    def shutdown(self) -> None:
        """Stop all threads and save unwritten notes."""
        self._requested = None
        with contextlib.ExitStack() as cleanup:  # runs every callback, last first, even if one raises
            for close in (
                self.desk.close_session,
                self._close_export,
                self._reader.close,
                self._worker.close,
                self.companion.close_session,
                self._second_reader.close,
                self._second.close,
                self.chooser.shutdown,
            ):
                cleanup.callback(close)

    def open_path(self, path: Path) -> None:
        """Open a session folder; the current session stays until the new one is read."""
        self._requested = path
        self.chooser.show_opening(path)
        if self.desk.session is not None:
            self.noticed.emit(Notice(self.tr("Opening {name} …").format(name=path.name), Severity.INFO, _TOPIC))
        self._worker.submit(path)

    def choose_session(self) -> None:
        """Let the user choose a session folder."""
        chosen = self._ask(self, self.tr("Open session"))
        if chosen:
            self.open_path(Path(chosen[0]))

    def choose_second(self) -> None:
        """Let the user choose a session to show beside the open one."""
        chosen = self._ask(self, self.tr("Session beside")) if self.desk.session is not None else ()
        if chosen:
            self.show_beside(Path(chosen[0]))

    def show_beside(self, folder: Path) -> None:
        """Show a second session beside the open one; nothing happens without one."""
        if self.desk.session is not None:
            self._second_asked = (weakref.ref(self.desk.session), folder)
            self._second.submit(folder)

    def _take_second(self, read: _ReadSession | _ReadFault) -> None:
        if isinstance(read, _ReadFault):
            self.noticed.emit(Notice(read.fault, Severity.ERROR, _TOPIC))
            return
        self._second_reader.claim(read.session)
        first, player = self.desk.session, self.desk.player
        if first is None or player is None or self._second_asked != (weakref.ref(first), read.folder):
            read.session.close()  # another was opened since
            return
        if read.notes_fault:
            text = self.tr("{fault}. The second session is shown without its notes.").format(fault=read.notes_fault)
            self.noticed.emit(Notice(text, Severity.WARNING, _TOPIC))
        self.companion.show_session(read.session, read.notes or Notes(), player.time_s, self.desk.overlay_parts)
        width = self._sides.width()
        self._sides.setSizes([width // 2, width // 2])

    def export(self) -> None:
        """Open the export dialog."""
        session = self.desk.session
        if session is None:
            return
        self.desk.pause()
        self._close_dialog()
        self._export_dialog = ExportDialog(session, self.desk.notes, self)
        self._export_dialog.finished.connect(self._close_dialog)
        self._export_dialog.open()

    def show_summary(self) -> None:
        """Write the summary page of the session, and open it in the browser."""
        session = self.desk.session
        if session is None:
            return
        if self._summary_maker is None:
            self._summary_maker = SummaryMaker(self, show=self._show_page)
            self._summary_maker.noticed.connect(self.noticed)
        self._summary_maker.make(session, self.desk.notes)

    def edit_codes(self) -> None:
        """Let the user change the codes of events."""
        dialog = CodesDialog(self._store.now.codes, self._taken_keys, self)
        dialog.accepted.connect(lambda: self._use_codes(dialog.codes))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def compare_with_coder(self) -> None:
        """Let the user choose the notes of another person, and show the agreement with them."""
        session = self.desk.session
        chosen = self._ask_coder(self, self.tr("Notes of another person")) if session is not None else ()
        if session is None or not chosen or not chosen[0]:
            return
        try:
            self.desk.compare_with(read_coder(Path(chosen[0]), session))
        except OutputError as error:
            self.noticed.emit(Notice(fault_text(error), Severity.ERROR, _TOPIC))

    def _use_codes(self, codes: tuple[EventCode, ...]) -> None:
        self._store.change(codes=codes)
        self.desk.event_keys.set_codes(codes, self._taken_keys)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Leave the summary to the menu where its button would cut the title."""
        super().resizeEvent(event)
        self._summary_button.setVisible(self.width() >= _ROOMY_EM * theme.em(self))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Accept session folders."""
        if dropped_session(url.toLocalFile() for url in event.mimeData().urls()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Open a dropped session folder."""
        folder = dropped_session(url.toLocalFile() for url in event.mimeData().urls())
        if folder is not None:
            event.acceptProposedAction()
            self.open_path(folder)

    def _take(self, read: _ReadSession | _ReadFault) -> None:
        """Show a session unless another one has been requested since."""
        if isinstance(read, _ReadFault):
            if read.folder == self._requested:
                self._end_opening()
            self.noticed.emit(Notice(read.fault, Severity.ERROR, _TOPIC))
            return
        self._reader.claim(read.session)
        if read.folder != self._requested:
            read.session.close()
            return
        self._end_opening()
        self._close_export()
        self.companion.close_session()
        self.desk.close_session()  # which may hold the lock that is needed next
        read, lock, holder = _with_lock(read)
        opened = OpenedSession(read.session, read.notes, lock, read_only=bool(holder))
        self.desk.show_session(opened, self._store.now.coder)
        for action in (self._export, self._summary, self._beside):
            action.setEnabled(True)
        self._store.remember_session(read.folder)
        self._title.setText(self._title_of(read.session))
        self._stack.setCurrentIndex(1)
        if self.isVisible():
            self.desk.timeline.setFocus()  # else a key such as Space reaches the button that was focused before
        self._show_warnings(read, holder)

    def _close_export(self) -> None:
        """Stop all that writes files of the session."""
        if self._summary_maker is not None:
            self._summary_maker.close()
            self._summary_maker.deleteLater()
            self._summary_maker = None
        self._close_dialog()

    def _close_dialog(self) -> None:
        if self._export_dialog is not None:
            self._export_dialog.shutdown()
            self._export_dialog.deleteLater()
            self._export_dialog = None

    def _show_warnings(self, read: _ReadSession, holder: str) -> None:
        """Report who else has the notes open, unreadable notes or, else, everything the session is missing."""
        if holder:
            text = self.tr(
                "Notes are read only here, because {holder} has this session open. Close it there and open it again."
            )
            self.noticed.emit(Notice(text.format(holder=holder), Severity.WARNING, _TOPIC))
        elif read.notes_fault:
            text = self.tr("{fault}. Until then notes are disabled.").format(fault=read.notes_fault)
            self.noticed.emit(Notice(text, Severity.ERROR, _TOPIC))
        else:
            self.noticed.emit(Notice(" ".join(map(translated, read.session.warnings)), Severity.WARNING, _TOPIC))

    def _title_of(self, session: Session) -> str:
        text = self.tr("{name} · faces: {faces} · {duration}")
        return text.format(
            name=session.folder.path.name,
            faces=len(session.faces),
            duration=clock_text(session.duration_s, session.duration_s),
        )

    def _fail(self, error: Exception) -> None:
        self._end_opening()
        self.noticed.emit(Notice(fault_text(error), Severity.ERROR, _TOPIC))

    def _fail_second(self, error: Exception) -> None:
        """The first session, or one that is being opened, stays as it is."""
        self.noticed.emit(Notice(fault_text(error), Severity.ERROR, _TOPIC))

    def _end_opening(self) -> None:
        self._requested = None
        self.chooser.show_opening(None)

    def _lay_out(self) -> None:
        desk_page = QWidget()
        workspace = self.desk.workspace
        chips = [chip_button(chip) for chip in self.desk.overlay_actions]
        buttons = [ActionButton(action) for action in (self._open, self._export, self._summary)]
        self._summary_button = buttons[-1]
        parts = (self._title, *chips, *buttons, workspace.chooser, *workspace.switches)
        column = QVBoxLayout(desk_page)
        column.setContentsMargins(4, 2, 0, 0)
        column.setSpacing(2)
        column.addWidget(FlowRow(parts, (self._title,)))
        self._sides = QSplitter()
        self._sides.setObjectName("review-sessions")
        self._sides.setChildrenCollapsible(False)
        self._sides.addWidget(self.desk)
        self._sides.addWidget(self.companion)
        column.addWidget(self._sides, 1)
        self._stack.addWidget(self.chooser)
        self._stack.addWidget(desk_page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)


class SessionChooser(QWidget):
    """The page without a session: a button, recent sessions and what a session is."""

    #: A recent session folder (pathlib.Path) was clicked.
    session_chosen = Signal(object)

    def __init__(self, open_session: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = Column()
        column.body.addStretch(1)
        column.body.addWidget(text_label(self.tr("Review a session"), "title"))
        column.body.addWidget(
            text_label(
                self.tr(
                    "Play it frame by frame next to its timeline, mark and exclude ranges, label faces yourself, "
                    "and see how well you and the model agree."
                )
            )
        )
        self._hint = text_label(self.tr("or drop its folder here"), "dim")
        row = QHBoxLayout()
        row.addWidget(ActionButton(open_session, "main"))
        row.addSpacing(10)
        row.addWidget(self._hint, 1, Qt.AlignmentFlag.AlignVCenter)
        column.body.addLayout(row)
        self._recent = RecentList(searchable=True)
        self._recent.chosen.connect(self.session_chosen)
        column.body.addWidget(self._recent)
        column.body.addWidget(
            text_label(
                self.tr(
                    "A session is the folder that a recording in Live or a video in Annotate produces: "
                    "a table with a row per face and frame, its settings and models, and its video."
                ),
                "dim",
            )
        )
        column.body.addStretch(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))

    def look(self, opened: tuple[Path, ...], roots: tuple[Path, ...]) -> None:
        """List the sessions of these places soon; see `app.review.recent.find_recent`."""
        self._recent.look(opened, roots)

    def shutdown(self) -> None:
        """End the thread of the list."""
        self._recent.shutdown()

    def show_opening(self, folder: Path | None) -> None:
        """Show that a session is being read; None: none is."""
        opening = self.tr("Opening {name} …")
        self._hint.setText(self.tr("or drop its folder here") if folder is None else opening.format(name=folder.name))
