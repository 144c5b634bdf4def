"""What `mien doctor` says of this computer, in the settings."""

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
from app.qt.widgets.notice_bar import Notice, Weight
from app.qt.widgets.page_parts import Card, breakable, text_label
from app.system.doctor import Check, examine
from app.system.report import check_word, report_text

_TOPIC: Final = "diagnostics"


class DiagnosticsCard(Card):
    """Examines on a thread of its own when asked, shows a table, and copies it as text."""

    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)

    def __init__(
        self,
        store: PreferenceStore,
        app_version: str,
        look: Callable[[Path], list[Check]] = examine,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(QCoreApplication.translate("mien", "Diagnostics"), parent)
        self._store, self._app_version = store, app_version
        self._worker: Worker[Path, list[Check]] = Worker("mien-doctor", look, self._show, self._tell)
        self._checks: list[Check] = []
        self._table = QWidget()
        self.body.addWidget(text_label(self.tr("What Mien needs on this computer, and how to get what is missing.")))
        row = QHBoxLayout()
        self.start = QPushButton(self.tr("Examine this computer"))
        self.start.clicked.connect(lambda checked=False: self._examine())
        self.copy = QPushButton(self.tr("Copy report"))
        self.copy.setToolTip(self.tr("As text, to paste into a message. Your home folder is written as ~."))
        self.copy.clicked.connect(lambda checked=False: self._copy())
        self.copy.setEnabled(False)
        for button in (self.start, self.copy):
            row.addWidget(button)
        row.addStretch()
        self.body.addLayout(row)
        self.body.addWidget(self._table)

    def shut(self) -> None:
        """End the thread.

        Raises:
            ThreadStuckError: the examination does not end.
        """
        self._worker.close()

    def _examine(self) -> None:
        self.start.setEnabled(False)
        self.start.setText(self.tr("Examining…"))
        self._worker.ask(self._store.now.annotations)

    def _show(self, checks: list[Check]) -> None:
        self._ready()
        self._checks = checks
        self.copy.setEnabled(True)
        table = _table(checks)
        self.body.replaceWidget(self._table, table)
        self._table.setParent(None)
        self._table.deleteLater()
        self._table = table

    def _tell(self, error: Exception) -> None:
        self._ready()
        told = self.tr("The examination broke off ({error}): run 'mien doctor'.").format(error=error)
        self.noticed.emit(Notice(told, Weight.WARNING, _TOPIC))

    def _ready(self) -> None:
        self.start.setEnabled(True)
        self.start.setText(self.tr("Examine this computer"))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(report_text(self._checks, self._app_version))
        self.noticed.emit(Notice(self.tr("The report is on the clipboard."), topic=_TOPIC))


def _table(checks: list[Check]) -> QWidget:
    inside = QWidget()
    grid = QGridLayout(inside)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(round(0.8 * theme.em(inside)))
    grid.setColumnStretch(1, 1)
    words = {
        "ok": QCoreApplication.translate("mien", "✓ ok"),
        "missing": QCoreApplication.translate("mien", "✗ missing"),
        "optional": QCoreApplication.translate("mien", "○ optional"),
    }
    for place, check in enumerate(checks):
        sign = QLabel(words[check_word(check)])
        if not check.good:
            sign.setProperty("role", "heading")
        told = text_label(breakable(check.told), "dim")
        told.setAccessibleName(f"{check.name}: {check.told}")
        grid.addWidget(sign, 2 * place, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(text_label(breakable(check.name)), 2 * place, 1)
        grid.addWidget(told, 2 * place + 1, 1)
    return inside
