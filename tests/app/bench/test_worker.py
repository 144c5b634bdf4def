"""The source that never ends, growth of memory, and which runtimes are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bench.clips import make_clip
from app.bench.figures import EngineChoice
from app.bench.run import clip_of, installed_choices
from app.bench.worker import EndlessSource, growth
from engine.backends.registry import BACKENDS, is_installed
from engine.errors import ConfigError


def test_a_clip_begins_again_with_rising_times(tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "360p", 0, 0.2)  # 6 frames
    source = EndlessSource(clip.path, 0.0)
    with source:
        frames = [source.read() for _ in range(14)]
        source.interrupt()
        assert source.read() is None
    assert [frame.index for frame in frames if frame is not None] == list(range(14))
    assert [frame.timestamp_s for frame in frames if frame is not None] == pytest.approx([n / 30 for n in range(14)])
    assert sorted(source.captured_s) == list(range(14))
    assert not source.info.is_live


def test_with_a_rate_it_is_a_camera(tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "360p", 0, 0.2)
    with EndlessSource(clip.path, 50.0) as source:
        assert source.info.is_live
        for _ in range(6):
            source.read()
    times = [source.captured_s[index] for index in range(6)]
    assert all(at_s - times[0] >= index / 50 - 1e-3 for index, at_s in enumerate(times))


def test_growth_compares_the_first_and_the_last_tenth() -> None:
    readings = [100.0] * 10 + [150.0] * 80 + [103.0] * 10
    assert growth(readings, 100.0) == 3.0
    assert growth(readings, 30.0) is None


def test_runtimes_are_named_or_all_that_are_installed() -> None:
    assert installed_choices((), (), None) == (EngineChoice(),)
    assert installed_choices(("onnxruntime",), ("fp16",), 2) == (EngineChoice("onnxruntime", None, 2),)
    assert installed_choices(("tensorrt",), ("fp32", "fp16"), None) == (
        EngineChoice("tensorrt", "fp32"),
        EngineChoice("tensorrt", "fp16"),
    )
    assert {choice.backend for choice in installed_choices(("all",), (), None)} == {
        name for name in BACKENDS if is_installed(name)
    }
    with pytest.raises(ConfigError, match="unknown backend gpu"):
        installed_choices(("gpu",), (), None)
    with pytest.raises(ConfigError, match="--precision"):
        installed_choices(("tensorrt",), ("fp64",), None)


def test_a_camera_is_not_a_clip(tmp_path: Path) -> None:
    assert clip_of("demo").width_px == 640
    with pytest.raises(ConfigError, match="not a video"):
        clip_of(str(Path(__file__).parents[3] / "assets" / "demo"))
