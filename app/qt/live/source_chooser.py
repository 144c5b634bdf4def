"""Choice of the source: connected cameras, a video file, an address, the demo clip."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QFileSystemWatcher, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from app.qt.widgets.file_dialogs import videos_folder
from engine.capture.camera_list import NOT_LISTED, Camera, list_cameras, listable, watch_folders
from engine.capture.redaction import redact_url
from engine.capture.synthetic import DEMO

#: Milliseconds that a device is given to initialise after it was plugged in.
_PLUG_MS: Final = 400
#: Entries that ask for a source.
_FILE, _ADDRESS = "file?", "address?"


class SourceChooser(QWidget):
    """A list, with a field for an address or a camera's number; emits `chosen` when the user picks a source."""

    chosen = Signal(str)  # as open_source takes it
    cameras_changed = Signal(object)  # tuple[Camera, ...] after one was connected or removed

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QComboBox()
        self.list.setAccessibleName(self.tr("Source"))
        self.list.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.list.setMinimumContentsLength(18)
        self.list.activated.connect(self._picked)
        self.address = QLineEdit()
        self.address.setAccessibleName(self.tr("Address or number of a camera"))
        self.address.setPlaceholderText(self.tr("rtsp://, http:// or a camera's number"))
        self.address.setToolTip(self.address.placeholderText())
        self.address.returnPressed.connect(self._entered)
        self.go = QPushButton(self.tr("Open"))
        self.go.clicked.connect(self._entered)
        label = QLabel(self.tr("&Source"))
        label.setBuddy(self.list)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (label, self.list, self.address, self.go):
            layout.addWidget(part)
        layout.setStretch(1, 1)
        layout.setStretch(2, 1)
        self._spec = ""
        self._cameras: tuple[Camera, ...] = ()
        self._show_address(False)
        self._plugged = QTimer(self)
        self._plugged.setSingleShot(True)
        self._plugged.setInterval(_PLUG_MS)
        self._plugged.timeout.connect(self.refresh)
        self._watcher = QFileSystemWatcher([str(folder) for folder in watch_folders()], self)
        self._watcher.directoryChanged.connect(lambda path: self._plugged.start())
        self.refresh()

    @property
    def spec(self) -> str:
        """The source picked, as open_source takes it; "" = none yet."""
        return self._spec

    def refresh(self) -> None:
        """List the connected cameras."""
        cameras = list_cameras()
        changed = cameras != self._cameras
        self._cameras = cameras
        self._fill()
        if changed:
            self.cameras_changed.emit(cameras)

    def set_spec(self, spec: str) -> None:
        """Show this source as picked without emitting `chosen`."""
        self._spec = spec
        self._show_address(False)
        self._fill()

    def shutdown(self) -> None:
        """Stop watching for cameras."""
        self._plugged.stop()
        self._watcher.removePaths(self._watcher.directories())

    def open_file(self) -> None:
        """Ask for a video and open it."""
        here = str(Path(self._spec).parent) if self._spec and Path(self._spec).is_file() else videos_folder()
        path, _ = QFileDialog.getOpenFileName(self, self.tr("Open video"), here)
        if path:
            self._choose(path)
        else:
            self._fill()

    def _fill(self) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        for camera in self._cameras:
            name = camera.name if camera.usable else self.tr("{name} (cannot be used)").format(name=camera.name)
            self.list.addItem(name, camera.spec)
            self.list.setItemData(self.list.count() - 1, camera.problem, Qt.ItemDataRole.ToolTipRole)
        self.list.addItem(self.tr("Demo clip"), DEMO)
        if self._spec and self.list.findData(self._spec) < 0:
            self.list.addItem(self._name(self._spec), self._spec)
        self.list.addItem(self.tr("Video file…"), _FILE)
        self.list.addItem(self.tr("Address or number…"), _ADDRESS)
        shown = self._spec if self.address.isHidden() else _ADDRESS
        self.list.setCurrentIndex(self.list.findData(shown) if shown else -1)
        self.list.setToolTip("" if listable() else self.tr(NOT_LISTED))
        self.list.blockSignals(False)

    def _name(self, spec: str) -> str:
        if "://" in spec:
            return redact_url(spec)
        return self.tr("Camera {number}").format(number=spec) if spec.isdecimal() else Path(spec).name

    def _picked(self, index: int) -> None:
        spec = str(self.list.itemData(index))
        self._show_address(spec == _ADDRESS)
        if spec == _FILE:
            self.open_file()
        elif spec == _ADDRESS:
            self.address.setFocus()
        else:
            self._choose(spec)

    def _entered(self) -> None:
        spec = self.address.text().strip()
        if spec:
            self._choose(spec)

    def _choose(self, spec: str) -> None:
        self.set_spec(spec)
        self.chosen.emit(spec)

    def _show_address(self, visible: bool) -> None:
        self.address.setVisible(visible)
        self.go.setVisible(visible)
