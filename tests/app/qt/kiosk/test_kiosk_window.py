"""The kiosk on a fake bridge and clock: what it shows in every state, and how it is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QFileSystemWatcher, QObject, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.kiosk import CAMERA_NOTICE, MAX_NOTICE, MAX_TRIES, RECORDING_NOTICE, RETRY_S, SLOW_S, STUCK_S, KioskOptions
from app.live.live_run import RenderedFrame
from app.overlay.disclaimer import DISCLAIMER
from app.overlay.overlay import OverlayParts
from app.qt.application import make_application
from app.qt.bridge import LiveBridge, LiveState
from app.qt.kiosk import kiosk_window
from app.qt.kiosk.kiosk_window import KioskWindow, run_kiosk
from app.qt.theme import ThemeName, apply_theme, current
from app.qt.widgets.notice_bar import Notice, Severity
from engine.capture.camera_list import Camera
from engine.config import EngineConfig
from engine.errors import SourceError
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.faces import fake_frame, fake_result
from tests.fakes.sessions import FakeEngines


class FakeBridge(QObject):
    """Records its calls; the test sets its state."""

    state_changed = Signal(object)
    presented = Signal(object)
    noticed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.state = LiveState.IDLE
        self.opened: list[str] = []
        self.stopped = 0
        self.parts: OverlayParts | None = None
        self.space_px = (0, 0)

    def open(self, spec: str) -> None:
        self.opened.append(spec)
        self.go(LiveState.OPENING)

    def stop(self) -> None:
        self.stopped += 1
        self.go(LiveState.IDLE)

    def set_overlay(self, parts: OverlayParts) -> None:
        self.parts = parts

    def set_view_size(self, width_px: int, height_px: int) -> None:
        self.space_px = (width_px, height_px)

    def go(self, state: LiveState) -> None:
        self.state = state
        self.state_changed.emit(state)

    def present(self, index: int = 0) -> None:
        frame = fake_frame(index)
        self.presented.emit(RenderedFrame(fake_result(frame), (), np.array(frame.image)))

    def fail(self, text: str, state: LiveState = LiveState.FAILED) -> None:
        self.go(state)
        self.noticed.emit(Notice(text, Severity.ERROR, "source"))


class Rig:
    """A kiosk with its bridge, clock and cameras."""

    def __init__(self, options: KioskOptions, width: int = 1280, height: int = 800) -> None:
        self.now_s = 1000.0
        self.cameras: tuple[Camera, ...] = ()
        self.bridge = FakeBridge()
        self.window = KioskWindow(self.bridge, options, lambda: self.now_s, lambda: self.cameras)
        self.window.resize(width, height)
        self.window.show()
        self.window.begin()

    @property
    def on_page(self) -> bool:
        return self.window.page.isVisible()

    @property
    def texts(self) -> tuple[str, str, str]:
        page = self.window.page
        return page.title.text(), page.detail.text(), page.next_try.text()

    def run(self) -> None:
        self.bridge.go(LiveState.RUNNING)
        self.bridge.present()

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.window.poll()


@pytest.fixture
def open_kiosk() -> Iterator[Callable[..., Rig]]:
    make_application()
    rigs: list[Rig] = []

    def make(options: KioskOptions | None = None, **size: int) -> Rig:
        rigs.append(Rig(options or KioskOptions(), **size))
        return rigs[-1]

    yield make
    for one in rigs:
        one.window.close()
        one.window.deleteLater()
        one.bridge.deleteLater()


def texts_fit(kiosk: Rig) -> bool:
    """Whether every visible text is complete and inside the window."""
    window = kiosk.window
    page = window.page
    QApplication.processEvents()
    for label in (window.band.notice, window.band.disclaimer, page.title, page.detail, page.next_try):
        if label.isVisible():
            corner = label.mapTo(window, QPoint(label.width(), label.height()))
            if label.height() < label.heightForWidth(label.width()):
                return False
            if corner.x() > window.width() or corner.y() > window.height():
                return False
    return True


def test_it_opens_its_source_and_waits_for_a_frame(open_kiosk):
    kiosk = open_kiosk(KioskOptions("demo"))
    assert kiosk.bridge.opened == ["demo"]
    assert kiosk.texts[0] == "Starting …"
    kiosk.bridge.go(LiveState.RUNNING)
    assert kiosk.on_page  # no frame yet
    kiosk.bridge.present(7)
    assert not kiosk.on_page
    assert (kiosk.window.view.image == 7).all()
    QApplication.processEvents()
    assert kiosk.bridge.space_px == kiosk.window.view.space_px


def test_labels_are_shown_only_on_request(open_kiosk):
    plain = open_kiosk()
    assert plain.bridge.parts == OverlayParts(boxes=True, chips=False, units=False, disclaimer=False)
    assert not plain.window.band.disclaimer.isVisible()
    named = open_kiosk(KioskOptions(labels=True))
    assert named.bridge.parts == OverlayParts(boxes=True, chips=True, units=False, disclaimer=False)
    assert named.window.band.disclaimer.isVisible()
    assert named.window.band.disclaimer.text() == DISCLAIMER


@pytest.mark.parametrize(
    ("options", "notice"),
    [
        (KioskOptions("0"), CAMERA_NOTICE),
        (KioskOptions("demo"), RECORDING_NOTICE),
        (KioskOptions(notice="<b>Ask & see</b>"), "<b>Ask & see</b>"),
    ],
)
def test_the_notice_is_shown_in_every_state(open_kiosk, options, notice):
    kiosk = open_kiosk(options)
    for state in (LiveState.RUNNING, LiveState.LOST, LiveState.FAILED, LiveState.ENDED):
        kiosk.bridge.go(state)
        assert kiosk.window.band.notice.isVisible()
        assert kiosk.window.band.notice.text() == kiosk.window.band.notice.accessibleName() == notice
        assert kiosk.window.band.notice.textFormat() is Qt.TextFormat.PlainText
        assert texts_fit(kiosk)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 800), (800, 480), (480, 800)])
@pytest.mark.parametrize("scale_percent", [100, 200])
def test_no_text_is_cut_on_any_screen(open_kiosk, width, height, scale_percent):
    apply_theme(make_application(), ThemeName.DARK, scale_percent)
    notice = ("Expressions are estimated here. " * 30)[:MAX_NOTICE]
    kiosk = open_kiosk(KioskOptions("0", notice, labels=True), width=width, height=height)
    kiosk.bridge.fail("camera 0 may not be used: add yourself to the group video (sudo usermod -aG video $USER)")
    assert (kiosk.window.width(), kiosk.window.height()) == (width, height)
    assert texts_fit(kiosk)
    kiosk.run()
    assert texts_fit(kiosk)
    assert kiosk.window.view.height() >= 0.4 * height
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    assert not kiosk.window.ring.geometry().intersects(kiosk.window.band.geometry())


@pytest.mark.parametrize("scale_percent", [100, 200])
def test_a_long_reason_fits_the_screen(open_kiosk, scale_percent):
    apply_theme(make_application(), ThemeName.DARK, scale_percent)
    kiosk = open_kiosk(width=800, height=480)
    kiosk.bridge.fail("a file with a long path cannot be opened: check the path. " * 6)
    assert texts_fit(kiosk)


def test_a_notice_without_spaces_does_not_widen_the_window(open_kiosk):
    kiosk = open_kiosk(KioskOptions(notice="x" * MAX_NOTICE), width=800, height=480)
    QApplication.processEvents()
    assert (kiosk.window.width(), kiosk.window.height()) == (800, 480)
    assert kiosk.window.band.geometry().right() < 800


def test_a_lost_camera_is_reported_until_a_frame_arrives(open_kiosk):
    kiosk = open_kiosk()
    kiosk.run()
    kiosk.bridge.go(LiveState.LOST)
    assert kiosk.on_page
    assert kiosk.texts[0] == "The camera is not connected."
    assert kiosk.texts[1] == "The video resumes automatically when it is back."
    assert kiosk.window.view.image is None
    kiosk.bridge.noticed.emit(Notice("camera 0 gave no new picture: plug it in again", Severity.ERROR, "source"))
    assert kiosk.texts[1] == "camera 0 gave no new picture: plug it in again"
    kiosk.later(300)
    assert kiosk.bridge.opened == ["0"]  # the bridge reopens it
    kiosk.run()
    assert not kiosk.on_page


def test_a_failure_is_shown_with_the_time_of_the_next_try(open_kiosk):
    kiosk = open_kiosk()
    kiosk.bridge.fail("the model is missing: run mien prepare")
    assert kiosk.texts == ("There is no picture now.", "the model is missing: run mien prepare", "Next try in 2 s")
    kiosk.later(1.2)
    assert kiosk.texts[2] == "Next try in 1 s"
    assert kiosk.bridge.opened == ["0"]
    kiosk.later(RETRY_S - 1.2)
    assert kiosk.bridge.opened == ["0", "0"]
    kiosk.later(100)
    assert kiosk.bridge.opened == ["0", "0"]  # it is being opened
    kiosk.run()
    assert not kiosk.on_page


def test_a_persistent_failure_asks_for_help_and_is_retried_once_a_minute(open_kiosk):
    kiosk = open_kiosk()
    for _ in range(MAX_TRIES):
        kiosk.bridge.fail("no camera")
        kiosk.later(RETRY_S)
    kiosk.bridge.fail("no camera")
    assert "inform the staff" in kiosk.texts[0]
    assert kiosk.texts[1:] == ("no camera", "Next try in 60 s")
    kiosk.later(SLOW_S - 1)
    assert len(kiosk.bridge.opened) == 1 + MAX_TRIES
    kiosk.later(1)
    assert len(kiosk.bridge.opened) == 2 + MAX_TRIES


def test_failures_are_forgotten_after_a_minute_of_video(open_kiosk):
    kiosk = open_kiosk()
    for _ in range(MAX_TRIES + 1):
        kiosk.bridge.fail("no camera")
        kiosk.later(RETRY_S)
    kiosk.later(SLOW_S)
    kiosk.run()
    for index in range(13):
        kiosk.later(5)
        kiosk.bridge.present(index)
    kiosk.bridge.fail("no camera")
    assert kiosk.texts[2] == "Next try in 2 s"


def test_a_source_without_new_frames_is_restarted(open_kiosk):
    kiosk = open_kiosk()
    kiosk.run()
    kiosk.later(STUCK_S - 1)
    kiosk.bridge.present(1)
    kiosk.later(STUCK_S - 1)
    assert kiosk.bridge.stopped == 0
    kiosk.later(1)
    assert kiosk.bridge.stopped == 1
    assert kiosk.texts == ("There is no picture now.", "No new picture came for 10 s.", "Next try in 2 s")
    kiosk.later(RETRY_S)
    assert kiosk.bridge.opened == ["0", "0"]


def test_a_run_without_any_frame_is_restarted(open_kiosk):
    kiosk = open_kiosk()
    kiosk.later(STUCK_S * 9)  # opening may take long
    kiosk.bridge.go(LiveState.RUNNING)
    kiosk.later(STUCK_S)
    assert kiosk.bridge.stopped == 1


def test_a_file_is_repeated(open_kiosk):
    kiosk = open_kiosk(KioskOptions("clip.mp4"))
    for turn in range(2 * MAX_TRIES):
        kiosk.run()
        kiosk.bridge.go(LiveState.ENDED)
        kiosk.later(RETRY_S - 0.1)
        assert len(kiosk.bridge.opened) == turn + 1
        kiosk.later(0.1)
        assert len(kiosk.bridge.opened) == turn + 2
        assert not kiosk.on_page  # the last frame stays


def test_a_camera_that_is_plugged_in_is_tried_soon(open_kiosk):
    kiosk = open_kiosk()
    for _ in range(MAX_TRIES + 1):
        kiosk.bridge.fail("no camera")
        kiosk.later(RETRY_S)
    tries = len(kiosk.bridge.opened)
    kiosk.window.findChild(QFileSystemWatcher).directoryChanged.emit("/dev")  # another device
    kiosk.later(RETRY_S)
    assert len(kiosk.bridge.opened) == tries
    kiosk.cameras = (Camera("0", "Cam", True, ""),)
    kiosk.window.findChild(QFileSystemWatcher).directoryChanged.emit("/dev")
    kiosk.later(RETRY_S)
    assert len(kiosk.bridge.opened) == tries + 1


def test_devices_are_watched_only_for_local_cameras(open_kiosk):
    for source in ("rtsp://host/live", "demo"):
        assert open_kiosk(KioskOptions(source)).window.findChild(QFileSystemWatcher).directories() == []


def hold(kiosk: Rig, seconds: float) -> None:
    """Let time pass while key or corner is held."""
    kiosk.now_s += seconds
    kiosk.window.update_hold()


def test_holding_escape_closes_the_kiosk(open_kiosk):
    kiosk = open_kiosk()
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    assert kiosk.window.ring.isVisible()
    hold(kiosk, 1.5)
    assert kiosk.window.ring.share == pytest.approx(0.5)
    assert kiosk.window.isVisible()
    hold(kiosk, 1.5)
    assert not kiosk.window.isVisible()


def test_key_repeat_does_not_cancel_the_hold(open_kiosk):
    kiosk = open_kiosk()
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    hold(kiosk, 2.0)
    for kind in (QEvent.Type.KeyRelease, QEvent.Type.KeyPress):
        repeated = QKeyEvent(kind, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier, "", autorep=True)
        QApplication.sendEvent(kiosk.window, repeated)
    hold(kiosk, 1.0)
    assert not kiosk.window.isVisible()


def test_a_short_escape_does_nothing(open_kiosk):
    kiosk = open_kiosk()
    for _ in range(5):
        QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
        hold(kiosk, 2.9)
        QTest.keyRelease(kiosk.window, Qt.Key.Key_Escape)
        assert not kiosk.window.ring.isVisible()
    hold(kiosk, 60)
    assert kiosk.window.isVisible()


@pytest.mark.parametrize("at", [(1275, 5), (1200, 60)])
def test_holding_the_corner_closes_the_kiosk(open_kiosk, at):
    kiosk = open_kiosk(KioskOptions(hold_s=1.0))
    QTest.mousePress(kiosk.window, Qt.MouseButton.LeftButton, pos=QPoint(*at))
    hold(kiosk, 0.9)
    assert kiosk.window.isVisible()
    hold(kiosk, 0.1)
    assert not kiosk.window.isVisible()


@pytest.mark.parametrize("at", [(640, 400), (5, 5), (1275, 790)])
def test_holding_another_place_does_nothing(open_kiosk, at):
    kiosk = open_kiosk()
    QTest.mousePress(kiosk.window, Qt.MouseButton.LeftButton, pos=QPoint(*at))
    assert not kiosk.window.ring.isVisible()
    hold(kiosk, 60)
    assert kiosk.window.isVisible()


def test_leaving_the_corner_or_releasing_cancels_the_hold(open_kiosk):
    kiosk = open_kiosk()
    corner = QPoint(1275, 5)
    QTest.mousePress(kiosk.window, Qt.MouseButton.LeftButton, pos=corner)
    QTest.mouseRelease(kiosk.window, Qt.MouseButton.LeftButton, pos=corner)
    assert not kiosk.window.ring.isVisible()
    QTest.mousePress(kiosk.window, Qt.MouseButton.LeftButton, pos=corner)
    QTest.mouseMove(kiosk.window, QPoint(600, 400))
    QApplication.processEvents()
    assert not kiosk.window.ring.isVisible()
    hold(kiosk, 60)
    assert kiosk.window.isVisible()


def test_a_press_in_the_corner_works_over_the_video(open_kiosk):
    kiosk = open_kiosk()
    kiosk.run()
    QTest.mousePress(kiosk.window.windowHandle(), Qt.MouseButton.LeftButton, pos=QPoint(1275, 5))
    assert kiosk.window.ring.isVisible()
    QTest.mouseRelease(kiosk.window.windowHandle(), Qt.MouseButton.LeftButton, pos=QPoint(1275, 5))
    assert not kiosk.window.ring.isVisible()


def test_losing_the_focus_cancels_the_hold(open_kiosk, monkeypatch):
    kiosk = open_kiosk()
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    monkeypatch.setattr(kiosk.window, "isActiveWindow", lambda: False)
    QApplication.sendEvent(kiosk.window, QEvent(QEvent.Type.ActivationChange))
    assert not kiosk.window.ring.isVisible()


@pytest.mark.parametrize("key", [Qt.Key.Key_Q, Qt.Key.Key_Space, Qt.Key.Key_F11, Qt.Key.Key_F4, Qt.Key.Key_Tab])
def test_no_other_key_does_anything(open_kiosk, key):
    kiosk = open_kiosk()
    kiosk.run()
    for modifier in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier):
        QTest.keyClick(kiosk.window, key, modifier)
    assert kiosk.window.isVisible()
    assert not kiosk.window.ring.isVisible()
    assert kiosk.bridge.opened == ["0"]


def test_the_window_manager_cannot_close_it(open_kiosk):
    kiosk = open_kiosk()
    event = QCloseEvent()
    QApplication.sendEvent(kiosk.window, event)
    assert not event.isAccepted()
    assert kiosk.window.isVisible()
    kiosk.window.windowHandle().close()
    assert kiosk.window.isVisible()
    assert kiosk.window.close()  # the program can
    assert not kiosk.window.isVisible()


def test_the_pointer_is_hidden_and_shown_again(open_kiosk, until, monkeypatch):
    monkeypatch.setattr(kiosk_window, "_POINTER_MS", 1)
    kiosk = open_kiosk()
    until(lambda: kiosk.window.cursor().shape() is Qt.CursorShape.BlankCursor)
    monkeypatch.undo()
    kiosk.run()
    QApplication.processEvents()
    for x in (100, 120):  # over the video
        QTest.mouseMove(kiosk.window.windowHandle(), QPoint(x, 100))
    until(lambda: kiosk.window.cursor().shape() is not Qt.CursorShape.BlankCursor)


def test_the_ring_fills_while_held(open_kiosk):
    kiosk = open_kiosk()
    apply_theme(make_application(), ThemeName.DARK, 100)
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    counts = []
    for _ in range(3):
        image = kiosk.window.ring.grab().toImage()
        accent = current().accent
        at = [QPointF(x, y) for x in range(image.width()) for y in range(image.height())]
        counts.append(sum(image.pixelColor(point.toPoint()).name() == accent for point in at))
        hold(kiosk, 1.0)
    assert counts[0] == 0
    assert 0 < counts[1] < counts[2]


def test_all_parts_have_accessible_names(open_kiosk):
    kiosk = open_kiosk()
    kiosk.bridge.fail("no camera: plug one in")
    page = kiosk.window.page
    assert (page.accessibleName(), page.accessibleDescription()) == (kiosk.texts[0], "no camera: plug one in")
    QTest.keyPress(kiosk.window, Qt.Key.Key_Escape)
    hold(kiosk, 1.5)
    assert kiosk.window.ring.accessibleName() == "Keep holding to leave"
    assert kiosk.window.ring.accessibleDescription() == "50 %"
    assert kiosk.window.accessibleName()


def test_with_the_real_bridge_it_recovers_from_a_failing_engine(until):
    """The engine fails once, after its first image is kiosk."""
    failures = iter([RuntimeError("fails on purpose")])

    def fail(index: int) -> None:
        if bridge.shown is not None and (error := next(failures, None)) is not None:
            raise error

    make_application()
    bridge = LiveBridge(
        EngineConfig(),
        "litert",
        "0",
        open_source=lambda spec: FakeSource(10**6, live=True),
        engines=FakeEngines(FakePipeline(on_frame=fail)),
    )
    clock = [0.0]
    window = KioskWindow(bridge, KioskOptions("demo"), lambda: clock[0])
    window.show()
    window.begin()
    try:
        until(lambda: bridge.state is LiveState.FAILED)
        assert window.page.isVisible()
        assert "fails on purpose" in window.page.detail.text()
        clock[0] += RETRY_S
        until(lambda: window.view.image is not None and bridge.state is LiveState.RUNNING)
        assert not window.page.isVisible()
    finally:
        window.close()
        window.deleteLater()
        bridge.shutdown()
        bridge.deleteLater()


def test_run_kiosk_ends_bridge_and_window(monkeypatch):
    kiosk: list[KioskWindow] = []

    def refuse(spec: str) -> FakeSource:
        raise SourceError("no camera here")

    def leave(application: QApplication, window: KioskWindow) -> None:
        kiosk.append(window)
        assert window.isFullScreen()
        window.close()

    bridges: list[LiveBridge] = []

    def make(config: EngineConfig, tracker: str, app_version: str) -> LiveBridge:
        bridges.append(LiveBridge(config, tracker, app_version, open_source=refuse))
        return bridges[-1]

    monkeypatch.setattr(kiosk_window, "run_until_closed", leave)
    monkeypatch.setattr(kiosk_window, "LiveBridge", make)
    run_kiosk(KioskOptions("demo"), EngineConfig(), "litert", "0")
    assert not kiosk[0].isVisible()
    kiosk[0].deleteLater()
    bridges[0].deleteLater()
