"""Toasts are stacked above the page, one for each thing, and never move it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.qt.widgets import toasts as module
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.toasts import Toast, Toasts

INFO = Notice("Recording saved.", Severity.INFO, "record")
ERROR = Notice("The disk is full: free space.", Severity.ERROR, "record")
OTHER_INFO = Notice("The film has ended.", Severity.INFO, "source")


@pytest.fixture
def page(qtbot):
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.addWidget(QPushButton("first"))
    layout.addStretch()
    qtbot.addWidget(page)
    page.resize(800, 600)
    page.show()
    return page


@pytest.fixture
def toasts(page):
    return Toasts(page)


def test_notices_on_different_things_are_stacked_with_the_newest_lowest(toasts):
    for notice in (ERROR, OTHER_INFO):
        toasts.show_notice(notice)
    assert toasts.notices == (ERROR, OTHER_INFO)
    QApplication.processEvents()
    tops = {toast.notice: toast.y() for toast in toasts.findChildren(Toast)}
    assert tops[ERROR] < tops[OTHER_INFO]


def test_one_thing_has_one_notice(toasts):
    for notice in (ERROR, OTHER_INFO, INFO, Notice(OTHER_INFO.text, Severity.WARNING, "elsewhere")):
        toasts.show_notice(notice)
    assert toasts.notices == (INFO, Notice(OTHER_INFO.text, Severity.WARNING, "elsewhere"))


def test_an_empty_notice_clears_only_its_own_topic(toasts):
    toasts.show_notice(ERROR)
    toasts.show_notice(Notice("", topic="source"))
    assert toasts.notices == (ERROR,)
    toasts.show_notice(Notice("", topic="record"))
    assert toasts.notices == ()
    assert toasts.isHidden()


def test_information_makes_room_for_errors_and_never_the_other_way_round(toasts):
    for number in range(3):
        toasts.show_notice(Notice(f"error {number}", Severity.ERROR))
    for number in range(4):
        toasts.show_notice(Notice(f"news {number}"))
    assert [notice.text for notice in toasts.notices] == ["error 0", "error 1", "error 2", "news 3"]
    toasts.show_notice(Notice("error 3", Severity.ERROR))
    toasts.show_notice(Notice("error 4", Severity.ERROR))
    assert [notice.text for notice in toasts.notices] == ["error 1", "error 2", "error 3", "error 4"]


def test_information_never_pushes_out_an_error(toasts):
    errors = tuple(Notice(f"Fault {number}.", Severity.ERROR, f"topic-{number}") for number in range(4))
    for notice in (*errors, INFO):
        toasts.show_notice(notice)
    assert toasts.notices == errors


def test_information_disappears_and_errors_stay(toasts, monkeypatch, until, qtbot):
    monkeypatch.setattr(module, "_INFO_MS", 30)
    toasts.show_notice(ERROR)
    toasts.show_notice(OTHER_INFO)
    until(lambda: toasts.notices == (ERROR,))
    qtbot.wait(60)
    assert toasts.notices == (ERROR,)


def test_information_stays_while_the_mouse_is_on_it(toasts, monkeypatch, until, qtbot):
    monkeypatch.setattr(module, "_INFO_MS", 30)
    toasts.show_notice(INFO)
    toast = toasts.findChild(Toast)
    point = QPointF(1, 1)
    QApplication.sendEvent(toast, QEnterEvent(point, point, point))
    qtbot.wait(60)
    assert toasts.notices == (INFO,)
    QApplication.sendEvent(toast, QEvent(QEvent.Type.Leave))
    until(lambda: toasts.notices == ())


def test_a_button_acts_and_closes_its_notice(toasts, qtbot):
    opened = []
    toasts.show_notice(Notice("Saved.", actions=(NoticeAction("Open", lambda: opened.append(1)),)))
    toasts.show_notice(ERROR)
    qtbot.mouseClick(toasts.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert opened == [1]
    assert toasts.notices == (ERROR,)


def test_the_close_button_clears_it(toasts, qtbot):
    toasts.show_notice(ERROR)
    qtbot.mouseClick(toasts.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert toasts.notices == ()


def test_the_page_does_not_move_and_keeps_its_clicks(page, toasts, qtbot):
    button = page.findChild(QPushButton)
    QApplication.processEvents()
    before = button.geometry()
    clicked = []
    button.clicked.connect(lambda: clicked.append(1))
    for number in range(4):
        toasts.show_notice(Notice(f"error {number}", Severity.ERROR))
    QApplication.processEvents()
    assert button.geometry() == before
    assert page.childAt(before.center()) is button
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert clicked == [1]


@pytest.mark.parametrize("size", [(800, 600), (960, 400), (300, 300)])
def test_toasts_are_in_the_lower_right_corner_at_every_size(page, toasts, size):
    toasts.show_notice(ERROR)
    page.resize(*size)
    QApplication.processEvents()
    place = toasts.geometry()
    assert page.rect().contains(place)
    assert page.width() - place.right() < 40
    assert page.height() - place.bottom() < 40


def test_file_names_are_not_parsed_as_markup(toasts):
    toasts.show_notice(Notice("saved <b>bold</b>.png"))
    labels = [label for label in toasts.findChildren(QLabel) if label.text().startswith("saved")]
    assert labels[0].textFormat() is Qt.TextFormat.PlainText
