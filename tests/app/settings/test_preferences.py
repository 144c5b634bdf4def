"""Preferences are restored; invalid ones fall back to their default field by field, with a warning."""

from __future__ import annotations

import dataclasses
import errno
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.codes import EventCode
from app.settings.limits import Limits
from app.settings.preferences import (
    MAX_SESSIONS,
    Preferences,
    chosen_config,
    load_preferences,
    preferences_path,
    save_preferences,
)
from engine import files
from engine.config import EngineConfig
from engine.errors import OutputError

CHANGED = Preferences(
    theme="dark",
    scale_percent=150,
    language="de",
    source="clips/a.mp4",
    recordings=Path("/data/recordings"),
    annotations=Path("/data/annotations"),
    backend="onnxruntime",
    tracker="mediapipe",
    threads=2,
    limits=Limits(0.8, 0.9),
    preset="speed",
    coder="B",
    codes=(EventCode("S", "stimulus", lasts=True),),
    layout="research",
    window="AAEC",
    splitters={"live-columns": "AAAA"},
    page="review",
    sessions=(Path("/data/recordings/a"), Path("/data/recordings/b")),
    hints_seen=("live", "review"),
    notice_read=True,
)


def test_every_field_is_restored(tmp_path: Path) -> None:
    assert all(
        getattr(CHANGED, item.name) != getattr(Preferences(), item.name) for item in dataclasses.fields(Preferences)
    )
    path = tmp_path / "new" / "desktop.json"
    save_preferences(path, CHANGED)
    warnings: list[str] = []
    assert load_preferences(path, warnings.append) == CHANGED
    assert warnings == []
    assert [file.name for file in path.parent.iterdir()] == ["desktop.json"]


def test_a_missing_file_gives_the_defaults_without_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert load_preferences(tmp_path / "none.json", warnings.append) == Preferences()
    assert warnings == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_file_without_settings_gives_the_defaults_and_one_warning(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desktop.json"
    path.write_bytes(content)
    warnings: list[str] = []
    assert load_preferences(path, warnings.append) == Preferences()
    assert len(warnings) == 1
    assert str(path) in warnings[0]


def test_a_folder_in_place_of_the_file_gives_one_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert load_preferences(tmp_path, warnings.append) == Preferences()
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "pink"),
        ("scale_percent", 90),
        ("scale_percent", 150.0),
        ("scale_percent", True),
        ("language", 3),
        ("source", ""),
        ("recordings", ""),
        ("recordings", "a\0b"),
        ("recordings", "\ud800"),
        ("annotations", 7),
        ("backend", "cuda"),
        ("tracker", None),
        ("threads", 0),
        ("limits", {"aleatoric_limit": 1.0}),
        ("limits", {"aleatoric_limit": -1.0, "ood_limit": 0.5}),
        ("limits", {"aleatoric_limit": 1.0, "ood_limit": 1.5}),
        ("limits", {"aleatoric_limit": "1", "ood_limit": 0.5}),
        ("preset", []),
        ("coder", None),
        ("window", 1),
        ("splitters", {"a": 1}),
        ("splitters", []),
        ("page", "kiosk"),
        ("sessions", "a"),
        ("sessions", [""]),
        ("notice_read", 1),
    ],
)
def test_an_invalid_value_affects_only_its_field(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, CHANGED)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    warnings: list[str] = []
    found = load_preferences(path, warnings.append)
    assert found == dataclasses.replace(CHANGED, **{name: getattr(Preferences(), name)})
    assert len(warnings) == 1
    assert name in warnings[0]


def test_a_full_disk_keeps_the_old_settings_and_leaves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, CHANGED)

    def full(part: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "publish", full)
    with pytest.raises(OutputError, match=r"cannot be saved in .*\(No space left on device\)"):
        save_preferences(path, Preferences())
    assert load_preferences(path) == CHANGED
    assert [one.name for one in tmp_path.iterdir()] == ["desktop.json"]


def test_limits_must_be_finite(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"limits": {"aleatoric_limit": 1e999, "ood_limit": 0.5}, "threads": 2}')
    assert load_preferences(path) == Preferences(threads=2)


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"wallpaper": "x", "threads": 3}')
    warnings: list[str] = []
    assert load_preferences(path, warnings.append) == Preferences(threads=3)
    assert warnings == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([item.name for item in dataclasses.fields(Preferences)]), json_values))
def test_any_file_can_be_loaded(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("any") / "desktop.json"
    path.write_text(json.dumps(raw))
    found = load_preferences(path)
    save_preferences(path, found)
    assert load_preferences(path) == found


def test_a_login_is_never_saved(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, Preferences(source="rtsp://admin:secret@10.0.0.7:554/live?token=abc"))
    assert "secret" not in path.read_text()
    assert "abc" not in path.read_text()
    assert load_preferences(path).source == Preferences().source
    save_preferences(path, Preferences(source="rtsp://10.0.0.7:554/live"))
    assert load_preferences(path).source == "rtsp://10.0.0.7:554/live"


def test_a_failed_save_says_what_to_do_and_keeps_the_old_file(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(OutputError, match="MIEN_CONFIG"):
        save_preferences(blocked / "desktop.json", CHANGED)
    path = tmp_path / "desktop.json"
    save_preferences(path, CHANGED)
    (tmp_path / "desktop.part.json").mkdir()  # in the way of the part that is written
    with pytest.raises(OutputError, match="desktop"):
        save_preferences(path, Preferences())
    assert load_preferences(path) == CHANGED


def test_the_newest_session_comes_first_and_only_once() -> None:
    now = Preferences()
    for number in range(MAX_SESSIONS + 3):
        now = now.with_session(Path(f"/s/{number}"))
    assert now.sessions[0] == Path(f"/s/{MAX_SESSIONS + 2}")
    assert len(now.sessions) == MAX_SESSIONS
    again = now.with_session(Path("/s/5"))
    assert again.sessions[0] == Path("/s/5")
    assert sorted(again.sessions) == sorted(now.sessions)


def test_the_environment_variable_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "mine.json"))
    assert preferences_path() == tmp_path / "mine.json"
    monkeypatch.delenv("MIEN_CONFIG")
    assert preferences_path().name == "desktop.json"


@pytest.mark.skipif(sys.platform != "linux", reason="needs the folders of the XDG standard")
def test_the_folder_follows_the_xdg_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIEN_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "mien" / "desktop.json"


def test_backend_and_threads_are_applied_to_the_engine() -> None:
    config = EngineConfig(threads=4)
    assert chosen_config(config, Preferences()) == dataclasses.replace(config, threads=1)
    chosen = chosen_config(config, Preferences(backend="onnxruntime", threads=2))
    assert chosen == dataclasses.replace(config, backends=("onnxruntime",), threads=2)


def test_a_user_without_a_home_folder_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert Preferences().recordings == Path.cwd() / "Mien"
