"""Theme and scale as the preferences have them, applied at once; light or dark as the desktop is, if so wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QAction, QActionGroup, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QApplication, QMenu

from app.qt.preference_store import PreferenceStore
from app.qt.theme import SCALES, ThemeName, apply_theme
from app.settings.preferences import SCALE_RANGE

_STEP_PERCENT: Final = 25


class Appearance(QObject):
    """Gives the application the look of the store, now and after every change."""

    #: Another theme or scale is in force.
    applied = Signal()

    def __init__(self, store: PreferenceStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._in_force: tuple[str, int] | None = None
        self._themes: dict[str, QAction] = {}
        self._scales: dict[int, QAction] = {}
        store.changed.connect(self._follow_store)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_desktop)
        self._follow_store()

    def fill(self, menu: QMenu) -> tuple[QAction, ...]:
        """Add menus for theme and scale; gives the actions that have keys."""
        themes = menu.addMenu(self.tr("Theme"))
        for theme, text in theme_words().items():
            self._themes[theme.value] = self._choice(themes, text, "theme", theme.value)
        _exclusive(self, self._themes.values())
        scales = menu.addMenu(self.tr("Size of text"))
        for percent in SCALES:
            self._scales[percent] = self._choice(
                scales, self.tr("{percent} %").format(percent=percent), "scale_percent", percent
            )
        _exclusive(self, self._scales.values())
        scales.addSeparator()
        steps = (
            self._step(scales, self.tr("Larger text"), ("Ctrl++", "Ctrl+="), _STEP_PERCENT),
            self._step(scales, self.tr("Smaller text"), ("Ctrl+-",), -_STEP_PERCENT),
        )
        self._mark()
        return steps

    def _choice(self, menu: QMenu, text: str, field: str, value: str | int) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.triggered.connect(lambda checked=False: self._store.change(**{field: value}))
        return action

    def _step(self, menu: QMenu, text: str, keys: tuple[str, ...], percent: int) -> QAction:
        action = menu.addAction(text)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(lambda checked=False: self._scale_by(percent))
        return action

    def _scale_by(self, percent: int) -> None:
        low, high = SCALE_RANGE
        self._store.change(scale_percent=min(high, max(low, self._store.now.scale_percent + percent)))

    def _follow_store(self) -> None:
        now = self._store.now
        if (now.theme, now.scale_percent) != self._in_force:
            self._in_force = (now.theme, now.scale_percent)
            self._apply()

    def _follow_desktop(self) -> None:
        if self._store.now.theme == ThemeName.SYSTEM.value:
            self._apply()

    def _apply(self) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, ThemeName(self._store.now.theme), self._store.now.scale_percent)
        self._mark()
        self.applied.emit()

    def _mark(self) -> None:
        now = self._store.now
        for theme, action in self._themes.items():
            action.setChecked(theme == now.theme)
        for percent, action in self._scales.items():
            action.setChecked(percent == now.scale_percent)


def theme_words() -> dict[ThemeName, str]:
    """Every theme with its name for the user."""
    translate = QCoreApplication.translate
    return {
        ThemeName.SYSTEM: translate("mien", "As the desktop"),
        ThemeName.LIGHT: translate("mien", "Light"),
        ThemeName.DARK: translate("mien", "Dark"),
        ThemeName.HIGH_CONTRAST: translate("mien", "High contrast"),
    }


def _exclusive(owner: QObject, actions: Iterable[QAction]) -> None:
    group = QActionGroup(owner)
    for action in actions:
        group.addAction(action)
