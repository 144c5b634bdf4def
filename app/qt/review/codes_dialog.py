"""The dialog for the coder's own event codes: their keys and names, and whether they last."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.qt import theme
from app.qt.translation import translated
from app.qt.widgets.page_parts import ok_and_cancel, text_label
from app.settings.codes import EventCode, fault_of

_FREE: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class CodesDialog(QDialog):
    """Edits a list of codes; it closes only with codes that can be used."""

    def __init__(self, codes: Sequence[EventCode], taken: Collection[str], parent: QWidget | None = None) -> None:
        """``taken``: letters that do something else in Review."""
        super().__init__(parent)
        self._taken = frozenset(taken)
        self.setWindowTitle(self.tr("Event codes"))
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(self.tr("Event codes"))
        self.table.setHorizontalHeaderLabels([self.tr("Key"), self.tr("Name"), self.tr("Stretch")])
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(round(5 * theme.em(self)))
        for column in (0, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.verticalHeader().hide()
        self.table.setTabKeyNavigation(False)
        self.fault = text_label("")
        self.add = QPushButton(self.tr("Add"))
        self.add.clicked.connect(self._add_free)
        self.remove = QPushButton(self.tr("Remove"))
        self.remove.clicked.connect(self._remove)
        for code in codes:
            self._append(code)
        self._lay_out()

    @property
    def codes(self) -> tuple[EventCode, ...]:
        """The codes as they are in the table."""
        return tuple(
            EventCode(self._text(row, 0).upper(), self._text(row, 1), self._lasts(row))
            for row in range(self.table.rowCount())
        )

    def accept(self) -> None:
        """Close if the codes can be used; otherwise say why not."""
        fault = fault_of(self.codes, self._taken)
        if fault is None:
            super().accept()
        else:
            self.fault.setText(f"⚠ {translated(fault.value)}")
            self.fault.show()

    def _append(self, code: EventCode) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        self.table.setItem(row, 0, QTableWidgetItem(code.key))
        self.table.setItem(row, 1, QTableWidgetItem(code.name))
        lasts = QTableWidgetItem()
        lasts.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
        lasts.setCheckState(Qt.CheckState.Checked if code.lasts else Qt.CheckState.Unchecked)
        self.table.setItem(row, 2, lasts)

    def _add_free(self) -> None:
        """Add a code with the first free letter."""
        used = self._taken | {code.key for code in self.codes}
        self._append(EventCode(next((key for key in _FREE if key not in used), ""), ""))
        self.table.setCurrentCell(self.table.rowCount() - 1, 1)
        self.table.setFocus()

    def _remove(self) -> None:
        row = self.table.currentRow()
        if row >= 0:
            self.table.removeRow(row)

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return "" if item is None else item.text().strip()

    def _lasts(self, row: int) -> bool:
        item = self.table.item(row, 2)
        return item is not None and item.checkState() is Qt.CheckState.Checked

    def _lay_out(self) -> None:
        about = self.tr(
            "In Review, the key of a code marks a moment. The key of a stretch, such as a stimulus, marks its start "
            "and, pressed again, its end. Free keys: {keys}."
        )
        free = " ".join(key for key in _FREE if key not in self._taken)
        buttons = ok_and_cancel()
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(self.add)
        row.addWidget(self.remove)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addWidget(text_label(about.format(keys=free)))
        column.addWidget(self.table, 1)
        column.addLayout(row)
        column.addWidget(self.fault)
        column.addWidget(buttons)
        self.fault.hide()
        em = theme.em(self)
        self.resize(round(28 * em), round(24 * em))
