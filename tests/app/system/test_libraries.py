"""What Qt needs of the system is asked for before Qt ends the process."""

from __future__ import annotations

import sys

import pytest

from app.system import libraries
from app.system.libraries import QT_LIBRARIES, X11_LIBRARIES, is_there, missing_for_window

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "is_there", lambda library: False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def test_a_library_that_is_there_is_found_and_another_is_not() -> None:
    assert is_there("libc.so.6")
    assert not is_there("libmien-does-not-exist.so.1")


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
def test_the_display_decides_what_is_needed(nothing_there, monkeypatch, variables, x11) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wanted = set(QT_LIBRARIES.values()) | (set(X11_LIBRARIES.values()) if x11 else set())
    assert set(missing_for_window()) == wanted


def test_other_systems_need_none(nothing_there, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert missing_for_window() == ()
