"""Every n-th frame: which ones, with what index and time, and what is passed on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.pictures import PictureSource
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.capture.synthetic import SyntheticSource
from engine.capture.thinning import ThinnedSource, thinned
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError
from engine.types import Frame, UInt8
from tests.engine.capture.conftest import ClipWriter


class Clip(FrameSource):
    """Frames that are a tenth of a second apart; each read costs a damaged packet."""

    def __init__(self, count: int, known: bool = True) -> None:
        super().__init__()
        self.info = SourceInfo("clip", SourceKind.VIDEO, 2, 2, count if known else None, None, 10.0, is_live=False)
        self.count, self.next = count, 0
        self.closed = False

    def read(self) -> Frame | None:
        if self._interrupted.is_set() or self.next >= self.count:
            return None
        self.damaged += 1
        self.next += 1
        return Frame(np.zeros((2, 2, 3), np.uint8), self.next - 1, (self.next - 1) / 10, "clip")

    def skip_to(self, frame_index: int) -> None:
        if not self.next <= frame_index <= self.count:
            raise SourceError("not there")
        self.next = frame_index

    def fault(self) -> str | None:
        return "made fault"

    def close(self) -> None:
        self.closed = True


def all_of(source: FrameSource) -> list[Frame]:
    return list(iter(source.read, None))


@given(st.integers(0, 50), st.integers(1, 9))
def test_frames_keep_their_index_and_time(count: int, every_n: int) -> None:
    source = ThinnedSource(Clip(count), every_n)
    frames = all_of(source)
    assert [frame.index for frame in frames] == list(range(0, count, every_n))
    assert [frame.timestamp_s for frame in frames] == [frame.index / 10 for frame in frames]
    assert source.info.frame_count == len(frames)
    assert source.damaged == count


@given(st.integers(1, 50), st.integers(1, 9), st.data())
def test_a_skip_goes_on_with_the_frames_of_a_full_reading(count: int, every_n: int, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, count))
    source = ThinnedSource(Clip(count), every_n)
    source.skip_to(begin)
    assert [frame.index for frame in all_of(source)] == [
        index for index in range(count) if index >= begin and index % every_n == 0
    ]


def test_a_skip_beyond_the_end_or_back_is_refused() -> None:
    source = ThinnedSource(Clip(10), 3)
    with pytest.raises(SourceError, match="not there"):
        source.skip_to(11)
    all_of(source)
    with pytest.raises(SourceError, match="not there"):
        source.skip_to(3)


def test_all_but_the_count_is_passed_on() -> None:
    clip = Clip(10, known=False)
    with ThinnedSource(clip, 3) as source:
        assert source.info == clip.info
        assert source.info.frame_count is None
        assert source.fault() == "made fault"
    assert clip.closed


def test_interrupt_reaches_the_source() -> None:
    clip = Clip(10)
    source = ThinnedSource(clip, 3)
    assert source.read() is not None
    source.interrupt()
    assert source.read() is None
    assert clip.read() is None


def test_every_frame_needs_no_wrapper() -> None:
    clip = Clip(3)
    assert thinned(clip, 1) is clip
    assert isinstance(thinned(clip, 2), ThinnedSource)


def test_less_than_every_frame_is_no_number() -> None:
    with pytest.raises(ValueError, match="every_n is 0"):
        thinned(Clip(3), 0)


def test_a_video_is_thinned_with_its_own_times(write_clip: ClipWriter, pictures: list[UInt8]) -> None:
    times_ms = [0, 40, 90, 130, 200, 240, 300, 350, 380, 420]
    path = write_clip("uneven.mkv", pictures[:10], times_ms)
    with VideoFileSource(path) as whole, ThinnedSource(VideoFileSource(path), 4) as source:
        wanted = all_of(whole)[::4]
        frames = all_of(source)
    assert [(frame.index, frame.timestamp_s, frame.pts_s) for frame in frames] == [
        (frame.index, frame.timestamp_s, frame.pts_s) for frame in wanted
    ]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(frames, wanted, strict=True))


def test_the_demo_is_thinned_from_where_it_goes_on() -> None:
    with ThinnedSource(SyntheticSource(duration_s=0.4, fps=25, size=(32, 18)), 3) as source:
        source.skip_to(4)
        assert [frame.index for frame in all_of(source)] == [6, 9]


def test_a_picture_that_cannot_be_decoded_shifts_nothing(tmp_path: Path) -> None:
    for index in range(7):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((4, 4, 3), index, np.uint8))
    (tmp_path / "3.png").write_bytes(b"no picture")
    with ThinnedSource(PictureSource(tmp_path), 3) as source:
        assert [frame.index for frame in all_of(source)] == [0, 6]
        assert source.damaged == 1
