"""What presets change, and what they must not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotate import AnnotateOptions, JobControl, annotate
from app.session.folder import SessionFolder
from app.session.journal import read_journal
from app.session.metadata import read_metadata
from app.settings.presets import BALANCED, PRESETS, Preset, PresetName, preset_of
from engine.capture.source import SourceInfo, SourceKind
from engine.config import EngineConfig, TrackingConfig
from engine.errors import ConfigError, OutputError, Remedy
from engine.types import Frame
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine
from tests.fakes.sessions import Annotator, SilentListener


def info_at(fps: float | None, live: bool = False) -> SourceInfo:
    return SourceInfo("clip", SourceKind.VIDEO, 640, 360, 100, 4.0, fps, live)


def test_every_name_has_one_preset() -> None:
    assert [preset.name for preset in PRESETS] == list(get_args(PresetName))
    assert all(preset_of(preset.name) is preset for preset in PRESETS)
    assert len({preset.description for preset in PRESETS}) == len(PRESETS)


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown preset quick: use speed, balanced, thorough"):
        preset_of("quick")


def test_balanced_changes_nothing() -> None:
    config = EngineConfig(tracking=TrackingConfig(detect_every_s=0.7))
    assert BALANCED.configured(config) is config
    assert BALANCED.every_n_of(info_at(60.0)) == 1
    assert BALANCED.video


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_no_preset_changes_a_limit(preset: Preset) -> None:
    config = EngineConfig()
    changed = preset.configured(config)
    tracking = dataclasses.replace(changed.tracking, detect_every_s=config.tracking.detect_every_s)
    assert dataclasses.replace(changed, tracking=tracking) == config


def test_thorough_detects_faces_in_every_frame() -> None:
    assert preset_of("thorough").configured(EngineConfig()).tracking.detect_every_s == 0.0


@pytest.mark.parametrize(
    ("fps", "every_n"),
    [(5.0, 1), (12.5, 1), (19.0, 1), (20.0, 2), (24000 / 1001, 2), (25.0, 2), (30000 / 1001, 3), (30.0, 3), (240.0, 3)],
)
def test_speed_keeps_ten_frames_per_second(fps: float, every_n: int) -> None:
    assert preset_of("speed").every_n_of(info_at(fps)) == every_n


@given(st.floats(0.0, 1e6))
def test_speed_keeps_enough_frames_to_confirm_faces(fps: float) -> None:
    every_n = preset_of("speed").every_n_of(info_at(fps))
    assert every_n == 1 or 1 / (fps / every_n) < TrackingConfig().confirm_s


def test_speed_skips_no_frame_of_a_camera_or_of_an_unknown_rate() -> None:
    speed = preset_of("speed")
    assert speed.every_n_of(info_at(60.0, live=True)) == 1
    assert speed.every_n_of(info_at(None)) == 1


class FastSource(FakeSource):
    """30 frames per second, of which `speed` analyses every third."""

    def __init__(self, count: int = 200) -> None:
        super().__init__(count)
        self.info = dataclasses.replace(self.info, fps=30.0)

    def read(self) -> Frame | None:
        frame = super().read()
        return None if frame is None else dataclasses.replace(frame, timestamp_s=frame.index / 30)


SPEED = preset_of("speed")


def test_speed_analyses_every_third_frame_and_writes_no_video(run_annotate: Annotator) -> None:
    pipeline = FakePipeline()
    assert run_annotate(pipeline, FastSource(), preset=SPEED).finished
    folder = run_annotate.folder
    assert pipeline.processed == list(range(0, 200, 3))
    assert [entry.frame for entry in read_journal(folder.journal)] == pipeline.processed
    assert not folder.video.exists()
    metadata = read_metadata(folder.metadata)
    assert metadata.frames is not None
    assert dataclasses.astuple(metadata.frames) == (67, 67, 0, 0)
    assert metadata.config["preset"] == {"name": "speed", "every_n": 3}
    assert (metadata.source.fps, metadata.source.fps_mode) == (30.0, None)


@pytest.mark.parametrize("fail_at", [30, 33, 102, 198])
@pytest.mark.parametrize("video", [False, True])
def test_a_resumed_session_with_skipped_frames_gives_the_same_bytes(
    run_annotate: Annotator, tmp_path: Path, fail_at: int, video: bool
) -> None:
    preset = dataclasses.replace(SPEED, video=video)
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(source=FastSource(), preset=preset)
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=fail_at), FastSource(), preset=preset)
    listener = FirstCount()
    assert run_annotate(source=FastSource(), preset=preset, listener=listener, resume=True).finished
    assert run_annotate.folder.csv.read_bytes() == whole.folder.csv.read_bytes()
    assert run_annotate.folder.parquet.read_bytes() == whole.folder.parquet.read_bytes()
    resumed_at = read_metadata(run_annotate.folder.metadata).resumed_at
    assert (listener.total, listener.first) == (67, -(-resumed_at[0] // 3) if resumed_at else 0)
    assert listener.done == 67
    if video:
        with av.open(str(run_annotate.folder.video)) as container:
            times_s = [picture.time for picture in container.decode(video=0)]
        assert times_s == pytest.approx([index / 10 for index in range(67)], abs=1e-4)


class FirstCount(SilentListener):
    """Keeps the counts at the start."""

    total: int | None = None
    first = -1

    def begin(self, name: str, total: int | None, done: int) -> None:
        super().begin(name, total, done)
        self.total, self.first = total, done


@pytest.mark.parametrize(("before", "now"), [("speed", "balanced"), ("balanced", "thorough"), ("balanced", "speed")])
def test_a_session_is_not_resumed_with_another_preset(run_annotate: Annotator, before: str, now: str) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=99), FastSource(), preset=preset_of(before))
    with pytest.raises(
        OutputError,
        match=rf"started with another preset \({before}, now {now}\)$",
        check=lambda error: error.remedy is Remedy.RESTART,
    ):
        run_annotate(source=FastSource(), preset=preset_of(now), resume=True)


def test_an_engine_that_was_opened_without_the_preset_is_refused(tmp_path: Path) -> None:
    options = AnnotateOptions("0.1", preset=preset_of("thorough"))
    engine = fake_engine(FakePipeline())
    folder = SessionFolder(tmp_path / "session")
    control = JobControl()
    with pytest.raises(ValueError, match="opened without the preset thorough"):
        annotate(
            "clip.mp4",
            folder,
            lambda spec: FakeSource(),
            lambda source: engine,
            options,
            SilentListener(),
            control,
        )
    assert not folder.path.exists()
