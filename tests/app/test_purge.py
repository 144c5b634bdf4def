"""What ``mien purge`` deletes, and what it never touches."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.purge import delete_stored, find_stored
from app.session.folder import SessionFolder
from app.session.lock import SessionLock
from app.settings.preferences import Preferences, save_preferences
from tests.fakes.sessions import labelled_face, write_session


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a cache, preferences, and two sessions and a snapshot in the folder for results."""
    home = tmp_path / "home"
    for name, folder in (("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data"), ("STATE", "state")):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("app.purge.cache_folder", lambda: home / "cache" / "mien")
    monkeypatch.setattr("app.purge.settings_folder", lambda: home / "config" / "mien")
    preferences = home / "config" / "mien" / "desktop.json"
    monkeypatch.setenv("MIEN_CONFIG", str(preferences))
    results = home / "Mien"
    save_preferences(preferences, Preferences(recordings=results, annotations=results))
    (home / "cache" / "mien" / "models").mkdir(parents=True)
    (home / "cache" / "mien" / "models" / "face.tflite").write_bytes(b"network")
    for name in ("one", "two"):
        session = write_session(results / name, [(labelled_face(1, "happiness"),)])
        session.notes.write_text("{}")
        (session.path / "export").mkdir()
        (session.path / "export" / "faces.eaf").write_text("x")
    (results / "mien-20261129-120000-000001.png").write_bytes(b"face")
    (results / "holiday.png").write_bytes(b"mine")
    (home / "cache" / "other").mkdir()
    return home


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_everything_the_program_stored_is_deleted_and_nothing_else(home: Path) -> None:
    assert delete_stored(find_stored()) == []
    assert files_in(home) == ["Mien/holiday.png"]
    assert (home / "cache" / "other").is_dir()
    assert find_stored().is_empty


def test_files_of_others_in_a_session_stay_and_are_named(home: Path) -> None:
    (home / "Mien" / "one" / "thesis.txt").write_text("mine")
    (kept,) = delete_stored(find_stored())
    assert kept.startswith(str(home / "Mien" / "one"))
    assert files_in(home / "Mien" / "one") == ["thesis.txt"]


def test_links_are_not_followed(home: Path, tmp_path: Path) -> None:
    outside = write_session(tmp_path / "outside", [(labelled_face(1, "happiness"),)])
    (outside.path / "keep.txt").write_text("mine")
    before = files_in(outside.path)
    results = home / "Mien"
    (results / "linked").symlink_to(outside.path)
    (results / "one" / "export" / "away").symlink_to(outside.path)
    (home / "cache" / "mien" / "away").symlink_to(outside.path)
    (results / "two" / "faces.csv").unlink()
    (results / "two" / "faces.csv").symlink_to(outside.csv)
    delete_stored(find_stored())
    assert files_in(outside.path) == before
    assert not (results / "two").exists()


def test_a_cache_that_is_a_link_stays(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("app.purge.cache_folder", lambda: tmp_path / "link")
    assert tmp_path / "link" not in find_stored().folders


def test_a_session_that_is_being_written_stays(home: Path) -> None:
    with SessionLock(SessionFolder(home / "Mien" / "one")):
        stored = find_stored()
        assert stored.sessions == (home / "Mien" / "two",)
        assert "is in use by" in stored.in_use[0]


def test_sessions_or_cache_can_be_kept(home: Path) -> None:
    assert find_stored(sessions=False).sessions == find_stored(sessions=False).files == ()
    assert find_stored(cache=False).folders == ()


def test_other_folders_for_results_are_searched_when_named(home: Path, tmp_path: Path) -> None:
    session = write_session(tmp_path / "study" / "p1", [(labelled_face(1, "happiness"),)])
    assert session.path not in find_stored().sessions
    assert session.path in find_stored([tmp_path / "study"]).sessions


def test_the_command_lists_and_asks(home: Path) -> None:
    refused = CliRunner().invoke(app, ["purge"], input="n\n")
    assert refused.exit_code == 130
    assert str(home / "Mien" / "one") in refused.output
    assert (home / "Mien" / "one" / "journal.jsonl").exists()
    assert CliRunner().invoke(app, ["purge", "--yes"]).exit_code == 0
    assert files_in(home) == ["Mien/holiday.png"]
    assert "nothing is stored" in CliRunner().invoke(app, ["purge"]).output
