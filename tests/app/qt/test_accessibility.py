"""All pages in all states: names for screen readers, Tab, keys, room for every text, contrast of the themes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAction, QColor, QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QSlider,
    QTabBar,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.application import make_application
from app.qt.theme import ThemeName, apply_theme
from app.qt.widgets.icons import IconView
from app.settings.preferences import PAGES
from engine.facs import EXPRESSIONS
from tests.app.qt.made_window import Make, Until, made_session, made_windows, walk_states, write_queue
from tests.app.qt.room import describe, is_inner, visible, without_room

#: What a user works with.
CONTROLS: Final = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QTabBar)
THEMES: Final = (ThemeName.LIGHT, ThemeName.DARK, ThemeName.HIGH_CONTRAST)


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    write_queue(tmp_path)
    with made_windows(qtbot, tmp_path) as make:
        yield make


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return made_session(tmp_path)


def activate(top: QWidget) -> None:
    top.activateWindow()
    assert QTest.qWaitForWindowActive(top)


# Names and Tab.


def is_drawn(widget: QWidget) -> bool:
    """Whether the program paints it itself."""
    return any("paintEvent" in vars(kind) and kind.__module__.startswith("app.") for kind in type(widget).__mro__)


def unnamed(top: QWidget) -> list[str]:
    """Widgets that a screen reader has no words for: the name, or the text of the widget or of its label."""
    found = []
    for widget in visible(top):
        if widget.isWindow() or widget.focusProxy() is not None or is_inner(widget):
            continue
        if isinstance(widget, IconView):
            continue  # stands beside the words that it goes with
        works = widget.focusPolicy() is not Qt.FocusPolicy.NoFocus
        interface = QAccessible.queryAccessibleInterface(widget)
        name = interface.text(QAccessible.Text.Name).strip()
        if not works:  # it may be a part of a drawn widget that has a name
            name = name or widget.parentWidget().accessibleName()
        if (works or is_drawn(widget)) and not name:
            found.append(describe(widget))
    return found


def tab_round(top: QWidget) -> list[QWidget]:
    """Everything that gets the focus on a round by Tab."""
    seen: list[QWidget] = []
    last = None
    for _ in range(300):  # links inside of a text are stops too
        QTest.keyClick(top.focusWidget() or top, Qt.Key.Key_Tab)
        focus = top.focusWidget()  # whether or not the window is the active one
        assert focus is not None
        if focus in seen[:1] and focus is not last:
            return seen
        if focus not in seen:
            seen.append(focus)
        last = focus
    assert len(seen) == 1, "Tab never comes round"
    return seen


def not_reached(top: QWidget) -> list[str]:
    """Controls that Tab never comes to and that no key stands for."""
    reached = set(tab_round(top))
    found = []
    for widget in visible(top):
        if not isinstance(widget, CONTROLS) or widget in reached or not widget.isEnabled():
            continue
        if is_inner(widget) or isinstance(widget, QHeaderView):
            continue
        if isinstance(widget.parentWidget(), QToolBar):  # its buttons are actions of the page's menu
            actions = [action for action in widget.actions() if not action.shortcut().isEmpty()]
            if actions or widget.objectName() == "qt_toolbar_ext_button":
                continue
        group = widget.group() if isinstance(widget, QAbstractButton) else None
        if group is not None and any(button in reached for button in group.buttons()):
            continue  # arrows move on from the one that Tab comes to
        found.append(describe(widget))
    return found


def test_everything_has_a_name_and_tab_comes_to_every_control(make: Make, until: Until, session: Path) -> None:
    made = make()
    found = []
    for state, top in walk_states(made, until, session):
        found += [f"{state}: no name: {words}" for words in unnamed(top)]
        if top.windowType() is not Qt.WindowType.Popup:  # which holds texts alone
            found += [f"{state}: not by Tab: {words}" for words in not_reached(top)]
    assert not found, "\n".join(found)


def test_arrows_move_what_has_the_focus_though_pages_use_them_too(make: Make, until: Until, session: Path) -> None:
    made = make()
    found, moved = [], set()
    for state, top in walk_states(made, until, session):
        activate(top)
        for widget in visible(top):
            if not isinstance(widget, (QTabBar, QSlider)) or not widget.isEnabled():
                continue
            now = widget.currentIndex if isinstance(widget, QTabBar) else widget.value
            last = widget.count() - 1 if isinstance(widget, QTabBar) else widget.maximum()
            before = now()
            there, back = (Qt.Key.Key_Left, Qt.Key.Key_Right) if before == last else (Qt.Key.Key_Right, Qt.Key.Key_Left)
            widget.setFocus()
            QTest.keyClick(widget, there)
            if now() == before:
                found.append(f"{state}: {describe(widget)}")
            QTest.keyClick(widget, back)
            assert now() == before
            moved.add(type(widget))
    assert not found, "\n".join(found)
    assert moved == {QTabBar, QSlider}


# Actions and keys.


def keys_of(action: QAction) -> list[str]:
    return [key.toString() for key in action.shortcuts()]


def in_menus(actions: list[QAction]) -> list[QAction]:
    """All actions of these menus and of those inside."""
    found = []
    for action in actions:
        menu = action.menu()
        if action.isVisible():
            found += in_menus(menu.actions()) if isinstance(menu, QMenu) else [action]
    return found


def test_every_key_stands_in_the_menu_and_on_the_sheet(make: Make) -> None:
    window = make().window
    everywhere, *pages = window.shortcut_groups()
    on_sheet = [action for group in (everywhere, *pages) for action in group.actions]
    for action in window.findChildren(QAction):
        if keys_of(action):
            assert action.text().strip(), keys_of(action)
            assert action in on_sheet, f"{action.text()} {keys_of(action)} is not on the sheet"
    for page, group in zip(PAGES, pages, strict=True):
        window.show_page(page)
        shown = in_menus(window.menuBar().actions())
        hidden = [action.text() for action in (*everywhere.actions, *group.actions) if action not in shown]
        assert hidden == [], page
    assert window.findChildren(QShortcut) == []  # keys without a text


def mnemonics(window: QMainWindow) -> list[str]:
    """The letters for Alt that can be seen."""
    texts = [action.text() for action in window.menuBar().actions() if action.isVisible()]
    for widget in visible(window):
        if isinstance(widget, QAbstractButton) or (isinstance(widget, QLabel) and widget.buddy() is not None):
            texts.append(widget.text())
        if isinstance(widget, QTabBar):
            texts += [widget.tabText(place) for place in range(widget.count())]
    return [QKeySequence.mnemonic(text).toString() for text in texts]


def test_no_key_means_two_things_on_a_page(make: Make, until: Until, session: Path) -> None:
    made = make()
    everywhere, *groups = made.window.shortcut_groups()
    for state, top in walk_states(made, until, session):
        if top is not made.window:
            continue
        actions = (*everywhere.actions, *groups[PAGES.index(made.window.shown or "")].actions)
        keys = [key for action in actions for key in keys_of(action)] + mnemonics(made.window)
        twice = [key for key, count in Counter(filter(None, keys)).items() if count > 1]
        assert twice == [], state


# Room for texts.


@pytest.mark.parametrize("scale", [100, 200])
@pytest.mark.parametrize("name", [ThemeName.LIGHT, ThemeName.HIGH_CONTRAST])
def test_no_text_is_cut(make: Make, until: Until, session: Path, name: ThemeName, scale: int) -> None:
    made = make(theme=name.value, scale_percent=scale)
    found: dict[str, str] = {}
    for state, top in walk_states(made, until, session):
        for _ in range(3):  # lays everything out, and then what depends on the width that came of it
            QTest.qWait(0)
        for words in without_room(top):
            found.setdefault(words, state)
    assert found == {}


# Contrast.


def luminance(colour: QColor) -> float:
    """Relative luminance, WCAG 2.2."""
    shares = [part / 255 for part in (colour.red(), colour.green(), colour.blue())]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QColor, other: QColor) -> float:
    """From 1 to 21, WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_black_and_white_is_that_of_the_standard() -> None:
    assert contrast(QColor("#000000"), QColor("#ffffff")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", THEMES)
def test_every_theme_has_the_contrast_that_it_promises(name: ThemeName) -> None:
    apply_theme(make_application(), name, 100)
    colours = theme.current()
    least = [("text", ground, 7.0) for ground in ("window", "panel", "raised", "track", "warning", "error")]
    least += [(fore, ground, 4.5) for fore in ("dim", "accent") for ground in ("window", "panel")]
    least += [("on_accent", "accent", 4.5)]
    marks = ("edge", "present", "recording")
    least += [(mark, ground, 3.0) for mark in marks for ground in ("window", "panel")]
    ratios = {(fore, on): contrast(colours.colour(fore), colours.colour(on)) for fore, on, _ in least}
    for label in EXPRESSIONS:
        least.append((label, "panel", 3.0))
        ratios[label, "panel"] = contrast(colours.expression(label), colours.colour("panel"))
    weak = {(fore, on): round(ratios[fore, on], 2) for fore, on, wanted in least if ratios[fore, on] < wanted}
    assert weak == {}
