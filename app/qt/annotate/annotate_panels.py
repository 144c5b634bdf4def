"""The parts of the annotate page around the list: output form, queue footer and the bar for interrupted jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.jobs.job_eta import QueueEta
from app.jobs.job_queue import ACTIVE, JobState
from app.jobs.source_scan import Disk
from app.qt import theme
from app.qt.annotate.job_row import draw_progress
from app.qt.annotate.job_view import JobView, eta_text, preset_text, progress_of, size_text, translate
from app.qt.preference_store import PreferenceStore
from app.qt.widgets.file_dialogs import nearest_folder
from app.qt.widgets.form import Choice, choice_box, select, typed_folder
from app.qt.widgets.page_parts import ActionButton, WheelGuard, text_label
from app.settings.presets import PRESETS, preset_of

#: Free space below this is shown as a warning; enough for about three hours of annotated 720p video.
_SCARCE_BYTES: Final = 10 * 2**30

AskFolder = Callable[[QWidget, str, Path], str]


def ask_folder(parent: QWidget, title: str, start: Path) -> str:
    """Let the user choose a folder; "" if cancelled."""
    return QFileDialog.getExistingDirectory(parent, title, nearest_folder(start))


class OutputForm(QWidget):
    """Preset and output folder of new jobs, tied to the preferences ``preset`` and ``annotations``."""

    #: The disk of this folder (pathlib.Path) should be checked.
    disk_check_requested = Signal(object)

    def __init__(self, store: PreferenceStore, ask: AskFolder = ask_folder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._ask = ask
        self._preset = self._preset_box()
        self._description = text_label("", "dim")
        self._folder = QLineEdit()
        self._choose = QPushButton(self.tr("Choose…"))
        self._disk = text_label("", "dim")
        self._checked: Path | None = None
        self._set_up_folder()
        self._lay_out()
        store.changed.connect(self.follow)
        self.follow()

    @property
    def out(self) -> Path:
        """Output folder."""
        return self._store.now.annotations

    @property
    def preset(self) -> str:
        """Name of the preset for new jobs; balanced if the preferences name an unknown one."""
        name = self._store.now.preset
        return name if any(preset.name == name for preset in PRESETS) else "balanced"

    def show_disk(self, disk: Disk | None) -> None:
        """Show the free space."""
        text = ""
        if disk is not None and not disk.writable:
            text = self.tr("⚠ This folder is read-only: choose another one.")
        elif disk is not None:
            text = self.tr("{size} free").format(size=size_text(disk.free_bytes))
            if disk.free_bytes < _SCARCE_BYTES:
                text = self.tr("⚠ Only {size} free: free space before annotating long videos.").format(
                    size=size_text(disk.free_bytes)
                )
        self._disk.setText(text)

    def choose_folder(self) -> None:
        """Let the user choose the output folder."""
        chosen = self._ask(self, self.tr("Folder for the results"), self.out)
        if chosen:
            self._store.change(annotations=Path(chosen))

    def follow(self) -> None:
        """Show the preferences, and request a check of the disk if the folder has changed."""
        select(self._preset, self.preset)
        self._description.setText(translate("mien", preset_of(self.preset).description))
        if self._folder.text() != str(self.out):
            self._folder.setText(str(self.out))
            self._folder.setCursorPosition(0)
        if self._checked != self.out:
            self._checked = self.out
            self.disk_check_requested.emit(self.out)

    def _preset_box(self) -> QComboBox:
        box = choice_box(
            [Choice(preset.name, preset_text(preset.name)) for preset in PRESETS],
            self.preset,
            lambda name: self._store.change(preset=name),
        )
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.installEventFilter(WheelGuard(box))
        box.setAccessibleName(self.tr("Preset for new files"))
        for place, preset in enumerate(PRESETS):
            box.setItemData(place, translate("mien", preset.description), Qt.ItemDataRole.ToolTipRole)
        box.setToolTip(self.tr("How much of a video is analysed. Files already in the list keep their preset."))
        return box

    def _set_up_folder(self) -> None:
        self._folder.setAccessibleName(self.tr("Folder for the results"))
        self._folder.setToolTip(self.tr("Each file gets its own folder in here, with tables and video."))
        self._folder.setMinimumWidth(round(8 * theme.em(self)))
        self._folder.editingFinished.connect(self._apply_folder)
        self._choose.setToolTip(self.tr("Choose the folder for the results"))
        self._choose.clicked.connect(self.choose_folder)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        em = theme.em(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(round(0.6 * em))
        grid.setVerticalSpacing(round(0.4 * em))
        grid.setColumnStretch(1, 1)
        rows = ((self.tr("Preset"), self._preset, self._description), (self.tr("Save in"), self._folder, self._disk))
        for row, (name, control, line) in enumerate(rows):
            label = QLabel(name)
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
        grid.addWidget(self._disk, 2, 1)

    def _apply_folder(self) -> None:
        text = self._folder.text().strip()
        if text:
            self._store.change(annotations=typed_folder(text))
        else:
            self._folder.setText(str(self.out))


class ProgressFooter(QWidget):
    """Progress of the whole queue, with the buttons to start, pause and clear it."""

    def __init__(self, start: QAction, clear: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = text_label("")
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._bar = _ProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Progress of all files"))
        left = QVBoxLayout()
        left.addWidget(self._text)
        left.addWidget(self._bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(left, 1)
        row.addWidget(ActionButton(clear))
        row.addWidget(ActionButton(start, "main"))
        self._row = row
        self._measure()

    @property
    def text(self) -> str:
        """The progress as text."""
        return self._text.text()

    def show_state(self, views: tuple[JobView, ...], eta: QueueEta, scanning: bool) -> None:
        """Show the progress of all jobs other than failed and cancelled ones."""
        counted = [view.job for view in views if view.job.state in (JobState.WAITING, JobState.DONE, *ACTIVE)]
        done = sum(job.state is JobState.DONE for job in counted)
        parts = [self.tr("Scanning files")] if scanning else []
        if counted:
            parts.append(self.tr("{done} of {count} done").format(done=done, count=len(counted)))
        if any(job.state is JobState.RUNNING for job in counted) and eta.seconds is not None:
            parts.append(eta_text(eta.seconds))
            if eta.unknown:
                parts.append(self.tr("files of unknown length: {count}").format(count=eta.unknown))
        text = " · ".join(parts)
        if self._text.text() != text:
            self._text.setText(text)
        self._bar.setVisible(bool(counted))
        self._bar.setValue(round(1000 * sum(progress_of(job) or 0.0 for job in counted) / max(1, len(counted))))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt the spacing to the font."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._measure()

    def _measure(self) -> None:
        em = theme.em(self)
        self._row.setSpacing(round(0.8 * em))
        self._bar.setFixedHeight(round(0.6 * em))


class _ProgressBar(QProgressBar):
    """A progress bar in the style of the list."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the bar."""
        painter = QPainter(self)
        draw_progress(painter, QRectF(self.rect()), self.value() / self.maximum(), theme.current().accent)
        painter.end()


class InterruptedBar(QFrame):
    """Shows that jobs were interrupted, with a button to resume them; hidden if there are none."""

    def __init__(self, resume: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        button = QPushButton(self.tr("Resume"))
        button.setToolTip(self.tr("Resume interrupted files where they stopped, then the waiting files"))
        button.setAccessibleName(self.tr("Resume interrupted files"))
        button.clicked.connect(resume)
        row = QHBoxLayout(self)
        row.addWidget(self._text, 1)
        row.addWidget(button)
        self.hide()

    @property
    def text(self) -> str:
        """The message."""
        return self._text.text()

    def show_count(self, count: int) -> None:
        """Show the number of interrupted jobs."""
        text = self.tr("1 job was interrupted. Its progress is kept.")
        if count != 1:
            text = self.tr("{count} jobs were interrupted. Their progress is kept.").format(count=count)
        self._text.setText(text)
        self.setVisible(count > 0)
