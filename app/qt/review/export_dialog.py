"""The export dialog: choice of files, target folder, progress and result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.export.export import export, reason_against
from app.export.formats import FORMATS, Format, Needs
from app.export.job import ExportChoice
from app.qt import theme
from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.qt.translation import translated
from app.qt.widgets.file_dialogs import nearest_folder
from app.qt.widgets.form import typed_folder
from app.qt.widgets.page_parts import scrolled, text_label
from app.review.notes import Notes
from app.review.session import Session

#: Steps of the progress bar.
_STEPS: Final = 1000
#: Formats that are checked at first, if they can be written.
_CHECKED: Final = ("csv", "notes", "agreement")
#: Writes the chosen files; see `app.export.export.export`.
Export = Callable[[Session, Notes, ExportChoice, Path, Callable[[float], None], Callable[[], bool]], tuple[Path, ...]]


class _Progress(QObject):
    """Carries the progress from the worker thread to the main thread."""

    changed = Signal(float)  # fraction done


@dataclass(frozen=True, slots=True)
class _Job:
    choice: ExportChoice
    folder: Path


class ExportDialog(QDialog):
    """Runs exports one after another until it is closed; errors are shown inside it."""

    def __init__(
        self, session: Session, notes: Notes, parent: QWidget | None = None, *, write: Export = export
    ) -> None:
        """``session`` must stay open until the dialog is closed or `shutdown` is called."""
        super().__init__(parent)
        self._session, self._notes, self._write = session, notes, write
        self._stop = threading.Event()
        self._running = False
        self._written_to = Path()
        self._page: Path | None = None  # the summary page, if it was written
        self._progress = _Progress()
        self._progress.changed.connect(self._show_progress, Qt.ConnectionType.QueuedConnection)
        self._worker = Worker("mien-export", self._export, self._done, self._fail)
        self.setWindowTitle(self.tr("Export"))
        self._make_choices()
        self.folder = QLineEdit(str(session.folder.path / "review"))
        self.folder.setAccessibleName(self.tr("Folder"))
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.bar.hide()
        self.status = text_label("", selectable=True)
        self.start = QPushButton(self.tr("Export"))
        self.start.setProperty("role", "main")
        self.start.setDefault(True)
        self.start.clicked.connect(self.run)
        self.show_folder = QPushButton(self.tr("Open folder"))
        self.show_folder.setAutoDefault(False)
        self.show_folder.clicked.connect(self._open_folder)
        self.show_folder.hide()
        self.show_page = QPushButton(self.tr("Open summary page"))
        self.show_page.setAutoDefault(False)
        self.show_page.clicked.connect(self._open_page)
        self.show_page.hide()
        self.close_button = QPushButton(self.tr("Close"))
        self.close_button.setAutoDefault(False)
        self.close_button.clicked.connect(self.reject)
        self._lay_out()
        self._follow()

    @property
    def running(self) -> bool:
        """Whether files are being written."""
        return self._running

    @property
    def choice(self) -> ExportChoice:
        """What is checked."""
        return ExportChoice(
            tuple(name for name, box in self.formats.items() if box.isChecked()),
            without_excluded=self.without_excluded.isChecked(),
            replace=self.replace.isChecked(),
            excel=self.excel.isChecked(),
            all_units=self.all_units.isChecked(),
        )

    def run(self) -> None:
        """Start the export."""
        if self._running:
            return
        self._stop.clear()
        self._running = True
        self.bar.setValue(0)
        self.status.setText(self.tr("Writing …"))
        self._follow()
        self._written_to = typed_folder(self.folder.text())
        self._worker.submit(_Job(self.choice, self._written_to))

    def reject(self) -> None:
        """Cancel a running export; otherwise close the dialog."""
        if self._running:
            self._stop.set()
            self.status.setText(self.tr("Cancelling …"))
            return
        self.shutdown()
        super().reject()

    def shutdown(self) -> None:
        """Cancel the export and stop the thread, before the session is closed. A second call does nothing."""
        self._stop.set()
        self._worker.close()
        self._running = False
        self.hide()

    def _export(self, job: _Job) -> tuple[Path, ...]:
        return self._write(
            self._session, self._notes, job.choice, job.folder, self._progress.changed.emit, self._stop.is_set
        )

    def _show_progress(self, fraction: float) -> None:
        self.bar.setValue(round(fraction * _STEPS))

    def _done(self, written: tuple[Path, ...]) -> None:
        self._running = False
        names = "\n".join(path.name for path in written)
        if self._stop.is_set():
            text = (
                self.tr("Cancelled. Complete files: {names}") if written else self.tr("Cancelled. No file was written.")
            )
        else:
            text = self.tr("Written to {folder}:\n{names}")
        self.status.setText(text.format(folder=self._written_to, names=names))
        self.show_folder.setVisible(bool(written))
        self._page = next((path for path in written if path.suffix == ".html"), None)
        self.show_page.setVisible(self._page is not None)
        self._follow()

    def _fail(self, error: Exception) -> None:
        self._running = False
        self.status.setText(f"⚠ {fault_text(error)}")
        self._follow()

    def _follow(self) -> None:
        """Enable what can be used now."""
        choice = self.choice
        self.start.setEnabled(bool(choice.formats) and bool(self.folder.text().strip()) and not self._running)
        self.close_button.setText(self.tr("Cancel") if self._running else self.tr("Close"))
        self.bar.setVisible(self._running)
        self.status.setVisible(bool(self.status.text()))  # an empty label would be a tab stop
        self._inputs.setEnabled(not self._running)
        self._target.setEnabled(not self._running)

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder"), nearest_folder(Path(self.folder.text())))
        if chosen:
            self.folder.setText(chosen)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written_to)))

    def _open_page(self) -> None:
        if self._page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._page)))

    # Layout

    def _make_choices(self) -> None:
        self.formats = {item.name: QCheckBox(translated(item.title)) for item in FORMATS}
        self.without_excluded = QCheckBox(self.tr("Leave out excluded ranges"))
        self.excel = QCheckBox(self.tr("CSV for Excel"))
        self.all_units = QCheckBox(self.tr("Action units that are not trusted"))
        self.replace = QCheckBox(self.tr("Replace files of an earlier export"))
        for item in FORMATS:
            self.formats[item.name].setEnabled(self._reason_against(item) is None)
        for name in _CHECKED:
            self.formats[name].setChecked(self.formats[name].isEnabled())

    def _reason_against(self, item: Format) -> str | None:
        """Why a format cannot be written, for its description; None if it can."""
        if item.missing is not None:
            return self.tr("Needs a package: run {command}").format(command=item.missing)
        if reason_against(item, self._session, self._notes) is None:
            return None
        if item.needs is Needs.LABELS:
            return self.tr("There are no labels yet, so there is no agreement to write.")
        return self.tr("Needs a video without overlay; this session has none.")

    def _lines(self) -> tuple[tuple[QCheckBox, str], ...]:
        """One line of description for each choice."""
        return (
            *((self.formats[item.name], self._reason_against(item) or translated(item.about)) for item in FORMATS),
            (self.without_excluded, self.tr("Frames in excluded ranges are left out of every file except the notes.")),
            (self.excel, self.tr("A byte order mark, without which Excel shows accents wrongly.")),
            (self.all_units, self.tr("Also in the formats of other tools. The reviewed tables always have all units.")),
            (self.replace, self.tr("Otherwise existing files are never overwritten.")),
        )

    def _lay_out(self) -> None:
        em = theme.em(self)
        self._inputs = QWidget()
        column = QVBoxLayout(self._inputs)
        column.setContentsMargins(0, 0, 0, 0)
        for box, line in self._lines():
            if box is self.without_excluded:
                column.addWidget(text_label(self.tr("Options"), "heading"))
            description = text_label(line, "dim")
            description.setContentsMargins(round(1.7 * em), 0, 0, round(0.3 * em))
            box.setAccessibleDescription(line)
            box.toggled.connect(self._follow)
            column.addWidget(box)
            column.addWidget(description)
        column.addStretch(1)
        self._target = QWidget()  # outside the scrolled list, which is long
        row = QHBoxLayout(self._target)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(text_label(self.tr("Folder"), "heading"))
        row.addWidget(self.folder, 1)
        choose = QPushButton(self.tr("Choose…"))
        choose.setAutoDefault(False)
        choose.clicked.connect(self._choose_folder)
        row.addWidget(choose)
        self.folder.textChanged.connect(self._follow)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_folder)
        buttons.addWidget(self.show_page)
        buttons.addStretch(1)
        buttons.addWidget(self.start)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.addWidget(scrolled(self._inputs), 1)
        layout.addWidget(self._target)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addLayout(buttons)
        parent = self.parentWidget()
        room = QSize(1280, 800) if parent is None else parent.window().size()
        self.resize(min(round(36 * em), max(room.width(), 480)), min(round(34 * em), max(room.height(), 360)))
