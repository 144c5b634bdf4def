"""A plain window for ``mien live``: the newest picture with its overlay, the frame rate, and what the engine does."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QImage, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from app.annotate import Engine, run_header
from app.overlay import Overlay
from engine.capture.source import FrameSource
from engine.errors import ConfigError
from engine.recording import RunHeader, rows_of
from engine.runtime import Runtime, RuntimeState
from engine.types import FrameResult, UInt8

#: Milliseconds between two looks for a newer result.
_LOOK_EVERY_MS: Final = 15
#: Frames over which the rate is averaged.
_RATE_OVER: Final = 30
#: Milliseconds that a message stays.
_MESSAGE_MS: Final = 4000
#: One of them must be set on Linux.
_DISPLAY_VARIABLES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


class PictureView(QWidget):
    """Shows a picture as large as fits, with borders where the shapes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(320, 180)
        self.setAccessibleName("Picture with overlay")
        self._picture: UInt8 | None = None

    @property
    def picture(self) -> UInt8 | None:
        """The picture shown, (H, W, 3) RGB."""
        return self._picture

    def show_picture(self, picture: UInt8) -> None:
        """Show (H, W, 3) RGB; the view keeps it."""
        self._picture = picture
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the picture."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self._picture is not None:
            height, width = self._picture.shape[:2]
            # QImage only looks at the array, which self keeps alive
            image = QImage(self._picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            size = image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
            target = QRect(left, top, size.width(), size.height())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(target, image)
        painter.end()


class LiveWindow(QWidget):
    """The window. Space pauses, S saves the picture, Esc closes."""

    def __init__(self, runtime: Runtime, header: RunHeader, told: str, snapshots: Path) -> None:
        """Make the window.

        Args:
            runtime: started and stopped by the caller; when it fails, the window closes.
            header: of the run, for the overlay.
            told: the models and where they run.
            snapshots: folder for saved pictures.
        """
        super().__init__()
        self.view = PictureView()
        self.status = QLabel()
        self.status.setAccessibleName("Status")
        self.status.setMinimumWidth(1)  # a long line must not widen the window
        self._runtime = runtime
        self._overlay = Overlay(header)
        self._told = told
        self._snapshots = snapshots
        self._shown: FrameResult | None = None
        self._arrivals: deque[float] = deque(maxlen=_RATE_OVER)
        self._message = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.status)
        self.setWindowTitle(f"Mien live: {header.source_id}")
        self.resize(960, 580)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(_LOOK_EVERY_MS)

    def look(self) -> None:
        """Show the newest result, if it is another one, and how the run goes."""
        result = self._runtime.latest()
        if result is not None and result is not self._shown:
            self._shown = result
            self._arrivals.append(time.monotonic())
            canvas = np.array(result.frame.image)
            self._overlay.draw(canvas, rows_of(result))
            self.view.show_picture(canvas)
        if self._runtime.state is RuntimeState.FAILED:
            self.close()
            return
        self.status.setText(self._status_text())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Obey the keys."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.key() == Qt.Key.Key_Space:
            self._toggle_pause()
        elif event.key() == Qt.Key.Key_S:
            self._save_picture()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Look no more."""
        self._timer.stop()
        event.accept()

    def _toggle_pause(self) -> None:
        state = self._runtime.state
        if state is RuntimeState.RUNNING:
            self._runtime.pause()
        elif state is RuntimeState.PAUSED:
            self._runtime.resume()
            self._arrivals.clear()

    def _save_picture(self) -> None:
        picture = self.view.picture
        if picture is None:
            return
        path = self._snapshots / f"mien-{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}.png"
        encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        try:
            path.write_bytes(encoded.tobytes())
            self._message = f"saved {path}"
        except OSError as error:
            self._message = f"{path} cannot be written ({error.strerror})"
        QTimer.singleShot(_MESSAGE_MS, self, self._forget_message)

    def _forget_message(self) -> None:
        self._message = ""

    def _status_text(self) -> str:
        state = self._runtime.state
        keys = "Space pause · S save picture · Esc quit"
        if state is RuntimeState.PAUSED:
            rate = "paused"
        elif state is RuntimeState.STOPPED:
            rate = "ended"
        else:
            rate = f"{self._rate():.1f} fps"
        dropped = self._runtime.counters().dropped
        return f"  {rate} · {dropped} dropped · {self._told} · {self._message or keys}"

    def _rate(self) -> float:
        if len(self._arrivals) < 2:
            return 0.0
        return (len(self._arrivals) - 1) / max(self._arrivals[-1] - self._arrivals[0], 1e-9)


def show_live(source: FrameSource, engine: Engine, app_version: str) -> None:
    """Show the window until it is closed.

    Raises:
        ConfigError: there is no display.
        Exception: the error that the run ended with.
    """
    application = make_application()
    header = run_header(source.info.source_id, source, engine, app_version)
    told = " · ".join(f"{model.name} on {model.backend} {model.device}" for model in engine.models)
    runtime = Runtime(source, engine.pipeline, (), engine.config.runtime)
    window = LiveWindow(runtime, header, told, Path.cwd())
    for number in (signal.SIGINT, signal.SIGTERM):  # heard at the next tick of the window's timer
        signal.signal(number, lambda number, frame: window.close())
    runtime.start()
    try:
        window.show()
        application.exec()
    finally:
        runtime.stop()


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
    return QApplication(["mien"])
