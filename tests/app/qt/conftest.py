"""Offscreen windows, and the check that no test leaves a widget or a running timer behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import pytest

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="session", autouse=True)
def _offscreen() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield


@pytest.fixture(scope="session")
def qapp(_offscreen: None) -> object:
    """The program's own application instead of pytest-qt's."""
    from app.qt.application import make_application

    return make_application()


@pytest.fixture(autouse=True)
def nothing_left(no_thread_left: None, _offscreen: None) -> Iterator[None]:
    """Fail a test that leaves a widget or a running timer alive; reset theme and scale."""
    from PySide6.QtCore import QCoreApplication, QEvent, QTimer
    from PySide6.QtWidgets import QApplication, QWidget
    from shiboken6 import Shiboken

    from app.qt.application import make_application
    from app.qt.theme import ThemeName, apply_theme

    application = make_application()
    apply_theme(application, ThemeName.LIGHT, 100)
    before = {id(widget) for widget in QApplication.allWidgets()}
    yield

    def find_leaks() -> tuple[list[QWidget], list[QTimer]]:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
        timers = (item for item in gc.get_objects() if type(item) is QTimer)
        return (
            [widget for widget in QApplication.allWidgets() if id(widget) not in before],
            [timer for timer in timers if Shiboken.isValid(timer) and timer.isActive()],
        )

    left, timers = find_leaks()
    if left or timers:  # a collection is slow, so only if it may free something
        gc.collect()
        left, timers = find_leaks()
    leaks = [f"{type(item).__name__} {item.objectName()!r}" for item in (*left, *timers)]
    for widget in left:
        if Shiboken.isValid(widget) and widget.parent() is None:
            Shiboken.delete(widget)
    if leaks:
        pytest.fail(f"left alive: {', '.join(sorted(set(leaks))[:12])} ({len(leaks)})")


@pytest.fixture
def until() -> Until:
    """Run the event loop until a condition holds; half a minute at most, for a busy machine."""
    from PySide6.QtTest import QTest

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "condition not met within half a minute"
            QTest.qWait(5)

    return wait
