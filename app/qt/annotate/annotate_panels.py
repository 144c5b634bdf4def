"""What new files are annotated with: preset, folder for the results, and the room that is left there."""

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
from app.qt.widgets.form import Choice, choice_box, select, typed_folder
from app.qt.widgets.page_parts import WheelGuard, text_label
from app.settings.presets import PRESETS, preset_of

#: Below it the room is told as a warning: about three hours of annotated video of 720p.
_SCARCE_BYTES: Final = 10 * 2**30

AskFolder = Callable[[QWidget, str, Path], str]


def ask_folder(parent: QWidget, title: str, begin: Path) -> str:
    """Let the user choose a folder; "" when not."""
    return QFileDialog.getExistingDirectory(parent, title, str(begin))


class OutputForm(QWidget):
    """Two rows tied to the preferences ``preset`` and ``annotations``."""

    #: The room in this folder (pathlib.Path) is to be looked at.
    disk_check_requested = Signal(object)

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
            told = self.tr("{size} free").format(size=size_text(disk.free_bytes))
            if disk.free_bytes < _SCARCE_BYTES:
                told = self.tr("⚠ Only {size} free: make room before long videos.").format(
                    size=size_text(disk.free_bytes)
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
        self._told.setText(translate("mien", preset_of(self.preset).description))
        if self._folder.text() != str(self.out):
            self._folder.setText(str(self.out))
            self._folder.setCursorPosition(0)
        if self._looked_at != self.out:
            self._looked_at = self.out
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


class QueueFooter(QWidget):
    """How far the whole queue is, with the buttons that start, pause and clear it."""

    def __init__(self, start: QAction, clear: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._start_action, self._clear_action = start, clear
        self._words = text_label("")
        self._words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._bar = _ProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Progress of all files"))
        self._start, self._clear = QPushButton(), QPushButton()
        self._start.setProperty("role", "main")
        for button, action in ((self._start, start), (self._clear, clear)):
            button.clicked.connect(action.trigger)
            action.changed.connect(self._follow_actions)
        left = QVBoxLayout()
        left.addWidget(self._words)
        left.addWidget(self._bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(left, 1)
        row.addWidget(self._clear)
        row.addWidget(self._start)
        self._row = row
        self._measure()
        self._follow_actions()

    @property
    def words(self) -> str:
        """What is told of the whole queue."""
        return self._words.text()

    def show_state(self, views: tuple[JobView, ...], left: QueueEta, adding: bool) -> None:
        """Tell how far all jobs are together; those that failed or were cancelled do not count."""
        counted = [view.job for view in views if view.job.state in (JobState.WAITING, JobState.DONE, *ACTIVE)]
        done = sum(job.state is JobState.DONE for job in counted)
        parts = [self.tr("Looking at the files")] if adding else []
        if counted:
            parts.append(self.tr("{done} of {count} done").format(done=done, count=len(counted)))
        if any(job.state is JobState.RUNNING for job in counted) and left.seconds is not None:
            parts.append(eta_text(left.seconds))
            if left.unknown:
                parts.append(self.tr("files of unknown length: {count}").format(count=left.unknown))
        words = " · ".join(parts)
        if self._words.text() != words:
            self._words.setText(words)
        self._bar.setVisible(bool(counted))
        self._bar.setValue(round(1000 * sum(progress_of(job) or 0.0 for job in counted) / max(1, len(counted))))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Spaces grow with the text."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._measure()

    def _measure(self) -> None:
        em = theme.em(self)
        self._row.setSpacing(round(0.8 * em))
        self._bar.setFixedHeight(round(0.6 * em))

    def _follow_actions(self) -> None:
        for button, action in ((self._start, self._start_action), (self._clear, self._clear_action)):
            button.setText(action.text())
            button.setToolTip(action.toolTip())
            button.setEnabled(action.isEnabled())


class _ProgressBar(QProgressBar):
    """Drawn like the bars of the list."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw it."""
        painter = QPainter(self)
        draw_progress(painter, QRectF(self.rect()), self.value() / self.maximum(), theme.current().accent)
        painter.end()


class InterruptedBar(QFrame):
    """Says that jobs were interrupted, with the button that lets them go on; hidden while none was."""

    def __init__(self, resume: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        button = QPushButton(self.tr("Resume"))
        button.setToolTip(self.tr("Let interrupted files go on where they stopped, then the files that wait"))
        button.setAccessibleName(self.tr("Resume interrupted files"))
        button.clicked.connect(resume)
        row = QHBoxLayout(self)
        row.addWidget(self._words, 1)
        row.addWidget(button)
        self.hide()

    @property
    def words(self) -> str:
        """What is told."""
        return self._words.text()

    def show_count(self, count: int) -> None:
        """Tell how many jobs were interrupted."""
        told = self.tr("1 job was interrupted. What is done is kept.")
        if count != 1:
            told = self.tr("{count} jobs were interrupted. What is done is kept.").format(count=count)
        self._words.setText(told)
        self.setVisible(count > 0)
