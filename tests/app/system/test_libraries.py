"""The system libraries that a window needs."""

from __future__ import annotations

import sys

import pytest

from app.system import libraries
from app.system.libraries import QT_LIBRARIES, X11_LIBRARIES, is_installed, missing_for_window

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "is_installed", lambda library: False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


@on_linux
def test_an_installed_library_is_found_and_a_missing_one_is_not() -> None:
    assert is_installed("libc.so.6")
    assert not is_installed("libmien-does-not-exist.so.1")


@on_linux
@pytest.mark.parametrize(
    ("variables", "x11"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, False),
        ({"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":0"}, False),
        ({"QT_QPA_PLATFORM": "xcb"}, True),
        ({}, False),
    ],
)
def test_the_display_determines_the_libraries(nothing_installed, monkeypatch, variables, x11) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wanted = set(QT_LIBRARIES.values()) | (set(X11_LIBRARIES.values()) if x11 else set())
    assert set(missing_for_window()) == wanted


@on_linux
def test_other_systems_need_no_libraries(nothing_installed, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert missing_for_window() == ()
