"""Changes are in force at once, told once, and kept; a disk that refuses is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from app.qt.preference_store import PreferenceStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.settings.preferences import Preferences, load_preferences, save_preferences
from tests.app.qt.conftest import Until


def test_a_change_is_in_force_told_and_saved_a_moment_later(tmp_path: Path, until: Until) -> None:
    path = tmp_path / "desktop.json"
    store = PreferenceStore(path)
    seen: list[int] = []
    store.changed.connect(lambda: seen.append(store.now.threads))
    store.change(threads=2)
    store.change(threads=3)
    assert seen == [2, 3]
    assert not path.exists()
    until(path.exists)
    assert load_preferences(path).threads == 3


def test_what_does_not_differ_is_not_told_and_an_unknown_field_is_an_error(tmp_path: Path) -> None:
    store = PreferenceStore(tmp_path / "desktop.json")
    seen: list[bool] = []
    store.changed.connect(lambda: seen.append(True))
    store.change(threads=store.now.threads)
    with pytest.raises(TypeError):
        store.change(colour="red")
    assert seen == []
    store.save()
    assert store.now == Preferences()


def test_without_a_file_everything_stays_in_memory() -> None:
    store = PreferenceStore(None)
    store.change(theme="dark")
    store.save()
    assert (store.now.theme, store.path) == ("dark", None)


def test_what_the_file_had_wrong_is_told(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"theme": "pink", "threads": 2}')
    store = PreferenceStore(path)
    assert store.now == Preferences(threads=2)
    assert len(store.told) == 1
    assert "theme" in store.told[0]


def test_a_disk_that_refuses_is_told_once_and_taken_back_when_it_is_mended(tmp_path: Path) -> None:
    blocked = tmp_path / "folder"
    blocked.write_text("in the way")
    store = PreferenceStore(blocked / "desktop.json")
    notices: list[Notice] = []
    store.noticed.connect(notices.append)
    for threads in (2, 3):
        store.change(threads=threads)
        store.save()
    assert [notice.severity for notice in notices] == [Severity.WARNING]
    assert store.now.threads == 3
    blocked.unlink()
    store.change(threads=4)
    store.save()
    assert (notices[-1].text, notices[-1].topic) == ("", notices[0].topic)
    assert load_preferences(blocked / "desktop.json").threads == 4


def test_fields_of_this_run_are_not_kept_unless_the_user_changes_them(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, Preferences(backend="openvino", threads=2))
    store = PreferenceStore(path, backend="onnxruntime", threads=4)
    assert (store.now.backend, store.now.threads) == ("onnxruntime", 4)
    store.change(theme="dark")
    store.save()
    assert load_preferences(path) == Preferences(backend="openvino", threads=2, theme="dark")
    store.change(threads=3)
    store.save()
    assert load_preferences(path) == Preferences(backend="openvino", threads=3, theme="dark")


def test_a_session_becomes_the_newest(tmp_path: Path) -> None:
    store = PreferenceStore(None)
    store.remember_session(tmp_path / "a")
    store.remember_session(tmp_path / "b")
    assert store.now.sessions == (tmp_path / "b", tmp_path / "a")
