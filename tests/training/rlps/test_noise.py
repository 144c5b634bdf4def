"""Synthetic noise: how many images change, how, and where the patches without a face come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SourceError
from training.rlps.images import ImageSet
from training.rlps.noise import (
    FULL,
    HALF,
    NONE,
    PAPER_MIX,
    QUARTER_MIX,
    Mix,
    faceless_patches,
    half_face,
    random_removal,
    with_noise,
)


def fake_set(count: int = 80) -> ImageSet:
    random = np.random.default_rng(0)
    crops = random.integers(1, 255, (count, 8, 8), dtype=np.uint8)
    return ImageSet(np.arange(count), crops, np.eye(4, dtype=np.float32)[np.arange(count) % 4], tuple("abcd"))


PATCHES = np.random.default_rng(1).integers(0, 255, (40, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize("mix", [PAPER_MIX, QUARTER_MIX])
def test_each_kind_has_its_share_and_keeps_row_and_target(mix: Mix) -> None:
    faces = fake_set()
    noisy = with_noise(faces, PATCHES, mix, seed=0)
    assert mix.full + mix.half + mix.none == 1
    assert np.bincount(noisy.kind).tolist() == [80 * mix.full, 80 * mix.half, 80 * mix.none]
    changed = (noisy.faces.crops != faces.crops).any(axis=(1, 2))
    assert np.array_equal(changed, noisy.kind != FULL)
    assert np.array_equal(noisy.faces.targets, faces.targets)
    assert np.array_equal(noisy.faces.rows, faces.rows)


def test_an_image_without_a_face_is_a_patch_and_no_patch_is_used_twice() -> None:
    noisy = with_noise(fake_set(), PATCHES, PAPER_MIX, seed=0)
    used = {crop.tobytes() for crop in noisy.faces.crops[noisy.kind == NONE]}
    assert len(used) == 20
    assert used <= {patch.tobytes() for patch in PATCHES}


def test_half_faces_keep_half_of_their_pixels() -> None:
    faces = fake_set()
    noisy = with_noise(faces, PATCHES, PAPER_MIX, seed=0)
    same = (noisy.faces.crops == faces.crops)[noisy.kind == HALF].mean(axis=(1, 2))
    assert np.all((same >= 0.5) & (same < 0.6))  # a hidden pixel may have the level of the grey by chance


@given(st.integers(0, 1000))
def test_the_hidden_half_is_one_even_half(seed: int) -> None:
    crop = np.arange(64, dtype=np.uint8).reshape(8, 8)
    changed = half_face(crop, np.random.default_rng(seed))
    halves = [changed[:4], changed[4:], changed[:, :4], changed[:, 4:]]
    assert sum(len(np.unique(half)) == 1 for half in halves) == 1


def test_too_few_patches_are_an_error() -> None:
    with pytest.raises(ValueError, match="20 images without a face are needed, there are 3 patches"):
        with_noise(fake_set(), PATCHES[:3], PAPER_MIX, seed=0)


def test_patches_come_from_the_clips_in_their_sizes(shared: Path) -> None:
    clip = shared / "media" / "pyfeat_mit" / "no_face.mp4"
    patches = faceless_patches([clip], 12, 48, seed=0)
    assert patches.shape == (12, 48, 48)
    assert patches.dtype == np.uint8
    assert len({patch.tobytes() for patch in patches}) == 12
    assert np.array_equal(patches, faceless_patches([clip], 12, 48, seed=0))


def test_a_frame_smaller_than_the_crop_is_enlarged(tmp_path: Path) -> None:
    clip = tmp_path / "small.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for level in range(5):
        writer.write(np.full((24, 32, 3), 40 * level, np.uint8))
    writer.release()
    assert faceless_patches([clip], 3, 48, seed=0).shape == (3, 48, 48)


def test_a_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("text")
    with pytest.raises(SourceError, match=r"text\.mp4 cannot be read as a video"):
        faceless_patches([path], 1, 48, seed=0)


def test_the_control_removes_as_many_of_every_class() -> None:
    owner = np.array([0] * 10 + [1] * 5)
    kept = np.ones(15, bool)
    kept[[0, 1, 2, 10]] = False
    control = random_removal(kept, owner, seed=3)
    assert [int((~control[owner == label]).sum()) for label in (0, 1)] == [3, 1]
    assert not np.array_equal(control, kept)
