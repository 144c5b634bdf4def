"""The one application of a process: made once, with a display that is there, and keys that do not take Space away."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QWidget

from app.qt.theme import ThemeName, apply_theme
from engine.errors import ConfigError

#: One of them must be set on Linux.
_DISPLAY_VARIABLES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
#: Controls that Space presses; a page's shortcut must not take it from them.
_PRESSED_BY_SPACE: Final = (QAbstractButton, QAbstractItemView, QComboBox)
#: Milliseconds between two moments at which Python hears a signal such as Ctrl-C.
_SIGNAL_MS: Final = 200


class _SpacePresses(QObject):
    """Leaves Space to the control that has the focus, so that everything can be worked by keys alone."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Claim Space before shortcuts get it."""
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Space
            and isinstance(watched, _PRESSED_BY_SPACE)
        ):
            event.accept()
            return True
        return False


def make_application() -> QApplication:
    """The one application of this process.

    Raises:
        ConfigError: there is no display, for which Qt would end the process.
    """
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAY_VARIABLES):
        raise ConfigError("no display is set (DISPLAY, WAYLAND_DISPLAY): run it on a desktop, or use 'mien annotate'")
    # A full OpenCV, if somebody installed one, points Qt to its own old plugins.
    for variable in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if "cv2" in os.environ.get(variable, ""):
            del os.environ[variable]
    application = QApplication(["mien"])
    application.setApplicationName("Mien")
    application.installEventFilter(_SpacePresses(application))
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
