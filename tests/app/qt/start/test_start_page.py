"""The page Start: what it opens, and the notice of the first start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.overlay.disclaimer import DISCLAIMER
from app.qt.preference_store import PreferenceStore
from app.qt.start.action_card import ActionCard, DropZone
from app.qt.start.recent_list import SessionRow
from app.qt.start.start_page import FirstNotice, StartPage
from app.qt.widgets.notice_bar import Notice
from tests.fakes.sessions import labelled_face
from tests.fakes.sessions import write_session as write_fake_session


class FakeDialog:
    """Replaces a file dialog."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def __call__(self, parent: QWidget, title: str) -> tuple[str, ...]:
        return self.paths


class Requests:
    """Collects the signals of the page."""

    def __init__(self, page: StartPage) -> None:
        self.live: list[str] = []
        self.queue: list[object] = []
        self.sessions: list[object] = []
        self.notices: list[Notice] = []
        page.live_requested.connect(self.live.append)
        page.annotate_requested.connect(self.queue.append)
        page.session_requested.connect(self.sessions.append)
        page.noticed.connect(self.notices.append)


def write_session(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("x")
    return folder


def shown(qtbot: QtBot, page: StartPage) -> Requests:
    qtbot.addWidget(page, before_close_func=lambda widget: widget.shutdown())
    page.resize(1000, 700)
    page.show()
    page.enter()
    return Requests(page)


def text_of(page: QWidget) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page))


def card(page: StartPage, name: str) -> ActionCard:
    return next(card for card in page.findChildren(ActionCard) if card.accessibleName() == name)


@pytest.fixture(autouse=True)
def no_sessions_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folders of recordings and annotations are those of the test."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def rows(page: StartPage) -> list[SessionRow]:
    """From the top; the order of creation is another where a newer session was found later."""
    return sorted((row for row in page.findChildren(SessionRow) if row.parent() is not None), key=lambda row: row.y())


def test_the_demo_is_first_and_needs_one_key(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None))
    requests = shown(qtbot, page)
    assert page.findChildren(ActionCard)[0].accessibleName() == "Try the demo"
    assert QTest.qWaitForWindowActive(page)
    QTest.keyClick(page, Qt.Key.Key_D)
    qtbot.mouseClick(card(page, "Try the demo"), Qt.MouseButton.LeftButton)
    assert requests.live == ["demo", "demo"]


def test_the_three_actions_work_by_mouse_and_key(qtbot: QtBot, tmp_path: Path) -> None:
    session = write_session(tmp_path / "session")
    videos, sessions = FakeDialog("a.mp4", "b.mp4"), FakeDialog(str(session))
    page = StartPage(PreferenceStore(None), ask_for_videos=videos, ask_for_session=sessions)
    requests = shown(qtbot, page)
    assert QTest.qWaitForWindowActive(page)
    for name in ("Use my camera", "Open video", "Open session"):
        qtbot.mouseClick(card(page, name), Qt.MouseButton.LeftButton)
    assert (requests.live, requests.sessions) == (["0", "a.mp4"], [session])
    for key in (Qt.Key.Key_C, Qt.Key.Key_V, Qt.Key.Key_S):
        QTest.keyClick(page, key)
    assert (requests.live, requests.sessions) == (["0", "a.mp4"] * 2, [session] * 2)
    assert requests.notices == []


@pytest.mark.parametrize(("source", "camera"), [("2", "2"), ("/dev/video4", "/dev/video4"), ("film.mp4", "0")])
def test_the_camera_used_last_is_opened(qtbot: QtBot, source: str, camera: str) -> None:
    page = StartPage(PreferenceStore(None, source=source))
    requests = shown(qtbot, page)
    card(page, "Use my camera").click()
    assert requests.live == [camera]


def test_a_cancelled_dialog_opens_nothing(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None), ask_for_videos=FakeDialog(), ask_for_session=FakeDialog())
    requests = shown(qtbot, page)
    for action in page.page_actions()[2:]:
        action.trigger()
    page.findChildren(DropZone)[1].click()
    assert (requests.live, requests.queue, requests.sessions, requests.notices) == ([], [], [], [])


def test_a_folder_that_is_not_a_session_gives_a_notice(qtbot: QtBot, tmp_path: Path) -> None:
    page = StartPage(PreferenceStore(None), ask_for_session=FakeDialog(str(tmp_path)))
    requests = shown(qtbot, page)
    card(page, "Open session").click()
    assert requests.sessions == []
    assert str(tmp_path) in requests.notices[0].text


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


def test_the_drop_zones_accept_videos_and_no_sessions(qtbot: QtBot, tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (first, second):
        path.write_bytes(b"x")
    page = StartPage(PreferenceStore(None))
    requests = shown(qtbot, page)
    watch, queue = page.findChildren(DropZone)
    assert drag(watch, first)
    assert drag(queue, first, second)
    assert not drag(watch, write_session(tmp_path / "session"))
    assert not drag(queue, tmp_path / "gone.mp4")
    assert requests.live == [str(first)]
    assert requests.queue == [(str(first), str(second))]
    queue.setDown(True)
    queue.dragLeaveEvent(QDragLeaveEvent())
    assert not queue.isDown()


def test_a_click_on_the_queue_zone_opens_a_dialog(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None), ask_for_videos=FakeDialog("a.mp4", "b.mp4"))
    requests = shown(qtbot, page)
    page.findChildren(DropZone)[1].click()
    assert requests.queue == [("a.mp4", "b.mp4")]


def test_sessions_that_were_opened_recorded_or_annotated_are_listed(qtbot: QtBot, tmp_path: Path, until) -> None:
    recordings, annotations = tmp_path / "recordings", tmp_path / "annotations"
    store = PreferenceStore(None, recordings=recordings, annotations=annotations)
    page = StartPage(store)
    requests = shown(qtbot, page)
    assert "None yet." in text_of(page)
    folders = [tmp_path / "opened", recordings / "killed", annotations / "job"]
    for age, folder in enumerate(folders):
        os.utime(write_session(folder) / "journal.jsonl", (1000 - age, 1000 - age))
    store.remember_session(folders[0])
    until(lambda: [row.text() for row in rows(page)] == ["opened", "killed", "job"])
    assert "None yet." not in text_of(page)
    qtbot.mouseClick(rows(page)[1], Qt.MouseButton.LeftButton)
    assert requests.sessions == [folders[1]]
    (folders[0] / "journal.jsonl").unlink()
    qtbot.mouseClick(rows(page)[0], Qt.MouseButton.LeftButton)
    assert len(requests.notices) == 1
    page.enter()
    until(lambda: [row.text() for row in rows(page)] == ["killed", "job"])


def test_a_newer_session_comes_first_for_the_eye_and_for_the_tab_key(qtbot: QtBot, tmp_path: Path, until) -> None:
    page = StartPage(PreferenceStore(None, recordings=tmp_path))
    os.utime(write_session(tmp_path / "older") / "journal.jsonl", (1000, 1000))
    shown(qtbot, page)
    until(lambda: [row.text() for row in rows(page)] == ["older"])
    write_session(tmp_path / "newer")
    page.enter()
    until(lambda: [row.text() for row in rows(page)] == ["newer", "older"])
    newer, older = rows(page)
    assert newer.nextInFocusChain() is older


def test_a_row_says_what_is_in_its_session(qtbot: QtBot, tmp_path: Path, until) -> None:
    write_fake_session(tmp_path / "home" / "Mien" / "talk", [(labelled_face(1, "happiness"),), (labelled_face(1),)])
    page = StartPage(PreferenceStore(None))
    shown(qtbot, page)
    until(lambda: len(rows(page)) == 1)
    assert rows(page)[0].accessibleDescription().startswith("0:00 · 1 face · 50 % assessed · ")


def test_the_notice_stays_until_it_is_confirmed(qtbot: QtBot) -> None:
    store = PreferenceStore(None)
    page = StartPage(store)
    shown(qtbot, page)
    notice = page.findChild(FirstNotice)
    text = text_of(notice)
    assert "at work" in text
    assert "school" in text
    assert DISCLAIMER in text
    qtbot.mouseClick(notice.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert store.now.notice_read
    assert not notice.isVisible()


def test_privacy_statement_and_disclaimer_are_always_shown(qtbot: QtBot) -> None:
    page = StartPage(PreferenceStore(None, notice_read=True))
    shown(qtbot, page)
    assert "Nothing leaves this computer. Nothing is stored unless you press Record." in text_of(page)
    assert DISCLAIMER in text_of(page)


def test_all_controls_are_named_and_reached_by_tab(qtbot: QtBot, tmp_path: Path, until) -> None:
    page = StartPage(PreferenceStore(None, sessions=(write_session(tmp_path / "a"),)))
    shown(qtbot, page)
    until(lambda: len(rows(page)) == 1)
    assert QTest.qWaitForWindowActive(page)
    reached = []
    widget = page.findChild(FirstNotice).findChild(QPushButton)
    widget.setFocus()
    for _ in range(8):
        focused = page.focusWidget()
        reached.append(focused.accessibleName() or focused.property("text"))
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert reached == [
        "I have read this",
        "Try the demo",
        "Use my camera",
        "Open video",
        "Open session",
        "Drop a video to watch it",
        "Drop videos to annotate them",
        "a",
    ]
