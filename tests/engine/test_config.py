"""Settings files: what they may contain, and the error for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import EngineConfig, for_files, for_live, load_config
from engine.errors import ConfigError


def write_config(folder: Path, text: str) -> Path:
    path = folder / "mien.toml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_apply() -> None:
    assert load_config(None) == EngineConfig()


def test_a_file_changes_only_the_settings_it_names(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, 'backends = ["onnxruntime"]\n[routing]\nhold_s = 1\n'))
    assert config.backends == ("onnxruntime",)
    assert config.routing.hold_s == 1.0
    assert config.routing.smoothing_s == EngineConfig().routing.smoothing_s
    assert config.tracking == EngineConfig().tracking


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[routing]\nhold = 1", r"unknown key 'routing\.hold'; known are competing_share, hold_s"),
        ("[router]\nhold_s = 1", "unknown key 'router'; known are"),
        ("[routing]\nhold_s = 'long'", r"routing\.hold_s must be a number, not 'long'"),
        ("[routing]\nhold_s = inf", r"routing\.hold_s must be finite, not inf"),
        ("threads = 1.5", "threads must be a whole number, not 1.5"),
        ("threads = true", "threads must be a whole number, not true"),
        ("routing = 3", "routing must be an object, not 3"),
        ("backends = 'onnxruntime'", "backends must be a list, not 'onnxruntime'"),
        ("threads = ", "not valid TOML"),
    ],
)
def test_an_invalid_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write_config(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read: No such file"):
        load_config(tmp_path / "absent.toml")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mien.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(path)


def test_only_live_sources_build_engines_meanwhile() -> None:
    live = for_live(EngineConfig(threads=2))
    assert (live.gpu.build, live.threads) == ("background", 2)
    assert for_files(live) == EngineConfig(threads=2)


def test_gpu_settings_are_read(tmp_path: Path) -> None:
    gpu = load_config(write_config(tmp_path, '[gpu]\nprecision = "int8"\nmax_faces = 4\n')).gpu
    assert (gpu.precision, gpu.max_faces, gpu.build) == ("int8", 4, "cached")
    with pytest.raises(ConfigError, match="precision"):
        load_config(write_config(tmp_path, '[gpu]\nprecision = "fp8"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads = 100000", "threads is 100000: set it from 1 to 64"),
        ("threads = 0", "threads is 0: set it from 1 to 64"),
        ("threads = -1", "threads is -1: set it from 1 to 64"),
        ("[tracking]\nthreads = 100000", "tracking.threads is 100000: set it from 1 to 64"),
        ("[tracking]\nmax_faces = 0", "tracking.max_faces is 0: set it from 1 to 1000"),
        ("[tracking]\ndetect_every_s = -1.0", "tracking.detect_every_s is -1.0: set it from 0 to 3600"),
        ("[tracking]\ndetect_every_s = nan", "tracking.detect_every_s must be finite"),
        ("[routing]\nsmoothing_s = inf", "routing.smoothing_s must be finite"),
        ("[routing]\nmax_labels = 9", "routing.max_labels is 9: set it from 1 to 8"),
        ("[quality]\nmin_inside = 1.5", "quality.min_inside is 1.5: set it from 0 to 1"),
        ("[runtime]\nfile_queue = 0", "runtime.file_queue is 0: set it from 1 to 1024"),
        ("[gpu]\nworkspace_mb = -5", "gpu.workspace_mb is -5: set it from 1 to 1048576"),
        ("threads = " + "9" * 5000, "not valid TOML|threads"),
    ],
)
def test_values_out_of_range_are_refused_with_the_range(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_settings_file_of_a_megabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with path.open("wb") as handle:
        handle.truncate(2**30)  # sparse: occupies no disk space
    with pytest.raises(ConfigError, match="the limit is 1"):
        load_config(path)
