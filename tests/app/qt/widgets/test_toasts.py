"""The notice bar shows one notice at a time, and keeps the important one."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QToolButton

from app.qt.widgets import notice_bar
from app.qt.widgets.notice_bar import Notice, NoticeBar, Severity

INFO = Notice("Recording saved.", Severity.INFO, "record")
ERROR = Notice("The disk is full: free space.", Severity.ERROR, "record")
OTHER_INFO = Notice("The film has ended.", Severity.INFO, "source")


@pytest.fixture
def bar(qtbot):
    bar = NoticeBar()
    qtbot.addWidget(bar)
    return bar


def test_a_new_notice_replaces_the_previous_one(bar):
    for notice in (INFO, OTHER_INFO, ERROR, Notice("Camera gone.", Severity.ERROR, "source")):
        bar.show_notice(notice)
        assert bar.notice == notice
        assert bar.accessibleName() == notice.text


def test_information_replaces_an_error_only_on_its_own_topic(bar):
    bar.show_notice(ERROR)
    bar.show_notice(OTHER_INFO)
    assert bar.notice == ERROR
    bar.show_notice(INFO)
    assert bar.notice == INFO


def test_an_empty_notice_clears_only_its_own_topic(bar):
    bar.show_notice(ERROR)
    bar.show_notice(Notice("", topic="source"))
    assert bar.notice == ERROR
    bar.show_notice(Notice("", topic="record"))
    assert bar.notice is None
    assert bar.isHidden()


def test_information_disappears_and_errors_stay(bar, monkeypatch, until, qtbot):
    monkeypatch.setattr(notice_bar, "_INFO_MS", 30)
    bar.show_notice(INFO)
    until(lambda: bar.notice is None)
    bar.show_notice(ERROR)
    qtbot.wait(100)
    assert bar.notice == ERROR


def test_the_close_button_clears_it(bar, qtbot):
    bar.show_notice(ERROR)
    qtbot.mouseClick(bar.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert bar.notice is None


def test_file_names_are_not_parsed_as_markup(bar):
    bar.show_notice(Notice("saved <b>bold</b>.png"))
    labels = [label for label in bar.findChildren(QLabel) if label.text().startswith("saved")]
    assert labels[0].textFormat() is Qt.TextFormat.PlainText
