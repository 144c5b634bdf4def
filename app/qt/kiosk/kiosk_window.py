"""The kiosk window: video, notice, a page shown without video, and a guarded way to leave.

Qt cannot keep a screen from blanking; this must be set up on the system (see `mien kiosk --help`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QFileSystemWatcher, QPointF, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QLayout, QStackedWidget, QVBoxLayout, QWidget

from app.kiosk import RETRY_S, STUCK_S, KioskOptions, RecoveryRule
from app.live.live_run import RenderedFrame
from app.overlay.disclaimer import DISCLAIMER
from app.overlay.overlay import OverlayParts
from app.qt import theme
from app.qt.application import make_application, run_until_closed
from app.qt.bridge import LiveBridge, LiveState
from app.qt.kiosk.kiosk_parts import HoldRing, NoticeBand, RecoveryPage
from app.qt.theme import ThemeName, apply_theme
from app.qt.translation import picture_words, translated
from app.qt.widgets.icons import IconName
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.video_view import VideoView
from engine.capture.camera_list import Camera, list_cameras, watch_folders
from engine.config import EngineConfig, TrackerName

#: Milliseconds between two polls.
_POLL_MS: Final = 250
#: Milliseconds between two repaints of the ring.
_RING_MS: Final = 33
#: Milliseconds without movement after which the pointer is hidden.
_POINTER_MS: Final = 3000
#: Side of the corner that is held to leave, in em.
_CORNER_EM: Final = 6.0


class KioskWindow(QWidget):
    """The window. Closed only by holding Esc or the upper right corner, by SIGTERM, and by `close`."""

    def __init__(
        self,
        bridge: LiveBridge,
        options: KioskOptions,
        now: Callable[[], float] = time.monotonic,
        cameras: Callable[[], tuple[Camera, ...]] = list_cameras,
    ) -> None:
        """Opens nothing before `begin`; the caller shuts down the bridge."""
        super().__init__()
        self._bridge, self._options, self._now, self._list_cameras = bridge, options, now, cameras
        self._rule = RecoveryRule()
        self._frame_s = 0.0  # time of the newest frame
        self._next_s: float | None = None  # time at which the source is reopened
        self._held_s: float | None = None  # start of the present hold
        self._cameras: tuple[Camera, ...] = ()  # connected at the time of the failure
        self._leaving = False
        self.view, self.page, self.ring = VideoView(zoomable=False), RecoveryPage(), HoldRing(self)
        disclaimer = translated(DISCLAIMER) if options.labels else ""
        self.band = NoticeBand(
            translated(options.notice_shown), disclaimer, IconName.CAMERA if options.is_live else IconName.FILM
        )
        self._lay_out()
        self._polling = self._make_timer(_POLL_MS, self.poll)
        self._filling = self._make_timer(_RING_MS, self.update_hold)
        self._still = self._make_timer(_POINTER_MS, self._hide_pointer)
        self._still.setSingleShot(True)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._on_devices)
        bridge.state_changed.connect(self._follow)
        bridge.presented.connect(self._present)
        bridge.noticed.connect(self._note)
        self.view.resized_px.connect(bridge.set_view_size)

    def begin(self) -> None:
        """Open the source and keep it open."""
        if self._options.is_live and "://" not in self._options.source:
            self._watcher.addPaths([str(folder) for folder in watch_folders()])
        # Without chips the boxes have no expression colours: they show only where a face is.
        labels = self._options.labels
        self._bridge.set_overlay(
            OverlayParts(boxes=True, chips=labels, units=False, disclaimer=False, words=picture_words())
        )
        self._polling.start()
        self._still.start()
        self.page.show_problem(self.tr("Starting …"))
        self._open()

    def poll(self) -> None:
        """Reopen the source if it is time, update the countdown, or detect that frames have stopped."""
        now_s = self._now()
        if self._next_s is not None:
            if now_s >= self._next_s:
                self._open()
            else:
                self._show_countdown(self._next_s - now_s)
        elif self._bridge.state is LiveState.RUNNING and now_s - self._frame_s >= STUCK_S:
            self._bridge.stop()
            self._recover(self.tr("No new picture came for {seconds} s.").format(seconds=round(STUCK_S)))

    def close(self) -> bool:
        """Close the window; close requests of the window manager do not arrive here and are ignored."""
        self._leaving = True
        return super().close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Ignore all but `close`."""
        if not self._leaving:
            event.ignore()
            return
        for timer in (self._polling, self._filling, self._still):
            timer.stop()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Start the hold with Esc; ignore other keys."""
        if event.key() == Qt.Key.Key_Escape and not event.isAutoRepeat():
            self._start_hold()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Cancel the hold."""
        if event.key() == Qt.Key.Key_Escape and not event.isAutoRepeat():
            self._cancel_hold()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Start the hold in the corner, by mouse or touch."""
        if self._in_corner(event.position()):
            self._start_hold()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the pointer; leaving the corner cancels the hold."""
        self.unsetCursor()
        self._still.start()
        if event.buttons() and not self._in_corner(event.position()):
            self._cancel_hold()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Cancel the hold."""
        self._cancel_hold()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Cancel the hold when another window becomes active, which would receive the release of Esc."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and not self.isActiveWindow():
            self._cancel_hold()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Fit the text to the screen."""
        super().resizeEvent(event)
        for part in (self.band, self.page, self.ring):
            part.fit(self.width(), self.height())

    def _lay_out(self) -> None:
        self.setWindowTitle("Mien")
        self.setAccessibleName(self.tr("Mien on a public screen"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.page)
        self._stack.addWidget(self.view)
        self._stack.setMinimumSize(1, 1)  # the notice has priority
        layout = QVBoxLayout(self)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # text must not widen the window
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.band)
        for part in (self._stack, self.band):  # mouse events go to the window
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def _make_timer(self, interval_ms: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        timer.timeout.connect(slot)
        return timer

    # Source.

    def _open(self) -> None:
        self._next_s = None
        self.page.next_try.setText("")
        self._bridge.open(self._options.source)

    def _follow(self, state: LiveState) -> None:
        if state is LiveState.RUNNING:
            self._next_s, self._frame_s = None, self._now()
        elif state is LiveState.ENDED:  # a file: its last frame stays until it restarts
            self._next_s = self._now() + RETRY_S
        elif state is LiveState.LOST:  # the bridge reopens it
            self._show_page(
                self.tr("The camera is not connected."),
                self.tr("The video resumes automatically when it is back."),
                self.tr("Retrying every two seconds."),
            )
        elif state is LiveState.FAILED:
            self._recover("")

    def _present(self, presented: RenderedFrame) -> None:
        self._frame_s = self._now()
        self._rule.succeeded(self._frame_s)
        self.view.show_image(presented.image)
        self._stack.setCurrentWidget(self.view)

    def _note(self, notice: Notice) -> None:
        """Show the reason of a failure, which the bridge sends after its state."""
        if notice.severity is Severity.ERROR and notice.topic == "source":
            self.page.show_problem(self.page.title.text(), notice.text, self.page.next_try.text())

    def _recover(self, detail: str) -> None:
        wait_s = self._rule.failed(self._now())
        self._next_s = self._now() + wait_s
        title = self.tr("There is no picture now.")
        if self._rule.gave_up:
            title = self.tr("There is no picture. Please inform the staff.")
        self._show_page(title, detail, "")
        self._show_countdown(wait_s)
        if self._watcher.directories():
            self._cameras = self._list_cameras()

    def _show_countdown(self, wait_s: float) -> None:
        text = self.tr("Next try in {seconds} s").format(seconds=math.ceil(wait_s))
        self.page.show_problem(self.page.title.text(), self.page.detail.text(), text)

    def _show_page(self, title: str, detail: str, next_try: str) -> None:
        self.page.show_problem(title, detail, next_try)
        self.view.show_image(None)
        self._stack.setCurrentWidget(self.page)

    def _on_devices(self) -> None:
        """Shorten the wait after a camera was connected."""
        if self._next_s is not None and self._list_cameras() != self._cameras:
            self._next_s = min(self._next_s, self._now() + RETRY_S)

    # Leaving, and the pointer.

    def _in_corner(self, at: QPointF) -> bool:
        side = _CORNER_EM * theme.em(self)
        return at.x() >= self.width() - side and at.y() <= side

    def _start_hold(self) -> None:
        if self._held_s is None:
            self._held_s = self._now()
            self.ring.show_share(0.0)
            self._filling.start()

    def _cancel_hold(self) -> None:
        self._held_s = None
        self._filling.stop()
        self.ring.hide()

    def update_hold(self) -> None:
        """Update the ring; close the window at the end of the hold."""
        if self._held_s is None:
            return
        share = (self._now() - self._held_s) / self._options.hold_s
        self.ring.show_share(min(share, 1.0))
        if share >= 1.0:
            self._cancel_hold()
            self.close()

    def _hide_pointer(self) -> None:
        self.setCursor(Qt.CursorShape.BlankCursor)


def run_kiosk(options: KioskOptions, config: EngineConfig, tracker: TrackerName, app_version: str) -> None:
    """Show the kiosk until it is closed.

    Raises:
        ConfigError: there is no display.
        ThreadStuckError: a thread does not end.
    """
    application = make_application()
    apply_theme(application, ThemeName.DARK, 100)
    bridge = LiveBridge(config, tracker, app_version)
    window = KioskWindow(bridge, options)
    try:
        window.showFullScreen()
        window.begin()
        run_until_closed(application, window)
    finally:
        bridge.shutdown()
