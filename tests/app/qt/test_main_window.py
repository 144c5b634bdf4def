"""The main window: one page at a time with its shortcuts, restored layout, orderly shutdown."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QLineEdit, QPushButton, QSplitter, QVBoxLayout
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.main_window import MainWindow
from app.qt.navigation import NavigationButton
from app.qt.preference_store import PreferenceStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page import DeferredPage, Page, ShortcutSheet
from engine.errors import ThreadStuckError


class FakePage(Page):
    """Logs its calls."""

    def __init__(self, title: str, keys: tuple[str, ...] = ("Space",), stuck: bool = False) -> None:
        super().__init__()
        self.title, self.stuck = title, stuck
        self.log: list[str] = []
        self.acts = tuple(
            self.make_action(f"Do {key} in {title}", key, lambda key=key: self.log.append(key)) for key in keys
        )
        layout = QVBoxLayout(self)
        self.line = QLineEdit()
        self.splitter = QSplitter()
        self.splitter.setObjectName(f"{title}-parts")
        for _ in range(2):
            self.splitter.addWidget(QLabel(title))
        for part in (self.line, self.splitter):
            layout.addWidget(part)

    def page_title(self) -> str:
        return self.title

    def page_actions(self) -> tuple[QAction, ...]:
        return self.acts

    def enter(self) -> None:
        self.log.append("enter")

    def leave(self) -> None:
        self.log.append("leave")

    def shutdown(self) -> None:
        self.log.append("shutdown")
        if self.stuck:
            raise ThreadStuckError(f"{self.title} is stuck")


Pages = dict[str, FakePage]


@pytest.fixture
def pages() -> Pages:
    return {"start": FakePage("Start"), "live": FakePage("Live"), "settings": FakePage("Settings", keys=())}


@pytest.fixture
def store(tmp_path: Path) -> PreferenceStore:
    store = PreferenceStore(tmp_path / "desktop.json")
    store.change(notice_read=True)
    return store


@pytest.fixture
def window(qtbot: QtBot, store: PreferenceStore, pages: Pages) -> MainWindow:
    window = MainWindow(store, pages)
    qtbot.addWidget(window)
    window.show()
    assert QTest.qWaitForWindowActive(window)
    return window


def press(window: MainWindow, key: Qt.Key, how: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(window, key, how)


def test_shortcuts_reach_only_the_current_page(window: MainWindow, pages: Pages) -> None:
    press(window, Qt.Key.Key_Space)
    window.show_page("live")
    press(window, Qt.Key.Key_Space)
    window.show_page("settings")
    press(window, Qt.Key.Key_Space)
    assert pages["start"].log == ["enter", "Space", "leave"]
    assert pages["live"].log == ["enter", "Space", "leave"]
    assert pages["settings"].log == ["enter"]


def test_control_and_a_digit_shows_a_page(window: MainWindow, store: PreferenceStore) -> None:
    press(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert (window.shown, store.now.page) == ("live", "live")
    press(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    press(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    assert window.shown == "settings"


def buttons(window: MainWindow) -> list[NavigationButton]:
    return window.findChildren(NavigationButton)


def test_the_rail_works_by_arrow_keys_and_clicks_and_marks_the_page(window: MainWindow, qtbot: QtBot) -> None:
    first, second, third = buttons(window)
    first.setFocus()
    QTest.keyClick(first, Qt.Key.Key_Down)
    assert window.shown == "live"
    assert second.hasFocus()
    qtbot.mouseClick(third, Qt.MouseButton.LeftButton)
    assert window.shown == "settings"
    window.show_page("start")
    assert [button.isChecked() for button in buttons(window)] == [True, False, False]
    assert [button.accessibleName() for button in buttons(window)] == ["Start", "Live", "Settings"]


def test_the_current_page_is_marked_by_more_than_colour(window: MainWindow) -> None:
    first = buttons(window)[0]
    marked = first.grab().toImage()
    window.show_page("live")
    plain = first.grab().toImage()
    edge = [(marked.pixelColor(1, y).lightness(), plain.pixelColor(1, y).lightness()) for y in (5, 20)]
    assert all(abs(one - other) > 60 for one, other in edge)  # a bar of another lightness at the edge


def test_the_menu_of_the_page_contains_its_actions(window: MainWindow, pages: Pages) -> None:
    def titles() -> list[str]:
        return [action.text().replace("&", "") for action in window.menuBar().actions() if action.isVisible()]

    assert titles() == ["File", "Start", "View", "Help"]
    window.show_page("live")
    assert titles() == ["File", "Live", "View", "Help"]
    shown = window.menuBar().actions()[1].menu()
    assert tuple(shown.actions()) == pages["live"].acts  # PySide6 types menu() as object
    window.show_page("settings")
    assert titles() == ["File", "View", "Help"]


def test_an_unknown_page_is_an_error(window: MainWindow) -> None:
    with pytest.raises(KeyError):
        window.show_page("kiosk")
    assert window.shown == "start"


def test_notices_of_pages_are_shown_over_them(window: MainWindow, pages: Pages, tmp_path: Path) -> None:
    pages["live"].noticed.emit(Notice("Camera lost", Severity.ERROR, "camera"))
    assert window.notice is not None
    assert window.notice.text == "Camera lost"
    pages["live"].noticed.emit(Notice("", topic="camera"))
    assert window.notice is None


def test_the_keys_of_a_page_are_shown_at_its_first_use(window: MainWindow, store: PreferenceStore) -> None:
    window.show_page("settings")
    assert window.notices == ()
    window.show_page("live")
    assert [notice.text for notice in window.notices] == ["Keys. Space: Do Space in Live · ?: all keys"]
    assert store.now.hints_seen == ("live",)
    window.show_page("start")
    window.findChild(QPushButton, "", Qt.FindChildOption.FindChildrenRecursively).click()  # "Got it"
    assert window.notices == ()
    window.show_page("live")
    assert window.notices == ()


def test_no_keys_are_shown_before_the_first_notice_is_read(qtbot: QtBot, pages: Pages) -> None:
    window = MainWindow(PreferenceStore(None), pages)
    qtbot.addWidget(window)
    window.show_page("live")
    assert window.notices == ()
    window.close()


def test_unreadable_settings_give_a_notice(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "desktop.json").write_text("{")
    window = MainWindow(PreferenceStore(tmp_path / "desktop.json"), {"start": FakePage("Start")})
    qtbot.addWidget(window)
    assert window.notice is not None
    assert "desktop.json" in window.notice.text
    window.close()


def test_closing_shuts_down_all_pages_even_if_one_is_stuck(
    window: MainWindow, pages: Pages, store: PreferenceStore
) -> None:
    pages["start"].stuck = pages["settings"].stuck = True
    window.close()
    assert [page.log[-1] for page in pages.values()] == ["shutdown"] * 3
    assert pages["start"].log == ["enter", "leave", "shutdown"]
    assert [str(error) for error in window.errors] == ["Start is stuck", "Settings is stuck"]
    window.close()
    assert pages["live"].log == ["shutdown"]
    assert store.path is not None
    assert store.path.exists()


def reopened(qtbot: QtBot, store: PreferenceStore) -> tuple[MainWindow, Pages, PreferenceStore]:
    """Restart with the same file."""
    kept = PreferenceStore(store.path)
    pages = {"start": FakePage("Start"), "live": FakePage("Live")}
    window = MainWindow(kept, pages)
    qtbot.addWidget(window)
    return window, pages, kept


def test_position_page_and_splitters_are_restored(
    window: MainWindow, pages: Pages, store: PreferenceStore, qtbot: QtBot
) -> None:
    screen = QGuiApplication.primaryScreen().availableGeometry()
    width, height = min(1000, screen.width()), min(620, screen.height())
    window.resize(width, height)
    window.show_page("live")
    pages["live"].splitter.setSizes([100, 300])
    sizes = pages["live"].splitter.saveState()
    window.close()
    again, again_pages, _ = reopened(qtbot, store)
    assert again.size().toTuple() == (width, height)
    assert again.shown == "live"
    assert again_pages["live"].splitter.saveState() == sizes
    again.close()


def test_until_the_notice_is_read_the_program_starts_on_start(
    window: MainWindow, store: PreferenceStore, qtbot: QtBot
) -> None:
    window.show_page("live")
    store.change(notice_read=False)
    window.close()
    again, _, kept = reopened(qtbot, store)
    assert again.shown == "start"
    kept.change(notice_read=True)
    again.show_page("live")
    again.close()
    third, _, _ = reopened(qtbot, store)
    assert third.shown == "live"
    third.close()


@pytest.mark.parametrize("kept", ["", "no base64 at all!", "AAAA"])
def test_an_invalid_stored_position_gives_the_default_size(qtbot: QtBot, kept: str) -> None:
    window = MainWindow(PreferenceStore(None, window=kept), {"start": FakePage("Start")})
    qtbot.addWidget(window)
    screen = QGuiApplication.primaryScreen().availableGeometry()
    assert window.size().toTuple() == (min(1280, screen.width()), min(800, screen.height() - 40))
    window.close()


def test_theme_and_scale_follow_the_store_and_the_menu(window: MainWindow, store: PreferenceStore) -> None:
    store.change(theme="dark", scale_percent=150)
    assert theme.current().name is theme.ThemeName.DARK
    size = window.font().pointSizeF()
    press(window, Qt.Key.Key_Minus, Qt.KeyboardModifier.ControlModifier)
    assert store.now.scale_percent == 125
    assert window.font().pointSizeF() == pytest.approx(size * 125 / 150)
    for _ in range(5):
        press(window, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    assert store.now.scale_percent == 200
    named = {action.text(): action for action in window.findChildren(QAction)}
    named["High contrast"].trigger()
    assert store.now.theme == "high-contrast"
    assert theme.current().name is theme.ThemeName.HIGH_CONTRAST
    assert [text for text in ("Light", "Dark", "High contrast") if named[text].isChecked()] == ["High contrast"]
    assert named["200 %"].isChecked()


def test_the_desktop_theme_is_followed_only_in_system_mode(
    window: MainWindow, store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[theme.ThemeName] = []
    monkeypatch.setattr("app.qt.theme.apply_theme", lambda application, name, percent: applied.append(name))
    hints = QGuiApplication.styleHints()
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert applied == [theme.ThemeName.SYSTEM]
    store.change(theme="light")
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert applied == [theme.ThemeName.SYSTEM, theme.ThemeName.LIGHT]


def test_the_sheet_lists_all_shortcuts(window: MainWindow, pages: Pages) -> None:
    late = pages["live"].make_action("Added late", "Ctrl+L", lambda: None)
    pages["live"].acts = (*pages["live"].acts, late)
    press(window, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    sheet = window.findChild(QDialog)
    assert isinstance(sheet, ShortcutSheet)
    words = {label.text() for label in sheet.findChildren(QLabel)}
    wanted = {action for group in window.shortcut_groups() for action in group.actions if action.shortcuts()}
    assert {action.text().replace("&", "") for action in wanted} <= words
    assert {"Added late", "Ctrl+L", "Quit", "Ctrl+Q", "Do Space in Start"} <= words
    assert "Settings" in words  # the window's action; the page has no keys and no heading of its own
    sheet.close()


def test_full_screen_is_toggled(window: MainWindow) -> None:
    press(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    press(window, Qt.Key.Key_F11)
    assert not window.isFullScreen()


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drag paths over the window, and drop them if accepted."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    over = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, buttons, none)
    over.ignore()
    window.dragEnterEvent(over)
    if over.isAccepted():
        window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, buttons, none))
    return over.isAccepted()


def test_sessions_are_accepted_on_every_page_and_videos_on_live(window: MainWindow, tmp_path: Path) -> None:
    session, video = tmp_path / "session", tmp_path / "a.mp4"
    session.mkdir()
    (session / "journal.jsonl").write_text("x")
    video.write_bytes(b"x")
    wanted: list[object] = []
    window.session_requested.connect(wanted.append)
    window.live_requested.connect(wanted.append)
    assert drop(window, session)
    assert not drop(window, video)
    window.show_page("live")
    assert drop(window, video)
    assert not drop(window, tmp_path / "gone.mp4")
    assert wanted == [session, str(video)]


@pytest.mark.parametrize("scale", [100, 200])
def test_the_rail_cuts_no_text_at_any_scale(qtbot: QtBot, scale: int) -> None:
    store = PreferenceStore(None, scale_percent=scale, theme="light")
    window = MainWindow(store, {"start": FakePage("A title that is long"), "live": FakePage("Live")})
    qtbot.addWidget(window)
    window.resize(960, 600)
    window.show()
    for button in buttons(window):
        assert button.width() >= button.sizeHint().width()
        assert button.visibleRegion().boundingRect().width() >= button.sizeHint().width()
    window.close()


class Deferred:
    """Pages that log their creation."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def page(self, title: str) -> DeferredPage:
        def create() -> Page:
            self.made.append(title)
            return FakePage(title)

        return DeferredPage(title, create)


@pytest.fixture
def deferred(qtbot: QtBot, store: PreferenceStore) -> tuple[MainWindow, Deferred]:
    deferred = Deferred()
    titles = {"start": "Start", "live": "Live", "review": "Review", "settings": "Settings"}
    window = MainWindow(store, {name: deferred.page(title) for name, title in titles.items()})
    qtbot.addWidget(window)
    return window, deferred


def test_pages_are_created_once_the_window_is_painted_and_only_once(
    deferred: tuple[MainWindow, Deferred], qtbot: QtBot
) -> None:
    window, made = deferred[0], deferred[1].made
    at_painting: list[tuple[str, ...]] = []
    window.painted.connect(lambda: at_painting.append(tuple(made)))
    assert made == ["Start"]
    assert [button.text() for button in buttons(window)] == ["Start", "Live", "Review", "Settings"]
    window.show()
    qtbot.waitUntil(lambda: len(made) == 4)
    assert at_painting == [("Start",)]
    window.create_pages()
    window.show_page("live")
    assert len(made) == 4


def test_a_page_begins_its_work_when_the_window_is_painted(deferred: tuple[MainWindow, Deferred], qtbot: QtBot) -> None:
    window = deferred[0]
    start = window.page("start")
    assert isinstance(start, FakePage)
    assert start.log == []
    window.show()
    qtbot.waitUntil(lambda: start.log == ["enter"])


def test_a_deferred_page_is_created_when_it_is_needed_before(
    deferred: tuple[MainWindow, Deferred], store: PreferenceStore
) -> None:
    window, made = deferred[0], deferred[1].made
    window.show_page("review")
    assert made == ["Start", "Review"]
    assert window.shown == "review"
    assert len(window.shortcut_groups()) == 5
    assert len(made) == 4


def test_a_deferred_page_gets_the_stored_sizes_of_its_parts(qtbot: QtBot, store: PreferenceStore) -> None:
    first = MainWindow(store, {"start": FakePage("Start"), "live": FakePage("Live")})
    qtbot.addWidget(first)
    first.show_page("live")
    first.show()
    first.page("live").splitter.setSizes([100, 300])
    kept = first.page("live").splitter.sizes()
    first.close()
    second = MainWindow(store, {"start": FakePage("Start"), "live": DeferredPage("Live", lambda: FakePage("Live"))})
    qtbot.addWidget(second)
    second.show_page("live")
    second.show()
    assert second.page("live").splitter.sizes() == kept


def test_a_page_that_could_not_be_created_can_be_created_later(qtbot: QtBot, store: PreferenceStore) -> None:
    faults = [OSError("no memory")]

    def create() -> Page:
        if faults:
            raise faults.pop()
        return FakePage("Live")

    window = MainWindow(store, {"start": FakePage("Start"), "live": DeferredPage("Live", create)})
    qtbot.addWidget(window)
    with pytest.raises(OSError, match="no memory"):
        window.show_page("live")
    assert window.shown == "start"
    window.show_page("live")
    assert window.shown == "live"


def test_a_window_that_is_closed_creates_no_more_pages(deferred: tuple[MainWindow, Deferred]) -> None:
    window, made = deferred[0], deferred[1].made
    window.show()
    window.close()
    QTest.qWait(20)
    assert made == ["Start"]
