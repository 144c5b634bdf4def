"""Strange images: made of the faces given, repeatable, and unlike what they came from."""

from __future__ import annotations

import torch

from training.data.strange import make_strange


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_the_same_seed_gives_the_same_images() -> None:
    images = torch.rand(20, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(make_strange(images, generator()), make_strange(images, generator()))


def test_every_image_is_changed_and_stays_in_range() -> None:
    images = torch.rand(64, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    strange = make_strange(images, generator())
    assert strange.shape == images.shape
    assert strange.min() >= 0
    assert strange.max() <= 1
    changed = (strange - images).abs().amax(dim=(1, 2, 3)) > 0
    # a half or a blend of the image with itself is the only way to stay the same: one partner in 64
    assert changed.sum() >= 62


def test_the_faces_given_are_left_as_they_were() -> None:
    images = torch.rand(8, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    make_strange(images, generator())
    assert torch.equal(images, before)
