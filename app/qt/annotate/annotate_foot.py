"""Below and above the list of jobs: how far all is, the buttons of the queue, and what was interrupted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.jobs.job_pace import QueueLeft
from app.jobs.job_queue import ACTIVE, JobState
from app.qt import theme
from app.qt.annotate.job_delegate import draw_share
from app.qt.annotate.job_words import JobView, share_of, time_words
from app.qt.widgets.page_parts import text_label


class AnnotateFoot(QWidget):
    """How far the whole queue is, with the buttons that start, pause and clear it."""

    def __init__(self, start: QAction, clear: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._start_action, self._clear_action = start, clear
        self._words = text_label("")
        self._words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._bar = _Bar()
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

    def show_state(self, views: tuple[JobView, ...], left: QueueLeft, adding: bool) -> None:
        """Tell how far all jobs are together; those that failed or were cancelled do not count."""
        counted = [view.job for view in views if view.job.state in (JobState.WAITING, JobState.DONE, *ACTIVE)]
        done = sum(job.state is JobState.DONE for job in counted)
        parts = [self.tr("Looking at the files")] if adding else []
        if counted:
            parts.append(self.tr("{done} of {count} done").format(done=done, count=len(counted)))
        if any(job.state is JobState.RUNNING for job in counted) and left.seconds is not None:
            parts.append(time_words(left.seconds))
            if left.unknown:
                parts.append(self.tr("files of unknown length: {count}").format(count=left.unknown))
        words = " · ".join(parts)
        if self._words.text() != words:
            self._words.setText(words)
        self._bar.setVisible(bool(counted))
        self._bar.setValue(round(1000 * sum(share_of(job) or 0.0 for job in counted) / max(1, len(counted))))

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


class _Bar(QProgressBar):
    """Drawn like the bars of the list."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw it."""
        painter = QPainter(self)
        draw_share(painter, QRectF(self.rect()), self.value() / self.maximum(), theme.current().accent)
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
