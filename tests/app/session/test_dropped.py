"""A session is known by its journal, dropped as a folder or as one of its files."""

from __future__ import annotations

from pathlib import Path

from app.session.folder import dropped_session, dropped_sources, is_session


def made_session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    folder.mkdir()
    for name in ("journal.jsonl", "metadata.json", "annotated.mp4"):
        (folder / name).write_text("x")
    return folder


def test_a_session_is_its_folder_its_journal_or_its_metadata(tmp_path: Path) -> None:
    folder = made_session(tmp_path)
    for path in (folder, folder / "journal.jsonl", folder / "metadata.json"):
        assert dropped_session(["", str(path)]) == folder
    assert dropped_session([str(tmp_path), str(folder / "annotated.mp4"), ""]) is None


def test_sources_are_what_is_there_and_no_session(tmp_path: Path) -> None:
    folder = made_session(tmp_path)
    video = folder / "annotated.mp4"
    assert dropped_sources([str(video), str(folder), "", str(tmp_path / "gone.mp4"), str(tmp_path)]) == (
        str(video),
        str(tmp_path),
    )


def test_what_cannot_be_looked_at_is_no_session() -> None:
    assert not is_session(Path("a\0b"))
    assert not is_session(Path("x" * 5000))


def test_what_cannot_be_looked_at_is_no_source() -> None:
    assert dropped_sources(["a\0b", "x" * 5000]) == ()
