"""The notes of a session in the window: changed with undo, written after every change off the main thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.qt.background import Worker
from app.qt.widgets.notice_bar import Notice, Severity
from app.review.notes import Notes, write_notes
from app.session.folder import SessionFolder
from engine.errors import EngineError

_TOPIC: Final = "review-notes"


@dataclass(frozen=True, slots=True)
class _Saving:
    folder: SessionFolder
    notes: Notes


class _Change(QUndoCommand):
    """From one record of notes to the next."""

    def __init__(self, keeper: NoteKeeper, text: str, before: Notes, after: Notes) -> None:
        super().__init__(text)
        self._keeper, self._before, self._after = keeper, before, after

    def redo(self) -> None:
        self._keeper.take(self._after)

    def undo(self) -> None:
        self._keeper.take(self._before)


class NoteKeeper(QObject):
    """Holds the notes of one session. Notes that cannot be written stay here and are tried again with each change."""

    #: The notes are others now.
    changed = Signal()
    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)

    def __init__(self, folder: SessionFolder, notes: Notes, parent: QObject | None = None) -> None:
        """Start from what was read; nothing is written before the first change."""
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self._folder = folder
        self._now = self._written = notes
        self._fails = False
        self._worker = Worker("mien-notes", _write, self._note_written, self._note_fault)

    @property
    def now(self) -> Notes:
        """What holds."""
        return self._now

    @property
    def unwritten(self) -> bool:
        """Whether something is not in the folder yet."""
        return self._now is not self._written

    def change(self, text: str, notes: Notes) -> None:
        """Take other notes; ``text`` names the change in the menu, translated. Equal notes are no change."""
        if notes != self._now:
            self.stack.push(_Change(self, text, self._now, notes))

    def set_coder(self, coder: str) -> None:
        """Who labels; stands outside of undo, as it is no work on the session."""
        if coder != self._now.coder:
            self._hold(replace(self._now, coder=coder))

    def take(self, notes: Notes) -> None:
        """Let what was noted here hold, under the coder of now; for undo and redo."""
        self._hold(replace(notes, coder=self._now.coder))

    def _hold(self, notes: Notes) -> None:
        self._now = notes
        self._worker.submit(_Saving(self._folder, notes))
        self.changed.emit()

    def close(self) -> None:
        """Write what is not written yet and end the thread; a fault is told as ever."""
        self._worker.close()
        if self.unwritten:
            try:
                write_notes(self._folder, self._now)
            except EngineError as error:
                self._note_fault(error)
            else:
                self._written = self._now

    def _note_written(self, notes: Notes) -> None:
        self._written = notes
        if self._fails:
            self._fails = False
            self.noticed.emit(Notice("", topic=_TOPIC))

    def _note_fault(self, error: Exception) -> None:
        self._fails = True
        text = self.tr("Your notes are not saved yet: {fault} They are tried again with the next change.")
        self.noticed.emit(Notice(text.format(fault=f"{error}."), Severity.ERROR, _TOPIC))


def _write(saving: _Saving) -> Notes:
    write_notes(saving.folder, saving.notes)
    return saving.notes
