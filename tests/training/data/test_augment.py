"""Augmentation: image and landmarks must move together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training.data.augment import AugmentConfig, FaceBatch, augment

STILL = AugmentConfig(
    rotation_deg=0, shift=0, scale=0, contrast=0, brightness=0, erase_share=0, soften_share=0, landmark_noise=0
)
SIDE = 33


def dot_batch(count: int) -> FaceBatch:
    """Dark images with one bright dot where their one landmark is."""
    images = torch.zeros(count, 1, SIDE, SIDE)
    images[:, :, 11:14, 18:21] = 1.0
    place = torch.tensor([[19.5, 12.5]]) / SIDE
    return FaceBatch(images, place.repeat(count, 1, 1), torch.eye(count))


@pytest.mark.parametrize(
    "config",
    [STILL, replace(STILL, rotation_deg=25), replace(STILL, shift=0.2), replace(STILL, scale=0.3)],
    ids=["flip", "rotation", "shift", "scale"],
)
def test_the_landmark_stays_on_its_dot(config: AugmentConfig) -> None:
    changed = augment(dot_batch(64), torch.tensor([0]), config, torch.Generator().manual_seed(3))
    cells = torch.arange(SIDE) + 0.5
    weight = changed.images[:, 0]
    total = weight.sum((1, 2))
    seen = torch.stack([(weight.sum(1) * cells).sum(1), (weight.sum(2) * cells).sum(1)], 1) / total[:, None] / SIDE
    assert (seen - changed.landmarks[:, 0]).abs().max() < 0.5 / SIDE


def test_flips_swap_left_and_right_landmarks() -> None:
    batch = FaceBatch(
        torch.rand(40, 1, 8, 8), torch.tensor([[[0.2, 0.4], [0.9, 0.4]]]).repeat(40, 1, 1), torch.zeros(40, 1)
    )
    changed = augment(batch, torch.tensor([1, 0]), STILL, torch.Generator().manual_seed(0))
    flipped = changed.landmarks[:, 0, 0] < 0.15
    assert 5 < int(flipped.sum()) < 35
    assert torch.allclose(changed.landmarks[flipped, :, 0], torch.tensor([0.1, 0.8]))
    assert torch.allclose(changed.images[flipped], batch.images[flipped].flip(-1), atol=1e-5)  # resampled on its grid


def test_values_stay_between_black_and_white_and_targets_are_untouched() -> None:
    batch = FaceBatch(torch.rand(32, 1, 24, 24), torch.rand(32, 5, 2), torch.rand(32, 8))
    changed = augment(
        batch, torch.arange(5), AugmentConfig(contrast=0.9, brightness=0.9), torch.Generator().manual_seed(0)
    )
    assert changed.images.min() >= 0
    assert changed.images.max() <= 1
    assert torch.equal(changed.targets, batch.targets)


def test_the_same_generator_state_gives_the_same_batch() -> None:
    batch = FaceBatch(torch.rand(8, 1, 24, 24), torch.rand(8, 5, 2), torch.rand(8, 8))
    one, two = (augment(batch, torch.arange(5), AugmentConfig(), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.landmarks, two.landmarks)
