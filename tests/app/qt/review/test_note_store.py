"""The note store: undo, and no loss if saving fails."""

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
    session_folder = SessionFolder(tmp_path / "session")
    session_folder.path.mkdir()
    return session_folder


@pytest.fixture
def store(qapp, folder: SessionFolder) -> Iterator[NoteStore]:
    note_store = NoteStore(folder, Notes())
    yield note_store
    note_store.close()


def test_every_change_is_saved(store: NoteStore, folder: SessionFolder, until: Until) -> None:
    store.change("marker", ONE)
    until(lambda: not store.unsaved)
    assert read_notes(folder) == ONE


def test_undo_and_redo_are_saved(store: NoteStore, folder: SessionFolder, until: Until) -> None:
    changes: list[Notes] = []
    store.changed.connect(lambda: changes.append(store.now))
    store.change("marker", ONE)
    store.stack.undo()
    until(lambda: not store.unsaved)
    assert read_notes(folder) == Notes()
    store.stack.redo()
    until(lambda: not store.unsaved)
    assert read_notes(folder) == ONE
    assert changes == [ONE, Notes(), ONE]


def test_equal_notes_are_not_a_step_of_undo(store: NoteStore, folder: SessionFolder) -> None:
    store.change("nothing", Notes())
    assert store.stack.count() == 0
    assert not folder.notes.exists()


def test_undo_keeps_the_coder(store: NoteStore) -> None:
    store.change("marker", ONE)
    store.set_coder("ab")
    store.stack.undo()
    assert store.now == Notes("ab")
    store.stack.redo()
    assert store.now == ONE.with_coder("ab")


def test_a_failed_save_is_reported_and_retried_with_the_next_change(
    store: NoteStore, folder: SessionFolder, until: Until
) -> None:
    notices: list[Notice] = []
    store.noticed.connect(notices.append)
    folder.path.rmdir()
    store.change("marker", ONE)
    until(lambda: bool(notices))
    assert notices[0].severity is Severity.ERROR
    assert "not saved yet" in notices[0].text
    assert store.unsaved
    folder.path.mkdir()
    more = ONE.with_marker(Marker(2.0, "two"))
    store.change("marker", more)
    until(lambda: not store.unsaved)
    assert read_notes(folder) == more
    assert notices[-1] == Notice("", topic=notices[0].topic)  # the error is cleared


def test_closing_saves_pending_notes(qapp, folder: SessionFolder) -> None:
    store = NoteStore(folder, Notes())
    store.change("marker", ONE)
    store.close()
    assert read_notes(folder) == ONE


def test_a_failure_on_closing_is_reported(qapp, folder: SessionFolder) -> None:
    store = NoteStore(folder, Notes())
    notices: list[Notice] = []
    store.noticed.connect(notices.append)
    folder.path.rmdir()
    store.change("marker", ONE)
    store.close()
    assert notices
    assert notices[-1].severity is Severity.ERROR
