"""Synthetic noise for judging RLPS: half faces and patches without a face replace some training images.

The paper's protocol (SPEC 5.3) mixes full faces, half faces and none. A replaced image keeps its row and its target, so
that labels reveal nothing of the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.errors import SourceError
from engine.types import Int64, UInt8
from training.rlps.images import ImageSet, Mask

KINDS: Final = ("full", "half", "none")
FULL, HALF, NONE = range(3)
_FRAMES_PER_CLIP: Final = 40


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of full faces, half faces and images without a face; they sum to 1."""

    full: float
    half: float
    none: float


#: The paper's mixture, and one with a quarter of noise.
PAPER_MIX: Final = Mix(0.5, 0.25, 0.25)
QUARTER_MIX: Final = Mix(0.75, 0.125, 0.125)


@dataclass(frozen=True, slots=True, eq=False)
class NoisySet:
    """Images, some of them replaced."""

    faces: ImageSet
    kind: Int64  # (N,) index into KINDS; only evaluation reads it


def with_noise(faces: ImageSet, patches: UInt8, mix: Mix, seed: int) -> NoisySet:
    """Replace random images; ``patches`` (P, S, S) show no face and are each used once.

    Raises:
        ValueError: there are too few patches.
    """
    count = len(faces.rows)
    halves, nones = round(mix.half * count), round(mix.none * count)
    if len(patches) < nones:
        raise ValueError(f"{nones} images without a face are needed, there are {len(patches)} patches")
    random = np.random.default_rng(seed)
    order = random.permutation(count)
    kind = np.full(count, FULL)
    kind[order[:halves]], kind[order[halves : halves + nones]] = HALF, NONE
    crops = faces.crops.copy()
    for place in order[:halves]:
        crops[place] = half_face(crops[place], random)
    crops[kind == NONE] = patches[random.permutation(len(patches))[:nones]]
    return NoisySet(ImageSet(faces.rows, crops, faces.targets, faces.names), kind)


def half_face(crop: UInt8, random: np.random.Generator) -> UInt8:
    """A copy of a crop (S, S) whose left, right, upper or lower half is covered with a random level of grey."""
    changed: UInt8 = np.array(crop)
    middle = len(crop) // 2
    hidden = slice(middle, None) if random.random() < 0.5 else slice(None, middle)
    view = changed if random.random() < 0.5 else changed.T
    view[hidden] = random.integers(0, 256)
    return changed


def faceless_patches(clips: Sequence[Path], count: int, side_px: int, seed: int) -> UInt8:
    """Grey squares (count, S, S) cut at random places and sizes, from ``side_px`` up, out of clips that show no face.

    Raises:
        SourceError: a clip cannot be read.
    """
    frames = [frame for clip in clips for frame in _frames(clip)]
    random = np.random.default_rng(seed)
    patches = np.empty((count, side_px, side_px), np.uint8)
    for place in range(count):
        frame = frames[random.integers(len(frames))]
        height, width = frame.shape
        side = int(random.integers(min(side_px, height, width), min(height, width) + 1))
        top, left = random.integers(height - side + 1), random.integers(width - side + 1)
        square = frame[top : top + side, left : left + side]
        patches[place] = cv2.resize(square, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return patches


def _frames(clip: Path) -> list[UInt8]:
    """Frames (H, W) in grey, spread over the clip."""
    capture = cv2.VideoCapture(str(clip))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(np.linspace(0, max(total - 1, 0), _FRAMES_PER_CLIP).astype(int).tolist())
    found: list[UInt8] = []
    for index in range(total):
        if not capture.grab():
            break
        if index in wanted:
            good, frame = capture.retrieve()
            if good:
                found.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8))
    capture.release()
    if not found:
        raise SourceError(f"{clip} cannot be read as a video: give one that shows no face")
    return found


def random_removal(kept: Mask, owner: Int64, seed: int) -> Mask:
    """Mask (N,) that removes at random as many images of every class as ``kept`` does: the control."""
    random = np.random.default_rng(seed)
    control = np.ones(len(kept), bool)
    for label in np.unique(owner):
        places = np.flatnonzero(owner == label)
        removed = int((~kept[places]).sum())
        control[random.permutation(places)[:removed]] = False
    return control
