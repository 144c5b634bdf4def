"""Settings: what a file may hold, and that nothing else is swallowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import EngineConfig, load_config
from engine.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "mien.toml"
    path.write_text(text)
    return path


def test_no_file_gives_the_defaults() -> None:
    assert load_config(None) == EngineConfig()


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, 'backends = ["onnxruntime"]\n[routing]\nhold_s = 1\n'))
    assert config.backends == ("onnxruntime",)
    assert config.routing.hold_s == 1.0
    assert config.routing.smoothing_s == EngineConfig().routing.smoothing_s
    assert config.tracking == EngineConfig().tracking


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[routing]\nhold = 1", "unknown key 'hold'; known are"),
        ("[router]\nhold_s = 1", "unknown key 'router'"),
        ("[routing]\nhold_s = 'long'", "hold_s must be float, not 'long'"),
        ("threads = 1.5", "threads must be int, not 1.5"),
        ("threads = true", "threads must be int, not True"),
        ("routing = 3", "routing must be a table"),
        ("backends = 'onnxruntime'", "backends must be a list"),
        ("threads = ", "not valid TOML"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read: No such file"):
        load_config(tmp_path / "absent.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mien.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(path)
