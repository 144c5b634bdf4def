"""Residual blocks for small grey pictures (He et al., "Deep Residual Learning", CVPR 2016)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm; a 1x1 shortcut where size or width changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm2.weight)  # each block starts as identity
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C_in, H, W) to (N, C, H/stride, W/stride)."""
        inner = functional.relu(self.norm1(self.conv1(features)))
        return functional.relu(self.shortcut(features) + self.norm2(self.conv2(inner)))


def residual_stage(width_in: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """A run of blocks, the first of which may shrink the map."""
    first = ResidualBlock(width_in, width, stride)
    return nn.Sequential(first, *(ResidualBlock(width, width, 1) for _ in range(blocks - 1)))
