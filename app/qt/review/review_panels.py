"""Notes on a session: the range and face in hand, what the model says of it, what a person says, a list of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.overlay.overlay import STANDING_LINE
from app.qt import theme
from app.qt.review.agreement_box import AgreementBox
from app.qt.review.timeline_painter import label_word
from app.qt.translation import translated
from app.qt.widgets.action_unit_panel import ActionUnitPanel
from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.page_parts import Card, text_label
from app.review.notes import HUMAN_LABELS, UNCLEAR, Exclusion, HumanLabel, Marker, Notes
from app.review.timeline_layout import clock_text
from app.session.rows import FaceRow, SessionHeader

#: Buttons beside each other, where there is room for them.
_MOST_COLUMNS: Final = 3


class LabelButton(QToolButton):
    """Gives one label to the range: the colour, the word and the key of it."""

    def __init__(self, label: str, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.given = action
        self._label = label
        self._word = label_word(label)
        self._key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(action.text())
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())
        self.clicked.connect(action.trigger)
        action.changed.connect(lambda: self.setEnabled(action.isEnabled()))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Colour, word and key."""
        em = theme.em(self)
        words = self.fontMetrics().horizontalAdvance(f"{self._word}{self._key}")
        return QSize(words + round(2.5 * em), round(2.0 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Nothing is cut."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """The style's button and what stands on it."""
        super().paintEvent(event)
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = QRectF(self.rect()).adjusted(0.5 * em, 0, -0.5 * em, 0)
        swatch = QRectF(place.left(), place.center().y() - 0.35 * em, 0.7 * em, 0.7 * em)
        if self._label == UNCLEAR:
            painter.setPen(QPen(colours.colour("dim"), 1.5, Qt.PenStyle.DotLine))
            painter.drawRect(swatch)
        else:
            painter.fillRect(swatch, colours.expression(self._label))
        painter.setPen(colours.colour("text" if self.isEnabled() else "dim"))
        painter.drawText(place.adjusted(1.1 * em, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self._word)
        painter.setPen(colours.colour("dim"))
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._key)
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("accent"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()


class LabelGrid(QWidget):
    """The buttons of all labels, in as many columns as the width has room for."""

    def __init__(self, actions: Mapping[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons = [LabelButton(label, actions[label]) for label in HUMAN_LABELS]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._columns = 0
        self._arrange(1)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Use the width."""
        super().resizeEvent(event)
        gap = self._grid.horizontalSpacing()
        widest = max(button.sizeHint().width() for button in self._buttons)
        self._arrange(min(max((self.width() + gap) // (widest + gap), 1), _MOST_COLUMNS))

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        for column in range(_MOST_COLUMNS):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        for place, button in enumerate(self._buttons):
            self._grid.addWidget(button, place // columns, place % columns)
        self._columns = columns


class LabelPanel(QWidget):
    """Thin: the page decides what the buttons do."""

    #: The coder's name, when it was changed.
    coder_named = Signal(str)

    def __init__(
        self,
        labels: Mapping[str, QAction],
        exclude: QAction,
        remove: QAction,
        parent: QWidget | None = None,
    ) -> None:
        """Make the panel.

        Args:
            labels: an action for each of notes.HUMAN_LABELS.
            exclude: leaves the range out.
            remove: takes the chosen note away.
            parent: owner.
        """
        super().__init__(parent)
        self.notes = NoteList()
        self.agreement = AgreementBox()
        self.coder = QLineEdit()
        self._range = text_label("", "heading")
        self._model = text_label("", "dim")
        self.coder.setPlaceholderText(self.tr("Your name or initials"))
        self.coder.setAccessibleName(self.tr("Coder"))
        self.coder.setToolTip(self.tr("Stands with your labels in everything that is exported"))
        self.coder.editingFinished.connect(self._name_coder)
        layout = QVBoxLayout(self)
        layout.addWidget(self._label_card(labels, exclude))
        layout.addWidget(self._list_card(remove), 1)
        layout.addWidget(self.agreement)
        self.show_range("", "")

    def show_range(self, told: str, model: str) -> None:
        """Which face and range a label goes to, and what the model says there; empty: no range yet."""
        hint = self.tr("Mark a range first: I at its start, O at its end, or drag over the lanes with Shift.")
        for label, text in ((self._range, told or hint), (self._model, model)):
            if label.text() != text:
                label.setText(text)
        self._model.setVisible(bool(model))

    def show_notes(self, notes: Notes, duration_s: float) -> None:
        """List the notes and name their coder."""
        self.notes.show_notes(notes, duration_s)
        if not self.coder.isModified():  # what is being typed stays
            self.coder.setText(notes.coder)

    def show_coder(self, coder: str) -> None:
        """Who labels another session, in place of what was being typed."""
        self.coder.setText(coder)

    def _name_coder(self) -> None:
        self.coder.setModified(False)
        self.coder_named.emit(self.coder.text().strip())

    def _label_card(self, labels: Mapping[str, QAction], exclude: QAction) -> Card:
        card = Card(self.tr("Label the range"))
        card.body.addWidget(self._range)
        card.body.addWidget(self._model)
        card.body.addWidget(LabelGrid(labels))
        card.body.addWidget(text_label(self.tr("Yours stand beside the model's labels and never change them."), "dim"))
        card.body.addWidget(_button_of(exclude))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(self.tr("Coder"), self.coder)
        card.body.addLayout(form)
        return card

    def _list_card(self, remove: QAction) -> Card:
        card = Card(self.tr("Notes"))
        card.body.addWidget(self.notes, 1)
        card.body.addWidget(_button_of(remove))
        return card


def _button_of(action: QAction) -> QPushButton:
    """A button for an action; the key stands in its tooltip."""
    button = QPushButton(action.text())
    button.setToolTip(action.toolTip())
    button.setEnabled(action.isEnabled())
    button.clicked.connect(action.trigger)
    action.changed.connect(lambda: button.setEnabled(action.isEnabled()))
    return button


class FacePanel(QWidget):
    """Expression and action units of one face."""

    def __init__(self, next_face: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.expression = ExpressionPanel()
        self.units = ActionUnitPanel()
        kept = self.expression.chip.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # nothing jumps while a face comes and goes
        self.expression.chip.setSizePolicy(kept)
        self._name = text_label("", "heading")
        button = QPushButton(next_face.text())
        button.setToolTip(next_face.toolTip())
        button.clicked.connect(next_face.trigger)
        head = QHBoxLayout()
        head.addWidget(self._name, 1)
        head.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.expression)
        layout.addWidget(self.units)
        layout.addWidget(text_label(translated(STANDING_LINE), "dim"))
        layout.addStretch(1)

    def set_header(self, header: SessionHeader | None) -> None:
        """Take over what is the same for a whole session; None: no session."""
        self.expression.set_header(header)
        self.units.set_header(header)
        self.show_face(None, ())

    def show_face(self, face_id: int | None, rows: Sequence[FaceRow]) -> None:
        """Show this face of a frame's rows; a face that is not there is told as such."""
        mine = next((row for row in rows if row.face_id == face_id and face_id is not None), None)
        if face_id is None:
            text = self.tr("No face is chosen")
        elif mine is None and rows:
            text = self.tr("Face {number}: not in this frame").format(number=face_id)
        else:
            text = self.tr("Face {number}").format(number=face_id)
        if text != self._name.text():
            self._name.setText(text)
        self.expression.chip.setVisible(mine is not None)  # the line above says that the face is not there
        self.expression.show_row(mine)
        self.units.show_row(mine)


Note = Marker | Exclusion | HumanLabel

#: Lines of text that the list shows without scrolling, at least.
_LINES: Final = 6


class NoteList(QTreeWidget):
    """Markers, excluded ranges and people's labels, each kind under its name."""

    #: Seconds of the note that was chosen.
    sought = Signal(float)
    #: A marker, and its new words.
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
        self.setItemsExpandable(False)
        self.setRootIsDecorated(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)  # the page has a key for it
        self.itemClicked.connect(self._seek)
        self.itemActivated.connect(self._seek)
        self.itemDoubleClicked.connect(self.rename_current)
        self.itemChanged.connect(self._rename)

    @property
    def current_note(self) -> Note | None:
        """The note that is chosen."""
        return self._note_of(self.currentItem())

    def show_notes(self, notes: Notes, duration_s: float) -> None:
        """List these; what was chosen stays so."""
        kept = self.current_note
        self._filling = True
        self.clear()
        self._items = []
        self._add_group(self.tr("Markers"), notes.markers, duration_s)
        self._add_group(self.tr("Excluded ranges"), notes.exclusions, duration_s)
        self._add_group(self.tr("People's labels"), notes.labels, duration_s)
        self._filling = False
        if kept is not None:
            self.choose(kept)
        self.setMinimumHeight(round(_LINES * 1.4 * theme.em(self)))

    def choose(self, note: Note) -> None:
        """Mark a note without going there."""
        item = next((item for item, other in self._items if other == note), None)
        if item is not None:
            self.setCurrentItem(item)

    def rename_current(self) -> None:
        """Let the user write the words of the chosen marker."""
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
            item = QTreeWidgetItem(list(_words(note, duration_s, self.tr("Face {number}: {label}"))))
            if isinstance(note, Marker):
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            group.addChild(item)
            self._items.append((item, note))
        group.setExpanded(True)

    def _note_of(self, item: Any) -> Note | None:
        return next((note for other, note in self._items if other is item), None)

    def _seek(self, item: QTreeWidgetItem) -> None:
        note = self._note_of(item)
        if note is not None:
            self.sought.emit(note.time_s if isinstance(note, Marker) else note.start_s)

    def _rename(self, item: QTreeWidgetItem) -> None:
        note = None if self._filling else self._note_of(item)
        if isinstance(note, Marker) and item.text(1) != note.text:
            self.renamed.emit(note, item.text(1).strip())


def _words(note: Note, duration_s: float, form: str) -> tuple[str, str]:
    """Time and text of a note."""
    if isinstance(note, Marker):
        return clock_text(note.time_s, duration_s, 1), note.text
    span = f"{clock_text(note.start_s, duration_s, 1)} – {clock_text(note.end_s, duration_s, 1)}"
    if isinstance(note, Exclusion):
        return span, ""
    return span, form.format(number=note.face_id, label=label_word(note.label))
