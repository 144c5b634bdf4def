"""The one application of a process: made once, with a display that is there; controls keep the keys that work them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QSlider, QTabBar, QWidget

from app.qt.theme import ThemeName, apply_theme
from app.system.libraries import missing_for_window
from engine.errors import ConfigError

#: One of them must be set on Linux.
_DISPLAY_VARIABLES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
#: Controls that Space presses, and those that arrows move; a page's shortcuts must not take these keys from them.
_PRESSED_BY_SPACE: Final = (QAbstractButton, QAbstractItemView, QComboBox)
_MOVED_BY_ARROWS: Final = (QSlider, QTabBar)
_ARROWS: Final = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
#: Milliseconds between two moments at which Python hears a signal such as Ctrl-C.
_SIGNAL_MS: Final = 200


class _OwnKeys(QObject):
    """Leaves its keys to the control that has the focus, so that everything can be worked by keys alone.

    It looks at the events of such controls only: Python in the way of all events costs a live picture half a
    millisecond.
    """

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        application.focusChanged.connect(self._follow)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Claim them before shortcuts get them."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            pressed = event.key() == Qt.Key.Key_Space and isinstance(watched, _PRESSED_BY_SPACE)
            if pressed or (event.key() in _ARROWS and isinstance(watched, _MOVED_BY_ARROWS)):
                event.accept()
                return True
        return False

    def _follow(self, before: QWidget | None, now: QWidget | None) -> None:
        if isinstance(now, (*_PRESSED_BY_SPACE, *_MOVED_BY_ARROWS)):
            now.installEventFilter(self)  # a second time changes nothing


def make_application() -> QApplication:
    """The one application of this process.

    Raises:
        ConfigError: there is no display, or a library is missing, for which Qt would end the process.
    """
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAY_VARIABLES):
        raise ConfigError("no display is set (DISPLAY, WAYLAND_DISPLAY): run it on a desktop, or use 'mien annotate'")
    missing = missing_for_window()
    if missing:
        raise ConfigError(f"the window needs libraries of the system: run 'sudo apt install {' '.join(missing)}'")
    # A full OpenCV, if somebody installed one, points Qt to its own old plugins.
    for variable in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if "cv2" in os.environ.get(variable, ""):
            del os.environ[variable]
    application = QApplication(["mien"])
    application.setApplicationName("Mien")
    _OwnKeys(application)
    apply_theme(application, ThemeName.SYSTEM, 100)
    return application


def run_until_closed(application: QApplication, window: QWidget) -> None:
    """Show the window until it is closed; SIGINT and SIGTERM close it."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, lambda number, frame: window.close())
    heard = QTimer()  # Python hears signals only while Python runs
    heard.timeout.connect(lambda: None)
    heard.start(_SIGNAL_MS)
    try:
        application.exec()
    finally:
        heard.stop()
        for number, handler in kept.items():
            signal.signal(number, handler)
