"""Cameras: a made-up one that behaves, freezes, falls silent; and none at all."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from engine.capture import camera
from engine.capture.camera import LOST_S, START_S, CameraSource
from engine.capture.source import SourceKind
from engine.errors import SourceError
from engine.types import UInt8


class FakeClock:
    """Time that moves only when a camera or a wait takes some."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class FakeCapture:
    """Stands for cv2.VideoCapture: ``behave`` gives the picture of a read by its number, or None for a failed read."""

    def __init__(self, clock: FakeClock, behave: Callable[[int], UInt8 | None], read_s: float = 0.04) -> None:
        self.clock, self.behave, self.read_s = clock, behave, read_s
        self.reads, self.released = 0, False

    def isOpened(self) -> bool:
        return True

    def set(self, prop: int, value: float) -> bool:
        return True

    def get(self, prop: int) -> float:
        return 25.0 if prop == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, UInt8 | None]:
        self.clock.now_s += self.read_s
        picture = self.behave(self.reads)
        self.reads += 1
        return picture is not None, picture

    def release(self) -> None:
        self.released = True


def lively(number: int) -> UInt8:
    return np.full((48, 64, 3), (number % 256, 0, 7), np.uint8)  # BGR


@pytest.fixture
def plug_in(monkeypatch) -> Callable[..., FakeCapture]:
    """Put a made-up camera in the place of every real one."""

    def plug(behave: Callable[[int], UInt8 | None], read_s: float = 0.04) -> FakeCapture:
        clock = FakeClock()
        capture = FakeCapture(clock, behave, read_s)
        monkeypatch.setattr(camera, "time", clock)
        monkeypatch.setattr(cv2, "VideoCapture", lambda device, backend: capture)
        return capture

    return plug


def test_a_camera_that_works(plug_in):
    capture = plug_in(lively)
    with CameraSource(0) as source:
        info = source.info
        frames = [source.read() for _ in range(3)]
    assert (info.source_id, info.kind, info.is_live, info.fps) == ("camera:0", SourceKind.CAMERA, True, 25.0)
    assert (info.width_px, info.height_px, info.frame_count, info.duration_s) == (64, 48, None, None)
    assert [frame.index for frame in frames if frame] == [0, 1, 2]
    assert [frame.timestamp_s for frame in frames if frame] == pytest.approx([0, 0.04, 0.08])
    assert [frame.pts_s for frame in frames if frame] == [None] * 3
    assert frames[0] is not None
    assert frames[0].image[0, 0].tolist() == [7, 0, 1]  # RGB, and the first picture was dropped
    assert capture.released


def test_a_camera_that_freezes_is_lost(plug_in):
    plug_in(lambda number: lively(min(number, 5)))
    with CameraSource(1) as source:
        seen = []
        with pytest.raises(SourceError, match="camera 1 gave no new picture for 1.5 s: plug it in again") as caught:
            seen.extend(iter(source.read, None))
    assert "\n" not in str(caught.value)
    assert len(seen) == pytest.approx(4 + LOST_S / 0.04, abs=1)  # the frozen picture is shown until then


def test_a_still_picture_is_no_loss_where_that_is_set(plug_in):
    plug_in(lambda number: lively(5))
    with CameraSource(1, frozen_s=0) as source:
        assert all(source.read() for _ in range(200))


def test_noise_of_one_value_shows_that_a_camera_is_not_frozen(plug_in):
    def noisy(number: int) -> UInt8:
        picture = lively(5).copy()
        picture[number % 48, 7, 1] = 1
        return picture

    plug_in(noisy)
    with CameraSource(1) as source:
        assert all(source.read() for _ in range(200))


def test_a_camera_that_changes_its_size_is_scaled_to_the_first(plug_in):
    plug_in(lambda number: lively(number) if number < 5 else np.full((96, 64, 3), number, np.uint8))
    with CameraSource(0) as source:
        assert {frame.image.shape for frame in (source.read() for _ in range(9)) if frame} == {(48, 64, 3)}


def test_a_camera_whose_reads_fail_is_lost(plug_in):
    capture = plug_in(lambda number: lively(number) if number < 4 else None, read_s=0.5)
    with CameraSource(0) as source:
        for _ in range(3):
            assert source.read() is not None
        with pytest.raises(SourceError, match="no new picture for 1.5 s"):
            source.read()
    assert capture.reads == 4 + LOST_S / 0.5


def test_a_short_silence_is_no_loss(plug_in):
    plug_in(lambda number: None if 3 <= number < 5 else lively(number), read_s=0.5)
    with CameraSource(0) as source:
        frames = [source.read() for _ in range(4)]
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3]
    assert [frame.timestamp_s for frame in frames if frame] == pytest.approx([0, 0.5, 2.0, 2.5])


def test_a_pause_of_the_reader_is_no_loss(plug_in):
    capture = plug_in(lambda number: None if number == 3 else lively(number))
    with CameraSource(0) as source:
        source.read()
        source.read()
        capture.clock.now_s += 60
        assert source.read() is not None


def test_a_camera_that_opens_but_sends_nothing_is_refused(plug_in):
    capture = plug_in(lambda number: None, read_s=1.0)
    with pytest.raises(SourceError, match=f"camera 0 gave no new picture for {START_S:g} s"):
        CameraSource(0)
    assert capture.released


def test_interrupt_ends_a_wait(plug_in):
    def fall_silent(number: int) -> UInt8 | None:
        if number < 3:
            return lively(number)
        source.interrupt()  # as another thread would
        return None

    plug_in(fall_silent)
    with CameraSource(0) as source:
        assert source.read() is not None
        assert source.read() is not None
        assert source.read() is None
        assert source.read() is None


def test_a_camera_cannot_go_on_at_a_frame(plug_in):
    plug_in(lively)
    with CameraSource(0) as source, pytest.raises(SourceError, match="camera:0 is live and cannot go on at frame 7"):
        source.skip_to(7)


@pytest.mark.parametrize("device", [97, "/dev/video97"])
def test_an_absent_camera_is_refused_without_noise(capfd, device):
    with pytest.raises(SourceError, match=f"camera {device} cannot be opened: plug it in"):
        CameraSource(device)
    assert capfd.readouterr() == ("", "")


def test_the_reason_of_a_refusal_is_told(monkeypatch):
    monkeypatch.setattr(camera, "why_not", lambda device: f"camera {device} may not be used: made up")
    with pytest.raises(SourceError, match="^camera 97 may not be used: made up$"):
        CameraSource(97)
