"""The annotate page: add files, run the queue, and open the results in Review."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import QAction, QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from app.jobs.job_queue import ACTIVE, EngineChoice, Job, JobPart, JobState
from app.jobs.job_run import JobExecutor
from app.jobs.source_scan import DEMO_SPEC, ScanResult
from app.qt import theme
from app.qt.annotate.annotate_panels import AskFolder, InterruptedBar, OutputForm, ProgressFooter, ask_folder
from app.qt.annotate.drop_area import DropVeil, EmptyQueue
from app.qt.annotate.job_list import JobList
from app.qt.annotate.job_runner import INTERRUPTED_TOPIC, TOPIC, JobRunner
from app.qt.annotate.job_view import JobCommand, command_text, commands_of, preset_text
from app.qt.annotate.part_dialog import PartDialog
from app.qt.annotate.source_scanner import SourceScanner
from app.qt.preference_store import PreferenceStore
from app.qt.sentences import translated_fault
from app.qt.widgets.file_dialogs import videos_folder
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import ActionButton, scrolled
from app.session.folder import dropped_session
from app.settings.presets import PRESETS

#: Shortcuts of the commands on the selected jobs.
_KEYS: Final[dict[JobCommand, str]] = {
    JobCommand.PAUSE: "Ctrl+P",
    JobCommand.RESUME: "Ctrl+G",
    JobCommand.RETRY: "Ctrl+T",
    JobCommand.CANCEL: "Ctrl+K",
    JobCommand.REVIEW: "Ctrl+Return",
    JobCommand.SHOW_FOLDER: "Ctrl+E",
    JobCommand.RESTART: "Ctrl+Shift+G",
    JobCommand.REMOVE: "Del",
}

#: Commands that leave the queue as it is.
_READ_ONLY: Final = (JobCommand.REVIEW, JobCommand.SHOW_FOLDER)

AskFiles = Callable[[QWidget, str], tuple[str, ...]]


def ask_files(parent: QWidget, title: str) -> tuple[str, ...]:
    """Let the user choose files of any kind; empty if cancelled."""
    return tuple(QFileDialog.getOpenFileNames(parent, title, videos_folder())[0])


def show_folder(folder: Path) -> None:
    """Show a folder in the desktop's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


class AnnotatePage(Page):
    """The page of the job queue, which accepts files dropped anywhere on it."""

    def __init__(
        self,
        store: PreferenceStore,
        queue_file: Path,
        executor: JobExecutor,
        parent: QWidget | None = None,
        *,
        ask_for_files: AskFiles = ask_files,
        ask_for_folder: AskFolder = ask_folder,
        show: Callable[[Path], None] = show_folder,
    ) -> None:
        """Read the queue from ``queue_file``; the page closes ``executor``."""
        super().__init__(parent)
        self._store = store
        self._ask_files, self._ask_folder, self._show = ask_for_files, ask_for_folder, show
        self.runner = JobRunner(queue_file, executor, self._current_engine, self)
        self._scanner = SourceScanner(executor.open_source, lambda: self.runner.jobs, self)
        self._make_actions()
        self.form = OutputForm(store, ask_for_folder)
        self.list = JobList()
        self.footer = ProgressFooter(self._start, self._clear)
        self.interrupted = InterruptedBar(self.runner.start)
        self._middle = QStackedWidget()
        self._veil = DropVeil(self)
        self._ended = 0  # number of ended jobs; after each, the disk is checked again
        self._lay_out()
        self._connect()
        self._follow()
        self._startup = QTimer(self)  # notices before the window is built would be lost
        self._startup.setSingleShot(True)
        self._startup.timeout.connect(self._show_saved_state)
        self._startup.start(0)

    @property
    def scanning(self) -> bool:
        """Whether added files are still being scanned."""
        return self._scanner.busy

    def page_title(self) -> str:
        """Name of the page."""
        return self.tr("Annotate")

    def page_actions(self) -> tuple[QAction, ...]:
        """All actions in menu order: adding, the queue, then the selected jobs."""
        return (
            *(self._add_files, self._add_folder, self._add_demo, self._choose_out, self._start, self._clear),
            *self._commands.values(),
            *(self._part, self._up, self._down),
        )

    def add(self, specs: tuple[str, ...]) -> None:
        """Add files, folders, or ``demo``, with the preset and output folder of the form."""
        if not self.runner.is_mine:
            self._report_holder()
            return
        self.noticed.emit(Notice("", topic=TOPIC))
        self._scanner.add(specs, self.form.out, self.form.preset)

    def enter(self) -> None:
        """Check the disk, whose free space may have changed, and whether another window still has the queue."""
        self._scanner.request_disk_check(self.form.out)
        if not self.runner.is_mine:
            self.runner.reopen()
            self._report_holder()

    def shutdown(self) -> None:
        """Interrupt the running job, so that it resumes next time, and stop all threads.

        Raises:
            ThreadStuckError: a job or a disk does not respond within ten seconds.
        """
        self._startup.stop()
        try:
            self._scanner.shutdown()
        finally:
            self.runner.shutdown()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Accept files and folders; the window opens dropped sessions in Review."""
        if _paths_of(event):
            event.acceptProposedAction()
            self._veil.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 (Qt's name)
        """Hide the veil."""
        self._veil.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Add the dropped files."""
        self._veil.hide()
        event.acceptProposedAction()
        self.add(_paths_of(event))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Keep the veil over the whole page."""
        super().resizeEvent(event)
        self._veil.setGeometry(self.rect())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt the spacing to the font."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._measure()

    def command(self, command: JobCommand, job_ids: tuple[int, ...]) -> None:
        """Apply a command to those of the jobs for which it is legal."""
        for view in self.runner.views():
            if view.job.job_id in job_ids and command in commands_of(view):
                self._do(command, view.job.job_id, view.job.folder)

    def _do(self, command: JobCommand, job_id: int, folder: Path) -> None:
        if not self.runner.is_mine and command not in _READ_ONLY:
            self._report_holder()
            return
        match command:
            case JobCommand.PAUSE:
                self.runner.pause()
            case JobCommand.CANCEL:
                self.runner.cancel(job_id)
            case JobCommand.REMOVE:
                self.runner.remove(job_id)
            case JobCommand.REVIEW:
                self.session_requested.emit(folder)
            case JobCommand.SHOW_FOLDER:
                self._show(folder)
            case JobCommand.RESTART:
                self.runner.requeue(job_id, afresh=True)
            case JobCommand.RESUME | JobCommand.RETRY:
                job = self.runner.job(job_id)
                if job is not None and job.state is JobState.PAUSED:
                    self.runner.start()
                else:
                    self.runner.requeue(job_id)

    def _make_actions(self) -> None:
        make = self.make_action
        self._add_files = make(self.tr("Add files…"), "Ctrl+O", self._choose_files)
        self._add_folder = make(
            self.tr("Add folder…"),
            "Ctrl+D",
            self._choose_folder,
            self.tr("Add a folder of pictures, or all videos of a folder"),
        )
        self._add_demo = make(
            self.tr("Add the demo clip"),
            "Ctrl+Shift+D",
            lambda: self.add((DEMO_SPEC,)),
            self.tr("Add the short clip that comes with the program"),
        )
        self._choose_out = make(self.tr("Choose folder for the results…"), "Ctrl+L", lambda: self.form.choose_folder())
        self._start = make(self.tr("Start queue"), "Ctrl+R", self._toggle)
        self._clear = make(
            self.tr("Clear finished"),
            "Ctrl+Shift+Del",
            lambda: self.runner.clear_done(),
            self.tr("Remove finished files from the list; their results stay"),
        )
        self._commands = {
            command: make(command_text(command), keys, partial(self._apply_to_selection, command))
            for command, keys in _KEYS.items()
        }
        self._up = make(self.tr("Move up"), "Alt+Up", lambda: self._move(-1))
        self._part = make(
            self.tr("Part of the video…"),
            "Ctrl+I",
            self.choose_part,
            self.tr("Start, end and frame steps of the selected files that have not started"),
        )
        self._down = make(self.tr("Move down"), "Alt+Down", lambda: self._move(1))

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._adding = QWidget()
        row = QHBoxLayout(self._adding)
        row.setContentsMargins(0, 0, 0, 0)
        for action in (self._add_files, self._add_folder):
            row.addWidget(ActionButton(action))
        row.addStretch()
        empty = EmptyQueue(tuple(map(ActionButton, (self._add_files, self._add_folder, self._add_demo))))
        for part in (empty, self.list):
            self._middle.addWidget(part)
        self._middle.setMinimumHeight(round(12 * theme.em(self)))
        self._column.addWidget(self._adding)
        self._column.addWidget(self.form)
        self._column.addWidget(self.interrupted)
        self._column.addWidget(self._middle, 1)
        self._bottom = QVBoxLayout()
        self._bottom.addWidget(self.footer)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inside), 1)
        outer.addLayout(self._bottom)  # in reach however long the list is
        self._measure()

    def _measure(self) -> None:
        em = theme.em(self)
        self._column.setContentsMargins(*(round(1.2 * em),) * 4)
        self._column.setSpacing(round(0.8 * em))
        self._bottom.setContentsMargins(round(1.2 * em), 0, round(1.2 * em), round(0.8 * em))
        self._middle.setMinimumHeight(round(12 * em))

    def _connect(self) -> None:
        self.runner.changed.connect(self._follow)
        self.runner.noticed.connect(self.noticed)
        self.runner.open_requested.connect(self.session_requested)
        self.runner.finished.connect(self._store.remember_session)
        self._scanner.scanned.connect(self._add_scanned)
        self._scanner.disk_checked.connect(self.form.show_disk)
        self._scanner.busy_changed.connect(self._follow)
        self.form.disk_check_requested.connect(self._scanner.request_disk_check)
        self._scanner.request_disk_check(self.form.out)
        self.list.command_chosen.connect(lambda job_id, command: self.command(command, (job_id,)))
        self.list.menu_requested.connect(self._show_menu)
        self.list.selection_changed.connect(self._follow_selection)

    def _current_engine(self) -> EngineChoice:
        now = self._store.now
        return EngineChoice(now.backend, now.tracker, now.threads)

    def _follow(self) -> None:
        views = self.runner.views()
        self.list.show_views(views)
        self._middle.setCurrentIndex(1 if views else 0)
        self._adding.setVisible(bool(views))  # the empty list shows these buttons itself
        mine = self.runner.is_mine
        for action in (self._add_files, self._add_folder, self._add_demo):
            action.setEnabled(mine)
        running = any(view.job.state is JobState.RUNNING for view in views)
        self._start.setText(self.tr("Pause queue") if running else self.tr("Start queue"))
        can_start = (JobState.WAITING, JobState.INTERRUPTED, *ACTIVE)
        can_change = mine and not self.runner.stopping
        self._start.setEnabled(can_change and any(view.job.state in can_start for view in views))
        self._clear.setEnabled(mine and any(view.job.state is JobState.DONE for view in views))
        interrupted = sum(view.job.state is JobState.INTERRUPTED for view in views)
        self.interrupted.show_count(interrupted if mine else 0)
        self.footer.show_state(views, self.runner.eta(), self._scanner.busy)
        ended = sum(view.job.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED) for view in views)
        if ended != self._ended:
            self._ended = ended
            self._scanner.request_disk_check(self.form.out)
        self._follow_selection()

    def _follow_selection(self) -> None:
        selected, mine = self.list.selected(), self.runner.is_mine
        legal = {
            command for view in self.runner.views() if view.job.job_id in selected for command in commands_of(view)
        }
        for command, action in self._commands.items():
            action.setEnabled(command in legal and (mine or command in _READ_ONLY))
        self._part.setEnabled(bool(self._unstarted()))
        self._up.setEnabled(mine and len(selected) == 1)
        self._down.setEnabled(mine and len(selected) == 1)

    def _toggle(self) -> None:
        if any(job.state is JobState.RUNNING for job in self.runner.jobs):
            self.runner.pause()
        else:
            self.runner.start()

    def _apply_to_selection(self, command: JobCommand) -> None:
        self.command(command, self.list.selected())

    def _move(self, steps: int) -> None:
        for job_id in self.list.selected():
            self.runner.move(job_id, steps)

    def _choose_files(self) -> None:
        self.add(self._ask_files(self, self.tr("Files to annotate")))

    def _choose_folder(self) -> None:
        chosen = self._ask_folder(self, self.tr("Folder to annotate"), Path.home())
        self.add((chosen,) if chosen else ())

    def _show_menu(self, position: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions([action for action in self._commands.values() if action.isEnabled()])
        selected = self._unstarted()
        unstarted = tuple(job.job_id for job in selected)
        if unstarted:
            presets = menu.addMenu(self.tr("Preset"))
            for preset in PRESETS:
                entry = presets.addAction(preset_text(preset.name))
                entry.setCheckable(True)
                entry.setChecked(all(job.preset == preset.name for job in selected))
                entry.triggered.connect(partial(self._set_preset, unstarted, preset.name))
            menu.addAction(self._part)
        menu.addSeparator()
        menu.addActions([self._up, self._down])
        menu.popup(position)

    def _unstarted(self) -> tuple[Job, ...]:
        """The selected jobs whose preset and part can still be chosen."""
        if not self.runner.is_mine:
            return ()
        selected = (view.job for view in self.runner.views() if view.job.job_id in self.list.selected())
        return tuple(job for job in selected if job.state is JobState.WAITING and not job.started)

    def choose_part(self) -> None:
        """Let the user choose the part of the selected jobs that have not started."""
        jobs = self._unstarted()
        if not jobs:
            return
        dialog = PartDialog(jobs[0].part, len(jobs), self)
        dialog.accepted.connect(lambda: self._set_part(tuple(job.job_id for job in jobs), dialog.part))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _set_part(self, job_ids: tuple[int, ...], part: JobPart) -> None:
        startable = {job.job_id for job in self.runner.jobs if job.state is JobState.WAITING and not job.started}
        for job_id in job_ids:  # one may have started while the dialog was open
            if job_id in startable:
                self.runner.set_part(job_id, part)

    def _set_preset(self, job_ids: tuple[int, ...], name: str, checked: bool = False) -> None:
        for job_id in job_ids:
            self.runner.set_preset(job_id, name)

    def _add_scanned(self, result: ScanResult, preset: str) -> None:
        """Queue the sources found; one notice names the first of each kind that was refused."""
        self.runner.add(result.found, preset)
        problems = []
        if result.live:
            text = self.tr("{name} is a camera or stream: use Live to watch and record it.")
            problems.append(text.format(name=result.live[0]))
        if result.empty:
            problems.append(self.tr("{name} contains no pictures or videos.").format(name=result.empty[0]))
        problems.extend(result.faults[:1])
        refused = len(result.live) + len(result.empty) + len(result.faults)
        if refused > len(problems):
            problems.append(self.tr("Not added in total: {count}.").format(count=refused))
        if result.left_out:
            problems.append(self.tr("Not read: {what}.").format(what="; ".join(result.left_out)))
        if refused or result.left_out:
            self.noticed.emit(Notice(" ".join(problems), Severity.WARNING, TOPIC))

    def _report_holder(self) -> None:
        """Say which program has the queue, if another one has."""
        if self.runner.holder is not None:
            text = self.tr("The queue is read only here, because {holder} has it. Close that window to use it here.")
            self.noticed.emit(Notice(text.format(holder=self.runner.holder), Severity.WARNING, TOPIC))
        else:
            self.noticed.emit(Notice("", topic=TOPIC))

    def _show_saved_state(self) -> None:
        """Report that another program has the queue, or a damaged queue file; and the interrupted jobs."""
        count = sum(job.state is JobState.INTERRUPTED for job in self.runner.jobs)
        if not self.runner.is_mine:
            self._report_holder()
        elif self.runner.fault:
            self.noticed.emit(Notice(translated_fault(self.runner.fault), Severity.WARNING, TOPIC))
        if count and self.runner.is_mine:
            one, many = self.tr("1 job was interrupted."), self.tr("{count} jobs were interrupted.")
            resume = NoticeAction(self.tr("Resume"), self.runner.start)
            text = one if count == 1 else many.format(count=count)
            self.noticed.emit(Notice(text, Severity.INFO, INTERRUPTED_TOPIC, (resume,)))


def _paths_of(event: QDropEvent) -> tuple[str, ...]:
    """Local paths or URLs of what was dropped; empty if it includes a session."""
    urls = event.mimeData().urls()
    if dropped_session(url.toLocalFile() for url in urls) is not None:
        return ()
    return tuple(url.toLocalFile() or url.toString() for url in urls)
