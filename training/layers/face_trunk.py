"""dlib's face-recognition network, whose weights the expression and the action-unit networks start from.

It is the residual network of D. E. King's ``dnn_face_recognition_ex`` (github.com/davisking/dlib, Boost licence;
weights: training/layers/face_trunk_weights.py): 28 convolutions of 3x3 after a 7x7 stem, a thinner ResNet-34 of He et
al., "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385). Three changes keep its function:

- A convolution's bias and the affine layer behind it become a batch norm (`load_trunk`).
- Kernels are scaled to the deviation of He's initialisation, because AdamW's step does not depend on a weight's size.
- The RGB stem becomes a grey stem: for three equal channels the sum of its kernels computes the same.

The original's last layer, 128 outputs that tell people apart, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.types import Float32
from training.layers.residual import conv_norm

#: Width of each residual block and whether it halves the map, in forward order.
BLOCKS: Final = (
    *((32, False),) * 3,
    (64, True),
    *((64, False),) * 3,
    (128, True),
    *((128, False),) * 2,
    (256, True),
    *((256, False),) * 2,
    (256, True),
)
STEM_WIDTH: Final = 32


def _block_kernels() -> Iterator[tuple[int, int, int, int]]:
    before = STEM_WIDTH
    for width, _ in BLOCKS:
        yield width, before, 3, 3
        yield width, width, 3, 3
        before = width


FEATURES: Final = BLOCKS[-1][0]
#: Shapes (out, in, h, w) of the original's kernels in forward order.
KERNELS: Final = ((STEM_WIDTH, 3, 7, 7), *_block_kernels())
#: Smallest input whose map before the last block has two cells; dlib itself needs 103 and was fitted to 150.
MIN_SIDE_PX: Final = 71
#: Mean of dlib's input in grey levels (red, green, blue) and its divisor.
DLIB_MEAN: Final = (122.782, 117.001, 104.298)
DLIB_SCALE: Final = 256.0


class TrunkBlock(nn.Module):
    """Two 3x3 convolutions with batch norm. A halving block has stride 2 and a skip of 2x2 means.

    As in dlib, convolutions of stride 2 have no padding, missing channels of the skip are zero, and the smaller of the
    two maps is padded with zeros at its lower and right edge before the sum.
    """

    def __init__(self, width_in: int, width: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = conv_norm(width_in, width)
        if halves:
            self.first[0] = nn.Conv2d(width_in, width, 3, 2, bias=False)
        self.second = conv_norm(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C_in, H, W) to (N, C, H, W), or about half the height and width."""
        skip = functional.avg_pool2d(features, 2) if self.halves else features
        inner = pad_to(features, 3) if self.halves else features  # pads only for inputs below 103 px
        inner = self.second(functional.relu(self.first(inner)))
        side, channels = max(skip.shape[-1], inner.shape[-1]), inner.shape[1]
        skip = functional.pad(pad_to(skip, side), (0, 0, 0, 0, 0, channels - skip.shape[1]))
        return functional.relu(pad_to(inner, side) + skip)


def pad_to(features: Tensor, side: int) -> Tensor:
    """Square maps (N, C, H, H) with zeros added below and on the right up to ``side`` cells."""
    missing = max(0, side - features.shape[-1])
    return functional.pad(features, (0, missing, 0, missing)) if missing else features


class FaceTrunk(nn.Module):
    """dlib's face network up to the mean over places, for grey images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, STEM_WIDTH, 7, 2, bias=False)
        self.norm = nn.BatchNorm2d(STEM_WIDTH)
        widths = (STEM_WIDTH, *(width for width, _ in BLOCKS))
        self.blocks = nn.Sequential(
            *(TrunkBlock(before, width, halves) for before, (width, halves) in zip(widths, BLOCKS, strict=False))
        )

    def forward(self, image: Tensor) -> Tensor:
        """Normalised grey (N, 1, S, S) to features (N, 256)."""
        return torch.as_tensor(self.blocks(stem(self, image)).mean((2, 3)))

    def layers(self) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """The 29 convolutions and their batch norms in forward order, which is that of the weights file."""
        return layers_of(self)


class ShortFaceTrunk(nn.Module):
    """The first blocks of each width of dlib's network: fewer of them cost less and keep what the others pass on."""

    def __init__(self, blocks: Sequence[int]) -> None:
        """``blocks`` says how many blocks of each width are kept, narrowest first, such as (2, 2, 2).

        Raises:
            ValueError: there are more numbers than widths, or none, or a width does not have so many blocks.
        """
        super().__init__()
        self.kept = kept_blocks(blocks)  # numbers of the blocks in the whole network
        self.conv = nn.Conv2d(1, STEM_WIDTH, 7, 2, bias=False)
        self.norm = nn.BatchNorm2d(STEM_WIDTH)
        kept = [BLOCKS[number] for number in self.kept]
        widths = (STEM_WIDTH, *(width for width, _ in kept))
        self.blocks = nn.Sequential(
            *(TrunkBlock(before, width, halves) for before, (width, halves) in zip(widths, kept, strict=False))
        )

    def forward(self, image: Tensor) -> Tensor:
        """Normalised grey (N, 1, S, S) to maps (N, C, H, W)."""
        return torch.as_tensor(self.blocks(stem(self, image)))

    def layers(self) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Convolutions and their batch norms in forward order."""
        return layers_of(self)

    def take(self, whole: FaceTrunk) -> None:
        """Copy stem and kept blocks of the whole network."""
        self.conv.load_state_dict(whole.conv.state_dict())
        self.norm.load_state_dict(whole.norm.state_dict())
        for block, number in zip(self.blocks, self.kept, strict=True):
            block.load_state_dict(whole.blocks[number].state_dict())


def kept_blocks(blocks: Sequence[int]) -> tuple[int, ...]:
    """Numbers of the blocks that `ShortFaceTrunk` keeps, the first of each width, which changes size and channels, too.

    Raises:
        ValueError: as in `ShortFaceTrunk`.
    """
    widths = sorted({width for width, _ in BLOCKS})
    if not 1 <= len(blocks) <= len(widths):
        raise ValueError(f"blocks of 1 to {len(widths)} widths can be kept, not of {len(blocks)}")
    kept: list[int] = []
    for width, count in zip(widths, blocks, strict=False):
        numbers = [number for number, (other, _) in enumerate(BLOCKS) if other == width]
        if not 1 <= count <= len(numbers):
            raise ValueError(f"1 to {len(numbers)} blocks of {width} channels can be kept, not {count}")
        kept += numbers[:count]
    return tuple(kept)


def stem(trunk: FaceTrunk | ShortFaceTrunk, image: Tensor) -> Tensor:
    """Image (N, 1, S, S) to the maps that the first block reads."""
    return functional.max_pool2d(functional.relu(trunk.norm(trunk.conv(image))), 3, 2)


def layers_of(trunk: FaceTrunk | ShortFaceTrunk) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions and their batch norms in forward order, which is that of the weights file."""
    yield trunk.conv, trunk.norm
    for block in trunk.blocks:
        assert isinstance(block, TrunkBlock)
        for conv, norm in (block.first, block.second):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            yield conv, norm


def load_trunk(trunk: FaceTrunk, weights: Mapping[str, Float32], mean: float, std: float) -> None:
    """Put dlib's weights into a trunk; in evaluation mode its function is then dlib's, up to rounding.

    dlib's layer is gamma * (W x + b) + beta. Here it is a batch norm after kernels s W, whose running statistics are
    those of an output of mean 0 and variance 1: weight gamma / s, bias gamma * b + beta. `match_statistics` replaces
    these by the statistics of faces.

    Args:
        trunk: changed in place.
        weights: arrays w0, b0, gamma0, beta0 ... beta28 (training/layers/face_trunk_weights.py).
        mean: the network's input is (grey / 255 - mean) / std.
        std: see mean.
    """
    for number, (conv, norm) in enumerate(trunk.layers()):
        kernel, bias, gamma, beta = (_tensor(weights[f"{name}{number}"]) for name in ("w", "b", "gamma", "beta"))
        if number == 0:
            kernel, bias = _grey_stem(kernel, bias, mean, std)
        scale = math.sqrt(2 / kernel[0].numel()) / float(kernel.std())  # He's deviation, fan-in
        slope, offset = gamma.double() / scale, (gamma * bias + beta).double()
        with torch.no_grad():
            conv.weight.copy_(kernel * scale)
            _set_norm(norm, slope, offset, torch.zeros_like(slope), torch.ones_like(slope))


@torch.no_grad()
def match_statistics(trunk: FaceTrunk | ShortFaceTrunk, images: Tensor) -> None:
    """Give each batch norm the mean and variance of its input for these images (N, 1, S, S), keeping the function.

    In training mode a batch norm uses the statistics of the batch. Its weight and bias must therefore fit the faces'
    statistics, or the first training step sees another network than the one that was loaded.
    """
    hooks = [norm.register_forward_pre_hook(_match_norm) for _, norm in trunk.layers()]
    training = trunk.training
    trunk.eval()(images)
    trunk.train(training)
    for hook in hooks:
        hook.remove()


def _match_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    features = inputs[0].double()
    slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    offset = norm.bias.double() - slope * norm.running_mean.double()
    _set_norm(norm, slope, offset, features.mean((0, 2, 3)), features.var((0, 2, 3), correction=0))


def _set_norm(norm: nn.BatchNorm2d, slope: Tensor, offset: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Make a batch norm compute slope * x + offset in evaluation mode, with the given statistics; all are (C,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(slope * (variance + norm.eps).sqrt())
    norm.bias.copy_(offset + slope * mean)


def _grey_stem(kernel: Tensor, bias: Tensor, mean: float, std: float) -> tuple[Tensor, Tensor]:
    """Kernel (O, 1, 7, 7) and bias (O,) for normalised grey that equal those for RGB with three equal channels.

    dlib reads (255 g - DLIB_MEAN) / DLIB_SCALE of each channel; here g = mean + std * x. The stem has no padding, so
    the constant part is the same everywhere.
    """
    constant = (255 * mean - torch.tensor(DLIB_MEAN)) / DLIB_SCALE  # (3,)
    offset = (kernel.sum((2, 3)) * constant).sum(1)
    return kernel.sum(1, keepdim=True) * (255 * std / DLIB_SCALE), bias + offset


def _tensor(array: Float32) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))
