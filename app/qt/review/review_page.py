"""The review page: opens sessions off the main thread and puts them on the desk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.qt.background import Worker
from app.qt.preference_store import PreferenceStore
from app.qt.review.export_dialog import ExportDialog
from app.qt.review.review_actions import ReviewActions
from app.qt.review.review_desk import OpenedSession, ReviewDesk
from app.qt.review.review_player import Clip
from app.qt.start.action_card import LinkButton
from app.qt.start.start_page import Ask, ask_session
from app.qt.translation import translated
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import Card, Column, scrolled, text_label
from app.review.clip import ClipReader
from app.review.notes import Notes, read_notes
from app.review.session import Session, open_session
from app.review.timeline_layout import clock_text
from app.session.folder import dropped_session, is_session
from engine.errors import OutputError

_TOPIC: Final = "review-session"


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a folder."""

    folder: Path
    session: Session
    notes: Notes | None
    notes_fault: str


@dataclass(frozen=True, slots=True)
class _Unread:
    """A folder that is no session that can be read."""

    folder: Path
    fault: str


class _Opener:
    """Reads sessions; lives on the worker's thread and closes those that nobody came to take."""

    def __init__(self) -> None:
        self._waiting: list[Session] = []

    def read(self, folder: Path) -> _Read | _Unread:
        """A session with its notes; notes that cannot be read are told and keep it from no one."""
        try:
            session = open_session(folder)
        except OutputError as error:
            return _Unread(folder, str(error))
        self._waiting.append(session)
        try:
            return _Read(folder, session, read_notes(session.folder), "")
        except OutputError as error:
            return _Read(folder, session, None, str(error))

    def taken(self, session: Session) -> None:
        """Somebody else closes it now."""
        self._waiting.remove(session)

    def close(self) -> None:
        """After the thread has ended."""
        for session in self._waiting:
            session.close()
        self._waiting.clear()


class ReviewPage(Page):
    """Shows how to open a session, or the desk with one."""

    def __init__(
        self,
        store: PreferenceStore,
        parent: QWidget | None = None,
        *,
        ask_for_session: Ask = ask_session,
        open_clip: Callable[[Path], Clip] = ClipReader,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._ask = ask_for_session
        self._wanted: Path | None = None
        self._export: ExportDialog | None = None
        self._opener = _Opener()
        self._worker = Worker("mien-open-session", self._opener.read, self._take, self._fail)
        self.actions_ = ReviewActions(self)
        self.desk = ReviewDesk(self.actions_, open_clip=open_clip)
        self.start = ReviewStart(self.actions_.open)
        self._name = text_label("", "heading")
        self._stack = QStackedWidget()
        self._lay_out()
        self.setAcceptDrops(True)
        self.desk.noticed.connect(self.noticed)
        self.desk.coder_named.connect(lambda coder: store.change(coder=coder))
        self.start.chosen.connect(self.open_path)

    def page_title(self) -> str:
        """Name of the page."""
        return self.tr("Review")

    def page_actions(self) -> tuple[QAction, ...]:
        """In the order of the menu."""
        return self.actions_.all

    def enter(self) -> None:
        """Sessions may be new, or gone."""
        self.start.show_sessions(self._store.now.sessions)
        if self.desk.session is not None:
            self.desk.timeline.setFocus()

    def leave(self) -> None:
        """Nothing plays that nobody sees."""
        self.desk.pause()

    def shutdown(self) -> None:
        """End all; notes that are not written yet are written now."""
        self._wanted = None
        with contextlib.ExitStack() as ends:  # runs all of them from the last on, whatever one raises
            for end in (self.desk.close_session, self._end_export, self._opener.close, self._worker.close):
                ends.callback(end)

    def open_path(self, path: Path) -> None:
        """Open a session folder; what is shown stays until it is read."""
        self._wanted = path
        self.start.show_opening(path)
        if self.desk.session is not None:
            self.noticed.emit(Notice(self.tr("Opening {name} ...").format(name=path.name), Severity.INFO, _TOPIC))
        self._worker.submit(path)

    def choose_session(self) -> None:
        """Let the user choose a folder."""
        chosen = self._ask(self, self.tr("Open session"))
        if chosen:
            self.open_path(Path(chosen[0]))

    def export(self) -> None:
        """Open the dialog that writes files from the session."""
        session = self.desk.session
        if session is None:
            return
        self.desk.pause()
        self._end_export()
        self._export = ExportDialog(session, self.desk.notes, self)
        self._export.finished.connect(self._end_export)
        self._export.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Take session folders."""
        if dropped_session(url.toLocalFile() for url in event.mimeData().urls()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Open a session folder."""
        folder = dropped_session(url.toLocalFile() for url in event.mimeData().urls())
        if folder is not None:
            event.acceptProposedAction()
            self.open_path(folder)

    def _take(self, read: _Read | _Unread) -> None:
        """Put a session on the desk, unless another one was asked for meanwhile."""
        if isinstance(read, _Unread):
            if read.folder == self._wanted:
                self._end_opening()
            self.noticed.emit(Notice(read.fault, Severity.ERROR, _TOPIC))
            return
        self._opener.taken(read.session)
        if read.folder != self._wanted:
            read.session.close()
            return
        self._end_opening()
        self._end_export()
        self.desk.show_session(OpenedSession(read.session, read.notes), self._store.now.coder)
        self._store.remember_session(read.folder)
        self._name.setText(self._told_of(read.session))
        self.actions_.follow(True, read.notes is not None)
        self._stack.setCurrentWidget(self.desk_page)
        self._tell(read)

    def _end_export(self) -> None:
        if self._export is not None:
            self._export.shutdown()
            self._export.deleteLater()
            self._export = None

    def _tell(self, read: _Read) -> None:
        """What is missing; a fault of the notes matters most."""
        if read.notes_fault:
            text = self.tr("{fault}. Until then nothing can be noted.").format(fault=read.notes_fault)
            self.noticed.emit(Notice(text, Severity.ERROR, _TOPIC))
        else:
            self.noticed.emit(Notice(" ".join(map(translated, read.session.told)), Severity.WARNING, _TOPIC))

    def _told_of(self, session: Session) -> str:
        text = self.tr("{name} · faces: {faces} · {duration}")
        return text.format(
            name=session.folder.path.name,
            faces=len(session.lanes),
            duration=clock_text(session.duration_s, session.duration_s),
        )

    def _fail(self, error: Exception) -> None:
        self._end_opening()
        self.noticed.emit(Notice(str(error), Severity.ERROR, _TOPIC))

    def _end_opening(self) -> None:
        self._wanted = None
        self.start.show_opening(None)

    def _lay_out(self) -> None:
        self.desk_page = QWidget()
        head = QHBoxLayout()
        head.addWidget(self._name, 1)
        for action in (self.actions_.open, self.actions_.export):
            button = QPushButton(action.text())
            button.setToolTip(action.toolTip())
            button.clicked.connect(action.trigger)
            head.addWidget(button)
        column = QVBoxLayout(self.desk_page)
        column.addLayout(head)
        column.addWidget(self.desk, 1)
        self._stack.addWidget(self.start)
        self._stack.addWidget(self.desk_page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)


class ReviewStart(QWidget):
    """Asks for a session."""

    #: A folder (pathlib.Path) of the list.
    chosen = Signal(object)

    def __init__(self, open_session: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = Column()
        column.body.addStretch(1)
        column.body.addWidget(text_label(self.tr("Review a session"), "title"))
        column.body.addWidget(
            text_label(
                self.tr(
                    "Play it frame by frame beside its timeline, mark and exclude ranges, label faces yourself, "
                    "and see how far you and the model agree."
                )
            )
        )
        button = QPushButton(open_session.text())
        button.setProperty("role", "main")
        button.setToolTip(open_session.toolTip())
        button.clicked.connect(open_session.trigger)
        self._told = text_label(self.tr("or drop its folder here"), "dim")
        row = QHBoxLayout()
        row.addWidget(button)
        row.addSpacing(10)
        row.addWidget(self._told, 1, Qt.AlignmentFlag.AlignVCenter)
        column.body.addLayout(row)
        self._recent = Card(self.tr("Recent sessions"))
        self._links: list[QWidget] = []
        column.body.addWidget(self._recent)
        column.body.addWidget(
            text_label(
                self.tr(
                    "A session is the folder that a recording in Live or a video in Annotate leaves behind: "
                    "a table with a row per face and frame, what was run on it, and its video."
                ),
                "dim",
            )
        )
        column.body.addStretch(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))
        self.show_sessions(())

    def show_sessions(self, folders: Sequence[Path]) -> None:
        """List those that are still there."""
        for link in self._links:
            link.setParent(None)
            link.deleteLater()
        there = [folder for folder in folders if is_session(folder)]
        self._links = [self._link_to(folder) for folder in there]
        if not there:
            self._links.append(text_label(self.tr("None yet. Record in Live, or annotate a video."), "dim"))
        for link in self._links:
            self._recent.body.addWidget(link)

    def show_opening(self, folder: Path | None) -> None:
        """Say that a session is being read; None: none is."""
        opening = self.tr("Opening {name} ...")
        self._told.setText(self.tr("or drop its folder here") if folder is None else opening.format(name=folder.name))

    def _link_to(self, folder: Path) -> LinkButton:
        link = LinkButton(folder.name, str(folder.parent))
        link.clicked.connect(lambda checked=False, folder=folder: self.chosen.emit(folder))
        return link
