"""The notes of the open session: changed with undo, and saved off the main thread after every change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.qt.background import Worker
from app.qt.widgets.notice_bar import Notice, Severity
from app.remedies import window_text
from app.review.notes import Notes, write_notes
from app.session.folder import SessionFolder
from engine.errors import EngineError

_TOPIC: Final = "review-notes"


@dataclass(frozen=True, slots=True)
class _SaveRequest:
    folder: SessionFolder
    notes: Notes


class _ChangeCommand(QUndoCommand):
    """One step of undo: from one state of the notes to the next."""

    def __init__(self, store: NoteStore, text: str, before: Notes, after: Notes) -> None:
        super().__init__(text)
        self._store, self._before, self._after = store, before, after

    def redo(self) -> None:
        self._store.restore(self._after)

    def undo(self) -> None:
        self._store.restore(self._before)


class NoteStore(QObject):
    """Holds the notes of one session. If saving fails, the notes are kept and saved again with the next change."""

    #: The notes have changed.
    changed = Signal()
    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)

    def __init__(self, folder: SessionFolder, notes: Notes, parent: QObject | None = None) -> None:
        """Start with the notes read from ``folder``; nothing is written before the first change."""
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self._folder = folder
        self._now = self._saved = notes
        self._save_failed = False
        self._worker = Worker("mien-notes", _save, self._note_saved, self._note_failure)

    @property
    def now(self) -> Notes:
        """The current notes."""
        return self._now

    @property
    def unsaved(self) -> bool:
        """Whether the current notes have not been saved yet."""
        return self._now is not self._saved

    def change(self, text: str, notes: Notes) -> None:
        """Replace the notes as one step of undo, named ``text`` (translated). Equal notes are ignored."""
        if notes != self._now:
            self.stack.push(_ChangeCommand(self, text, self._now, notes))

    def set_coder(self, coder: str) -> None:
        """Set the coder's name, which undo does not affect."""
        if coder != self._now.coder:
            self._set(replace(self._now, coder=coder))

    def restore(self, notes: Notes) -> None:
        """Replace the notes without a step of undo, keeping the current coder; for undo and redo."""
        self._set(replace(notes, coder=self._now.coder))

    def close(self) -> None:
        """Stop the thread and save what is unsaved; a failure is reported as usual."""
        self._worker.close()
        if self.unsaved:
            try:
                write_notes(self._folder, self._now)
            except EngineError as error:
                self._note_failure(error)
            else:
                self._saved = self._now

    def _set(self, notes: Notes) -> None:
        self._now = notes
        self._worker.submit(_SaveRequest(self._folder, notes))
        self.changed.emit()

    def _note_saved(self, notes: Notes) -> None:
        self._saved = notes
        if self._save_failed:
            self._save_failed = False
            self.noticed.emit(Notice("", topic=_TOPIC))

    def _note_failure(self, error: Exception) -> None:
        self._save_failed = True
        text = self.tr("Your notes are not saved yet: {fault} They are saved again with the next change.")
        self.noticed.emit(Notice(text.format(fault=f"{window_text(error)}."), Severity.ERROR, _TOPIC))


def _save(request: _SaveRequest) -> Notes:
    write_notes(request.folder, request.notes)
    return request.notes
