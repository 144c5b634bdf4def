"""The list of jobs: model and view, with the row buttons, shortcuts and context menu."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QScrollArea, QWidget

from app.qt.annotate.job_row import MENU, VIEW_ROLE, AnyIndex, JobDelegate
from app.qt.annotate.job_view import JobCommand, JobView, buttons_of, command_text, state_text, translate


class JobModel(QAbstractListModel):
    """One row per JobView."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views: list[JobView] = []

    def show_views(self, views: tuple[JobView, ...]) -> None:
        """Show these jobs with as few changes as possible, so that selection and scroll position stay."""
        wanted = {view.job.job_id for view in views}
        for row in reversed(range(len(self._views))):
            if self._views[row].job.job_id not in wanted:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._views[row]
                self.endRemoveRows()
        for row, view in enumerate(views):
            self._put(row, view)

    def view_at(self, row: int) -> JobView:
        """The job in a row."""
        return self._views[row]

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008, N802 (Qt's signature)
        """Number of jobs."""
        return 0 if parent.isValid() else len(self._views)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts of a row, including those for screen readers, and its JobView."""
        if not index.isValid():
            return None
        view = self._views[index.row()]
        if role == VIEW_ROLE:
            return view
        if role == Qt.ItemDataRole.DisplayRole:
            return view.job.name
        if role == Qt.ItemDataRole.ToolTipRole:
            where = translate("mien", "Results: {folder}").format(folder=view.job.folder)
            return f"{view.job.spec}\n{state_text(view)}\n{where}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{view.job.name}: {state_text(view)}"
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            buttons = buttons_of(view)
            return translate("mien", "Enter: {command}").format(command=command_text(buttons[0])) if buttons else ""
        return None

    def _put(self, row: int, view: JobView) -> None:
        place = next((at for at in range(row, len(self._views)) if self._views[at].job.job_id == view.job.job_id), None)
        if place is None:
            self.beginInsertRows(QModelIndex(), row, row)
            self._views.insert(row, view)
            self.endInsertRows()
            return
        if place != row:
            self.beginMoveRows(QModelIndex(), place, place, QModelIndex(), row)
            self._views.insert(row, self._views.pop(place))
            self.endMoveRows()
        if self._views[row] != view:
            self._views[row] = view
            self.dataChanged.emit(self.index(row), self.index(row))


class JobList(QListView):
    """Shows the jobs. Rows are selected with arrows, Shift and Ctrl; Enter presses a row's first button.

    As high as all rows: the page around it scrolls, so the list must not.
    """

    #: A button of a row was pressed: job id and JobCommand.
    command_chosen = Signal(int, object)
    #: Open the menu of the selected jobs at this QPoint of the screen.
    menu_requested = Signal(object)
    #: The selection has changed.
    selection_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = JobModel(self)
        self.setModel(self._model)
        self._delegate = JobDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Files to annotate"))
        self.selectionModel().selectionChanged.connect(lambda selected, deselected: self.selection_changed.emit())
        self.activated.connect(self._press_first)
        self.selectionModel().currentChanged.connect(lambda now, before: self._reveal(now))

    def show_views(self, views: tuple[JobView, ...]) -> None:
        """Show these jobs."""
        self._model.show_views(views)
        self._fit()

    def selected(self) -> tuple[int, ...]:
        """Ids of the selected jobs in list order."""
        rows = sorted(index.row() for index in self.selectionModel().selectedIndexes())
        return tuple(self._model.view_at(row).job.job_id for row in rows)

    def select(self, job_id: int) -> None:
        """Select only this job."""
        for row in range(self._model.rowCount()):
            if self._model.view_at(row).job.job_id == job_id:
                self._select_row(row)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt the row height to the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.scheduleDelayedItemsLayout()
            self._fit()

    def _fit(self) -> None:
        rows = self._model.rowCount()
        height = rows * self.sizeHintForRow(0) + 2 * self.frameWidth() if rows else 0
        if height != self.minimumHeight():
            self.setMinimumHeight(height)

    def _reveal(self, index: QModelIndex) -> None:
        """Scroll the page to a row."""
        around = self.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        inside = around.widget() if isinstance(around, QScrollArea) else None
        if isinstance(around, QScrollArea) and inside is not None and index.isValid():
            row = self.visualRect(index)
            for edge in (row.bottomLeft(), row.topLeft()):
                place = self.viewport().mapTo(inside, edge)
                around.ensureVisible(place.x(), place.y(), 0, 4)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Highlight the button under the pointer."""
        super().mouseMoveEvent(event)
        self._hover(event.position().toPoint())

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Remove the highlight."""
        super().leaveEvent(event)
        self._hover(QPoint(-1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Press a row's button, or select rows."""
        place = event.position().toPoint()
        index = self.indexAt(place)
        command = self._delegate.command_at(self, index, place) if index.isValid() else None
        if command is None or event.button() is not Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self._select_row(index.row())
        if command == MENU:
            self.menu_requested.emit(event.globalPosition().toPoint())
        else:
            self.command_chosen.emit(self._model.view_at(index.row()).job.job_id, command)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Ignore the second press of a double click on a button; elsewhere press the row's first button."""
        place = event.position().toPoint()
        index = self.indexAt(place)
        if index.isValid() and self._delegate.command_at(self, index, place) is not None:
            return
        super().mouseDoubleClickEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt's name)
        """Request the menu: at the pointer, or at the row if opened by key."""
        if not self.selected():
            return
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            row = self.visualRect(self.currentIndex())
            self.menu_requested.emit(self.viewport().mapToGlobal(row.center()))
        else:
            self.menu_requested.emit(event.globalPos())

    def _select_row(self, row: int) -> None:
        index = self._model.index(row)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _press_first(self, index: QModelIndex) -> None:
        view = self._model.view_at(index.row())
        buttons = buttons_of(view)
        # Enter must not remove a job by mistake
        if buttons and buttons[0] is not JobCommand.REMOVE:
            self.command_chosen.emit(view.job.job_id, buttons[0])

    def _hover(self, place: QPoint) -> None:
        index = self.indexAt(place)
        command = self._delegate.command_at(self, index, place) if index.isValid() else None
        if self._delegate.hover(index.row() if index.isValid() else -1, command):
            self.viewport().update()
