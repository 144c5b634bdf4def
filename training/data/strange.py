"""Images unlike any training face, on which an ensemble predicts while its disagreement is distilled.

Outlier exposure (Hendrycks et al., ICLR 2019, arXiv 1812.04606) without outside data: the images are made from training
faces. None of the fifteen corruptions that measure epistemic uncertainty (training/corruptions) is among the changes:
no noise, blur, weather, contrast, brightness, elastic change, pixelation or JPEG.
"""

from __future__ import annotations

import torch
from torch import Tensor


def make_strange(images: Tensor, generator: torch.Generator) -> Tensor:
    """Grey images (N, 1, S, S) in 0-1, each changed in one of seven ways."""
    count = len(images)
    ways = (_half_of_another, _shuffled_patches, _upside_down, _quarter_turned, _inverted, _two_at_once, _large_hole)
    chosen = torch.randint(len(ways), (count,), generator=generator)
    other = images[torch.randperm(count, generator=generator)]
    changed = images.clone()
    for number, way in enumerate(ways):
        rows = chosen == number
        if rows.any():
            changed[rows] = way(images[rows], other[rows], generator)
    return changed


def _half_of_another(images: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """CutMix (Yun et al., ICCV 2019): the lower or the right half comes from another face."""
    half = images.shape[-1] // 2
    mixed = images.clone()
    if torch.rand(1, generator=generator) < 0.5:
        mixed[..., half:, :] = other[..., half:, :]
    else:
        mixed[..., half:] = other[..., half:]
    return mixed


def _shuffled_patches(images: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """The image cut into sixteen squares that change places."""
    count, side = len(images), images.shape[-1] // 4
    squares = images.reshape(count, 4, side, 4, side).permute(0, 1, 3, 2, 4).reshape(count, 16, side, side)
    mixed = squares[:, torch.randperm(16, generator=generator)]
    return mixed.reshape(count, 4, 4, side, side).permute(0, 1, 3, 2, 4).reshape(images.shape)


def _upside_down(images: Tensor, _: Tensor, __: torch.Generator) -> Tensor:
    return images.flip(-2)


def _quarter_turned(images: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    turns = 1 if torch.rand(1, generator=generator) < 0.5 else 3
    return images.rot90(turns, (-2, -1))


def _inverted(images: Tensor, _: Tensor, __: torch.Generator) -> Tensor:
    return 1 - images


def _two_at_once(images: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Two faces laid over one another, each a third to two thirds (mixup; Zhang et al., ICLR 2018)."""
    share = (1 + torch.rand(len(images), generator=generator)[:, None, None, None]) / 3
    return images * share + other * (1 - share)


def _large_hole(images: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """A rectangle of at least half the side, in one grey level."""
    side = images.shape[-1]
    holed = images.clone()
    for row in range(len(images)):
        height, width = (int(side * (0.5 + 0.4 * float(torch.rand(1, generator=generator)))) for _ in range(2))
        top = int(torch.randint(side - height + 1, (1,), generator=generator))
        left = int(torch.randint(side - width + 1, (1,), generator=generator))
        holed[row, :, top : top + height, left : left + width] = torch.rand(1, generator=generator)
    return holed
