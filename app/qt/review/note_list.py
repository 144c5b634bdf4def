"""All notes of a session in one list: a click goes there, Delete takes a note away, markers can be renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from app.qt import theme
from app.qt.review.timeline_painter import label_word
from app.review.notes import Exclusion, HumanLabel, Marker, Notes
from app.review.timeline_scale import clock_text

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
