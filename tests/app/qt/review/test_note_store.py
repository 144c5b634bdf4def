"""Notes in the window: undo, and nothing lost where they cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from app.qt.review.note_store import NoteKeeper
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
def keeper(qapp, folder: SessionFolder) -> Iterator[NoteKeeper]:
    made = NoteKeeper(folder, Notes())
    yield made
    made.close()


def test_every_change_is_written(keeper: NoteKeeper, folder: SessionFolder, until: Until) -> None:
    keeper.change("marker", ONE)
    until(lambda: not keeper.unwritten)
    assert read_notes(folder) == ONE


def test_undo_and_redo_are_written_too(keeper: NoteKeeper, folder: SessionFolder, until: Until) -> None:
    changes: list[Notes] = []
    keeper.changed.connect(lambda: changes.append(keeper.now))
    keeper.change("marker", ONE)
    keeper.stack.undo()
    until(lambda: not keeper.unwritten)
    assert read_notes(folder) == Notes()
    keeper.stack.redo()
    until(lambda: not keeper.unwritten)
    assert read_notes(folder) == ONE
    assert changes == [ONE, Notes(), ONE]


def test_no_change_is_no_step_of_undo(keeper: NoteKeeper, folder: SessionFolder) -> None:
    keeper.change("nothing", Notes())
    assert keeper.stack.count() == 0
    assert not folder.notes.exists()


def test_undo_keeps_the_coder_s_name(keeper: NoteKeeper) -> None:
    keeper.change("marker", ONE)
    keeper.set_coder("ab")
    keeper.stack.undo()
    assert keeper.now == Notes("ab")
    keeper.stack.redo()
    assert keeper.now == ONE.with_coder("ab")


def test_what_cannot_be_written_is_told_kept_and_tried_again(
    keeper: NoteKeeper, folder: SessionFolder, until: Until
) -> None:
    told: list[Notice] = []
    keeper.noticed.connect(told.append)
    folder.path.rmdir()
    keeper.change("marker", ONE)
    until(lambda: bool(told))
    assert told[0].severity is Severity.ERROR
    assert "not saved yet" in told[0].text
    assert keeper.unwritten
    folder.path.mkdir()
    more = ONE.with_marker(Marker(2.0, "two"))
    keeper.change("marker", more)
    until(lambda: not keeper.unwritten)
    assert read_notes(folder) == more
    assert told[-1] == Notice("", topic=told[0].topic)  # the fault is taken away


def test_closing_writes_what_waits(qapp, folder: SessionFolder) -> None:
    keeper = NoteKeeper(folder, Notes())
    keeper.change("marker", ONE)
    keeper.close()
    assert read_notes(folder) == ONE


def test_a_fault_at_the_end_is_told(qapp, folder: SessionFolder) -> None:
    keeper = NoteKeeper(folder, Notes())
    told: list[Notice] = []
    keeper.noticed.connect(told.append)
    folder.path.rmdir()
    keeper.change("marker", ONE)
    keeper.close()
    assert told
    assert told[-1].severity is Severity.ERROR
