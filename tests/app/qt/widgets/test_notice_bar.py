"""One sentence at a time, the one that matters."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QToolButton

from app.qt.widgets import notice_bar
from app.qt.widgets.notice_bar import Notice, NoticeBar, Severity

NEWS = Notice("Recording saved.", Severity.INFO, "record")
FAULT = Notice("The disk is full: free space.", Severity.ERROR, "record")
OTHER_NEWS = Notice("The film has come to its end.", Severity.INFO, "source")


@pytest.fixture
def bar(qtbot):
    made = NoticeBar()
    qtbot.addWidget(made)
    return made


def test_the_newest_takes_the_place_of_the_one_before(bar):
    for notice in (NEWS, OTHER_NEWS, FAULT, Notice("Camera gone.", Severity.ERROR, "source")):
        bar.show_notice(notice)
        assert bar.notice == notice
        assert bar.accessibleName() == notice.text


def test_news_do_not_hide_a_fault_about_something_else_but_mend_their_own(bar):
    bar.show_notice(FAULT)
    bar.show_notice(OTHER_NEWS)
    assert bar.notice == FAULT
    bar.show_notice(NEWS)
    assert bar.notice == NEWS


def test_an_empty_notice_takes_away_only_its_own_topic(bar):
    bar.show_notice(FAULT)
    bar.show_notice(Notice("", topic="source"))
    assert bar.notice == FAULT
    bar.show_notice(Notice("", topic="record"))
    assert bar.notice is None
    assert bar.isHidden()


def test_news_go_by_themselves_and_faults_stay(bar, monkeypatch, until, qtbot):
    monkeypatch.setattr(notice_bar, "_NEWS_MS", 30)
    bar.show_notice(NEWS)
    until(lambda: bar.notice is None)
    bar.show_notice(FAULT)
    qtbot.wait(100)
    assert bar.notice == FAULT


def test_the_cross_closes_it(bar, qtbot):
    bar.show_notice(FAULT)
    qtbot.mouseClick(bar.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert bar.notice is None


def test_a_file_name_is_no_markup(bar):
    bar.show_notice(Notice("saved <b>bold</b>.png"))
    labels = [label for label in bar.findChildren(QLabel) if label.text().startswith("saved")]
    assert labels[0].textFormat() is Qt.TextFormat.PlainText
