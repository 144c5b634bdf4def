"""The main window: navigation, notices, menus, and the layout it restores.

Pages may be deferred: the window is painted with one page, then creates the others one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QByteArray, QEvent, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QSplitter,
    QStackedWidget,
    QWidget,
)

from app.qt import theme
from app.qt.navigation import NavigationRail
from app.qt.preference_store import PreferenceStore
from app.qt.theme import Appearance
from app.qt.widgets.file_dialogs import nearest_folder
from app.qt.widgets.icons import IconName
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.page import DeferredPage, Page, ShortcutGroup, ShortcutSheet, key_text
from app.qt.widgets.toasts import Toasts
from app.session.folder import dropped_session, dropped_sources
from engine.errors import EngineError

#: Initial and minimum size in logical pixels.
_FIRST_SIZE: Final = (1280, 800)
_MIN_SIZE: Final = (960, 600)
#: Height of the title bar, which the first window leaves to the desktop.
_TITLE_PX: Final = 40
#: In a narrower window, in em, the navigation has icons alone.
_NAMES_EM: Final = 100.0
#: A stored position is restored if this much of the window is on a screen, in logical pixels.
_VISIBLE_PX: Final = 100
#: Pages whose keys are shown at their first use, and how many keys.
_HINTED: Final = ("live", "annotate", "review")
_HINT_KEYS: Final = 6
_ICONS: Final = {
    "start": IconName.HOME,
    "live": IconName.CAMERA,
    "annotate": IconName.QUEUE,
    "review": IconName.TIMELINE,
    "settings": IconName.GEAR,
    "about": IconName.ABOUT,
}


class MainWindow(QMainWindow):
    """Shows one page at a time; shortcuts of hidden pages are inactive."""

    #: A session folder (pathlib.Path) was dropped, or chosen in the menu.
    session_requested = Signal(object)
    #: A source to open in Live, as open_source takes it.
    live_requested = Signal(str)
    #: The window was painted for the first time.
    painted = Signal()

    def __init__(
        self,
        store: PreferenceStore,
        pages: Mapping[str, Page | DeferredPage],
        parent: QWidget | None = None,
        *,
        first: str | None = None,
    ) -> None:
        """Show a page.

        Args:
            store: the preferences.
            pages: by their names in preferences.PAGES, in navigation order; the window owns them.
            parent: Qt parent.
            first: name of the page; None = the last one, or before the notice was read the first one.
        """
        super().__init__(parent)
        self._store = store
        self._names = tuple(pages)
        self._pages: dict[str, Page] = {}
        self._deferred = {name: page for name, page in pages.items() if isinstance(page, DeferredPage)}
        self._shown: str | None = None
        self._is_painted = self._closed = False
        self._errors: list[EngineError] = []
        self.setWindowTitle("Mien")
        self.setAcceptDrops(True)
        self._rail = NavigationRail()
        self._appearance = Appearance(store, self)
        self._stack = QStackedWidget()
        self._notices = Toasts(self._stack)
        for name, page in pages.items():
            if isinstance(page, Page):
                self._take(name, page)
        self._creating = QTimer(self)  # one page per turn of the event loop
        self._creating.timeout.connect(self._create_next)
        self._lay_out({name: page.title for name, page in self._deferred.items()})
        self._page_menu = QMenu(self)
        self._page_entries: list[QAction] = []
        self._window_actions: list[QAction] = []
        self._fill_menus()
        store.noticed.connect(self._notices.show_notice)
        self._restore(first)
        for warning in store.warnings:
            self._notices.show_notice(Notice(warning, Severity.WARNING))

    @property
    def errors(self) -> tuple[EngineError, ...]:
        """Errors raised by the pages on shutdown; complete once the window is closed."""
        return tuple(self._errors)

    @property
    def shown(self) -> str | None:
        """Name of the current page."""
        return self._shown

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notices shown, oldest first."""
        return self._notices.notices

    @property
    def notice(self) -> Notice | None:
        """The newest of them, if any."""
        return self.notices[-1] if self.notices else None

    def page(self, name: str) -> Page:
        """A page, created now if it was deferred.

        Raises:
            KeyError: unknown page.
        """
        if name in self._deferred:
            page = self._deferred[name].create()
            del self._deferred[name]  # if it could not be created, it still can
            self._take(name, page)
            self._restore_splitters(page)
        return self._pages[name]

    def create_pages(self) -> None:
        """Create all pages that are still deferred."""
        for name in tuple(self._deferred):
            self.page(name)

    def show_page(self, name: str) -> None:
        """Switch to a page.

        Raises:
            KeyError: unknown page.
        """
        page = self.page(name)
        if name == self._shown:
            return
        if self._shown is not None:
            self._pages[self._shown].leave()
        self._shown = name
        self._stack.setCurrentWidget(page)
        self._notices.raise_()
        self._rail.mark(self._names.index(name))
        self._page_entries[self._names.index(name)].setChecked(True)
        self._fill_page_menu(page)
        self._store.change(page=name)
        if self._is_painted:
            self._enter(name)

    def _enter(self, name: str) -> None:
        """Let a page begin its work, and explain its keys; the first one when it is painted, which this would delay."""
        self._pages[name].enter()
        self._hint(name, self._pages[name])

    def _hint(self, name: str, page: Page) -> None:
        """The first time that a page is used, show its most important keys."""
        now = self._store.now
        if name not in _HINTED or name in now.hints_seen or not now.notice_read:
            return
        self._store.change(hints_seen=(*now.hints_seen, name))
        keyed = [action for action in page.page_actions() if action.shortcuts()][:_HINT_KEYS]
        keys = [f"{key_text(action)}: {action.text().replace('&', '').rstrip('…')}" for action in keyed]
        text = self.tr("Keys. {keys} · ?: all keys").format(keys=" · ".join(keys))
        self._notices.show_notice(Notice(text, Severity.INFO, "hint", (NoticeAction(self.tr("Got it"), lambda: None),)))

    def show_notice(self, notice: Notice) -> None:
        """Show a notice in the corner of the page."""
        self._notices.show_notice(notice)

    def shortcut_groups(self) -> tuple[ShortcutGroup, ...]:
        """All actions: those of the window, then those of each page."""
        groups = [ShortcutGroup(self.tr("Everywhere"), tuple(self._window_actions))]
        pages = [self.page(name) for name in self._names]
        groups += [ShortcutGroup(page.page_title(), page.page_actions()) for page in pages]
        return tuple(groups)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Leave the names out of the navigation of a small window."""
        super().resizeEvent(event)
        self._follow_width()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._follow_width()

    def _follow_width(self) -> None:
        self._rail.set_compact(self.width() < _NAMES_EM * theme.em(self))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """After the first one, create the pages that wait for it."""
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self, self._follow_first_paint)  # by then its children are painted too

    def _follow_first_paint(self) -> None:
        if self._closed:
            return
        self.painted.emit()
        if self._shown is not None:
            self._enter(self._shown)
        if self._deferred:
            self._creating.start(0)

    def _create_next(self) -> None:
        if self._deferred:
            self.page(next(iter(self._deferred)))
        else:
            self._creating.stop()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Save the layout and shut down every page, even if one fails."""
        if not self._closed:
            self._closed = True
            self._creating.stop()
            self._save_layout()
            self.hide()  # writing the tables of a long recording takes a while, and a frozen window looks broken
            self._shut_down_pages()
        super().closeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Accept session folders, and videos while Live is shown; other pages accept videos in their own widgets."""
        paths = _paths_of(event)
        if dropped_session(paths) is not None or (self._shown == "live" and dropped_sources(paths)):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Open the dropped session or video."""
        paths = _paths_of(event)
        folder, sources = dropped_session(paths), dropped_sources(paths)
        if folder is not None:
            event.acceptProposedAction()
            self.session_requested.emit(folder)
        elif self._shown == "live" and sources:
            event.acceptProposedAction()
            self.live_requested.emit(sources[0])

    def _lay_out(self, deferred: Mapping[str, str]) -> None:
        """Arrange navigation and pages; ``deferred``: titles of the pages that are created later."""
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._rail)
        row.addWidget(self._stack, 1)
        self.setCentralWidget(whole)
        self._titles = {name: deferred.get(name) or self._pages[name].page_title() for name in self._names}
        for index, (name, title) in enumerate(self._titles.items()):
            keys = QKeySequence(f"Ctrl+{index + 1}").toString(QKeySequence.SequenceFormat.NativeText)
            self._rail.add(_ICONS[name], title, keys)
        self._rail.requested.connect(lambda index: self.show_page(self._names[index]))

    def _take(self, name: str, page: Page) -> None:
        page.setAccessibleName(page.page_title())
        page.noticed.connect(self._notices.show_notice)
        self._pages[name] = page
        self._stack.addWidget(page)
        self._notices.raise_()

    def _fill_menus(self) -> None:
        bar = self.menuBar()
        file_menu = bar.addMenu(self.tr("&File"))
        self._add(file_menu, self.tr("Open session…"), ("Ctrl+Shift+O",), self._choose_session)
        if "settings" in self._names:
            self._add(file_menu, self.tr("Settings"), ("Ctrl+,",), lambda: self.show_page("settings"))
        file_menu.addSeparator()
        self._add(file_menu, self.tr("Quit"), ("Ctrl+Q",), lambda: self.close())
        bar.addMenu(self._page_menu)
        view_menu = bar.addMenu(self.tr("&View"))
        group = QActionGroup(self)
        for index, (name, title) in enumerate(self._titles.items()):
            entry = self._add(view_menu, title, (f"Ctrl+{index + 1}",), partial(self.show_page, name))
            entry.setCheckable(True)
            group.addAction(entry)
            self._page_entries.append(entry)
        view_menu.addSeparator()
        self._window_actions += self._appearance.fill(view_menu)
        self._add(view_menu, self.tr("Full screen"), ("F11",), self._toggle_full_screen)
        help_menu = bar.addMenu(self.tr("&Help"))
        self._add(help_menu, self.tr("Keys"), ("?", "F1", "Shift+?"), self._show_shortcuts)
        if "about" in self._names:
            self._add(help_menu, self.tr("About Mien"), (), lambda: self.show_page("about"))

    def _add(self, menu: QMenu, text: str, keys: tuple[str, ...], slot: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(lambda checked=False: slot())
        menu.addAction(action)
        self._window_actions.append(action)
        return action

    def _fill_page_menu(self, page: Page) -> None:
        self._page_menu.clear()
        self._page_menu.setTitle(page.page_title())
        actions = page.page_actions()
        self._page_menu.addActions(list(actions))
        self._page_menu.menuAction().setVisible(bool(actions))

    def _choose_session(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, self.tr("Open session"), nearest_folder(self._store.now.recordings), QFileDialog.Option.ShowDirsOnly
        )
        if folder:
            self.session_requested.emit(Path(folder))

    def _show_shortcuts(self) -> None:
        sheet = self.findChild(ShortcutSheet) or ShortcutSheet(self.shortcut_groups(), self)
        sheet.show()
        sheet.raise_()

    def _toggle_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def _restore(self, page: str | None) -> None:
        screen = QGuiApplication.primaryScreen().availableGeometry()
        self.setMinimumSize(min(_MIN_SIZE[0], screen.width()), min(_MIN_SIZE[1], screen.height()))
        kept = self._store.now.window
        if not (kept and self.restoreGeometry(_bytes_of(kept)) and self._is_on_a_screen()):
            self.resize(min(_FIRST_SIZE[0], screen.width()), min(_FIRST_SIZE[1], screen.height() - _TITLE_PX))
            self.move(screen.center() - self.rect().center())
        self._restore_splitters(self)
        wanted, first = self._store.now.page, self._names[0]
        self.show_page(page or (wanted if wanted in self._names and self._store.now.notice_read else first))

    def _restore_splitters(self, parent: QWidget) -> None:
        for name, splitter in _splitters(parent):
            state = self._store.now.splitters.get(name)
            if state:
                splitter.restoreState(_bytes_of(state))

    def _is_on_a_screen(self) -> bool:
        for screen in QGuiApplication.screens():
            visible = screen.availableGeometry().intersected(self.frameGeometry())
            if visible.width() >= _VISIBLE_PX and visible.height() >= _VISIBLE_PX:
                return True
        return False

    def _save_layout(self) -> None:
        splitters = {name: _text_of(splitter.saveState()) for name, splitter in _splitters(self)}
        self._store.change(window=_text_of(self.saveGeometry()), splitters={**self._store.now.splitters, **splitters})

    def _shut_down_pages(self) -> None:
        with contextlib.ExitStack() as ends:  # runs all of them, whatever one raises
            ends.callback(self._store.save)
            for page in reversed(self._pages.values()):
                ends.callback(self._end, page.shutdown)
            if self._shown is not None:
                ends.callback(self._end, self._pages[self._shown].leave)

    def _end(self, step: Callable[[], None]) -> None:
        try:
            step()
        except EngineError as error:
            self._errors.append(error)


def _splitters(parent: QWidget) -> list[tuple[str, QSplitter]]:
    """All splitters with an object name, by that name."""
    return [(splitter.objectName(), splitter) for splitter in parent.findChildren(QSplitter) if splitter.objectName()]


def _paths_of(event: QDropEvent) -> tuple[str, ...]:
    return tuple(url.toLocalFile() for url in event.mimeData().urls())


def _text_of(raw: QByteArray) -> str:
    return bytes(raw.toBase64().data()).decode("ascii")


def _bytes_of(text: str) -> QByteArray:
    return QByteArray.fromBase64(QByteArray(text.encode("ascii", "replace")))
