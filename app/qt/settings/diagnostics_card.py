"""The results of `mien doctor`, in the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from app.qt import theme
from app.qt.background import Worker
from app.qt.preference_store import PreferenceStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page_parts import Card, breakable, text_label
from app.system.check import Check
from app.system.doctor import examine, report_text

_TOPIC: Final = "diagnostics"


class DiagnosticsCard(Card):
    """Runs the checks on a worker, shows them as a table, and copies them as text."""

    #: A Notice for the toasts of the window.
    noticed = Signal(Notice)

    def __init__(
        self,
        store: PreferenceStore,
        app_version: str,
        run_checks: Callable[[Path], list[Check]] = examine,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(QCoreApplication.translate("mien", "Diagnostics"), parent)
        self._store, self._app_version = store, app_version
        self._worker: Worker[Path, list[Check]] = Worker("mien-doctor", run_checks, self._show, self._report)
        self._checks: list[Check] = []
        self._table = QWidget()
        self.body.addWidget(
            text_label(self.tr("What Mien needs on this computer, and how to install what is missing."))
        )
        row = QHBoxLayout()
        self.start = QPushButton(self.tr("Check this computer"))
        self.start.clicked.connect(lambda checked=False: self._start())
        self.copy = QPushButton(self.tr("Copy report"))
        self.copy.setToolTip(self.tr("As text, to paste into a message. Your home folder is written as ~."))
        self.copy.clicked.connect(lambda checked=False: self._copy())
        self.copy.setEnabled(False)
        for button in (self.start, self.copy):
            row.addWidget(button)
        row.addStretch()
        self.body.addLayout(row)
        self.body.addWidget(self._table)

    def shutdown(self) -> None:
        """End the thread.

        Raises:
            ThreadStuckError: the checks do not end.
        """
        self._worker.close()

    def _start(self) -> None:
        self.start.setEnabled(False)
        self.start.setText(self.tr("Checking…"))
        self._worker.submit(self._store.now.annotations)

    def _show(self, checks: list[Check]) -> None:
        self._enable()
        self._checks = checks
        self.copy.setEnabled(True)
        table = _table(checks)
        self.body.replaceWidget(self._table, table)
        self._table.setParent(None)
        self._table.deleteLater()
        self._table = table

    def _report(self, error: Exception) -> None:
        self._enable()
        text = self.tr("The checks failed ({error}): run 'mien doctor'.").format(error=error)
        self.noticed.emit(Notice(text, Severity.WARNING, _TOPIC))

    def _enable(self) -> None:
        self.start.setEnabled(True)
        self.start.setText(self.tr("Check this computer"))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(report_text(self._checks, self._app_version))
        self.noticed.emit(Notice(self.tr("Report copied to the clipboard."), topic=_TOPIC))


def _table(checks: list[Check]) -> QWidget:
    inside = QWidget()
    grid = QGridLayout(inside)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(round(0.8 * theme.em(inside)))
    grid.setColumnStretch(1, 1)
    statuses = {
        "ok": QCoreApplication.translate("mien", "✓ ok"),
        "missing": QCoreApplication.translate("mien", "✗ missing"),
        "optional": QCoreApplication.translate("mien", "○ optional"),
    }
    for index, check in enumerate(checks):
        status = QLabel(statuses[check.status])
        if not check.passed:
            status.setProperty("role", "heading")
        detail = text_label(breakable(check.detail), "dim")
        detail.setAccessibleName(f"{check.name}: {check.detail}")
        grid.addWidget(status, 2 * index, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(text_label(breakable(check.name)), 2 * index, 1)
        grid.addWidget(detail, 2 * index + 1, 1)
    return inside
