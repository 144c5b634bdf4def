"""The whole window with all its pages: names, keys, Tab, room for every text, contrast, faults, the end, the restart."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QAction, QColor, QKeySequence, QShortcut, QTextLayout, QTextOption
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QSlider,
    QSplitter,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.jobs.job_file import read_jobs
from app.jobs.job_queue import JobState
from app.preferences import PAGES
from app.qt import theme
from app.qt.application import make_application
from app.qt.icons import IconView
from app.qt.live.bridge import LiveState
from app.qt.live.live_recording import RecordState
from app.qt.notice_bar import NoticeBar, Notice, Weight
from app.qt.preference_store import PreferenceStore
from app.qt.review.export_dialog import ExportDialog
from app.qt.shortcut_sheet import ShortcutSheet
from app.qt.start.action_card import LinkButton
from app.qt.theme import ThemeName, apply_theme
from app.thresholds import Thresholds
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from tests.app.qt.made_window import SIZE, MadeWindow, Until, made_jobs, made_session, prepared, walk_states

#: What a user works with.
CONTROLS = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QTabBar)
Make = Callable[..., MadeWindow]


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes windows on one preferences file, and closes them."""
    windows: list[MadeWindow] = []

    def made(**changes: object) -> MadeWindow:
        store = PreferenceStore(tmp_path / "desktop.json")
        store.change(**{"told": True, "recordings": tmp_path / "out", "annotations": tmp_path / "out", **changes})
        windows.append(prepared(MadeWindow(tmp_path, store), monkeypatch))
        qtbot.addWidget(windows[-1].window)
        return windows[-1]

    yield made
    for one in windows:
        one.window.close()
        assert one.window.faults == ()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return made_session(tmp_path / "a session")


def visible(top: QWidget) -> list[QWidget]:
    return [widget for widget in (top, *top.findChildren(QWidget)) if widget.isVisible()]


def told(widget: QWidget) -> str:
    """Which widget it is, for the message of a failed test."""
    words = widget.property("text") or widget.accessibleName() or widget.objectName()
    return f"{type(widget).__name__} {words!r} in {type(widget.parentWidget()).__name__}"


def is_drawn(widget: QWidget) -> bool:
    """Whether the program paints it itself."""
    return any("paintEvent" in vars(kind) and kind.__module__.startswith("app.") for kind in type(widget).__mro__)


def spoken_name(widget: QWidget) -> str:
    """What a screen reader says first: the name, or the text of the widget or of its label."""
    interface = QAccessible.queryAccessibleInterface(widget)
    return str(interface.text(QAccessible.Text.Name)).strip() if interface is not None else ""


# Names and Tab.


def unnamed(top: QWidget) -> list[str]:
    found = []
    for widget in visible(top):
        area = widget.parentWidget()
        is_inner = isinstance(area, QAbstractScrollArea) and area.viewport() is widget
        if widget.isWindow() or widget.focusProxy() is not None or is_inner or widget.objectName().startswith("qt_"):
            continue
        if isinstance(widget, IconView):
            continue  # stands beside the words that it goes with
        works = widget.focusPolicy() is not Qt.FocusPolicy.NoFocus
        around = "" if works or area is None else area.accessibleName()  # of a drawn widget that this is a part of
        if (works or is_drawn(widget)) and not spoken_name(widget) and not around:
            found.append(told(widget))
    return found


def not_reached(top: QWidget) -> list[str]:
    """Controls that Tab never comes to and that nothing else stands for."""
    reached = set(tab_round(top))
    found = []
    for widget in visible(top):
        if not isinstance(widget, CONTROLS) or isinstance(widget, (QHeaderView, QScrollBar)) or not widget.isEnabled():
            continue
        if isinstance(widget.parentWidget(), (QAbstractSpinBox, QComboBox)) or widget in reached:
            continue
        action = widget.defaultAction() if isinstance(widget, QToolButton) else None
        group = widget.group() if isinstance(widget, QAbstractButton) else None
        has_key = action is not None and not action.shortcut().isEmpty()  # and so stands in the menu of the page
        by_arrows = group is not None and any(button in reached for button in group.buttons())
        if not has_key and not by_arrows and widget.objectName() != "qt_toolbar_ext_button":
            found.append(told(widget))
    return found


def tab_round(top: QWidget) -> list[QWidget]:
    """Everything that has the focus on a round by Tab."""
    top.activateWindow()
    assert QTest.qWaitForWindowActive(top)
    seen: list[QWidget] = []
    while True:
        QTest.keyClick(QApplication.focusWidget() or top, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        assert focus is not None
        assert len(seen) < 200, "Tab never comes round"
        if focus in seen[:1]:
            return seen
        seen.append(focus)


def test_everything_has_a_name_and_tab_comes_to_every_control(make: Make, until: Until, session: Path) -> None:
    made = make()
    found = []
    for state, top in walk_states(made, until, session):
        found += [f"{state}: no name: {widget}" for widget in unnamed(top)]
        found += [f"{state}: not by Tab: {widget}" for widget in not_reached(top)]
        tops = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
        assert all(isinstance(widget, (QMenu, type(made.window), type(top))) for widget in tops), tops
    assert found == []


def test_arrows_move_what_has_the_focus_though_pages_have_keys_too(make: Make, until: Until, session: Path) -> None:
    made = make()
    found = []
    moved = set()
    for state, top in walk_states(made, until, session):
        top.activateWindow()
        assert QTest.qWaitForWindowActive(top)
        for widget in visible(top):
            if not isinstance(widget, (QTabBar, QSlider)) or not widget.isEnabled():
                continue
            now = widget.currentIndex if isinstance(widget, QTabBar) else widget.value
            before = now()
            widget.setFocus()
            there, back = Qt.Key.Key_Right, Qt.Key.Key_Left
            if before == (widget.count() - 1 if isinstance(widget, QTabBar) else widget.maximum()):
                there, back = back, there
            QTest.keyClick(widget, there)
            if now() == before:
                found.append(f"{state}: {told(widget)}")
            QTest.keyClick(widget, back)
            assert now() == before
            moved.add(type(widget))
    assert found == []
    assert moved == {QTabBar, QSlider}


# Actions and keys.


def keys_of(action: QAction) -> list[str]:
    return [key.toString() for key in action.shortcuts()]


def test_every_key_stands_in_the_menu_and_on_the_sheet(make: Make) -> None:
    window = make().window
    everywhere, *pages = window.shortcut_groups()
    listed = {id(action) for group in (everywhere, *pages) for action in group.actions}
    for action in window.findChildren(QAction):
        if keys_of(action):
            assert action.text().strip(), keys_of(action)
            assert id(action) in listed, f"{action.text()} {keys_of(action)} is not on the sheet"
    for page, group in zip(PAGES, pages, strict=True):
        window.show_page(page)
        shown = {id(action) for action in in_menus(window.menuBar().actions())}
        for action in (*everywhere.actions, *group.actions):
            assert id(action) in shown, f"{action.text()} is not in the menus of {page}"
    assert window.findChildren(QShortcut) == []  # a key without a text


def in_menus(actions: list[QAction]) -> list[QAction]:
    """All actions of these menus and of those inside."""
    found = []
    for action in actions:
        menu = action.menu()
        if not action.isVisible():
            continue
        found += in_menus(menu.actions()) if isinstance(menu, QMenu) else [action]
    return found


def test_no_key_means_two_things_on_a_page(make: Make, until: Until, session: Path) -> None:
    made = make()
    made.open_session(until, session)
    made.live._ask_address = None
    everywhere, *groups = made.window.shortcut_groups()
    for page, group in zip(PAGES, groups, strict=True):
        made.window.show_page(page)
        keys = [key for action in (*everywhere.actions, *group.actions) for key in keys_of(action)]
        keys += [QKeySequence.mnemonic(text).toString() for text in mnemonics(made.window)]
        twice = [key for key, count in Counter(filter(None, keys)).items() if count > 1]
        assert twice == [], f"{page}: {twice}"


def mnemonics(window: QWidget) -> list[str]:
    """Texts that may hold a letter for Alt."""
    texts = [action.text() for action in window.menuBar().actions() if action.isVisible()]  # type: ignore[attr-defined]  # of QMainWindow
    for widget in visible(window):
        if isinstance(widget, QAbstractButton) or (isinstance(widget, QLabel) and widget.buddy() is not None):
            texts.append(widget.text())
        if isinstance(widget, QTabBar):
            texts += [widget.tabText(place) for place in range(widget.count())]
    return texts
