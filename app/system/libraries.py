"""Libraries of the system that Qt loads on Linux and that its wheel does not bring: which lack, and their packages.

Without one of them Qt ends the process with a message of its own, so the window asks here first.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

#: To their Debian and Ubuntu packages: what every window needs, also one without a screen.
QT_LIBRARIES: Final = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
#: What a window on an X display needs besides.
X11_LIBRARIES: Final = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}


def is_there(library: str) -> bool:
    """Whether the system can load it."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_for_window() -> tuple[str, ...]:
    """Packages without which the window cannot start on the display that is set; empty elsewhere than on Linux."""
    if sys.platform != "linux":
        return ()
    wanted = QT_LIBRARIES | (X11_LIBRARIES if _on_x11() else {})
    return tuple(package for library, package in wanted.items() if not is_there(library))


def _on_x11() -> bool:
    chosen = os.environ.get("QT_QPA_PLATFORM")
    if chosen:
        return chosen.split(":")[0].split(";")[0] == "xcb"
    return bool(os.environ.get("DISPLAY")) and not os.environ.get("WAYLAND_DISPLAY")
