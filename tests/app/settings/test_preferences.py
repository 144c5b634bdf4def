"""What is remembered comes back; what cannot be used falls back field by field, and is told."""

from __future__ import annotations

import dataclasses
import errno
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session import table
from app.settings.limits import Limits
from app.settings.preferences import (
    MAX_SESSIONS,
    Preferences,
    chosen_config,
    load_preferences,
    preferences_path,
    save_preferences,
)
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
    window="AAEC",
    splitters={"live-columns": "AAAA"},
    page="review",
    sessions=(Path("/data/recordings/a"), Path("/data/recordings/b")),
    told=True,
)


def test_every_field_comes_back(tmp_path: Path) -> None:
    assert all(
        getattr(CHANGED, item.name) != getattr(Preferences(), item.name) for item in dataclasses.fields(Preferences)
    )
    path = tmp_path / "new" / "desktop.json"
    save_preferences(path, CHANGED)
    told: list[str] = []
    assert load_preferences(path, told.append) == CHANGED
    assert told == []
    assert [file.name for file in path.parent.iterdir()] == ["desktop.json"]


def test_no_file_gives_the_defaults_in_silence(tmp_path: Path) -> None:
    told: list[str] = []
    assert load_preferences(tmp_path / "none.json", told.append) == Preferences()
    assert told == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_file_that_is_no_settings_gives_the_defaults_and_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desktop.json"
    path.write_bytes(content)
    told: list[str] = []
    assert load_preferences(path, told.append) == Preferences()
    assert len(told) == 1
    assert str(path) in told[0]


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert load_preferences(tmp_path, told.append) == Preferences()
    assert len(told) == 1


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
        ("told", 1),
    ],
)
def test_a_bad_value_costs_its_field_alone(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, CHANGED)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    told: list[str] = []
    found = load_preferences(path, told.append)
    assert found == dataclasses.replace(CHANGED, **{name: getattr(Preferences(), name)})
    assert len(told) == 1
    assert f"{name} " in told[0]


def test_a_full_disk_keeps_the_settings_from_before_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, CHANGED)

    def full(part: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(table, "publish", full)
    with pytest.raises(OutputError, match=r"cannot be kept in .*\(No space left on device\)"):
        save_preferences(path, Preferences())
    assert load_preferences(path) == CHANGED
    assert [one.name for one in tmp_path.iterdir()] == ["desktop.json"]


def test_numbers_that_json_knows_and_we_do_not_are_no_thresholds(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"limits": {"aleatoric_limit": NaN, "ood_limit": 0.5}, "threads": 2}')
    assert load_preferences(path) == Preferences(threads=2)


def test_fields_of_other_versions_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"wallpaper": "x", "threads": 3}')
    told: list[str] = []
    assert load_preferences(path, told.append) == Preferences(threads=3)
    assert told == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([item.name for item in dataclasses.fields(Preferences)]), json_values))
def test_no_file_can_break_loading(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("any") / "desktop.json"
    path.write_text(json.dumps(raw))
    found = load_preferences(path)
    save_preferences(path, found)
    assert load_preferences(path) == found


def test_a_login_never_reaches_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, Preferences(source="rtsp://admin:secret@10.0.0.7:554/live?token=abc"))
    assert "secret" not in path.read_text()
    assert "abc" not in path.read_text()
    assert load_preferences(path).source == Preferences().source
    save_preferences(path, Preferences(source="rtsp://10.0.0.7:554/live"))
    assert load_preferences(path).source == "rtsp://10.0.0.7:554/live"


def test_saving_fails_with_a_remedy_and_keeps_what_was_there(tmp_path: Path) -> None:
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


def test_the_newest_session_stands_first_once() -> None:
    now = Preferences()
    for number in range(MAX_SESSIONS + 3):
        now = now.with_session(Path(f"/s/{number}"))
    assert now.sessions[0] == Path(f"/s/{MAX_SESSIONS + 2}")
    assert len(now.sessions) == MAX_SESSIONS
    again = now.with_session(Path("/s/5"))
    assert again.sessions[0] == Path("/s/5")
    assert sorted(again.sessions) == sorted(now.sessions)


def test_the_file_of_the_variable_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "mine.json"))
    assert preferences_path() == tmp_path / "mine.json"
    monkeypatch.delenv("MIEN_CONFIG")
    assert preferences_path().name == "desktop.json"


@pytest.mark.skipif(sys.platform != "linux", reason="needs the folders of the XDG standard")
def test_the_folder_is_that_of_the_desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIEN_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "mien" / "desktop.json"


def test_other_platforms_have_their_own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIEN_CONFIG", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path))
    assert preferences_path() == tmp_path / "Mien" / "desktop.json"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert preferences_path().parts[-4:] == ("Library", "Application Support", "Mien", "desktop.json")


def test_the_engine_gets_what_was_chosen() -> None:
    config = EngineConfig(threads=4)
    assert chosen_config(config, Preferences()) == dataclasses.replace(config, threads=1)
    chosen = chosen_config(config, Preferences(backend="onnxruntime", threads=2))
    assert chosen == dataclasses.replace(config, backends=("onnxruntime",), threads=2)


def test_a_user_without_a_home_gets_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert Preferences().recordings == Path.cwd() / "Mien"
