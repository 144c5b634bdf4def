"""Playing in real time, on a clock that only moves when somebody waits or works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.pacing import MAX_LATE_S, PacedSource
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.capture.synthetic import SyntheticSource
from engine.errors import SourceError
from engine.types import Frame

#: Rounding of sums of seconds.
TINY_S = 1e-9


class Clip(FrameSource):
    """Frames at given times."""

    def __init__(self, times_s: Sequence[float]) -> None:
        super().__init__()
        self.info = SourceInfo("clip", SourceKind.VIDEO, 2, 2, len(times_s), None, None, is_live=False)
        self.times_s = times_s
        self.next = 0
        self.closed = False

    def read(self) -> Frame | None:
        self.damaged += 1
        if self._interrupted.is_set() or self.next >= len(self.times_s):
            return None
        self.next += 1
        return Frame(np.zeros((2, 2, 3), np.uint8), self.next - 1, self.times_s[self.next - 1], "clip")

    def skip_to(self, frame_index: int) -> None:
        if frame_index < self.next:
            raise SourceError("cannot go back")
        self.next = frame_index

    def fault(self) -> str | None:
        return "made fault"

    def close(self) -> None:
        self.closed = True


class Clock:
    """Seconds that pass by waiting and working."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.waited_s: list[float] = []

    def now(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waited_s.append(seconds)
        self.now_s += seconds


def play(times_s: Sequence[float], work_s: Sequence[float]) -> list[tuple[float, Frame]]:
    """When each frame was handed out, to a reader that works so long after each."""
    clock = Clock()
    source = PacedSource(Clip(times_s), clock.now, clock.wait)
    shown = []
    for work in work_s:
        frame = source.read()
        assert frame is not None
        shown.append((clock.now_s, frame))
        clock.now_s += work
    return shown


def test_frames_come_at_their_times():
    times_s = [0.0, 0.04, 0.08, 0.5, 3.0]
    shown = play(times_s, [0.01] * 5)
    assert [at - 50.0 for at, _ in shown] == pytest.approx(times_s)


def test_a_short_delay_is_caught_up_with():
    times_s = [0.04 * step for step in range(10)]
    shown = play(times_s, [0.0, 0.2] + [0.0] * 8)
    assert [at - 50.0 for at, _ in shown] == pytest.approx([0.0, 0.04, 0.24, 0.24, 0.24, 0.24, 0.24, 0.28, 0.32, 0.36])


def test_after_a_pause_the_clock_is_set_anew():
    times_s = [0.04 * step for step in range(6)]
    shown = play(times_s, [0.0, 0.0, 7.0, 0.0, 0.0, 0.0])
    assert [at - 50.0 for at, _ in shown] == pytest.approx([0.0, 0.04, 0.08, 7.08, 7.12, 7.16])


def test_a_slow_reader_slows_the_playing_down():
    shown = play([0.04 * step for step in range(30)], [0.1] * 20 + [0.0] * 10)
    gaps = np.diff([at for at, _ in shown])
    assert gaps[:20] == pytest.approx(np.full(20, 0.1))
    assert gaps[20:].sum() >= 9 * 0.04 - MAX_LATE_S - TINY_S  # it is not made up for


@given(
    st.lists(st.tuples(st.floats(0.001, 2.0), st.floats(0.0, 3.0)), min_size=1, max_size=60),
)
def test_whatever_the_reader_does_no_frame_is_dropped_or_rushed(steps):
    times_s = np.concatenate([[0.0], np.cumsum([step for step, _ in steps])]).tolist()
    shown = play(times_s, [work for _, work in steps] + [0.0])
    assert [frame.index for _, frame in shown] == list(range(len(times_s)))
    at_s = np.array([at for at, _ in shown])
    for first in range(len(at_s)):  # over every stretch, playing is ahead of real time by the slack at most
        took_s = at_s[first:] - at_s[first]
        assert np.all(took_s >= np.array(times_s[first:]) - times_s[first] - MAX_LATE_S - TINY_S)


@given(st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.0, 1.0)), min_size=1, max_size=60))
def test_a_reader_that_keeps_up_sees_real_time(steps):
    times_s = np.concatenate([[0.0], np.cumsum([step for step, _ in steps])]).tolist()
    shown = play(times_s, [step * share for step, share in steps] + [0.0])  # works no longer than to the next frame
    assert [at - 50.0 for at, _ in shown] == pytest.approx(times_s)


def test_the_end_is_passed_on_at_once():
    clock = Clock()
    source = PacedSource(Clip([0.0]), clock.now, clock.wait)
    assert source.read() is not None
    assert source.read() is None
    assert clock.waited_s == []


def test_a_skip_is_not_waited_for():
    clock = Clock()
    source = PacedSource(Clip([0.0, 1.0, 60.0, 61.0]), clock.now, clock.wait)
    source.read()
    source.skip_to(2)
    frame = source.read()
    assert frame is not None
    assert (frame.index, clock.waited_s) == (2, [])
    source.read()
    assert clock.waited_s == [pytest.approx(1.0)]
    with pytest.raises(SourceError, match="cannot go back"):
        source.skip_to(0)


def test_interrupt_wakes_a_reader_at_once():
    clip = Clip([0.0] + [3600.0] * 9)
    source = PacedSource(clip)
    assert source.read() is not None
    got: list[Frame | None] = [Frame(np.zeros((1, 1, 3), np.uint8), 0, 0.0, "none yet")]
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    source.interrupt()
    reader.join(10.0)
    assert not reader.is_alive()
    assert got[1] is None
    assert source.read() is None
    assert clip.read() is None  # the recording is interrupted too


def test_everything_else_is_passed_on():
    clip = Clip([0.0, 0.0])
    with PacedSource(clip) as source:
        assert source.info is clip.info
        assert not source.info.is_live
        source.read()
        assert source.damaged == 1
        source.read()
        assert source.damaged == 2
        assert source.fault() == "made fault"
    assert clip.closed


def test_the_demo_is_played_in_real_time():
    clock = Clock()
    with PacedSource(SyntheticSource(duration_s=0.2, fps=25.0, size=(32, 18)), clock.now, clock.wait) as source:
        assert [frame.index for frame in iter(source.read, None)] == [0, 1, 2, 3, 4]
    assert clock.now_s - 50.0 == pytest.approx(4 / 25)


def test_the_speed_scales_the_times_and_may_change_while_playing():
    clock = Clock()
    source = PacedSource(Clip([0.0, 1.0, 2.0, 3.0, 4.0]), clock.now, clock.wait)
    source.set_speed(2.0)
    at = []
    for speed in (2.0, 2.0, 0.5, 0.5, 0.5):
        source.set_speed(speed)
        assert source.read() is not None
        at.append(clock.now_s - 50.0)
    # the frame after a change is shown at once, and the clock is set anew there
    assert at == pytest.approx([0.0, 0.5, 0.5, 2.5, 4.5])


def test_a_jump_goes_to_the_source():
    jumps = []
    clip = Clip([0.0, 1.0])
    clip.jump_to_time = jumps.append
    PacedSource(clip).jump_to_time(0.7)
    assert jumps == [0.7]
