"""The two networks of RLPS: a classifier of six convolutions, and the policy that keeps or removes an image.

Paper and departures: training/rlps/__init__.py; SPEC 5.1. Published widths are 64 to 256 with a first stride of 1; both
are settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from engine.errors import ConfigError

#: The convolutions, from 1, that a pooling follows. The paper names four poolings without their places; three are the
#: authors' code's number.
_POOL_AFTER: Final = {3: (2, 4, 6), 4: (2, 4, 5, 6)}


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """Shape of the classifier; the defaults are the published shape at 48 px."""

    input_side_px: int = 48
    widths: tuple[int, ...] = (64, 96, 128, 128, 256, 256)
    stem_stride: int = 1
    embedding: int = 128  # F, width of the feature that the policy reads
    dropout: float = 0.6
    poolings: int = 3  # or 4, as the paper says

    def __post_init__(self) -> None:
        """Check the number of poolings.

        Raises:
            ConfigError: it is neither 3 nor 4.
        """
        if self.poolings not in _POOL_AFTER:
            raise ConfigError(f"classifier.poolings must be 3 or 4, not {self.poolings}")


class SixConvClassifier(nn.Module):
    """Six convolutions, three or four poolings, a feature of 128 values and a logit per class."""

    def __init__(self, config: ClassifierConfig, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, before = config.input_side_px // config.stem_stride, 1
        for index, width in enumerate(config.widths):
            stride = config.stem_stride if index == 0 else 1
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
            if index + 1 in _POOL_AFTER[config.poolings]:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.feature = nn.Sequential(nn.Linear(before * side * side, config.embedding), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.embedding, classes))

    def features(self, images: Tensor) -> Tensor:
        """Features (N, F), not negative, of normalised grey (N, 1, S, S)."""
        found: Tensor = self.feature(self.trunk(images))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C) of normalised grey (N, 1, S, S)."""
        logits: Tensor = self.head(self.features(images))
        return logits


class KeepPolicy(nn.Module):
    """Five dense layers from a state (N, W) to the logit (N,) of keeping the image; GELU, or ReLU, between them."""

    def __init__(self, state_width: int, *, relu: bool = False) -> None:
        super().__init__()
        widths = (state_width, 64, 32, 16, 8, 1)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU() if relu else nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, states: Tensor) -> Tensor:
        """Logits (N,); the probability of keeping is their sigmoid."""
        logits: Tensor = self.layers(states)
        return logits.squeeze(-1)


class RunningMean:
    """Mean feature (F,) of the images kept so far in a pass; 0 before the first."""

    def __init__(self, width: int) -> None:
        self._sum = torch.zeros(width)
        self._count = 0

    def add(self, features: Tensor, kept: Tensor) -> None:
        """Add the features (B, F) of images where ``kept`` (B,) is true."""
        self._sum += features[kept].sum(0)
        self._count += int(kept.sum())

    def beside(self, features: Tensor) -> Tensor:
        """States (B, 2F): features (B, F), each followed by the mean."""
        mean = self._sum / max(self._count, 1)
        return torch.cat([features, mean.expand(len(features), -1)], dim=1)
