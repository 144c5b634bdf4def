"""Pictures as bad cameras and busy rooms make them, for the student's training, with how far each is from a face.

A degraded picture keeps the teachers' answer for the picture before the change, so that the student stays right where
it can, and part of its target moves to a class that differs from branch to branch (`exposed_targets`). The branches
therefore disagree about what no teacher has seen. It is outlier exposure (Hendrycks, Mazeika, Dietterich, ICLR 2019,
arXiv 1812.04606) with the mutual information of the branches as the score.

Kept out for the tests: the noise and the blur family of the fifteen corruptions (training/corruptions). In use, so not
unseen in a test: weather, digital, dark and over-exposed pictures, covered parts, and training/data/strange.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.types import UInt8
from training.corruptions.catalogue import FAMILIES, SEVERITIES, Strength, corrupt
from training.data.strange import make_strange

#: The corruptions that training sees; noise and blur are for the tests alone.
SEEN: Final = (*FAMILIES["weather"], *FAMILIES["digital"])
#: Side at which FER2013's pictures, and the corruptions of the tests, have their pixels.
_SMALL_PX: Final = 48
#: Exposure of a strange picture, which has no answer of its own.
_STRANGE_EXPOSURE: Final = 0.7
#: Largest exposure of a degraded face.
_MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class DegradeConfig:
    """Shares of the pictures of a batch; the rest stays as it is."""

    soft: float = 0.2  # shrunk to 48 px and grown again, without any exposure: a small face is no shift
    corrupted: float = 0.2
    covered: float = 0.12
    badly_lit: float = 0.06
    strange: float = 0.1

    def __post_init__(self) -> None:
        """Check the shares.

        Raises:
            ValueError: one is negative, or they sum to more than 1.
        """
        shares = (self.soft, self.corrupted, self.covered, self.badly_lit, self.strange)
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(f"shares of degraded pictures must be at least 0 and sum to at most 1, not {shares}")


@dataclass(frozen=True, slots=True, eq=False)
class Degraded:
    """Pictures and how far they are from an ordinary face."""

    images: Tensor  # (N, 1, S, S) in 0-1
    exposure: Tensor  # (N,) share of the target that moves, 0 for an ordinary face
    faceless: Tensor  # (N,) bool; strange pictures, whose former answer does not count


def degrade(images: Tensor, config: DegradeConfig, generator: torch.Generator) -> Degraded:
    """Change a share of the pictures (N, 1, S, S), 0-1, each in one way."""
    count = len(images)
    drawn = torch.rand(count, generator=generator)
    changed, exposure, start = images.clone(), torch.zeros(count), 0.0
    random = np.random.default_rng(int(torch.randint(0x7FFFFFFF, (1,), generator=generator)))
    ways: tuple[tuple[float, Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]], ...] = (
        (config.soft, _soft),
        (config.corrupted, _corrupted),
        (config.covered, _covered),
        (config.badly_lit, _badly_lit),
    )
    for share, way in ways:
        rows = torch.nonzero((drawn >= start) & (drawn < start + share))[:, 0]
        start += share
        if len(rows):
            changed[rows], exposure[rows] = way(images[rows], random)
    faceless = (drawn >= start) & (drawn < start + config.strange)
    if int(faceless.sum()) > 1:
        changed[faceless] = make_strange(images[faceless], generator)
        exposure[faceless] = _STRANGE_EXPOSURE
    else:
        faceless = torch.zeros_like(faceless)
    return Degraded(changed, exposure, faceless)


def exposed_targets(answers: Tensor, exposure: Tensor, faceless: Tensor) -> Tensor:
    """Targets (N, M, C) of the branches from the answers (N, M, C) of their teachers.

    (1 - x) answer + x e_m with the exposure x (N,) and e_m the unit vector of class m (modulo C): branch m moves to
    class m. A faceless picture (N,) bool has the uniform distribution as its answer.
    """
    members, classes = answers.shape[1:]
    own = functional.one_hot(torch.arange(members) % classes, classes).to(answers)
    base = torch.where(faceless[:, None, None], torch.full_like(answers, 1 / classes), answers)
    share = exposure[:, None, None].to(answers)
    return (1 - share) * base + share * own


def _soft(images: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    small = [_grown(_shrunk(image), image.shape[0]) for image in _levels(images)]
    return _unit(small), torch.zeros(len(images))


def _corrupted(images: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One of `SEEN` at a random severity, on the picture as it is or shrunk to 48 px."""
    found, exposure = [], []
    for image in _levels(images):
        name, severity = str(random.choice(SEEN)), int(random.choice(SEVERITIES))
        strength = Strength.CIFAR_C if random.random() < 0.5 else Strength.IMAGENET_C
        seed = int(random.integers(1 << 30))
        small = random.random() < 0.7
        source = _shrunk(image) if small else image
        (made,) = corrupt(source[None], name, severity, strength, seed)
        found.append(_grown(made, image.shape[0]) if small else made)
        exposure.append((0.06 if strength is Strength.CIFAR_C else 0.1) * severity)
    return _unit(found), torch.tensor(exposure)


def _covered(images: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A part hidden: from one edge inwards, or an ellipse; flat, shaded, or with the skin of another picture."""
    found, exposure = images.clone(), []
    side = images.shape[-1]
    for row in range(len(images)):
        mask = _edge_mask(side, random) if random.random() < 0.6 else _ellipse_mask(side, random)
        filling = _filling(images[int(random.integers(len(images)))], side, random)
        found[row] = torch.where(mask, filling, images[row])
        exposure.append(min(_MOST, 0.9 * float(mask.float().mean())))
    return found, torch.tensor(exposure)


def _edge_mask(side: int, random: np.random.Generator) -> Tensor:
    mask = torch.zeros(1, side, side, dtype=torch.bool)
    depth = int(side * random.uniform(0.3, 0.65))
    mask[:, :depth] = True
    return mask.rot90(int(random.integers(4)), (-2, -1))


def _ellipse_mask(side: int, random: np.random.Generator) -> Tensor:
    cells = (torch.arange(side) + 0.5) / side
    centre, radius = random.uniform(0.2, 0.8, 2), random.uniform(0.15, 0.4, 2)
    across, down = ((cells - centre[axis]) / radius[axis] for axis in (0, 1))
    inside: Tensor = (across[None, None, :] ** 2 + down[None, :, None] ** 2) < 1
    return inside


def _filling(other: Tensor, side: int, random: np.random.Generator) -> Tensor:
    kind = int(random.integers(3))
    if kind == 0:
        return torch.full((1, side, side), float(random.random()))
    if kind == 1:
        first, last = random.random(2)
        return torch.linspace(float(first), float(last), side)[None, :, None].expand(1, side, side)
    return other.flip(-2)


def _badly_lit(images: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Dark, or over-exposed until the light parts are white."""
    found, exposure = images.clone(), []
    for row in range(len(images)):
        strength = float(random.uniform(0.2, 1.0))
        dark = random.random() < 0.5
        found[row] = images[row] * (0.55 - 0.5 * strength) if dark else images[row] * (1.3 + 2.2 * strength)
        exposure.append(0.4 * strength)
    return found.clamp(0, 1), torch.tensor(exposure)


def _levels(images: Tensor) -> UInt8:
    return (images[:, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _unit(images: Sequence[UInt8]) -> Tensor:
    return torch.from_numpy(np.stack(images))[:, None].float() / 255


def _shrunk(image: UInt8) -> UInt8:
    return np.asarray(cv2.resize(image, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _grown(image: UInt8, side: int) -> UInt8:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
