"""The screen that stands alone in a room: picture, notice, a page for when the picture is missing, and a way out.

Qt offers no way to keep a screen from going dark; whoever sets it up does that (`mien kiosk --help` says how).
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
from app.live.live_run import Presented
from app.overlay.overlay import STANDING_LINE, OverlayParts
from app.qt import theme
from app.qt.application import make_application, run_until_closed
from app.qt.bridge import LiveBridge, LiveState
from app.qt.kiosk.kiosk_parts import HoldRing, NoticeBand, RecoveryPage
from app.qt.theme import ThemeName, apply_theme
from app.qt.translation import translated
from app.qt.widgets.icons import IconName
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.video_view import VideoView
from engine.capture.camera_list import Camera, list_cameras, watch_folders
from engine.config import EngineConfig, TrackerName

#: Milliseconds between two looks at what is due.
_LOOK_MS: Final = 250
#: Milliseconds between two paintings of the ring.
_RING_MS: Final = 33
#: Milliseconds without a move after which the pointer is hidden.
_POINTER_MS: Final = 3000
#: Side of the corner that is held to leave, in ems.
_CORNER_EM: Final = 6.0


class KioskWindow(QWidget):
    """The screen. Holding Esc or the upper right corner closes it; nothing else does, but SIGTERM and `close`."""

    def __init__(
        self,
        bridge: LiveBridge,
        options: KioskOptions,
        now: Callable[[], float] = time.monotonic,
        cameras: Callable[[], tuple[Camera, ...]] = list_cameras,
    ) -> None:
        """Nothing is opened before `begin`; the bridge is shut by the caller."""
        super().__init__()
        self._bridge, self._options, self._now, self._list_cameras = bridge, options, now, cameras
        self._rule = RecoveryRule()
        self._pictured_s = 0.0  # when the newest picture came
        self._next_s: float | None = None  # when the source is opened again
        self._held_s: float | None = None  # since when the way out is held
        self._cameras: tuple[Camera, ...] = ()  # those that were there when it failed
        self._leaving = False
        self.view, self.page, self.ring = VideoView(), RecoveryPage(), HoldRing(self)
        line = translated(STANDING_LINE) if options.labels else ""
        self.band = NoticeBand(
            translated(options.notice_shown), line, IconName.CAMERA if options.is_live else IconName.FILM
        )
        self._lay_out()
        self._looking = self._make_timer(_LOOK_MS, self.look)
        self._filling = self._make_timer(_RING_MS, self._fill)
        self._still = self._make_timer(_POINTER_MS, self._hide_pointer)
        self._still.setSingleShot(True)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._on_devices)
        bridge.state_changed.connect(self._follow)
        bridge.presented.connect(self._present)
        bridge.noticed.connect(self._note)
        self.view.resized_px.connect(bridge.set_view_size)

    def begin(self) -> None:
        """Open the source, and keep it open from now on."""
        if self._options.is_live and "://" not in self._options.source:
            self._watcher.addPaths([str(folder) for folder in watch_folders()])
        # Boxes without chips have no colour of an expression: they tell the place of a face and nothing else.
        labels = self._options.labels
        self._bridge.set_overlay(OverlayParts(boxes=True, chips=labels, units=False, line=False))
        self._looking.start()
        self._still.start()
        self.page.tell(self.tr("Starting …"))
        self._open()

    def look(self) -> None:
        """Do what is due: try again, tell when, or see that nothing moves any more."""
        now_s = self._now()
        if self._next_s is not None:
            if now_s >= self._next_s:
                self._open()
            else:
                self._tell_next(self._next_s - now_s)
        elif self._bridge.state is LiveState.RUNNING and now_s - self._pictured_s >= STUCK_S:
            self._bridge.stop()
            self._recover(self.tr("No new picture came for {seconds} s.").format(seconds=round(STUCK_S)))

    def close(self) -> bool:
        """Close the screen; the window manager's wish to close it does not come here and is not followed."""
        self._leaving = True
        return super().close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Close only when it was held, or told by the program."""
        if not self._leaving:
            event.ignore()
            return
        for timer in (self._looking, self._filling, self._still):
            timer.stop()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Begin to leave with Esc; every other key does nothing."""
        if event.key() == Qt.Key.Key_Escape and not event.isAutoRepeat():
            self._hold()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Esc was too short."""
        if event.key() == Qt.Key.Key_Escape and not event.isAutoRepeat():
            self._let_go()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Begin to leave in the corner; a touch comes here as well."""
        if self._in_corner(event.position()):
            self._hold()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the pointer again; leaving the corner is letting go."""
        self.unsetCursor()
        self._still.start()
        if event.buttons() and not self._in_corner(event.position()):
            self._let_go()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """The press was too short."""
        self._let_go()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Another window takes the keys, so that the release of Esc would not be heard."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and not self.isActiveWindow():
            self._let_go()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Fit letters to the screen."""
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
        self._stack.setMinimumSize(1, 1)  # the notice comes first
        layout = QVBoxLayout(self)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # no text may widen the window
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.band)
        for part in (self._stack, self.band):  # presses and moves are the window's
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def _make_timer(self, interval_ms: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        timer.timeout.connect(slot)
        return timer

    # The source.

    def _open(self) -> None:
        self._next_s = None
        self.page.next_try.setText("")
        self._bridge.open(self._options.source)

    def _follow(self, state: LiveState) -> None:
        if state is LiveState.RUNNING:
            self._next_s, self._pictured_s = None, self._now()
        elif state is LiveState.ENDED:  # a file: its last picture stays until it begins again
            self._next_s = self._now() + RETRY_S
        elif state is LiveState.LOST:  # the bridge tries again by itself
            self._show_page(
                self.tr("The camera is not there."),
                self.tr("This goes on by itself as soon as it is back."),
                self.tr("It is tried again every two seconds."),
            )
        elif state is LiveState.FAILED:
            self._recover("")

    def _present(self, presented: Presented) -> None:
        self._pictured_s = self._now()
        self._rule.good(self._pictured_s)
        self.view.show_image(presented.picture)
        self._stack.setCurrentWidget(self.view)

    def _note(self, notice: Notice) -> None:
        """What the bridge says of a failure comes after its state."""
        if notice.severity is Severity.ERROR and notice.topic == "source":
            self.page.tell(self.page.title.text(), notice.text, self.page.next_try.text())

    def _recover(self, detail: str) -> None:
        wait_s = self._rule.failed(self._now())
        self._next_s = self._now() + wait_s
        title = self.tr("There is no picture now.")
        if self._rule.gave_up:
            title = self.tr("There is no picture. Please tell somebody who looks after this screen.")
        self._show_page(title, detail, "")
        self._tell_next(wait_s)
        if self._watcher.directories():
            self._cameras = self._list_cameras()

    def _tell_next(self, wait_s: float) -> None:
        text = self.tr("Next try in {seconds} s").format(seconds=math.ceil(wait_s))
        self.page.tell(self.page.title.text(), self.page.detail.text(), text)

    def _show_page(self, title: str, detail: str, next_try: str) -> None:
        self.page.tell(title, detail, next_try)
        self.view.show_image(None)
        self._stack.setCurrentWidget(self.page)

    def _on_devices(self) -> None:
        """A camera came: try soon, however long the wait was to be."""
        if self._next_s is not None and self._list_cameras() != self._cameras:
            self._next_s = min(self._next_s, self._now() + RETRY_S)

    # The way out, and the pointer.

    def _in_corner(self, at: QPointF) -> bool:
        side = _CORNER_EM * theme.em(self)
        return at.x() >= self.width() - side and at.y() <= side

    def _hold(self) -> None:
        if self._held_s is None:
            self._held_s = self._now()
            self.ring.show_share(0.0)
            self._filling.start()

    def _let_go(self) -> None:
        self._held_s = None
        self._filling.stop()
        self.ring.hide()

    def _fill(self) -> None:
        if self._held_s is None:
            return
        share = (self._now() - self._held_s) / self._options.hold_s
        self.ring.show_share(min(share, 1.0))
        if share >= 1.0:
            self._let_go()
            self.close()

    def _hide_pointer(self) -> None:
        self.setCursor(Qt.CursorShape.BlankCursor)


def run_kiosk(options: KioskOptions, config: EngineConfig, tracker: TrackerName, app_version: str) -> None:
    """Show the screen until it is left.

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
