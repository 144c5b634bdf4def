"""The notes of the coder at the side of the review desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFormLayout,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.qt import theme
from app.qt.review.action_sets import NoteActions
from app.qt.review.agreement_box import AgreementBox
from app.qt.review.timeline_painter import label_text
from app.qt.widgets.page_parts import ActionButton, Card, text_label
from app.qt.widgets.patterns import expression_brush
from app.review.notes import (
    HUMAN_LABELS,
    UNCLEAR,
    Event,
    Exclusion,
    FaceName,
    HumanLabel,
    Marker,
    NeutralRange,
    Notes,
)
from app.review.timeline_layout import clock_text

Note = Marker | Event | Exclusion | HumanLabel | FaceName | NeutralRange

#: Label buttons per row, at most.
_MAX_COLUMNS: Final = 3
#: Lines that the list of notes shows without scrolling, at least.
_MIN_LINES: Final = 6


class NotesPanel(QWidget):
    """The marked range with its label buttons, the list of notes and the agreement."""

    #: The coder's name as the user changed it.
    coder_changed = Signal(str)

    def __init__(self, actions: NoteActions, events: QWidget, parent: QWidget | None = None) -> None:
        """``events``: the keys of the coder's own codes."""
        super().__init__(parent)
        self.notes = NoteList()
        self.agreement = AgreementBox(actions.compare)
        self.coder = QLineEdit()
        self._range = text_label("", "heading")
        self._model = text_label("", "dim")
        self._saved = text_label("", "dim")
        self.coder.setPlaceholderText(self.tr("Your name or initials"))
        self.coder.setAccessibleName(self.tr("Coder"))
        self.coder.setToolTip(self.tr("Written next to your labels in every export"))
        self.coder.editingFinished.connect(self._finish_coder)
        layout = QVBoxLayout(self)
        layout.addWidget(self._label_card(actions.labels, actions.exclude))
        card = Card(self.tr("Events"))
        card.body.addWidget(events)
        layout.addWidget(card)
        layout.addWidget(self._list_card(actions.remove), 1)
        layout.addWidget(self.agreement)
        self.show_range("", "")

    @property
    def range_text(self) -> str:
        """The face and range shown, or how to mark one."""
        return self._range.text()

    @property
    def saved_text(self) -> str:
        """When the notes were saved, or that they cannot be changed here."""
        return self._saved.text()

    @property
    def model_text(self) -> str:
        """The model's result shown for the range; empty without a range."""
        return self._model.text()

    def show_range(self, text: str, model: str) -> None:
        """Show the face and range that a label applies to and the model's result there; empty: no range yet."""
        hint = self.tr("Mark a range first: I at its start, O at its end, or drag over the timeline with Shift.")
        for label, shown in ((self._range, text or hint), (self._model, model)):
            if label.text() != shown:
                label.setText(shown)
        self._model.setVisible(bool(model))

    def show_notes(self, notes: Notes, duration_s: float) -> None:
        """List the notes and show their coder."""
        self.notes.show_notes(notes, duration_s)
        if not self.coder.isModified():  # keep what the user is typing
            self.coder.setText(notes.coder)

    def show_saved(self, at_s: float) -> None:
        """Show when the notes were saved last, in seconds since 1970."""
        self._saved.setText(self.tr("Saved {time}").format(time=f"{datetime.fromtimestamp(at_s):%H:%M}"))

    def allow_changes(self, allowed: bool) -> None:
        """Whether notes of the session now open can be changed; nothing was saved yet."""
        self.coder.setEnabled(allowed)
        self._saved.setText("" if allowed else self.tr("Read only"))

    def show_coder(self, coder: str) -> None:
        """Show the coder of another session, replacing what the user was typing."""
        self.coder.setText(coder)

    def _finish_coder(self) -> None:
        self.coder.setModified(False)
        self.coder_changed.emit(self.coder.text().strip())

    def _label_card(self, labels: Mapping[str, QAction], exclude: QAction) -> Card:
        card = Card(self.tr("Label the range"))
        card.body.addWidget(self._range)
        card.body.addWidget(self._model)
        card.body.addWidget(_LabelGrid(labels))
        card.body.addWidget(
            text_label(self.tr("Your labels are kept apart from the model's, which never change."), "dim")
        )
        card.body.addWidget(ActionButton(exclude))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(self.tr("Coder"), self.coder)
        card.body.addLayout(form)
        return card

    def _list_card(self, remove: QAction) -> Card:
        card = Card(self.tr("Notes"))
        card.body.addWidget(self.notes, 1)
        card.body.addWidget(self._saved)
        card.body.addWidget(ActionButton(remove))
        return card


class LabelButton(QToolButton):
    """Applies one label to the range; shows its colour, name and shortcut."""

    def __init__(self, label: str, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label_action = action
        self._label = label
        self._text = label_text(label)
        self._key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(action.text())
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())
        self.clicked.connect(action.trigger)
        action.changed.connect(lambda: self.setEnabled(action.isEnabled()))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Room for colour, name and shortcut."""
        em = theme.em(self)
        width = self.fontMetrics().horizontalAdvance(f"{self._text}{self._key}")
        return QSize(width + round(2.5 * em), round(2.0 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The full size, so that no text is cut."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the style's button with the label on it."""
        super().paintEvent(event)
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inside = QRectF(self.rect()).adjusted(0.5 * em, 0, -0.5 * em, 0)
        swatch = QRectF(inside.left(), inside.center().y() - 0.35 * em, 0.7 * em, 0.7 * em)
        if self._label == UNCLEAR:
            painter.setPen(QPen(colours.colour("dim"), 1.5, Qt.PenStyle.DotLine))
            painter.drawRect(swatch)
        else:
            painter.setBrushOrigin(swatch.topLeft())
            painter.fillRect(swatch, expression_brush(self._label, em))
        painter.setPen(colours.colour("text" if self.isEnabled() else "dim"))
        painter.drawText(inside.adjusted(1.1 * em, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self._text)
        painter.setPen(colours.colour("dim"))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._key)
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("accent"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()


class _LabelGrid(QWidget):
    """All label buttons, in as many columns as fit."""

    def __init__(self, actions: Mapping[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons = [LabelButton(label, actions[label]) for label in HUMAN_LABELS]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._columns = 0
        self._arrange(1)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One column, so that the panel can become narrow again."""
        return QSize(max(button.sizeHint().width() for button in self._buttons), self._grid.minimumSize().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Use the available width."""
        super().resizeEvent(event)
        gap = self._grid.horizontalSpacing()
        widest = max(button.sizeHint().width() for button in self._buttons)
        self._arrange(min(max((self.width() + gap) // (widest + gap), 1), _MAX_COLUMNS))

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        for column in range(_MAX_COLUMNS):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        for place, button in enumerate(self._buttons):
            self._grid.addWidget(button, place // columns, place % columns)
        self._columns = columns


class NoteList(QTreeWidget):
    """Markers, excluded ranges and human labels, grouped by kind; a click seeks to a note."""

    #: Start time of the clicked note in seconds.
    seek_requested = Signal(float)
    #: A marker and its new text.
    renamed = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[tuple[QTreeWidgetItem, Note]] = []
        self._filling = False
        self.setAccessibleName(self.tr("Notes"))
        self.setToolTip(self.tr("Click a note to go there; F2 renames a marker"))
        self.setHeaderLabels([self.tr("Time"), self.tr("Note")])
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.header().setStretchLastSection(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemsExpandable(False)
        self.setRootIsDecorated(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)  # F2 is an action of the page
        self.itemClicked.connect(self._seek)
        self.itemActivated.connect(self._seek)
        self.itemDoubleClicked.connect(self.edit_current)
        self.itemChanged.connect(self._rename)

    @property
    def current_note(self) -> Note | None:
        """The selected note."""
        return self._note_of(self.currentItem())

    def show_notes(self, notes: Notes, duration_s: float) -> None:
        """List these notes; the selected note stays selected."""
        selected = self.current_note
        self._filling = True
        self.clear()
        self._items = []
        self._add_group(self.tr("Markers"), notes.markers, duration_s)
        self._add_group(self.tr("Excluded ranges"), notes.exclusions, duration_s)
        self._add_group(self.tr("Human labels"), notes.labels, duration_s)
        if notes.events:
            self._add_group(self.tr("Events"), notes.events, duration_s)
        if notes.neutral:
            self._add_group(self.tr("Neutral ranges"), notes.neutral, duration_s)
        if notes.names:
            self._add_group(self.tr("Names"), notes.names, duration_s)
        self._filling = False
        if selected is not None:
            self.choose(selected)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        """As high as all lines: the panel around it scrolls, so the list must not."""
        lines = self.topLevelItemCount() + len(self._items)  # groups and notes
        row = max(self.sizeHintForRow(0), round(1.3 * theme.em(self)))
        head = self.header().sizeHint().height()
        self.setFixedHeight(head + max(lines, _MIN_LINES) * (row + 1) + 2 * self.frameWidth() + 2)

    def choose(self, note: Note) -> None:
        """Select a note without seeking to it."""
        item = next((item for item, other in self._items if other == note), None)
        if item is not None:
            self.setCurrentItem(item)

    def edit_current(self) -> None:
        """Let the user edit the text of the selected marker."""
        item = self.currentItem()
        if item is not None and isinstance(self.current_note, Marker):
            self.editItem(item, 1)

    def _add_group(self, title: str, notes: Sequence[Note], duration_s: float) -> None:
        text = self.tr("{title}: {count}").format(title=title, count=len(notes))
        group = QTreeWidgetItem([text])
        group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.addTopLevelItem(group)
        group.setFirstColumnSpanned(True)
        for note in notes:
            item = QTreeWidgetItem(list(_columns_of(note, duration_s, self.tr("Face {number}: {label}"))))
            if isinstance(note, Marker):
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            group.addChild(item)
            self._items.append((item, note))
        group.setExpanded(True)

    def _note_of(self, item: Any) -> Note | None:
        return next((note for other, note in self._items if other is item), None)

    def _seek(self, item: QTreeWidgetItem) -> None:
        note = self._note_of(item)
        if note is not None and not isinstance(note, FaceName):
            self.seek_requested.emit(note.time_s if isinstance(note, Marker) else note.start_s)

    def _rename(self, item: QTreeWidgetItem) -> None:
        note = None if self._filling else self._note_of(item)
        if isinstance(note, Marker) and item.text(1) != note.text:
            self.renamed.emit(note, item.text(1).strip())


def _columns_of(note: Note, duration_s: float, label_form: str) -> tuple[str, str]:
    """Time and text of a note."""
    if isinstance(note, Marker):
        return clock_text(note.time_s, duration_s, 1), note.text
    if isinstance(note, FaceName):
        return "", label_form.format(number=note.face_id, label=note.name)
    span = f"{clock_text(note.start_s, duration_s, 1)} – {clock_text(note.end_s, duration_s, 1)}"
    if isinstance(note, Exclusion):
        return span, ""
    if isinstance(note, Event):
        return span, note.code
    if isinstance(note, NeutralRange):
        return span, QCoreApplication.translate("mien", "Face {id}").format(id=note.face_id)
    return span, label_form.format(number=note.face_id, label=label_text(note.label))
