"""The QApplication: creation after checking the display, keys reserved for controls, and the event loop."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QSlider, QTabBar, QWidget

from app.qt.theme import ThemeName, apply_theme
from app.system.libraries import missing_for_window
from app.termination import note_signal
from engine.errors import ConfigError

#: On Linux one of them must be set.
_DISPLAY_VARIABLES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
#: Controls operated by Space and by arrow keys, which a page's shortcuts must not take from them.
_PRESSED_BY_SPACE: Final = (QAbstractButton, QAbstractItemView, QComboBox)
_MOVED_BY_ARROWS: Final = (QSlider, QTabBar)
_ARROWS: Final = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
#: Milliseconds between two runs of Python code, which handle pending signals such as SIGINT.
_SIGNAL_MS: Final = 200


class _KeyGuard(QObject):
    """Event filter that gives the focused control its keys before shortcuts, so that all controls work by keyboard.

    Installed on such controls only: a Python filter on all events would cost half a millisecond per video frame.
    """

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        application.focusChanged.connect(self._follow)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Claim the key before shortcuts do."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            pressed = event.key() == Qt.Key.Key_Space and isinstance(watched, _PRESSED_BY_SPACE)
            if pressed or (event.key() in _ARROWS and isinstance(watched, _MOVED_BY_ARROWS)):
                event.accept()
                return True
        return False

    def _follow(self, before: QWidget | None, now: QWidget | None) -> None:
        if isinstance(now, (*_PRESSED_BY_SPACE, *_MOVED_BY_ARROWS)):
            now.installEventFilter(self)  # idempotent


def make_application() -> QApplication:
    """The QApplication of this process, created on the first call.

    Raises:
        ConfigError: no display, or a missing library; Qt would abort the process.
    """
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAY_VARIABLES):
        raise ConfigError("no display is set (DISPLAY, WAYLAND_DISPLAY): run it on a desktop, or use 'mien annotate'")
    missing = missing_for_window()
    if missing:
        raise ConfigError(f"the window needs libraries of the system: run 'sudo apt install {' '.join(missing)}'")
    # The full OpenCV package, if installed, points Qt to its own older plugins.
    for variable in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if "cv2" in os.environ.get(variable, ""):
            del os.environ[variable]
    application = QApplication(["mien"])
    application.setApplicationName("Mien")
    _KeyGuard(application)
    apply_theme(application, ThemeName.SYSTEM, 100)
    return application


def run_until_closed(application: QApplication, window: QWidget) -> None:
    """Run the event loop until the window is closed; SIGINT and SIGTERM close it."""

    def stop(number: int, frame: FrameType | None) -> None:
        note_signal(number)
        QTimer.singleShot(0, window, window.close)  # a signal may arrive in the middle of the creation of a page

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    wake = QTimer()  # Python handles signals only while Python code runs
    wake.timeout.connect(lambda: None)
    wake.start(_SIGNAL_MS)
    try:
        application.exec()
    finally:
        wake.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
