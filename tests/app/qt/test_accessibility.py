"""All pages in all states: names for screen readers, Tab, keys, room for every text, contrast of the themes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
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
from tests.app.qt.layout_checks import describe, is_inner, layout_problems, visible
from tests.app.qt.window_fixture import Make, Until, open_windows, walk_states, write_queue, write_session

#: Kinds of controls.
CONTROLS: Final = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QTabBar)
THEMES: Final = (ThemeName.LIGHT, ThemeName.DARK, ThemeName.HIGH_CONTRAST)


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    write_queue(tmp_path)
    with open_windows(qtbot, tmp_path) as make:
        yield make


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session(tmp_path)


def activate(top: QWidget) -> None:
    top.activateWindow()
    assert QTest.qWaitForWindowActive(top)


# Names and Tab.


def is_drawn(widget: QWidget) -> bool:
    """Whether our code paints it."""
    return any("paintEvent" in vars(kind) and kind.__module__.startswith("app.") for kind in type(widget).__mro__)


def unnamed(top: QWidget) -> list[str]:
    """Widgets without an accessible name, their own or that of their label."""
    found = []
    for widget in visible(top):
        if widget.isWindow() or widget.focusProxy() is not None or is_inner(widget):
            continue
        if isinstance(widget, IconView):
            continue  # decorative
        works = widget.focusPolicy() is not Qt.FocusPolicy.NoFocus
        interface = QAccessible.queryAccessibleInterface(widget)
        name = interface.text(QAccessible.Text.Name).strip()
        if not works:  # it may be a part of a named drawn widget
            name = name or widget.parentWidget().accessibleName()
        if (works or is_drawn(widget)) and not name:
            found.append(describe(widget))
    return found


def tab_round(top: QWidget) -> list[QWidget]:
    """All widgets focused in one round of Tab."""
    seen: list[QWidget] = []
    last = None
    for _ in range(300):  # links inside a text are stops too
        QTest.keyClick(top.focusWidget() or top, Qt.Key.Key_Tab)
        focus = top.focusWidget()  # whether or not the window is the active one
        assert focus is not None
        if focus in seen[:1] and focus is not last:
            return seen
        if focus not in seen:
            seen.append(focus)
        last = focus
    assert len(seen) == 1, "Tab does not return to the first widget"
    return seen


def not_reached(top: QWidget) -> list[str]:
    """Controls without Tab focus and without a shortcut."""
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
            continue  # reached by arrow keys
        found.append(describe(widget))
    return found


def test_all_widgets_are_named_and_all_controls_reached_by_tab(make: Make, until: Until, session: Path) -> None:
    fixture = make()
    found = []
    for state, top in walk_states(fixture, until, session):
        found += [f"{state}: no name: {words}" for words in unnamed(top)]
        if top.windowType() is not Qt.WindowType.Popup:  # it contains only texts
            found += [f"{state}: not by Tab: {words}" for words in not_reached(top)]
    assert not found, "\n".join(found)


def test_arrow_keys_move_focused_controls_despite_page_shortcuts(make: Make, until: Until, session: Path) -> None:
    fixture = make()
    found, moved = [], set()
    for state, top in walk_states(fixture, until, session):
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
    """All actions of these menus and their submenus."""
    found = []
    for action in actions:
        menu = action.menu()
        if action.isVisible():
            found += in_menus(menu.actions()) if isinstance(menu, QMenu) else [action]
    return found


def test_every_shortcut_is_in_a_menu_and_on_the_sheet(make: Make) -> None:
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
    """All visible mnemonics."""
    texts = [action.text() for action in window.menuBar().actions() if action.isVisible()]
    for widget in visible(window):
        if isinstance(widget, QAbstractButton) or (isinstance(widget, QLabel) and widget.buddy() is not None):
            texts.append(widget.text())
        if isinstance(widget, QTabBar):
            texts += [widget.tabText(place) for place in range(widget.count())]
    return [QKeySequence.mnemonic(text).toString() for text in texts]


def test_no_key_has_two_meanings_in_any_state(make: Make, until: Until, session: Path) -> None:
    fixture = make()
    everywhere, *groups = fixture.window.shortcut_groups()
    for state, top in walk_states(fixture, until, session):
        if top is not fixture.window:
            continue
        actions = (*everywhere.actions, *groups[PAGES.index(fixture.window.shown or "")].actions)
        keys = [key for action in actions for key in keys_of(action)] + mnemonics(fixture.window)
        twice = [key for key, count in Counter(filter(None, keys)).items() if count > 1]
        assert twice == [], state


# Room for texts.


@pytest.mark.parametrize("scale", [100, 200])
@pytest.mark.parametrize("name", [ThemeName.LIGHT, ThemeName.HIGH_CONTRAST])
def test_no_text_is_cut(make: Make, until: Until, session: Path, name: ThemeName, scale: int) -> None:
    fixture = make(theme=name.value, scale_percent=scale)
    found: dict[str, str] = {}
    for state, top in walk_states(fixture, until, session):
        for _ in range(3):  # layout, then what depends on the resulting width
            QTest.qWait(0)
        for words in layout_problems(top):
            found.setdefault(words, state)
    assert found == {}


# Contrast.


def luminance(colour: QColor) -> float:
    """Relative luminance, WCAG 2.2."""
    shares = [part / 255 for part in (colour.red(), colour.green(), colour.blue())]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QColor, other: QColor) -> float:
    """Contrast ratio 1-21, WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_ratio_matches_the_standard() -> None:
    assert contrast(QColor("#000000"), QColor("#ffffff")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", THEMES)
def test_every_theme_has_its_documented_contrast(name: ThemeName) -> None:
    apply_theme(make_application(), name, 100)
    colours = theme.current()
    least = [("text", background, 7.0) for background in ("window", "panel", "raised", "track", "warning", "error")]
    least += [(fore, background, 4.5) for fore in ("dim", "accent") for background in ("window", "panel")]
    least += [("on_accent", "accent", 4.5)]
    marks = ("edge", "present", "recording")
    least += [(mark, background, 3.0) for mark in marks for background in ("window", "panel")]
    ratios = {(fore, on): contrast(colours.colour(fore), colours.colour(on)) for fore, on, _ in least}
    for label in EXPRESSIONS:
        least.append((label, "panel", 3.0))
        ratios[label, "panel"] = contrast(colours.expression(label), colours.colour("panel"))
    weak = {(fore, on): round(ratios[fore, on], 2) for fore, on, wanted in least if ratios[fore, on] < wanted}
    assert weak == {}
