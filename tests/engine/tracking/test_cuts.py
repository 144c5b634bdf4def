"""Cuts: every pair of shots, and no cut within a shot."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engine.tracking.cuts import CutDetector
from engine.types import Frame, UInt8

ClipReader = Callable[..., Iterator[Frame]]
CLIPS = [
    *(f"ccby_intel/{name}.mkv" for name in ("again", "eat", "help", "no", "please", "sorry", "thanks", "yes")),
    "ccby_intel/face-demographics-walking.gif",
    "ccby_intel/head-pose-face-detection-female.gif",
    "pyfeat_mit/WolfgangLanger_Pexels.mp4",
    "pyfeat_mit/single_face.mp4",
    "pyfeat_mit/no_face.mp4",
]


def _cuts(images: list[UInt8]) -> list[int]:
    detector = CutDetector()
    return [index for index, image in enumerate(images) if detector.is_cut(image)]


@pytest.mark.parametrize("clip", [*CLIPS, "ccby_intel/car-detection.mp4"])
def test_a_clip_of_one_shot_has_no_cut(read_clip: ClipReader, clip: str) -> None:
    assert _cuts([frame.image for frame in read_clip(clip, limit=150)]) == []


def test_nearly_every_pair_of_clips_is_cut_where_they_meet(read_clip: ClipReader) -> None:
    starts = [[frame.image for frame in read_clip(clip, limit=10)] for clip in CLIPS]
    found = [_cuts(one + other) for one, other in itertools.permutations(starts, 2)]
    assert all(cuts in ([], [10]) for cuts in found)
    assert np.mean([cuts == [10] for cuts in found]) > 0.95  # the rest show people before one wall


@pytest.mark.parametrize("gain", [0.4, 1.3])
def test_a_change_of_light_is_not_a_cut(read_clip: ClipReader, gain: float) -> None:
    frames = [frame.image for frame in read_clip("ccby_intel/yes.mkv", limit=20)]
    lit = [np.asarray(np.clip(image * gain, 0, 255), np.uint8) for image in frames[10:]]
    assert _cuts(frames[:10] + lit) == []


def test_even_images_of_any_size_are_one_shot() -> None:
    assert _cuts([np.full((2, 3, 3), 128, np.uint8)] * 5) == []


def test_a_restored_detector_continues() -> None:
    random = np.random.default_rng(0)
    images = [np.asarray(random.integers(0, high, (90, 160, 3)), np.uint8) for high in (255, 120)]
    first, second = CutDetector(), CutDetector()
    first.is_cut(images[0])
    second.restore(first.snapshot())
    assert second.is_cut(images[1])
    assert not second.is_cut(images[1])
    second.restore(CutDetector().snapshot())
    assert not second.is_cut(images[0])
