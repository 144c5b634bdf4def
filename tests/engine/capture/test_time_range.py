"""Ranges of time: which frames, with what index and time, and how a time is typed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.pictures import PictureSource
from engine.capture.source import FrameSource
from engine.capture.synthetic import SyntheticSource
from engine.capture.thinning import ThinnedSource
from engine.capture.time_range import RangedSource, TimeRange, parse_time, within
from engine.capture.video_file import VideoFileSource
from engine.errors import ConfigError, SourceError
from engine.types import UInt8
from tests.engine.capture.conftest import ClipWriter
from tests.fakes.engines import FakeSource


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("90.5", 90.5),
        (".5", 0.5),
        ("1:30", 90.0),
        ("01:05.25", 65.25),
        ("1:02:03", 3723.0),
        (" 7 ", 7.0),
    ],
)
def test_times_are_seconds_or_clock_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:60", "1:2:3:4", "1:60:00", "1e3", "nan", "1:", "5s"])
def test_other_texts_are_not_times(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time: give seconds"):
        parse_time(text)


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 5.0), (5.0, 4.0), (-1.0, None), (0.0, 0.0)])
def test_an_empty_range_is_refused(start_s: float, end_s: float | None) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        TimeRange(start_s, end_s)


@pytest.fixture
def clip(write_clip: ClipWriter, pictures: list[UInt8]) -> Path:
    return write_clip("clip.mp4", pictures[:20])


def sources(clip: Path) -> list[FrameSource]:
    return [VideoFileSource(clip), SyntheticSource(duration_s=1.0, fps=25)]


@pytest.mark.parametrize("kind", [0, 1], ids=["video", "demo"])
@pytest.mark.parametrize(
    "time_range", [TimeRange(0.2), TimeRange(0.19, 0.41), TimeRange(0.0, 0.3), TimeRange(0.4, 9.0)]
)
def test_frames_of_the_range_keep_index_and_time(clip: Path, kind: int, time_range: TimeRange) -> None:
    with sources(clip)[kind] as whole:
        frames = list(whole)
    end_s = time_range.end_s or 99.0
    wanted = [frame for frame in frames if time_range.start_s - 1e-6 <= frame.timestamp_s < end_s - 1e-6]
    assert 0 < len(wanted) < len(frames)
    with RangedSource(sources(clip)[kind], time_range) as source:
        found = list(source)
    assert [(frame.index, frame.timestamp_s) for frame in found] == [
        (frame.index, frame.timestamp_s) for frame in wanted
    ]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, wanted, strict=True))


def test_a_range_behind_the_end_has_no_frames(clip: Path) -> None:
    for each in sources(clip):
        with RangedSource(each, TimeRange(50.0)) as source:
            assert list(source) == []


def test_a_resumed_range_goes_on_at_the_index(clip: Path) -> None:
    for each in sources(clip):
        with RangedSource(each, TimeRange(0.2, 0.5)) as source:
            source.skip_to(8)
            assert [frame.index for frame in source] == [8, 9, 10, 11, 12]


def test_every_second_frame_of_a_range_is_that_of_the_source(clip: Path) -> None:
    with ThinnedSource(RangedSource(VideoFileSource(clip), TimeRange(0.2, 0.5)), 2) as source:
        assert [frame.index for frame in source] == [6, 8, 10, 12]


def test_after_a_skip_to_a_time_the_index_may_be_the_same(clip: Path) -> None:
    with VideoFileSource(clip) as source:
        source.skip_to_time(0.2)
        source.skip_to(5)
        assert [frame.index for frame, _ in zip(source, range(2), strict=False)] == [5, 6]
    with VideoFileSource(clip) as source:
        source.skip_to_time(0.2)
        source.skip_to(7)
        frame = source.read()
        assert frame is not None
        assert frame.index == 7


@given(st.floats(0, 4), st.floats(0.01, 4))
def test_the_number_of_frames_is_estimated(start_s: float, length_s: float) -> None:
    source = RangedSource(FakeSource(35), TimeRange(start_s, start_s + length_s))
    assert source.info.frame_count == round(max(min(start_s + length_s, 3.5) - start_s, 0.0) * 10)


def test_a_live_source_ends_at_the_end(tmp_path: Path) -> None:
    source = FakeSource(100, live=True)
    with RangedSource(source, TimeRange(0.5, 1.0)) as ranged:
        assert [frame.index for frame in ranged] == [5, 6, 7, 8, 9]


def test_pictures_are_read_whole(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), np.uint8))
    source = PictureSource(tmp_path)
    assert within(source, TimeRange(5.0)) is source
    with pytest.raises(SourceError, match="no times to start at"):
        source.skip_to_time(5.0)
    assert within(source, TimeRange()) is source
