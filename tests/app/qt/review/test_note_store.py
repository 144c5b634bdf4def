"""The note store: undo, and no loss if saving fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.qt.review import note_store
from app.qt.review.note_store import NoteStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.review.notes import Exclusion, HumanLabel, Marker, Notes, read_notes, write_notes
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
    opened = NoteStore(folder, Notes())
    yield opened
    opened.close()


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


def test_undo_covers_the_coder_as_a_step_of_its_own(store: NoteStore) -> None:
    store.change("marker", ONE)
    store.set_coder("ab")
    store.stack.undo()
    assert store.now == ONE
    store.stack.undo()
    assert store.now == Notes()
    store.stack.redo()
    store.stack.redo()
    assert store.now == ONE.with_coder("ab")


def test_a_name_known_from_before_is_written_with_the_first_change(qapp, folder: SessionFolder, until: Until) -> None:
    store = NoteStore(folder, Notes(), coder="ab")
    assert not store.unsaved
    store.change("marker", store.now.with_marker(Marker(1.0, "one")))
    until(lambda: not store.unsaved)
    store.close()
    assert read_notes(folder) == ONE.with_coder("ab")


def test_saving_is_reported_with_its_time(store: NoteStore, until: Until) -> None:
    times_s: list[float] = []
    store.saved.connect(times_s.append)
    started_s = time.time()
    store.change("marker", ONE)
    until(lambda: bool(times_s))
    assert started_s <= times_s[0] <= time.time()


def test_a_read_only_store_changes_nothing(qapp, folder: SessionFolder) -> None:
    store = NoteStore(folder, Notes(), read_only=True)
    store.change("marker", ONE)
    store.close()
    assert store.now == Notes()
    assert not folder.notes.exists()


def test_what_another_window_wrote_is_kept_by_saving_and_by_undo(
    store: NoteStore, folder: SessionFolder, until: Until
) -> None:
    """As on a file system without locks."""
    theirs = Notes("xy", exclusions=(Exclusion(3.0, 4.0),), labels=(HumanLabel(1, 0.0, 9.0, "anger"),))
    write_notes(folder, theirs)
    store.change("label", Notes(labels=(HumanLabel(1, 5.0, 12.0, "fear"),), markers=(Marker(2.0, "mine"),)))
    until(lambda: not store.unsaved)
    both = Notes(
        "xy",
        (Marker(2.0, "mine"),),
        (Exclusion(3.0, 4.0),),
        (HumanLabel(1, 0.0, 9.0, "anger"), HumanLabel(1, 9.0, 12.0, "fear")),
    )
    assert read_notes(folder) == store.now == both
    write_notes(folder, both.with_marker(Marker(8.0, "theirs")))
    store.stack.undo()
    until(lambda: not store.unsaved)
    left = read_notes(folder)
    assert left.markers == (Marker(8.0, "theirs"),)
    assert left.exclusions == theirs.exclusions
    assert HumanLabel(1, 0.0, 9.0, "anger") in left.labels


def test_two_windows_in_turn_lose_nothing(qapp, folder: SessionFolder, until: Until) -> None:
    stores = [NoteStore(folder, Notes()) for _ in range(2)]
    for turn in range(6):
        store = stores[turn % 2]
        store.change("marker", store.now.with_marker(Marker(float(turn), str(turn))))
        until(lambda store=store: not store.unsaved)  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
    for store in stores:
        store.close()
    assert [marker.text for marker in read_notes(folder).markers] == ["0", "1", "2", "3", "4", "5"]


def test_a_note_of_another_window_can_be_deleted(store: NoteStore, folder: SessionFolder, until: Until) -> None:
    theirs = Marker(2.0, "theirs")
    store.change("marker", ONE)
    until(lambda: not store.unsaved)
    write_notes(folder, read_notes(folder).with_marker(theirs))
    store.change("coder", store.now.with_coder("ab"))
    until(lambda: theirs in store.now.markers)
    for _ in range(2):  # deleted, and once more after undo
        store.change("deleted marker", store.now.without_marker(theirs))
        until(lambda: not store.unsaved)
        assert read_notes(folder) == store.now == ONE.with_coder("ab")
        store.stack.undo()
        until(lambda: not store.unsaved)
        assert read_notes(folder).markers == (*ONE.markers, theirs)


def test_a_change_made_while_saving_keeps_what_another_window_wrote(
    store: NoteStore, folder: SessionFolder, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = Marker(2.0, "theirs"), Marker(3.0, "mine")
    write_notes(folder, Notes(markers=(theirs,)))
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly(session_folder: SessionFolder) -> Notes:
        reading.set()
        assert go_on.wait(5.0)
        return read_notes(session_folder)

    monkeypatch.setattr(note_store, "read_notes", read_slowly)
    store.change("marker", ONE)
    assert reading.wait(5.0)
    store.change("marker", ONE.with_marker(mine))
    go_on.set()
    until(lambda: not store.unsaved)
    assert read_notes(folder).markers == store.now.markers == (*ONE.markers, theirs, mine)


def test_a_note_removed_at_once_stays_removed(store: NoteStore, folder: SessionFolder, until: Until) -> None:
    store.change("marker", ONE)
    until(lambda: not store.unsaved)
    store.change("more", ONE.with_marker(Marker(2.0, "two")))
    store.stack.undo()
    store.change("removed", Notes())
    until(lambda: not store.unsaved)
    assert read_notes(folder) == Notes()


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
