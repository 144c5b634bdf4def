"""The pretrained trunk as the image branch of ARBEx: its maps of 64, 128 and 256 channels are the three levels.

The three last blocks of dlib's network are left out. A fine-tuned member loses nothing without them: linear heads on
the mean of the map before and after them classify alike at 96 px (docs/expression_study.md), and they hold two thirds
of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from training.layers.face_trunk import BLOCKS, MIN_SIDE_PX, STEM_WIDTH, TrunkBlock

#: Numbers, from 0, of the blocks whose outputs are the levels; the last one is the last block that is kept.
LEVEL_BLOCKS: Final = (6, 9, 10)
#: Channels of the stem and of the three levels, as `ArbexConfig.widths` counts them.
WIDTHS: Final = (STEM_WIDTH, *(BLOCKS[number][0] for number in LEVEL_BLOCKS))


class PretrainedLevels(nn.Module):
    """Stem and eleven blocks; layers have the names that they have in the teacher's trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, STEM_WIDTH, 7, 2, bias=False)
        self.norm = nn.BatchNorm2d(STEM_WIDTH)
        kept = BLOCKS[: LEVEL_BLOCKS[-1] + 1]
        widths = (STEM_WIDTH, *(width for width, _ in kept))
        self.blocks = nn.ModuleList(
            TrunkBlock(before, width, halves) for before, (width, halves) in zip(widths, kept, strict=False)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised grey (N, 1, S, S) to the maps (N, C, H, W) of the three levels; sides as in `level_sides`."""
        x = functional.max_pool2d(functional.relu(self.norm(self.conv(image))), 3, 2)
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in LEVEL_BLOCKS:
                maps.append(x)
        return maps


def level_sides(input_side_px: int) -> list[int]:
    """Sides of the three maps for an input of this side.

    Raises:
        ValueError: the input is too small.

    >>> level_sides(96)
    [11, 5, 2]
    """
    if input_side_px < MIN_SIDE_PX:
        raise ValueError(f"input_side_px = {input_side_px} is too small for the pretrained trunk: use {MIN_SIDE_PX}")
    side = ((input_side_px - 7) // 2 + 1 - 3) // 2 + 1
    sides = []
    for number, (_, halves) in enumerate(BLOCKS[: LEVEL_BLOCKS[-1] + 1]):
        if halves:
            side = max(side // 2, (max(side, 3) - 3) // 2 + 1)
        if number in LEVEL_BLOCKS:
            sides.append(side)
    return sides


def trunk_part(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `PretrainedLevels` among those of a teacher (training/expression/teacher.py)."""
    names = PretrainedLevels().state_dict()
    return {name: weights[f"trunk.{name}"] for name in names}
