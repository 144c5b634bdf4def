"""The first page says what is wanted, and tells everybody once what must be known."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.overlay.overlay import DISCLAIMER
from app.qt.preference_store import PreferenceStore
from app.qt.start.action_card import ActionCard, DropZone, LinkButton
from app.qt.start.first_notice import FirstNotice
from app.qt.start.start_page import StartPage
from app.qt.widgets.notice_bar import Notice


class Asked:
    """Answers in place of a file dialog."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def __call__(self, parent: QWidget, title: str) -> tuple[str, ...]:
        return self.paths


class Heard:
    """Writes down what the page wants."""

    def __init__(self, page: StartPage) -> None:
        self.live: list[str] = []
        self.queue: list[object] = []
        self.sessions: list[object] = []
        self.notices: list[Notice] = []
        page.live_requested.connect(self.live.append)
        page.annotate_requested.connect(self.queue.append)
        page.session_requested.connect(self.sessions.append)
        page.noticed.connect(self.notices.append)


def made_session(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("x")
    return folder


def shown(qtbot: QtBot, page: StartPage) -> Heard:
    qtbot.addWidget(page)
    page.resize(1000, 700)
    page.show()
    page.enter()
    return Heard(page)


def words_of(page: QWidget) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page))


def card(page: StartPage, name: str) -> ActionCard:
    return next(card for card in page.findChildren(ActionCard) if card.accessibleName() == name)


def test_three_ways_in_by_mouse_and_key(qtbot: QtBot, tmp_path: Path) -> None:
    session = made_session(tmp_path / "session")
    page = StartPage(PreferenceStore(None), ask_for_videos=Asked("a.mp4", "b.mp4"), ask_for_session=Asked(str(session)))
    heard = shown(qtbot, page)
    assert QTest.qWaitForWindowActive(page)
    for name in ("Use my camera", "Open video", "Open session"):
        qtbot.mouseClick(card(page, name), Qt.MouseButton.LeftButton)
    assert (heard.live, heard.sessions) == (["0", "a.mp4"], [session])
    for key in (Qt.Key.Key_C, Qt.Key.Key_V, Qt.Key.Key_S):
        QTest.keyClick(page, key)
    assert (heard.live, heard.sessions) == (["0", "a.mp4"] * 2, [session] * 2)
    assert heard.notices == []


@pytest.mark.parametrize(("source", "camera"), [("2", "2"), ("/dev/video4", "/dev/video4"), ("film.mp4", "0")])
def test_my_camera_is_the_one_used_last(qtbot: QtBot, source: str, camera: str) -> None:
    page = StartPage(PreferenceStore(None, source=source))
    heard = shown(qtbot, page)
    card(page, "Use my camera").click()
    assert heard.live == [camera]


def test_who_thinks_better_of_it_opens_nothing(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None), ask_for_videos=Asked(), ask_for_session=Asked())
    heard = shown(qtbot, page)
    for action in page.page_actions()[1:]:
        action.trigger()
    page.findChildren(DropZone)[1].click()
    assert (heard.live, heard.queue, heard.sessions, heard.notices) == ([], [], [], [])


def test_a_folder_that_is_no_session_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    page = StartPage(PreferenceStore(None), ask_for_session=Asked(str(tmp_path)))
    heard = shown(qtbot, page)
    card(page, "Open session").click()
    assert heard.sessions == []
    assert str(tmp_path) in heard.notices[0].text


def drag(zone: DropZone, *paths: Path) -> bool:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    over = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, buttons, none)
    over.ignore()
    zone.dragEnterEvent(over)
    if over.isAccepted():
        assert zone.isDown()
        zone.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, buttons, none))
    return over.isAccepted()


def test_one_zone_watches_the_other_queues_and_neither_takes_sessions(qtbot: QtBot, tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (first, second):
        path.write_bytes(b"x")
    page = StartPage(PreferenceStore(None))
    heard = shown(qtbot, page)
    watch, queue = page.findChildren(DropZone)
    assert drag(watch, first)
    assert drag(queue, first, second)
    assert not drag(watch, made_session(tmp_path / "session"))
    assert not drag(queue, tmp_path / "gone.mp4")
    assert heard.live == [str(first)]
    assert heard.queue == [(str(first), str(second))]
    queue.setDown(True)
    queue.dragLeaveEvent(QDragLeaveEvent())
    assert not queue.isDown()


def test_a_click_on_the_queues_zone_asks(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None), ask_for_videos=Asked("a.mp4", "b.mp4"))
    heard = shown(qtbot, page)
    page.findChildren(DropZone)[1].click()
    assert heard.queue == [("a.mp4", "b.mp4")]


def test_recent_sessions_are_links_as_long_as_they_are_there(qtbot: QtBot, tmp_path: Path) -> None:
    store = PreferenceStore(None)
    page = StartPage(store)
    heard = shown(qtbot, page)
    assert "None yet." in words_of(page)
    folders = [made_session(tmp_path / name) for name in ("a", "b")]
    for folder in folders:
        store.remember_session(folder)
    links = page.findChildren(LinkButton)
    assert [link.text() for link in links] == ["b", "a"]
    assert "None yet." not in words_of(page)
    qtbot.mouseClick(links[1], Qt.MouseButton.LeftButton)
    assert heard.sessions == [folders[0]]
    (folders[0] / "journal.jsonl").unlink()
    qtbot.mouseClick(links[1], Qt.MouseButton.LeftButton)
    assert len(heard.notices) == 1
    page.enter()
    assert [link.text() for link in page.findChildren(LinkButton) if link.parent() is not None] == ["b"]


def test_the_notice_stays_until_it_was_read(qtbot: QtBot) -> None:
    store = PreferenceStore(None)
    page = StartPage(store)
    shown(qtbot, page)
    notice = page.findChild(FirstNotice)
    words = words_of(notice)
    assert "at work" in words
    assert "school" in words
    assert DISCLAIMER in words
    qtbot.mouseClick(notice.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert store.now.notice_read
    assert not notice.isVisible()


def test_privacy_and_standing_line_are_always_there(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None, notice_read=True))
    shown(qtbot, page)
    assert "Nothing leaves this computer. Nothing is stored unless you press Record." in words_of(page)
    assert DISCLAIMER in words_of(page)


def test_everything_is_reached_by_tab_and_named(qtbot: QtBot, tmp_path: Path) -> None:
    page = StartPage(PreferenceStore(None, sessions=(made_session(tmp_path / "a"),)))
    shown(qtbot, page)
    assert QTest.qWaitForWindowActive(page)
    reached = []
    widget = page.findChild(FirstNotice).findChild(QPushButton)
    widget.setFocus()
    for _ in range(7):
        focused = page.focusWidget()
        reached.append(focused.accessibleName() or focused.property("text"))
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert reached == [
        "I have read this",
        "Use my camera",
        "Open video",
        "Open session",
        "Drop a video to watch it",
        "Drop videos to annotate them",
        "a",
    ]
