"""The folder of a session: its state, what may be deleted, and how it is recognised when dropped on the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.session.folder import (
    SessionFolder,
    SessionState,
    dropped_session,
    dropped_sources,
    is_session,
    source_mark,
)


def test_clearing_deletes_what_a_session_writes_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    folder = SessionFolder(tmp_path)
    written = (folder.journal, folder.csv, folder.parquet, folder.video, folder.recording, folder.metadata)
    for path in (*written, folder.notes, tmp_path / "reviewed_faces.csv"):
        path.write_bytes(b"x")
    (tmp_path / "video.part.mp4").write_bytes(b"x")
    folder.clear()
    assert {path.name for path in tmp_path.iterdir()} == {"review.json", "reviewed_faces.csv"}
    assert folder.state() is SessionState.EMPTY


def test_a_folder_with_a_recording_and_no_journal_counts_as_finished(tmp_path: Path) -> None:
    folder = SessionFolder(tmp_path)
    folder.recording.write_bytes(b"x")
    assert folder.state() is SessionState.FINISHED


def test_the_mark_of_a_source_changes_with_its_length_and_its_first_bytes(tmp_path: Path) -> None:
    path, marks = tmp_path / "clip.mp4", set()
    for content in (b"abc", b"abd", b"abcd"):
        path.write_bytes(content)
        marks.add(source_mark(path))
    assert len(marks) == 3
    assert source_mark(tmp_path) == source_mark(tmp_path / "missing") == ""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    folder.mkdir()
    for name in ("journal.jsonl", "metadata.json", "annotated.mp4"):
        (folder / name).write_text("x")
    return folder


def test_a_session_is_dropped_as_its_folder_journal_or_metadata(tmp_path: Path, session: Path) -> None:
    for path in (session, session / "journal.jsonl", session / "metadata.json"):
        assert dropped_session(["", str(path)]) == session
    assert dropped_session([str(tmp_path), str(session / "annotated.mp4"), ""]) is None


def test_dropped_sources_exist_and_are_not_sessions(tmp_path: Path, session: Path) -> None:
    video = str(session / "annotated.mp4")
    assert dropped_sources([video, str(session), "", str(tmp_path / "gone.mp4"), str(tmp_path)]) == (
        video,
        str(tmp_path),
    )


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_paths_are_neither_sessions_nor_sources(name: str) -> None:
    assert not is_session(Path(name))
    assert dropped_sources([name]) == ()
