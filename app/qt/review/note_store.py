"""The notes of the open session: changed with undo, and saved off the main thread after every change.

What another window has added meanwhile is kept: every write merges with the file, and every step of undo takes back
its own change only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.qt.widgets.notice_bar import Notice, Severity
from app.review.notes import Notes, merge_notes, read_notes, write_notes
from app.session.folder import SessionFolder
from app.session.lock import FileLock
from engine.errors import EngineError

_TOPIC: Final = "review-notes"


@dataclass(frozen=True, slots=True)
class _Change:
    """Notes to save, and the content of the file from which they were made."""

    base: Notes
    mine: Notes


@dataclass(frozen=True, slots=True)
class _Saved:
    """Notes as this window has them, and as the file has them now."""

    mine: Notes
    merged: Notes


class _Saver:
    """Merges notes with the file and writes it."""

    def __init__(self, folder: SessionFolder, notes: Notes) -> None:
        self._folder = folder
        self._last = _Saved(notes, notes)

    def save(self, change: _Change) -> _Saved:
        """Write what this window has changed into the file.

        Raises:
            OutputError: the file cannot be read or written; the next call writes these changes too.
        """
        last, mine = self._last, change.mine
        if change.base is not last.merged:  # made before the window had the result of the last call
            mine = merge_notes(last.mine, mine, last.merged)
        theirs = read_notes(self._folder) if self._folder.notes.exists() else last.merged
        merged = merge_notes(last.merged, mine, theirs)
        write_notes(self._folder, merged)
        self._last = _Saved(change.mine, merged)
        return self._last


class _ChangeCommand(QUndoCommand):
    """One step of undo: from one state of the notes to the next."""

    def __init__(self, store: NoteStore, text: str, before: Notes, after: Notes) -> None:
        super().__init__(text)
        self._store, self._before, self._after = store, before, after

    def redo(self) -> None:
        self._store.apply(self._before, self._after)

    def undo(self) -> None:
        self._store.apply(self._after, self._before)


class NoteStore(QObject):
    """Holds the notes of one session. If saving fails, the notes are kept and saved again with the next change."""

    #: The notes have changed.
    changed = Signal()
    #: The notes are in the file; seconds since 1970, as `time.time`.
    saved = Signal(float)
    #: A Notice for the toasts of the window.
    noticed = Signal(Notice)

    def __init__(
        self,
        folder: SessionFolder,
        notes: Notes,
        parent: QObject | None = None,
        *,
        coder: str = "",
        lock: FileLock | None = None,
        read_only: bool = False,
    ) -> None:
        """Start with the notes read from ``folder``; nothing is written before the first change.

        Args:
            folder: of the session.
            notes: as read.
            parent: Qt parent.
            coder: used if the notes name none.
            lock: held already; released by `close`.
            read_only: no change is accepted.
        """
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.read_only = read_only
        self._now = self._saved = notes if notes.coder else notes.with_coder(coder)
        self._base = notes  # the content of the file from which `now` was made
        self._lock = lock
        self._save_failed = False
        self._saver = _Saver(folder, notes)
        self._worker = Worker("mien-notes", self._saver.save, self._note_saved, self._note_failure)

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
        if notes != self._now and not self.read_only:
            self.stack.push(_ChangeCommand(self, text, self._now, notes))

    def set_coder(self, coder: str) -> None:
        """Set the coder's name."""
        self.change(self.tr("coder"), self._now.with_coder(coder))

    def apply(self, before: Notes, after: Notes) -> None:
        """Change the notes as from ``before`` to ``after``; for undo and redo."""
        self._set(merge_notes(before, after, self._now))

    def close(self) -> None:
        """Stop the thread, save what is unsaved and release the lock; a failure is reported as usual."""
        try:
            self._worker.close()
            if self.unsaved:
                try:
                    self._saver.save(_Change(self._base, self._now))
                except EngineError as error:
                    self._note_failure(error)
                else:
                    self._saved = self._now
        finally:
            if self._lock is not None:
                self._lock.release()

    def _set(self, notes: Notes) -> None:
        self._now = notes
        self._worker.submit(_Change(self._base, notes))
        self.changed.emit()

    def _note_saved(self, saved: _Saved) -> None:
        if saved.mine is self._now:  # otherwise what was changed meanwhile is being saved
            self._base = self._now = self._saved = saved.merged
            if saved.merged != saved.mine:  # another window has changed the file
                self.changed.emit()
            self.saved.emit(time.time())
        if self._save_failed:
            self._save_failed = False
            self.noticed.emit(Notice("", topic=_TOPIC))

    def _note_failure(self, error: Exception) -> None:
        self._save_failed = True
        text = self.tr("Your notes are not saved yet: {fault} They are saved again with the next change.")
        self.noticed.emit(Notice(text.format(fault=f"{fault_text(error)}."), Severity.ERROR, _TOPIC))
