"""A live source that comes and goes: indices and times go on, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.capture import reconnecting
from engine.capture.reconnecting import ConnectionState, ReconnectingSource
from engine.capture.source import FrameSource
from engine.errors import SourceError
from engine.types import Frame
from tests.fakes.engines import FakeSource
from tests.fakes.faces import fake_frame

CYCLES = 100


class Unplugged(FakeSource):
    """A camera that is unplugged after some frames; an open one holds a file, as a device does."""

    opened = 0

    def __init__(self, frames: int = 3, width_px: int = 160) -> None:
        super().__init__(frames, live=True)
        self.info = replace(self.info, width_px=width_px)
        self._device = Path("/dev/null").open("rb")  # noqa: SIM115 (closed by `close`)
        Unplugged.opened += 1

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None and not self._interrupted.is_set():
            raise SourceError("camera 0 gave no new picture for 2 s")
        return frame

    def close(self) -> None:
        if not self.closed:
            Unplugged.opened -= 1
            self._device.close()
        super().close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reconnecting, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(reconnecting, "_MAX_PAUSE_S", 0.004)
    Unplugged.opened = 0
    yield
    assert Unplugged.opened == 0


def missing_twice(make: Callable[[], FrameSource]) -> Callable[[], FrameSource]:
    attempts = iter(range(10**6))

    def reopen() -> FrameSource:
        if next(attempts) % 3 < 2:
            raise SourceError("camera 0 cannot be opened")
        return make()

    return reopen


def test_a_hundred_plug_cycles_lose_nothing_else(open_files):
    threads, before = set(threading.enumerate()), open_files()
    with ReconnectingSource(Unplugged(), missing_twice(Unplugged), 60) as source:
        frames = []
        while source.losses < CYCLES:
            frame = source.read()
            assert frame is not None
            frames.append((frame.index, frame.timestamp_s))
        assert "was lost 100 x: frames are missing" in str(source.fault())
    assert [index for index, _ in frames] == list(range(len(frames)))
    assert len(frames) == 3 * CYCLES + 1
    assert set(threading.enumerate()) <= threads
    assert open_files() <= before


def test_times_do_not_go_back_over_a_loss(monkeypatch):
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(reconnecting.time, "monotonic", lambda: float(next(clock)))
    with ReconnectingSource(Unplugged(), Unplugged, 1e9) as source:
        times = [frame.timestamp_s for frame in (source.read() for _ in range(9)) if frame]
    assert times == sorted(times)
    assert times[3] - times[2] > 1  # the gap stays in the times


def test_a_source_that_stays_away_is_an_error_after_a_while():
    def reopen() -> FrameSource:
        raise SourceError("camera 0 cannot be opened")

    with ReconnectingSource(Unplugged(2), reopen, 0.05) as source:
        assert [source.read() is not None for _ in range(2)] == [True, True]
        with pytest.raises(SourceError, match="camera 0 gave no new picture for 2 s"):
            source.read()
        assert source.state is ConnectionState.LOST


def test_interrupt_ends_the_waiting():
    def reopen() -> FrameSource:
        source.interrupt()
        raise SourceError("camera 0 cannot be opened")

    with ReconnectingSource(Unplugged(1), reopen, 60) as source:
        assert source.read() is not None
        assert source.read() is None


def test_another_size_is_scaled_to_the_first():
    class Wide(Unplugged):
        def read(self) -> Frame | None:
            frame = super().read()
            return None if frame is None else replace(frame, image=frame.image.repeat(2, axis=1))

    with ReconnectingSource(Unplugged(1), lambda: Wide(1, 320), 60) as source:
        shapes = [frame.image.shape for frame in (source.read() for _ in range(2)) if frame]
    assert shapes == [fake_frame(0).image.shape] * 2
