"""The list of recent sessions: what is read again, and the search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.qt.start import recent_list
from app.qt.start.recent_list import RecentList, SessionRow
from app.review.recent import matching
from tests.fakes.sessions import labelled_face, write_session

Until = Callable[[Callable[[], bool]], None]
FRAMES = [(labelled_face(1, "anger"),)] * 3


@pytest.fixture
def sessions(tmp_path: Path) -> tuple[Path, ...]:
    """Sessions, the newest last."""
    made = []
    for place, name in enumerate(("interview-ann", "interview-bo", *(f"trial {number}" for number in range(9)))):
        folder = write_session(tmp_path / name, FRAMES)
        os.utime(folder.journal, (place, place))
        made.append(folder.path)
    return tuple(made)


@pytest.fixture
def recent(qtbot) -> Iterator[RecentList]:
    shown = RecentList(searchable=True)
    qtbot.addWidget(shown)
    shown.show()
    yield shown
    shown.shutdown()


def names(recent: RecentList) -> list[str]:
    return [session.folder.name for session in recent.sessions]


def test_the_newest_are_listed_and_the_others_found_by_name(
    recent: RecentList, sessions: tuple[Path, ...], tmp_path: Path, until: Until
) -> None:
    recent.look((), (tmp_path,))
    until(lambda: names(recent) == [f"trial {number}" for number in range(8, 0, -1)])
    QTest.keyClicks(recent.search, "INTER")
    until(lambda: names(recent) == ["interview-bo", "interview-ann"])
    QTest.keyClicks(recent.search, "xyz")
    until(lambda: not recent.sessions)
    recent.search.clear()
    until(lambda: len(recent.sessions) == 8)


def test_rows_of_sessions_that_did_not_change_stay(
    recent: RecentList, sessions: tuple[Path, ...], tmp_path: Path, until: Until
) -> None:
    recent.look(sessions[:2], ())
    until(lambda: names(recent) == ["interview-bo", "interview-ann"])
    before = recent.findChildren(SessionRow)
    before[1].setFocus()
    recent.look(sessions[:3], ())
    until(lambda: names(recent) == ["trial 0", "interview-bo", "interview-ann"])
    assert {row for row in recent.findChildren(SessionRow)} >= set(before)
    QApplication.processEvents()
    tops = [row.y() for row in sorted(recent.findChildren(SessionRow), key=lambda row: -row.session.changed_s)]
    assert tops == sorted(tops)
    os.utime(sessions[0] / "journal.jsonl", (99, 99))  # written to since
    recent.look(sessions[:3], ())
    until(lambda: names(recent)[0] == "interview-ann")


def test_what_was_read_is_kept_up_to_a_limit(sessions: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_list, "_KEPT", 3)
    reader = recent_list._Reader()
    for chosen in (sessions[:2], sessions[2:4], sessions[3:5]):
        found = reader.read(recent_list._Request(chosen, ()))
        assert {session.folder for session in found.sessions} == set(chosen)
    assert set(reader._known) == set(sessions[2:5])


def test_all_words_are_searched_in_the_name_and_in_that_of_the_folder_around() -> None:
    folders = (Path("/study A/Ann 1"), Path("/study B/Ann 2"))
    assert matching(folders, "ann study b") == folders[1:]
    assert matching(folders, "") == folders
    assert matching(folders, "ann 3") == ()
