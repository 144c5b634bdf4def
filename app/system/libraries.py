"""The system libraries of a window."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

#: System libraries of every window, also an offscreen one, that Qt's wheel for Linux does not contain, with their
#: Debian and Ubuntu packages. If one is missing, Qt aborts the process, so the window calls `missing_for_window` first.
QT_LIBRARIES: Final = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
#: Additional libraries of a window on an X display.
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


def is_installed(library: str) -> bool:
    """Whether the system can load a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_for_window() -> tuple[str, ...]:
    """List the missing packages that a window on the current display needs; empty on other systems than Linux."""
    if sys.platform != "linux":
        return ()
    wanted = QT_LIBRARIES | (X11_LIBRARIES if _on_x11() else {})
    return tuple(package for library, package in wanted.items() if not is_installed(library))


def _on_x11() -> bool:
    chosen = os.environ.get("QT_QPA_PLATFORM")
    if chosen:
        return chosen.split(":")[0].split(";")[0] == "xcb"
    return bool(os.environ.get("DISPLAY")) and not os.environ.get("WAYLAND_DISPLAY")
