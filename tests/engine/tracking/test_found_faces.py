"""Pictures and videos that people bring, with real networks: close-ups, plain backgrounds, small faces, groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.config import TrackingConfig
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker
from engine.types import FaceTrack, Frame, TrackState, UInt8

FPS = 25
Portraits = Callable[[int], list[UInt8]]

pytestmark = pytest.mark.usefixtures("face_models")


@pytest.fixture(scope="module")
def portraits(shared: Path) -> Portraits:
    """Square pictures (128, 128, 3) that a face fills, of different people."""
    pack = shared / "data" / "lfw" / "faces128.npz"
    if not pack.is_file():
        pytest.skip("needs faces128")
    with np.load(pack) as data:
        blob, offsets, identities = data["jpeg_blob"], data["offsets"], data["identities"]
    rows = np.unique(identities, return_index=True)[1]

    def first(count: int) -> list[UInt8]:
        jpegs = [blob[offsets[row] : offsets[row + 1]] for row in rows[:: len(rows) // count][:count]]
        greys = [np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8) for jpeg in jpegs]
        return [grey[:, :, np.newaxis].repeat(3, 2) for grey in greys]

    return first


@pytest.fixture(scope="module")
def stills() -> StillTracker:
    return StillTracker(FaceTracker(TrackingConfig(confirm_s=0.0, max_faces=32), still=True))


def _pasted(image: UInt8, faces: Sequence[UInt8], corners: Sequence[tuple[int, int]], side: int) -> UInt8:
    """The image with the pictures as squares of this side."""
    painted = image.copy()
    for face, (x, y) in zip(faces, corners, strict=True):
        painted[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return painted


def _on(tracks: Sequence[FaceTrack], corners: Sequence[tuple[int, int]], side: int) -> list[bool]:
    """For each pasted picture, whether the middle of a confirmed track lies in its middle."""
    middles = [track.box.reshape(2, 2).mean(0) for track in tracks if track.state is TrackState.CONFIRMED]
    return [any(np.abs(middle - side / 2 - corner).max() < side / 4 for middle in middles) for corner in corners]


def _plain(height: int, width: int, level: int) -> UInt8:
    return np.full((height, width, 3), level, np.uint8)


def _room(height: int, width: int) -> UInt8:
    """A blurred background of several colours."""
    cells = np.random.default_rng(3).integers(60, 200, (6, 9, 3), np.uint8)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _play(tracker: FaceTracker, image: UInt8, frames: int, from_file: bool) -> tuple[FaceTrack, ...]:
    tracks: tuple[FaceTrack, ...] = ()
    for index in range(frames):
        time_s = index / FPS
        tracks = tracker.track(Frame(image, index, time_s, "still", time_s if from_file else None))
    return tracks


@pytest.mark.parametrize("side", [128, 350])
def test_a_face_that_fills_the_picture_is_found(portraits: Portraits, stills: StillTracker, side: int) -> None:
    found = 0
    for index, face in enumerate(portraits(30)):
        grown = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        found += all(_on(stills.track(Frame(grown, index, float(index), "close-up")), [(0, 0)], side))
    assert found >= 29


@pytest.mark.parametrize("level", [0, 255], ids=["black", "white"])
def test_tight_crops_on_plain_backgrounds_are_found(portraits: Portraits, stills: StillTracker, level: int) -> None:
    found = 0
    for index, face in enumerate(portraits(12)):
        image = _pasted(_plain(300, 400, level), [face], [(140, 80)], 150)
        found += sum(_on(stills.track(Frame(image, index, float(index), "crop")), [(140, 80)], 150))
    assert found >= 11


def test_a_close_up_is_found_in_a_video_and_from_a_camera(portraits: Portraits) -> None:
    face = np.asarray(cv2.resize(portraits(3)[1], (360, 360), interpolation=cv2.INTER_LINEAR), np.uint8)
    for from_file in (True, False):
        assert _on(_play(FaceTracker(TrackingConfig()), face, 10, from_file), [(0, 0)], 360) == [True]


@pytest.mark.parametrize(("find_small", "from_file"), [(True, False), (True, True), (False, True)])
def test_four_faces_of_25_pixels_in_a_room_of_480x270_are_found(
    portraits: Portraits, find_small: bool, from_file: bool
) -> None:
    corners = [(60, 100), (170, 90), (280, 110), (390, 95)]
    image = _pasted(_room(270, 480), portraits(4), corners, 30)
    tracker = FaceTracker(dataclasses.replace(TrackingConfig(), find_small=find_small))
    tracks = _play(tracker, image, 14, from_file)
    tracker.close()
    assert sum(_on(tracks, corners, 30)) >= 3
    assert len(tracks) <= 4


@pytest.mark.parametrize("count", [12, 20])
def test_all_faces_of_a_group_are_found_and_those_beyond_the_limit_are_counted(
    portraits: Portraits, stills: StillTracker, count: int
) -> None:
    corners = [(60 + 240 * (place % 5), 60 + 160 * (place // 5)) for place in range(count)]
    image = _pasted(_room(720, 1280), portraits(count), corners, 90)
    assert sum(_on(stills.track(Frame(image, 0, 0.0, "group")), corners, 90)) >= count - 1
    assert stills.left_out == 0
    limited = StillTracker(FaceTracker(TrackingConfig(confirm_s=0.0), still=True))
    assert len(limited.track(Frame(image, 0, 0.0, "group"))) == 8
    assert count - 9 <= limited.left_out <= count - 8


def test_twenty_faces_are_followed_in_a_video_each_under_one_id(portraits: Portraits) -> None:
    corners = [(60 + 240 * (place % 5), 60 + 160 * (place // 5)) for place in range(20)]
    room, faces = _room(720, 1280), portraits(20)
    tracker = FaceTracker(TrackingConfig(max_faces=32))
    ids: list[set[int]] = []
    for index in range(8):
        moved = [(x + 3 * index, y + index) for x, y in corners]
        image = _pasted(room, faces, moved, 90)
        ids.append({track.track_id for track in tracker.track(Frame(image, index, index / FPS, "group", index / FPS))})
    assert len(ids[-1]) >= 19
    assert ids[0] <= ids[-1]
