"""The residual block of every network here (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016)."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

#: Fills the weight of a convolution in place.
Init = Callable[[Tensor], object]


def fan_out(weight: Tensor) -> Tensor:
    """Normal initialisation for layers before a ReLU that keeps the variance of gradients (He et al., ICCV 2015)."""
    return nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def conv_norm(
    width_in: int, width: int, stride: int = 1, kernel: int = 3, *, initialise: Init | None = None
) -> nn.Sequential:
    """A convolution without bias and its batch norm; the weight keeps PyTorch's initialisation by default."""
    convolution = nn.Conv2d(width_in, width, kernel, stride, kernel // 2, bias=False)
    if initialise is not None:
        initialise(convolution.weight)
    return nn.Sequential(convolution, nn.BatchNorm2d(width))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm; a 1x1 shortcut where size or width changes."""

    def __init__(
        self, width_in: int, width: int, stride: int, *, initialise: Init | None = None, start_as_identity: bool = False
    ) -> None:
        super().__init__()
        self.first = conv_norm(width_in, width, stride, initialise=initialise)
        self.second = conv_norm(width, width, initialise=initialise)
        if start_as_identity:
            nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]  # a Sequential forgets the types of its parts
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = conv_norm(width_in, width, stride, kernel=1, initialise=initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C_in, H, W) to (N, C, H / stride, W / stride)."""
        inner = self.second(functional.relu(self.first(features)))
        return functional.relu(inner + self.shortcut(features))


def residual_stage(width_in: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Blocks that start as identity; the first one may shrink the map."""
    first = ResidualBlock(width_in, width, stride, start_as_identity=True)
    return nn.Sequential(first, *(ResidualBlock(width, width, 1, start_as_identity=True) for _ in range(blocks - 1)))


_OLD_PARTS = {"conv1": "first.0", "norm1": "first.1", "conv2": "second.0", "norm2": "second.1"}


def current_name(tensor: str) -> str:
    """Name of a checkpoint's tensor today; up to version 0.1.0 the blocks of ARBEx named their layers conv1, norm1, ...

    >>> current_name("trunk.stage1.0.conv2.weight")
    'trunk.stage1.0.second.0.weight'
    """
    return re.sub(r"\b(conv1|norm1|conv2|norm2)\.(?=\w+$)", lambda part: f"{_OLD_PARTS[part[1]]}.", tensor)
