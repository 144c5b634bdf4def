"""Augmentation of grey crops and their landmarks, on whole batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Strengths; values are uniform between minus and plus a strength unless noted."""

    rotation_deg: float = 8.0
    shift: float = 0.05  # of the side
    scale: float = 0.1
    contrast: float = 0.3
    brightness: float = 0.2  # of the full range
    erase_share: float = 0.25  # of the images get a random rectangle
    soften_share: float = 0.2  # of the images are shrunk and enlarged, as distant faces are
    landmark_noise: float = 0.008  # standard deviation, of the side: as the tracker's jitter


@dataclass(frozen=True, slots=True, eq=False)
class FaceBatch:
    """Images (N, 1, S, S) float32 in 0-1, landmarks (N, P, 2) in 0-1 of the side, targets (N, C)."""

    images: Tensor
    landmarks: Tensor
    targets: Tensor


def augment(batch: FaceBatch, mirror: Tensor, config: AugmentConfig, generator: torch.Generator) -> FaceBatch:
    """Flip, move, relight, soften and erase; ``mirror`` (P,) holds the landmark that replaces each one in a flip."""
    images, landmarks = _flip(batch.images, batch.landmarks, mirror, generator)
    images, landmarks = _move(images, landmarks, config, generator)
    images = _relight(images, config, generator)
    images = _soften(images, config, generator)
    images = _erase(images, config, generator)
    noise = torch.randn(landmarks.shape, generator=generator) * config.landmark_noise
    return FaceBatch(images, landmarks + noise, batch.targets)


def _uniform(count: int, width: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * width


def _flip(images: Tensor, landmarks: Tensor, mirror: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    turned = torch.rand(len(images), generator=generator) < 0.5
    mirrored = landmarks[:, mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    images = torch.where(turned[:, None, None, None], images.flip(-1), images)
    return images, torch.where(turned[:, None, None], mirrored, landmarks)


def _move(
    images: Tensor, landmarks: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    count = len(images)
    angle = torch.deg2rad(_uniform(count, config.rotation_deg, generator))
    size = 1 + _uniform(count, config.scale, generator)
    shift = torch.stack([_uniform(count, config.shift, generator) for _ in range(2)], dim=1)  # (N, 2) of the side
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], dim=1)  # (N, 2, 2)
    # in coordinates around the centre: new = size * turn @ old + shift; the sampling grid needs old from new
    back = turn.transpose(1, 2) / size[:, None, None]
    offset = -(back @ (2 * shift)[:, :, None])  # grid coordinates run from -1 to 1
    grid = functional.affine_grid(torch.cat([back, offset], dim=2), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    points = (landmarks - 0.5) @ (turn * size[:, None, None]).transpose(1, 2) + shift[:, None] + 0.5
    return moved, points


def _relight(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    count = len(images)
    gain = (1 + _uniform(count, config.contrast, generator))[:, None, None, None]
    lift = _uniform(count, config.brightness, generator)[:, None, None, None]
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    return ((images - middle) * gain + middle + lift).clamp(0, 1)


def _soften(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    chosen = torch.rand(len(images), generator=generator) < config.soften_share
    if not chosen.any():
        return images
    side = images.shape[-1]
    smaller = int(side * (0.4 + 0.4 * float(torch.rand(1, generator=generator))))
    small = functional.interpolate(images[chosen], size=smaller, mode="bilinear", antialias=True, align_corners=False)
    images = images.clone()
    images[chosen] = functional.interpolate(small, size=side, mode="bilinear", align_corners=False)
    return images


def _erase(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    count, side = len(images), images.shape[-1]
    chosen = torch.rand(count, generator=generator) < config.erase_share
    sizes = (0.12 + 0.23 * torch.rand(count, 2, generator=generator)) * side  # (N, 2) height, width
    starts = torch.rand(count, 2, generator=generator) * (side - sizes)
    cells = torch.arange(side)
    inside = [
        (cells >= starts[:, axis, None]) & (cells < starts[:, axis, None] + sizes[:, axis, None]) for axis in (0, 1)
    ]
    hole = (inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None])[:, None]  # (N, 1, S, S)
    return torch.where(hole, torch.rand(count, 1, 1, 1, generator=generator), images)
