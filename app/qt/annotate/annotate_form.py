"""What new files are annotated with: preset, folder for the results, and the room that is left there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from app.jobs.job_intake import Disk
from app.qt import theme
from app.qt.annotate.job_words import preset_words, size_words, translate
from app.qt.preference_store import PreferenceStore
from app.qt.widgets.form import Choice, choice_box, select, typed_folder
from app.qt.widgets.page_parts import WheelGuard, text_label
from app.settings.presets import PRESETS, preset_of

#: Below it the room is told as a warning: about three hours of annotated video of 720p.
_SCARCE_BYTES: Final = 10 * 2**30

AskFolder = Callable[[QWidget, str, Path], str]


def ask_folder(parent: QWidget, title: str, begin: Path) -> str:
    """Let the user choose a folder; "" when not."""
    return QFileDialog.getExistingDirectory(parent, title, str(begin))


class AnnotateForm(QWidget):
    """Two rows tied to the preferences ``preset`` and ``annotations``."""

    #: The room in this folder (pathlib.Path) is to be looked at.
    room_wanted = Signal(object)

    def __init__(self, store: PreferenceStore, ask: AskFolder = ask_folder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._ask = ask
        self._preset = self._preset_box()
        self._told = text_label("", "dim")
        self._folder = QLineEdit()
        self._choose = QPushButton(self.tr("Choose…"))
        self._room = text_label("", "dim")
        self._looked_at: Path | None = None
        self._set_up_folder()
        self._lay_out()
        store.changed.connect(self.follow)
        self.follow()

    @property
    def out(self) -> Path:
        """Folder for the results."""
        return self._store.now.annotations

    @property
    def preset(self) -> str:
        """Name of the preset for new files; the balanced one when the preferences name one that is no more."""
        name = self._store.now.preset
        return name if any(preset.name == name for preset in PRESETS) else "balanced"

    def show_disk(self, disk: Disk | None) -> None:
        """Tell how much room there is."""
        told = ""
        if disk is not None and not disk.writable:
            told = self.tr("⚠ Nothing can be written here: choose another folder.")
        elif disk is not None:
            told = self.tr("{size} free").format(size=size_words(disk.free_bytes))
            if disk.free_bytes < _SCARCE_BYTES:
                told = self.tr("⚠ Only {size} free: make room before long videos.").format(
                    size=size_words(disk.free_bytes)
                )
        self._room.setText(told)

    def choose_folder(self) -> None:
        """Let the user choose the folder."""
        chosen = self._ask(self, self.tr("Folder for the results"), self.out)
        if chosen:
            self._store.change(annotations=Path(chosen))

    def follow(self) -> None:
        """Show what the preferences say, and ask for the room of another folder."""
        select(self._preset, self.preset)
        self._told.setText(translate("mien", preset_of(self.preset).told))
        if self._folder.text() != str(self.out):
            self._folder.setText(str(self.out))
            self._folder.setCursorPosition(0)
        if self._looked_at != self.out:
            self._looked_at = self.out
            self.room_wanted.emit(self.out)

    def _preset_box(self) -> QComboBox:
        box = choice_box(
            [Choice(preset.name, preset_words(preset.name)) for preset in PRESETS],
            self.preset,
            lambda name: self._store.change(preset=name),
        )
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.installEventFilter(WheelGuard(box))
        box.setAccessibleName(self.tr("Preset for new files"))
        for place, preset in enumerate(PRESETS):
            box.setItemData(place, translate("mien", preset.told), Qt.ItemDataRole.ToolTipRole)
        box.setToolTip(self.tr("How much of a video is analysed. Files that wait in the list keep theirs."))
        return box

    def _set_up_folder(self) -> None:
        self._folder.setAccessibleName(self.tr("Folder for the results"))
        self._folder.setToolTip(self.tr("Every file gets a folder of its own in here, with tables and video."))
        self._folder.setMinimumWidth(round(8 * theme.em(self)))
        self._folder.editingFinished.connect(self._take_folder)
        self._choose.setToolTip(self.tr("Choose the folder for the results"))
        self._choose.clicked.connect(self.choose_folder)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        em = theme.em(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(round(0.6 * em))
        grid.setVerticalSpacing(round(0.4 * em))
        grid.setColumnStretch(1, 1)
        rows = ((self.tr("Preset"), self._preset, self._told), (self.tr("Save in"), self._folder, self._room))
        for row, (words, control, line) in enumerate(rows):
            label = QLabel(words)
            label.setBuddy(control)
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            beside = QHBoxLayout()
            beside.setSpacing(round(0.6 * em))
            if control is self._preset:
                beside.addWidget(control)
                beside.addWidget(line, 1)
            else:
                beside.addWidget(control, 1)
                beside.addWidget(self._choose)
            grid.addWidget(label, row, 0)
            grid.addLayout(beside, row, 1)
        grid.addWidget(self._room, 2, 1)

    def _take_folder(self) -> None:
        text = self._folder.text().strip()
        if text:
            self._store.change(annotations=typed_folder(text))
        else:
            self._folder.setText(str(self.out))
