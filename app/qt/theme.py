"""The look of all windows: light, dark and high-contrast theme, text scale, and the menu that chooses them.

Painters read `current()` when they paint and measure in `em`, so no signal is needed on a change of theme or scale: Qt
repaints and lays out every widget itself when palette or font change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QColor,
    QFont,
    QFontMetricsF,
    QGuiApplication,
    QKeySequence,
    QPalette,
)
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from app.overlay.palette import (
    ACCENT,
    ACCENT_ON_LIGHT,
    BAR_BELOW,
    BAR_PRESENT,
    BAR_UNTRUSTED,
    EXPRESSION_COLOURS,
    EXPRESSION_COLOURS_ON_LIGHT,
    TRACK,
    Colour,
)
from app.qt.preference_store import PreferenceStore
from app.settings.preferences import SCALE_RANGE

#: Scales offered in the settings, in percent.
SCALES: Final = (100, 125, 150, 175, 200)
#: Size of plain text in points at 100 %.
_POINTS: Final = 10.0
#: Distances between and inside widgets are multiples of so many pixels.
_GRID_PX: Final = 4
#: Images of the style sheet, drawn for this program.
_ICONS: Final = Path(__file__).resolve().parents[2] / "assets" / "icons"
#: Change of scale by one press of its key, in percent.
_STEP_PERCENT: Final = 25


class ThemeName(str, Enum):
    """Themes offered in the settings."""

    SYSTEM = "system"  # light or dark, as the desktop
    LIGHT = "light"
    DARK = "dark"
    HIGH_CONTRAST = "high-contrast"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``#rrggbb``. Contrast on window and panel: 7 : 1 or more for text, 4.5 : 1 or more for ``dim``."""

    name: ThemeName
    window: str  # background of pages
    panel: str  # background of cards, lists and fields
    raised: str  # background of controls that Fusion draws without our border, such as spin boxes
    text: str
    dim: str  # secondary text; also marks of "not assessed"
    line: str  # borders of passive elements
    edge: str  # borders of controls: 3 : 1 or more on both backgrounds
    accent: str  # selection and focus
    on_accent: str  # text on it
    track: str  # empty part of a bar
    present: str  # bar of a unit that is present
    below: str  # bar of a unit below its threshold
    hatch: str  # bar of a unit that is not trusted
    warning: str  # background of a warning, under ``text``
    error: str  # background of an error, under ``text``
    recording: str  # the REC label

    def colour(self, name: str) -> QColor:
        """A colour of this theme by its field name."""
        return QColor(getattr(self, name))

    def expression(self, label: str) -> QColor:
        """The colour of an expression as in the overlay; its darker counterpart on a light background.

        Raises:
            KeyError: unknown label.
        """
        is_light = QColor(self.panel).lightness() > 128
        return QColor(*(EXPRESSION_COLOURS_ON_LIGHT if is_light else EXPRESSION_COLOURS)[label])


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


_LIGHT: Final = Theme(
    ThemeName.LIGHT,
    *("#f4f4f2", "#ffffff", "#ffffff", "#1b1b1f", "#5a5a62", "#c6c6cc", "#84848c", _hex(ACCENT_ON_LIGHT), "#ffffff"),
    *("#e3e3e6", "#3c4a5c", "#94a3b3", "#8b8b90", "#fff0c2", "#ffdcd2", "#c43b00"),
)
_DARK: Final = Theme(
    ThemeName.DARK,
    *("#17171a", "#212126", "#43434b", "#f0f0f2", "#a9a9b2", "#43434b", "#7c7c86", _hex(ACCENT), "#0d0d10"),
    *(_hex(TRACK), _hex(BAR_PRESENT), _hex(BAR_BELOW), _hex(BAR_UNTRUSTED)),
    *("#4a3b08", "#54220f", "#ff7d47"),
)
_HIGH_CONTRAST: Final = Theme(
    ThemeName.HIGH_CONTRAST,
    *("#000000", "#000000", "#3c3c3c", "#ffffff", "#ffffff", "#ffffff", "#ffffff", "#ffff00", "#000000"),
    *("#303030", "#7fd0ff", "#8c9aa6", "#b8b8b8", "#3d3000", "#5a1200", "#ff9068"),
)
_THEMES: Final = {theme.name: theme for theme in (_LIGHT, _DARK, _HIGH_CONTRAST)}

_current: Theme = _LIGHT


def current() -> Theme:
    """The theme in use."""
    return _current


def em(widget: QWidget) -> float:
    """Height of a line of the widget's text in pixels: the unit of all sizes."""
    return QFontMetricsF(widget.font()).height()


def grid_px(widget: QWidget, ems: float) -> int:
    """A distance in ems of the widget's text, to the nearest four pixels."""
    return max(_GRID_PX, round(ems * em(widget) / _GRID_PX) * _GRID_PX)


def theme_names() -> dict[ThemeName, str]:
    """Translated names of all themes."""
    translate = QCoreApplication.translate
    return {
        ThemeName.SYSTEM: translate("mien", "As the desktop"),
        ThemeName.LIGHT: translate("mien", "Light"),
        ThemeName.DARK: translate("mien", "Dark"),
        ThemeName.HIGH_CONTRAST: translate("mien", "High contrast"),
    }


def apply_theme(application: QApplication, name: ThemeName, scale_percent: int) -> None:
    """Set theme and scale of all present and future windows."""
    global _current
    _current = _THEMES[_desktop_theme() if name is ThemeName.SYSTEM else name]
    application.setStyle("Fusion")
    font = QFont(application.font())
    font.setPointSizeF(_POINTS * scale_percent / 100)
    application.setFont(font)
    application.setPalette(_palette(_current))
    em_px = QFontMetricsF(font).height()
    application.setStyleSheet(_outlines(_current, em_px) + _sheet(_current, em_px))


class Appearance(QObject):
    """Applies theme and scale of the preferences, and follows their changes and the desktop's."""

    def __init__(self, store: PreferenceStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._applied: tuple[str, int] | None = None
        self._themes: dict[str, QAction] = {}
        self._scales: dict[int, QAction] = {}
        store.changed.connect(self._follow_store)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_desktop)
        self._follow_store()

    def fill(self, menu: QMenu) -> tuple[QAction, ...]:
        """Add submenus for theme and scale; return the actions with shortcuts."""
        themes = menu.addMenu(self.tr("Theme"))
        for theme, text in theme_names().items():
            self._themes[theme.value] = self._choice(themes, text, "theme", theme.value)
        _make_exclusive(self, self._themes.values())
        scales = menu.addMenu(self.tr("Text size"))
        for percent in SCALES:
            self._scales[percent] = self._choice(
                scales, self.tr("{percent} %").format(percent=percent), "scale_percent", percent
            )
        _make_exclusive(self, self._scales.values())
        scales.addSeparator()
        steps = (
            self._step(scales, self.tr("Larger text"), ("Ctrl++", "Ctrl+="), _STEP_PERCENT),
            self._step(scales, self.tr("Smaller text"), ("Ctrl+-",), -_STEP_PERCENT),
        )
        self._check_actions()
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
        if (now.theme, now.scale_percent) != self._applied:
            self._applied = (now.theme, now.scale_percent)
            self._apply()

    def _follow_desktop(self) -> None:
        if self._store.now.theme == ThemeName.SYSTEM.value:
            self._apply()

    def _apply(self) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, ThemeName(self._store.now.theme), self._store.now.scale_percent)
        self._check_actions()

    def _check_actions(self) -> None:
        now = self._store.now
        for theme, action in self._themes.items():
            action.setChecked(theme == now.theme)
        for percent, action in self._scales.items():
            action.setChecked(percent == now.scale_percent)


def _make_exclusive(owner: QObject, actions: Iterable[QAction]) -> None:
    group = QActionGroup(owner)
    for action in actions:
        group.addAction(action)


def _desktop_theme() -> ThemeName:
    hints = QGuiApplication.styleHints()
    dark = hints is not None and hints.colorScheme().name == "Dark"
    return ThemeName.DARK if dark else ThemeName.LIGHT


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for name, roles in {
        "window": (role.Window, role.AlternateBase),
        "panel": (role.Base, role.ToolTipBase),
        "raised": (role.Button,),
        "text": (role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText),
        "accent": (role.Highlight, role.Link, role.LinkVisited),
        "on_accent": (role.HighlightedText,),
        "line": (role.Mid, role.Midlight, role.Light),
        "dim": (role.PlaceholderText,),
        "edge": (role.Dark, role.Shadow),  # edges that Fusion draws inside of controls
    }.items():
        for one in roles:
            palette.setColor(one, theme.colour(name))
    for one in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, one, _mixed(theme.text, theme.panel))
    return palette


def _mixed(a: str, b: str) -> QColor:
    first, second = QColor(a), QColor(b)
    pairs = zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)  # type: ignore[call-overload, index, unused-ignore]  # PySide6 types getRgb as object
    return QColor(*(round(0.5 * (one + other)) for one, other in pairs))


def _outlines(theme: Theme, em_px: float) -> str:
    """Borders of controls, the same in every theme; Fusion's own cannot be seen on dark backgrounds."""
    edge, round_px, pad = f"1px solid {theme.edge}", round(0.2 * em_px), round(0.25 * em_px)
    box, handle = round(0.75 * em_px), round(0.5 * em_px)
    return f"""
    QPushButton, QToolButton, QLineEdit, QComboBox, QProgressBar, QPlainTextEdit {{
        border: {edge}; border-radius: {round_px}px; background: {theme.panel}; }}
    QPushButton, QToolButton {{ padding: {pad}px {2 * pad}px; }}
    QLineEdit, QComboBox {{ padding: {pad // 2}px {pad}px; }}
    QComboBox::drop-down {{ border: none; width: {round(1.3 * em_px)}px; }}
    QComboBox::down-arrow {{ image: url({_icon("arrow", theme.text)}); width: {box}px; height: {box}px; }}
    QPushButton:hover, QToolButton:hover {{ background: {theme.track}; }}
    QPushButton:checked, QToolButton:checked {{ background: {theme.track}; border: 2px solid {theme.accent}; }}
    QPushButton:focus, QToolButton:focus, QLineEdit:focus, QComboBox:focus,
    QPlainTextEdit:focus {{ border: 2px solid {theme.accent}; }}
    QPushButton:disabled, QToolButton:disabled {{ border-color: {theme.line}; }}
    QProgressBar {{ text-align: center; }}
    QProgressBar::chunk {{ background: {theme.accent}; width: 1px; }}
    QCheckBox::indicator, QRadioButton::indicator, QGroupBox::indicator, QTableView::indicator {{ border: {edge};
        width: {box}px; height: {box}px; background: {theme.panel}; }}
    QRadioButton::indicator {{ border-radius: {box // 2}px; }}
    QCheckBox::indicator:checked, QRadioButton::indicator:checked, QGroupBox::indicator:checked,
        QTableView::indicator:checked {{ background: {theme.accent}; }}
    QCheckBox::indicator:checked, QGroupBox::indicator:checked, QTableView::indicator:checked {{
        image: url({_icon("check", theme.on_accent)}); }}
    QCheckBox:focus, QRadioButton:focus {{ border: 1px dotted {theme.accent}; }}
    QSlider::groove:horizontal {{ border: {edge}; height: {pad}px; border-radius: {pad // 2}px; }}
    QSlider::handle:horizontal {{ border: {edge}; width: {handle}px; margin: -{handle // 2 + 1}px 0;
        border-radius: {handle // 2}px; background: {theme.text}; }}
    QSlider::handle:horizontal:focus {{ background: {theme.accent}; }}
    QScrollBar {{ background: {theme.window}; }}
    QScrollBar:vertical {{ width: {box}px; }} QScrollBar:horizontal {{ height: {box}px; }}
    QScrollBar::handle {{ background: {theme.edge}; border-radius: {box // 4}px; margin: 2px; }}
    QScrollBar::handle:vertical {{ min-height: {2 * box}px; }}
    QScrollBar::handle:horizontal {{ min-width: {2 * box}px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QTabBar::tab {{ border: {edge}; padding: {pad}px {2 * pad}px; margin-right: 2px; background: {theme.window}; }}
    QTabBar::tab:selected {{ background: {theme.panel}; border-bottom: 3px solid {theme.accent}; }}
    QTabBar::tab:focus {{ border-color: {theme.accent}; }}
    QTabWidget::pane {{ border: {edge}; }}
    """


def _icon(name: str, ink: str) -> str:
    """An image for a style sheet in a light or dark ink."""
    return (_ICONS / f"{name}-{'light' if QColor(ink).lightness() > 128 else 'dark'}.svg").as_posix()


def _sheet(theme: Theme, em_px: float) -> str:
    """Style sheet of cards, headings and focus frames. Widgets opt in through the property ``role``."""
    pad = round(0.5 * em_px)
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.line}; padding: 3px; }}
    *[role="info"] {{ background: {theme.panel}; }} *[role="warning"] {{ background: {theme.warning}; }}
    *[role="error"] {{ background: {theme.error}; }}
    Toast {{ border: 1px solid {theme.edge}; border-radius: {pad}px; }}
    *[role="card"] {{ background: {theme.panel}; border: 1px solid {theme.line}; border-radius: {pad}px; }}
    QLabel[role="heading"] {{ font-weight: 600; }}
    QLabel[role="title"] {{ font-size: {round(1.5 * em_px)}px; font-weight: 600; }}
    QLabel[role="recording"] {{ color: {theme.recording}; font-weight: 600; }}
    QLabel[role="dim"] {{ color: {theme.dim}; }}
    QPushButton[role="main"] {{ background: {theme.accent}; color: {theme.on_accent}; border: 1px solid {theme.accent};
        border-radius: {pad // 2}px; padding: {pad}px {2 * pad}px; font-weight: 600; }}
    QPushButton[role="main"]:focus {{ border: 2px solid {theme.text}; }}
    QPushButton[role="main"]:disabled {{ background: {theme.track}; color: {theme.dim}; border-color: {theme.track}; }}
    """
