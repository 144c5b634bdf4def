"""The preference store: changes apply at once and are saved later; a failing disk gives one notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.qt.preference_store import PreferenceStore
from app.qt.widgets.notice_bar import Notice, Severity
from app.settings.preferences import Preferences, load_preferences, save_preferences
from tests.app.qt.conftest import Until


def test_a_change_applies_at_once_and_is_saved_later(tmp_path: Path, until: Until) -> None:
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


def test_an_equal_value_is_ignored_and_an_unknown_field_is_an_error(tmp_path: Path) -> None:
    store = PreferenceStore(tmp_path / "desktop.json")
    seen: list[bool] = []
    store.changed.connect(lambda: seen.append(True))
    store.change(threads=store.now.threads)
    with pytest.raises(TypeError):
        store.change(colour="red")
    assert seen == []
    store.save()
    assert store.now == Preferences()


def test_without_a_file_preferences_stay_in_memory() -> None:
    store = PreferenceStore(None)
    store.change(theme="dark")
    store.save()
    assert (store.now.theme, store.path) == ("dark", None)


def test_invalid_fields_of_the_file_give_warnings(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"theme": "pink", "threads": 2}')
    store = PreferenceStore(path)
    assert store.now == Preferences(threads=2)
    assert len(store.warnings) == 1
    assert "theme" in store.warnings[0]


def test_a_failing_disk_gives_one_notice_cleared_on_success(tmp_path: Path) -> None:
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


def test_fields_of_this_run_are_saved_only_if_changed(tmp_path: Path) -> None:
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


def test_a_remembered_session_comes_first(tmp_path: Path) -> None:
    store = PreferenceStore(None)
    store.remember_session(tmp_path / "a")
    store.remember_session(tmp_path / "b")
    assert store.now.sessions == (tmp_path / "b", tmp_path / "a")
