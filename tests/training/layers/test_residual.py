"""The residual block, and checkpoints written before the methods shared it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training.layers.residual import ResidualBlock, current_name
from training.loop.checkpoint import load_weights, save_weights

OLD_NAMES = {"first.0": "conv1", "first.1": "norm1", "second.0": "conv2", "second.1": "norm2"}


@pytest.mark.parametrize(("width", "stride"), [(4, 1), (6, 1), (4, 2)])
def test_a_block_changes_width_and_halves_the_map_with_its_stride(width: int, stride: int) -> None:
    assert ResidualBlock(4, width, stride)(torch.rand(2, 4, 8, 8)).shape == (2, width, 8 // stride, 8 // stride)


def test_a_block_can_start_as_identity() -> None:
    features = torch.rand(2, 4, 8, 8)
    assert torch.equal(ResidualBlock(4, 4, 1, start_as_identity=True)(features), features)


def test_weights_with_the_old_names_of_the_layers_are_loaded(tmp_path: Path) -> None:
    block, other = nn.Sequential(ResidualBlock(4, 6, 2)), nn.Sequential(ResidualBlock(4, 6, 2))
    old = {}
    for name, value in block.state_dict().items():
        for new, before in OLD_NAMES.items():
            name = name.replace(f".{new}.", f".{before}.")
        old[name] = value
    assert "0.conv1.weight" in old
    save_weights(tmp_path / "weights.safetensors", old, {})
    load_weights(tmp_path / "weights.safetensors", other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in block.state_dict().items())


def test_current_names_stay() -> None:
    for name in ("trunk.stage1.0.first.0.weight", "levels.0.norm_mlp.weight", "branches.0.norm.bias"):
        assert current_name(name) == name
