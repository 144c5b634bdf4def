"""Notes in the window: undo, and nothing lost where they cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.qt.review.note_store import NoteStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.review.notes import Marker, Notes, read_notes
from app.session.folder import SessionFolder

Until = Callable[[Callable[[], bool]], None]
ONE = Notes(markers=(Marker(1.0, "one"),))


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    made = SessionFolder(tmp_path / "made")
    made.path.mkdir()
    return made


@pytest.fixture
def note_store(qapp, folder: SessionFolder) -> Iterator[NoteStore]:
    made = NoteStore(folder, Notes())
    yield made
    made.close()


def test_every_change_is_saved(note_store: NoteStore, folder: SessionFolder, until: Until) -> None:
    note_store.change("marker", ONE)
    until(lambda: not note_store.unsaved)
    assert read_notes(folder) == ONE


def test_undo_and_redo_are_saved(note_store: NoteStore, folder: SessionFolder, until: Until) -> None:
    changes: list[Notes] = []
    note_store.changed.connect(lambda: changes.append(note_store.now))
    note_store.change("marker", ONE)
    note_store.stack.undo()
    until(lambda: not note_store.unsaved)
    assert read_notes(folder) == Notes()
    note_store.stack.redo()
    until(lambda: not note_store.unsaved)
    assert read_notes(folder) == ONE
    assert changes == [ONE, Notes(), ONE]


def test_equal_notes_are_not_a_step_of_undo(note_store: NoteStore, folder: SessionFolder) -> None:
    note_store.change("nothing", Notes())
    assert note_store.stack.count() == 0
    assert not folder.notes.exists()


def test_undo_keeps_the_coder(note_store: NoteStore) -> None:
    note_store.change("marker", ONE)
    note_store.set_coder("ab")
    note_store.stack.undo()
    assert note_store.now == Notes("ab")
    note_store.stack.redo()
    assert note_store.now == ONE.with_coder("ab")


def test_a_failed_save_is_reported_and_retried_with_the_next_change(
    note_store: NoteStore, folder: SessionFolder, until: Until
) -> None:
    told: list[Notice] = []
    note_store.noticed.connect(told.append)
    folder.path.rmdir()
    note_store.change("marker", ONE)
    until(lambda: bool(told))
    assert told[0].severity is Severity.ERROR
    assert "not saved yet" in told[0].text
    assert note_store.unsaved
    folder.path.mkdir()
    more = ONE.with_marker(Marker(2.0, "two"))
    note_store.change("marker", more)
    until(lambda: not note_store.unsaved)
    assert read_notes(folder) == more
    assert told[-1] == Notice("", topic=told[0].topic)  # the fault is taken away


def test_closing_saves_pending_notes(qapp, folder: SessionFolder) -> None:
    note_store = NoteStore(folder, Notes())
    note_store.change("marker", ONE)
    note_store.close()
    assert read_notes(folder) == ONE


def test_a_failure_on_closing_is_reported(qapp, folder: SessionFolder) -> None:
    note_store = NoteStore(folder, Notes())
    told: list[Notice] = []
    note_store.noticed.connect(told.append)
    folder.path.rmdir()
    note_store.change("marker", ONE)
    note_store.close()
    assert told
    assert told[-1].severity is Severity.ERROR
