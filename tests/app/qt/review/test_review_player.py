"""Playback of a session: in real time however slow decoding is, with image and rows of the same frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.qt.review.review_player import ReviewPlayer, ShownFrame
from app.review.session import Session, SessionVideo, open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from engine.errors import SourceError
from engine.types import UInt8

Until = Callable[[Callable[[], bool]], None]
FPS = 10.0


class FakeClip:
    """Grey frames whose level is the position."""

    opened: list[FakeClip] = []

    def __init__(self, path: Path) -> None:
        self.closed = False
        self.asked: list[float] = []
        FakeClip.opened.append(self)

    def image_at(self, time_s: float) -> UInt8:
        self.asked.append(time_s)
        return np.full((72, 128, 3), round(time_s * FPS) % 256, np.uint8)

    def close(self) -> None:
        self.closed = True


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("player") / "session"
    write_synthetic_session(SessionFolder(path), 12.0, FPS, 2, 5)
    return path


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with open_session(folder) as opened:
        opened.video = SessionVideo(folder / "clip.mp4", annotated=True)
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def player(session: Session, clock: Clock) -> Iterator[ReviewPlayer]:
    FakeClip.opened.clear()
    review_player = ReviewPlayer(session, open_clip=FakeClip, clock=clock)
    yield review_player
    review_player.close()


@pytest.fixture
def seen(player: ReviewPlayer) -> list[ShownFrame]:
    shown: list[ShownFrame] = []
    player.shown.connect(shown.append)
    return shown


def test_image_and_rows_belong_to_the_same_frame(
    player: ReviewPlayer, session: Session, seen: list[ShownFrame], until: Until
) -> None:
    for position in (7, 3, 99):
        player.go_to(position)
        until(lambda position=position: bool(seen) and seen[-1].position == position)
        assert seen[-1].image is not None
        assert int(seen[-1].image[5, 5, 0]) == position
        assert {row.frame for row in seen[-1].rows} == {position}
        assert seen[-1].frame_size_px == (128, 72)


def test_the_image_fits_the_view(player: ReviewPlayer, seen: list[ShownFrame], until: Until) -> None:
    player.set_view_size(256, 1000)
    until(lambda: bool(seen))
    assert seen[-1].image is not None
    assert seen[-1].image.shape == (144, 256, 3)


def test_only_a_video_without_overlay_gets_one(
    session: Session, player: ReviewPlayer, seen: list[ShownFrame], until: Until
) -> None:
    player.set_view_size(128, 72)
    until(lambda: bool(seen))
    assert seen[-1].image is not None
    assert (seen[-1].image == 0).all()
    session.video = SessionVideo(Path("clip.mp4"), annotated=False)
    clean = ReviewPlayer(session, open_clip=FakeClip)
    drawn: list[ShownFrame] = []
    clean.shown.connect(drawn.append)
    clean.set_view_size(128, 72)
    until(lambda: bool(drawn))
    clean.close()
    assert drawn[-1].image is not None
    assert not (drawn[-1].image == 0).all()


def test_steps_and_seeks_are_clipped_to_the_session(player: ReviewPlayer, session: Session) -> None:
    player.step(-1)
    assert player.position == 0
    player.step(3)
    assert player.position == 3
    player.go_to_time(player.time_s + 1.0)
    assert player.position == 3 + FPS
    player.go_to_time(1e9)
    assert player.position == len(session.frames) - 1
    player.go_to_time(-5.0)
    assert player.position == 0


def test_playback_follows_the_clock_and_skips_frames(player: ReviewPlayer, clock: Clock, until: Until) -> None:
    moved: list[int] = []
    player.moved.connect(moved.append)
    player.toggle()
    assert player.playing
    clock.now += 2.05
    until(lambda: bool(moved))
    assert moved == [20]  # not 1, 2, 3 ...: frames that are late are skipped
    player.toggle()
    assert not player.playing


def test_playback_stops_at_the_end_and_starts_again(
    player: ReviewPlayer, session: Session, clock: Clock, until: Until
) -> None:
    states: list[bool] = []
    player.playing_changed.connect(states.append)
    player.toggle()
    clock.now += 1000
    until(lambda: not player.playing)
    assert player.position == len(session.frames) - 1
    assert states == [True, False]
    player.toggle()
    assert player.position == 0
    player.pause()


@pytest.mark.parametrize(("rate", "position"), [(0.25, 5), (4.0, 80)])
def test_the_rate_scales_the_speed(
    player: ReviewPlayer, clock: Clock, until: Until, rate: float, position: int
) -> None:
    player.set_rate(rate)
    player.toggle()
    clock.now += 2.01
    until(lambda: player.position == position)


def test_changing_the_rate_during_playback_does_not_jump(player: ReviewPlayer, clock: Clock, until: Until) -> None:
    player.toggle()
    clock.now += 2.01
    until(lambda: player.position == 20)
    player.set_rate(2.0)
    assert player.position == 20
    clock.now += 1.0
    until(lambda: player.position == 40)


def test_the_shuttle_plays_both_ways_and_doubles_the_rate(player: ReviewPlayer, clock: Clock, until: Until) -> None:
    player.go_to(100)
    player.shuttle(-1)
    assert player.rate == -1.0
    player.shuttle(-1)
    assert player.rate == -2.0
    clock.now += 1.0
    until(lambda: player.position == 80)
    player.shuttle(1)
    assert player.rate == 2.0
    player.shuttle(1)
    player.shuttle(1)
    assert player.rate == 4.0  # the maximum
    player.pause()
    assert not player.playing


def test_backward_playback_stops_at_the_start(player: ReviewPlayer, clock: Clock, until: Until) -> None:
    player.go_to(10)
    player.shuttle(-1)
    clock.now += 60
    until(lambda: not player.playing)
    assert player.position == 0


def test_playback_continues_from_a_seek(player: ReviewPlayer, clock: Clock, until: Until) -> None:
    player.toggle()
    clock.now += 1.0
    player.go_to(50)
    clock.now += 1.0
    until(lambda: player.position == 60)


def test_slow_decoding_shows_only_the_latest_frame(session: Session, clock: Clock, until: Until) -> None:
    gate = threading.Semaphore(0)

    class SlowClip(FakeClip):
        def image_at(self, time_s: float) -> UInt8:
            gate.acquire()
            return super().image_at(time_s)

    player = ReviewPlayer(session, open_clip=SlowClip, clock=clock)
    shown: list[ShownFrame] = []
    player.shown.connect(shown.append)
    player.go_to(1)
    for position in range(2, 40):
        player.go_to(position)
    for _ in range(3):
        gate.release()
    until(lambda: bool(shown) and shown[-1].position == 39)
    assert len(shown) <= 2
    for _ in range(3):
        gate.release()
    player.close()


def test_a_session_without_video_shows_its_rows(session: Session, until: Until) -> None:
    session.video = None
    player = ReviewPlayer(session, open_clip=FakeClip)
    shown: list[ShownFrame] = []
    player.shown.connect(shown.append)
    player.go_to(5)
    until(lambda: bool(shown))
    player.close()
    assert shown[-1].image is None
    assert shown[-1].fault == ""
    assert shown[-1].rows[0].frame == 5


def test_an_unreadable_video_is_reported_and_the_rows_are_shown(session: Session, until: Until) -> None:
    def refuse(path: Path) -> FakeClip:
        raise SourceError(f"{path} is gone: put it back")

    player = ReviewPlayer(session, open_clip=refuse)
    shown: list[ShownFrame] = []
    player.shown.connect(shown.append)
    player.go_to(5)
    until(lambda: bool(shown))
    player.close()
    assert "put it back" in shown[-1].fault
    assert shown[-1].rows[0].frame == 5


def test_closing_closes_the_video(player: ReviewPlayer, seen: list[ShownFrame], until: Until) -> None:
    player.set_view_size(64, 64)
    until(lambda: bool(seen))
    player.toggle()
    player.close()
    assert FakeClip.opened[0].closed
    assert not player.playing
