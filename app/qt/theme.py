"""Colours, sizes and the style of all windows: light, dark and high contrast, one scale for text and controls.

Painters ask `current()` when they paint and measure in `em`, so that a change of theme or scale needs no signal: Qt
repaints and lays out every widget by itself when palette or font change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from PySide6.QtGui import QColor, QFont, QFontMetricsF, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from app.overlay.overlay import COLOURS
from engine.facs import EXPRESSIONS

#: Scales that the settings offer, in percent.
SCALES: Final = (100, 125, 150, 175, 200)
#: Points of the plain text at 100 %.
_POINTS: Final = 10.0


class ThemeName(str, Enum):
    """What the settings offer."""

    SYSTEM = "system"  # light or dark, as the desktop is
    LIGHT = "light"
    DARK = "dark"
    HIGH_CONTRAST = "high-contrast"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``#rrggbb``. Text on window and panel has a contrast of 7 : 1 or more, ``dim`` 4.5 : 1 or more."""

    name: ThemeName
    window: str  # ground of pages
    panel: str  # ground of cards, lists and fields
    raised: str  # ground of the few controls that Fusion draws without a border of ours, such as spin boxes
    text: str
    dim: str  # text of less weight; also marks of "not assessed"
    line: str  # borders of what can only be looked at
    edge: str  # borders of what can be used: 3 : 1 or more on both grounds
    accent: str  # selection and focus
    on_accent: str  # text on it
    track: str  # empty part of a bar
    present: str  # bar of a unit that is present
    below: str  # bar of a unit below its threshold
    hatch: str  # bar of a unit that is not trusted
    warning: str  # ground of a warning, under ``text``
    fault: str  # ground of a fault, under ``text``
    recording: str  # the sign of a recording

    def colour(self, name: str) -> QColor:
        """A colour of this theme by its field's name."""
        return QColor(getattr(self, name))

    def expression(self, label: str) -> QColor:
        """The Okabe-Ito colour of an expression, the same as in the overlay; darker where the ground is light.

        Raises:
            KeyError: no such expression.
        """
        colour = QColor(*COLOURS[label])
        return colour.darker(_DARKER[label]) if QColor(self.panel).lightness() > 128 else colour


#: How much darker (percent, QColor.darker) the colours are on a light ground, so that each has 3 : 1 there.
_DARKER: Final[dict[str, int]] = dict(zip(EXPRESSIONS, (165, 135, 140, 100, 105, 110, 115, 190), strict=True))

_LIGHT: Final = Theme(
    ThemeName.LIGHT,
    *("#f4f4f2", "#ffffff", "#ffffff", "#1b1b1f", "#5a5a62", "#c6c6cc", "#84848c", "#0067a8", "#ffffff"),
    *("#e3e3e6", "#0072b2", "#94a3b3", "#8b8b90", "#fff0c2", "#ffdcd2", "#c43b00"),
)
_DARK: Final = Theme(
    ThemeName.DARK,
    *("#17171a", "#212126", "#43434b", "#f0f0f2", "#a9a9b2", "#43434b", "#7c7c86", "#56b4e9", "#0d0d10"),
    *("#3a3a40", "#56b4e9", "#5a6874", "#88888c", "#4a3b08", "#54220f", "#ff7d47"),
)
_HIGH_CONTRAST: Final = Theme(
    ThemeName.HIGH_CONTRAST,
    *("#000000", "#000000", "#3c3c3c", "#ffffff", "#ffffff", "#ffffff", "#ffffff", "#ffff00", "#000000"),
    *("#303030", "#7fd0ff", "#8c9aa6", "#b8b8b8", "#3d3000", "#5a1200", "#ff9068"),
)
_THEMES: Final = {theme.name: theme for theme in (_LIGHT, _DARK, _HIGH_CONTRAST)}

_current: Theme = _LIGHT


def current() -> Theme:
    """The theme in force."""
    return _current


def apply_theme(application: QApplication, name: ThemeName, scale_percent: int) -> None:
    """Give all windows this theme and scale, now and from now on."""
    global _current
    _current = _THEMES[_of_desktop() if name is ThemeName.SYSTEM else name]
    application.setStyle("Fusion")
    font = QFont(application.font())
    font.setPointSizeF(_POINTS * scale_percent / 100)
    application.setFont(font)
    application.setPalette(_palette(_current))
    em_px = QFontMetricsF(font).height()
    outlines = _outlines(_current, em_px) if _current.colour("window").lightness() < 128 else ""
    application.setStyleSheet(outlines + _sheet(_current, em_px))


def em(widget: QWidget) -> float:
    """The unit of every size: the height of a line of the widget's text, in pixels."""
    return QFontMetricsF(widget.font()).height()


def _of_desktop() -> ThemeName:
    ground = QGuiApplication.styleHints()
    dark = ground is not None and ground.colorScheme().name == "Dark"
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
    """Borders for dark grounds, on which Fusion draws its own, darker than the ground, out of sight."""
    edge, round_px, pad = f"1px solid {theme.edge}", round(0.2 * em_px), round(0.25 * em_px)
    box, handle = round(0.75 * em_px), round(0.5 * em_px)
    return f"""
    QPushButton, QToolButton, QLineEdit, QComboBox, QProgressBar, QPlainTextEdit {{
        border: {edge}; border-radius: {round_px}px; background: {theme.panel}; }}
    QPushButton, QToolButton {{ padding: {pad}px {2 * pad}px; }}
    QLineEdit, QComboBox {{ padding: {pad // 2}px {pad}px; }}
    QPushButton:hover, QToolButton:hover {{ background: {theme.track}; }}
    QPushButton:checked, QToolButton:checked {{ background: {theme.track}; border: 2px solid {theme.accent}; }}
    QPushButton:focus, QToolButton:focus, QLineEdit:focus, QComboBox:focus,
    QPlainTextEdit:focus {{ border: 2px solid {theme.accent}; }}
    QPushButton:disabled, QToolButton:disabled {{ border-color: {theme.line}; }}
    QProgressBar {{ text-align: center; }}
    QProgressBar::chunk {{ background: {theme.accent}; width: 1px; }}
    QCheckBox::indicator, QRadioButton::indicator, QGroupBox::indicator {{ border: {edge}; width: {box}px;
        height: {box}px; background: {theme.panel}; }}
    QRadioButton::indicator {{ border-radius: {box // 2}px; }}
    QCheckBox::indicator:checked, QRadioButton::indicator:checked, QGroupBox::indicator:checked {{
        background: {theme.accent}; }}
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


def _sheet(theme: Theme, em_px: float) -> str:
    """What a palette cannot say: cards, headings, focus frames. Widgets opt in by the property ``role``."""
    pad = round(0.5 * em_px)
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.line}; padding: 3px; }}
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
