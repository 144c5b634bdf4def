"""Stacked branches give the same numbers as branches computed one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.fakes.expression import SHAPE
from training.expression.export import ArbexEnsemble
from training.expression.model import Arbex, ArbexConfig


def perturbed(config: ArbexConfig) -> Arbex:
    """A network with all parameters moved from their initial values, so that every part has an effect."""
    torch.manual_seed(0)
    network = Arbex(config)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval()


@pytest.mark.parametrize("branches", [2, 5])
@pytest.mark.parametrize("depth", [1, 3])
@torch.no_grad()
def test_stacked_branches_equal_single_ones(branches: int, depth: int) -> None:
    network = perturbed(replace(SHAPE, branches=branches, token_depth=depth))
    image, landmarks = torch.randn(3, 1, 48, 48), torch.rand(3, 468, 2)
    plain = ArbexEnsemble([network])(image, landmarks)
    stacked = ArbexEnsemble([network], stacked=True)(image, landmarks)
    assert plain.shape == (3, branches, 8)
    assert (plain[:, 0] - plain[:, 1]).abs().max() > 1e-3
    assert torch.allclose(stacked, plain, atol=1e-4)


@torch.no_grad()
def test_an_ensemble_may_mix_single_and_branched_networks() -> None:
    members = [perturbed(replace(SHAPE, branches=1)), perturbed(replace(SHAPE, branches=2))]
    image, landmarks = torch.randn(1, 1, 48, 48), torch.rand(1, 468, 2)
    stacked = ArbexEnsemble(members, stacked=True)(image, landmarks)
    assert torch.allclose(stacked, ArbexEnsemble(members)(image, landmarks), atol=1e-4)
