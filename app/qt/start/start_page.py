"""The page Start: first notice, four actions, two drop zones, recent sessions, and the privacy statement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.overlay.disclaimer import DISCLAIMER
from app.qt.about.intended_use import intended_use
from app.qt.preference_store import PreferenceStore
from app.qt.start.action_card import ActionCard, DropZone
from app.qt.start.recent_list import RecentList
from app.qt.translation import translated
from app.qt.widgets.file_dialogs import nearest_folder, videos_folder
from app.qt.widgets.icons import IconName, IconView
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page import Page, key_text
from app.qt.widgets.page_parts import Card, Column, ReflowRow, scrolled, text_label
from app.session.folder import is_session

#: A file dialog: takes parent and title, returns the chosen paths, or () if cancelled.
Ask = Callable[[QWidget, str], tuple[str, ...]]


def ask_videos(parent: QWidget, title: str) -> tuple[str, ...]:
    """Choose videos in a dialog; () if cancelled."""
    patterns = "*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.mpg *.mpeg *.ts *.wmv"
    kinds = QCoreApplication.translate("mien", "Videos ({patterns});;All files (*)").format(patterns=patterns)
    return tuple(QFileDialog.getOpenFileNames(parent, title, videos_folder(), kinds)[0])


def session_dialog(store: PreferenceStore) -> Ask:
    """A dialog to choose a session folder, which opens where recordings are."""

    def ask(parent: QWidget, title: str) -> tuple[str, ...]:
        folder = QFileDialog.getExistingDirectory(parent, title, nearest_folder(store.now.recordings))
        return (folder,) if folder else ()

    return ask


class FirstNotice(Card):
    """The intended use, shown until the user has confirmed it."""

    #: "I have read this" was pressed.
    read = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Before you start"), parent)
        for sentence in intended_use():
            self.body.addWidget(text_label(sentence))
        button = QPushButton(self.tr("I have read this"))
        button.setProperty("role", "main")
        button.setToolTip(self.tr("Closes this notice. It stays available under About."))
        button.clicked.connect(lambda checked=False: self.read.emit())
        self.body.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)


class StartPage(Page):
    """Emits what the user wants to open; the program opens it on another page."""

    #: A source for Live, as open_source takes it: "0" for the first camera, or a path.
    live_requested = Signal(str)
    #: Paths (tuple[str, ...]) for the queue of Annotate.
    annotate_requested = Signal(object)

    def __init__(
        self,
        store: PreferenceStore,
        parent: QWidget | None = None,
        *,
        ask_for_videos: Ask = ask_videos,
        ask_for_session: Ask | None = None,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._ask_videos = ask_for_videos
        self._ask_session = ask_for_session or session_dialog(store)
        self._demo = self.make_action(self.tr("Try the demo"), "D", lambda: self.live_requested.emit("demo"))
        self._camera = self.make_action(self.tr("Use my camera"), "C", self._use_camera)
        self._video = self.make_action(self.tr("Open video"), "V", self._open_video)
        self._session = self.make_action(self.tr("Open session"), "S", self._open_session)
        self._notice = FirstNotice()
        self._notice.read.connect(lambda: self._store.change(notice_read=True))
        self._recent = RecentList()
        self._looked = self._places()
        self._recent.chosen.connect(self._request_session)
        self._shown = False
        self._lay_out()
        store.changed.connect(self._follow)
        self._follow()

    def page_title(self) -> str:
        """Start."""
        return self.tr("Start")

    def page_actions(self) -> tuple[QAction, ...]:
        """The four actions."""
        return (self._demo, self._camera, self._video, self._session)

    def enter(self) -> None:
        """List the sessions that still exist, and scroll to the top, whatever has the focus."""
        self._shown = True
        self._look()
        QTimer.singleShot(0, self, lambda: self._area.verticalScrollBar().setValue(0))

    def leave(self) -> None:
        """Look for sessions no more."""
        self._shown = False

    def shutdown(self) -> None:
        """End the thread that reads the sessions."""
        self._recent.shutdown()

    def _lay_out(self) -> None:
        column = Column()
        title = text_label("Mien", "title")
        column.body.addWidget(title)
        column.body.addWidget(
            text_label(
                self.tr(
                    "Mien tracks every face in a video and shows what its expression looks like, how certain that is, "
                    "and when it is unclear."
                )
            )
        )
        column.body.addWidget(
            _privacy_line(self.tr("Nothing leaves this computer. Nothing is stored unless you press Record."))
        )
        column.body.addWidget(self._notice)
        column.body.addWidget(ReflowRow(self._buttons()))
        column.body.addWidget(ReflowRow(self._drop_zones()))
        column.body.addWidget(self._recent)
        column.body.addStretch()
        column.body.addWidget(text_label(translated(DISCLAIMER), "dim"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._area = scrolled(column)
        layout.addWidget(self._area)

    def _buttons(self) -> tuple[ActionCard, ...]:
        lines = (
            (IconName.PLAY, self._demo, self.tr("A short clip that comes with Mien. Needs no camera.")),
            (IconName.CAMERA, self._camera, self.tr("Live, at once. Nothing is recorded.")),
            (IconName.FILM, self._video, self.tr("Watch a file as if it were live.")),
            (IconName.FOLDER, self._session, self.tr("Review what was recorded or annotated.")),
        )
        cards = []
        for icon, action, line in lines:
            card = ActionCard(icon, action.text(), line, self.tr("Key: {key}").format(key=key_text(action)))
            card.clicked.connect(action.trigger)
            cards.append(card)
        return tuple(cards)

    def _drop_zones(self) -> tuple[DropZone, ...]:
        watch = DropZone(
            IconName.DROP, self.tr("Drop a video to watch it"), self.tr("Opens in Live. Nothing is written.")
        )
        watch.clicked.connect(self._video.trigger)
        watch.dropped.connect(lambda paths: self.live_requested.emit(paths[0]))
        queue = DropZone(
            IconName.QUEUE,
            self.tr("Drop videos to annotate them"),
            self.tr("Adds them to the queue of Annotate: tables and an annotated video for each."),
        )
        queue.clicked.connect(self._choose_for_queue)
        queue.dropped.connect(self.annotate_requested)
        return watch, queue

    def _use_camera(self) -> None:
        source = self._store.now.source
        is_camera = source.isdecimal() or source.startswith("/dev/")
        self.live_requested.emit(source if is_camera else "0")

    def _open_video(self) -> None:
        paths = self._ask_videos(self, self.tr("Open video"))
        if paths:
            self.live_requested.emit(paths[0])

    def _open_session(self) -> None:
        paths = self._ask_session(self, self.tr("Open session"))
        if paths:
            self._request_session(Path(paths[0]))

    def _choose_for_queue(self) -> None:
        paths = self._ask_videos(self, self.tr("Videos to annotate"))
        if paths:
            self.annotate_requested.emit(paths)

    def _request_session(self, folder: Path) -> None:
        if is_session(folder):
            self.session_requested.emit(folder)
            return
        text = self.tr("{folder} is not a session: choose a folder written by a recording or by Annotate.")
        self.noticed.emit(Notice(text.format(folder=folder), Severity.WARNING, "start"))

    def _follow(self) -> None:
        self._notice.setVisible(not self._store.now.notice_read)
        if self._shown and self._places() != self._looked:
            self._look()

    def _places(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """Folders of sessions opened before, and the folders of recordings and annotations."""
        now = self._store.now
        return now.sessions, (now.recordings, now.annotations)

    def _look(self) -> None:
        self._looked = self._places()
        self._recent.look(*self._looked)


def _privacy_line(text: str) -> QWidget:

    line = QWidget()
    row = QHBoxLayout(line)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(IconView(IconName.SHIELD, 1.6), 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(text_label(text, "heading"), 1, Qt.AlignmentFlag.AlignVCenter)
    return line
