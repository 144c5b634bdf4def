"""The whole window at four sizes and all layouts: room for the picture, nothing scrolls in something that scrolls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractScrollArea, QComboBox, QHeaderView, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from app.qt.widgets.workspace import WorkspaceLayout
from app.settings.preferences import PAGES
from tests.app.qt.layout_checks import describe, layout_problems, visible
from tests.app.qt.window_fixture import Make, Until, open_windows, write_queue, write_session

#: Width, height and scale.
SIZES = ((960, 600, 100), (1280, 800, 100), (1280, 800, 200), (1920, 1080, 100))


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    with open_windows(qtbot, tmp_path) as make:
        yield make


def scrolls(widget: QWidget) -> bool:
    """Whether it is an area that can scroll."""
    off = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
    if not isinstance(widget, QAbstractScrollArea) or isinstance(widget, (QHeaderView, QPlainTextEdit)):
        return False
    return (widget.verticalScrollBarPolicy(), widget.horizontalScrollBarPolicy()) != (off, off)


def nested(top: QWidget) -> list[str]:
    """Areas that scroll inside another one."""
    found = []
    for widget in visible(top):
        around = widget.parentWidget()
        while scrolls(widget) and around is not None and not isinstance(around, QComboBox):
            if scrolls(around):
                found.append(f"{describe(widget)} in {describe(around)}")
                break
            around = around.parentWidget()
    return found


def settled_problems(window: QWidget) -> list[str]:
    """Problems that stay: layouts follow widths in several steps, and the list of recent sessions comes later."""
    for _ in range(3):
        QTest.qWait(0)
    deadline = time.monotonic() + 5
    while (found := [*nested(window), *layout_problems(window)]) and time.monotonic() < deadline:
        QTest.qWait(20)
    return found


@pytest.mark.parametrize(("width", "height", "scale"), SIZES)
def test_no_page_scrolls_inside_a_scroll_or_cuts_a_text(
    make: Make, until: Until, tmp_path: Path, width: int, height: int, scale: int
) -> None:
    write_queue(tmp_path)
    fixture = make(theme="light", scale_percent=scale)
    window = fixture.window
    window.resize(width, height)
    session, problems = write_session(tmp_path), []
    fixture.run_live(until)
    fixture.open_session(until, session)
    workspaces = {"live": fixture.live.workspace, "review": fixture.review.desk.workspace}
    for page in PAGES:
        window.show_page(page)
        for layout in WorkspaceLayout if page in workspaces else (WorkspaceLayout.SIMPLE,):
            if page in workspaces:
                workspaces[page].choose(layout)
            found = settled_problems(window)
            problems += [f"{page}, {layout.value}: {words}" for words in found]
    assert (window.width(), window.height()) == (width, height), "it does not fit the screen"
    assert problems == []


def shown_share(view: QWidget, window: QWidget, ratio: float = 16 / 9) -> float:
    """Share of a window that an image of this aspect ratio has."""
    width = min(view.width(), view.height() * ratio)
    return width * width / ratio / (window.width() * window.height())


def test_the_picture_has_three_fifths_of_a_window_of_1280x800(make: Make, until: Until, tmp_path: Path) -> None:
    fixture = make()
    fixture.run_live(until)
    assert shown_share(fixture.live.view, fixture.window) >= 0.6
    fixture.open_session(until, write_session(tmp_path))
    assert shown_share(fixture.review.desk.video, fixture.window) >= 0.45


def test_a_layout_chosen_in_live_is_that_of_review_too(make: Make) -> None:
    fixture = make()
    live, review = fixture.live.workspace, fixture.review.desk.workspace
    fixture.window.show_page("live")
    live.chooser.setCurrentIndex(1)
    live.chooser.activated.emit(1)
    assert (live.chosen, review.chosen) == (WorkspaceLayout.RESEARCH, WorkspaceLayout.RESEARCH)
    fixture.window.show_page("review")
    review.actions_of_layout[2].trigger()
    assert (live.chosen, review.chosen) == (WorkspaceLayout.PRESENTATION, WorkspaceLayout.PRESENTATION)
