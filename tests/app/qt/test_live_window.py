"""The window without a screen: it shows the frame that the result belongs to, and obeys its keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.qt.live_window import LiveWindow, make_application
from engine.config import RuntimeConfig
from engine.errors import ConfigError
from engine.recording import RunHeader
from engine.runtime import Runtime, RuntimeState
from tests.app.made import MadePipeline, MadeSource


@pytest.fixture(autouse=True)
def offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture
def window(header: RunHeader, tmp_path: Path) -> Iterator[Callable[[Runtime], LiveWindow]]:
    """Make a window around a runtime; both end with the test."""
    make_application()
    opened: list[tuple[LiveWindow, Runtime]] = []

    def make(runtime: Runtime) -> LiveWindow:
        made = LiveWindow(runtime, header, "made on CPU", tmp_path)
        opened.append((made, runtime))
        runtime.start()
        made.show()
        return made

    yield make
    for made, runtime in opened:
        made.close()
        if runtime.state is not RuntimeState.FAILED:
            runtime.stop()
        made.deleteLater()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        QTest.qWait(10)


def live_runtime(pipeline: MadePipeline) -> Runtime:
    return Runtime(MadeSource(10**7, live=True), pipeline, (), RuntimeConfig())


def slow() -> MadePipeline:
    return MadePipeline(on_frame=lambda index: time.sleep(0.01))


def test_the_picture_is_the_frame_of_the_result(window: Callable[[Runtime], LiveWindow]) -> None:
    runtime = Runtime(MadeSource(23), MadePipeline(), (), RuntimeConfig())
    shown = window(runtime)
    until(lambda: runtime.state is RuntimeState.STOPPED and shown.view.picture is not None)
    shown.look()
    picture = shown.view.picture
    assert picture is not None
    assert (picture[60, 10] == 22).all()  # made frames have the grey level of their index; 22 is the last
    assert "ended" in shown.status.text()
    assert "made on CPU" in shown.status.text()


def test_space_pauses_and_goes_on(window: Callable[[Runtime], LiveWindow]) -> None:
    runtime = live_runtime(slow())
    shown = window(runtime)
    until(lambda: shown.view.picture is not None)
    QTest.keyClick(shown, Qt.Key.Key_Space)
    assert runtime.state is RuntimeState.PAUSED
    until(lambda: "paused" in shown.status.text())
    QTest.keyClick(shown, Qt.Key.Key_Space)
    assert runtime.state is RuntimeState.RUNNING
    until(lambda: "fps" in shown.status.text())


def test_s_saves_the_picture(window: Callable[[Runtime], LiveWindow], tmp_path: Path) -> None:
    shown = window(live_runtime(slow()))
    until(lambda: shown.view.picture is not None)
    assert list(tmp_path.glob("*.png")) == []
    QTest.keyClick(shown, Qt.Key.Key_S)
    assert len(list(tmp_path.glob("mien-*.png"))) == 1
    until(lambda: "saved" in shown.status.text())


def test_escape_closes(window: Callable[[Runtime], LiveWindow]) -> None:
    shown = window(live_runtime(slow()))
    QTest.keyClick(shown, Qt.Key.Key_Escape)
    assert not shown.isVisible()


def test_a_run_that_fails_closes_the_window(window: Callable[[Runtime], LiveWindow]) -> None:
    def fail(index: int) -> None:
        raise RuntimeError("made to fail")

    runtime = live_runtime(MadePipeline(on_frame=fail))
    shown = window(runtime)
    until(lambda: not shown.isVisible())
    with pytest.raises(RuntimeError, match="made to fail"):
        runtime.stop()


def test_the_picture_is_painted(window: Callable[[Runtime], LiveWindow]) -> None:
    shown = window(live_runtime(slow()))
    until(lambda: shown.view.picture is not None)
    image = shown.grab().toImage()
    assert image.width() == shown.width()
    assert image.pixelColor(image.width() // 2, 5).lightness() >= 0


def test_no_display_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.qt.live_window.QApplication.instance", staticmethod(lambda: None))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no display is set"):
        make_application()
