"""ARBEx: shapes, properties of its distributions, reliability balancing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from training.expression.landmark_maps import LANDMARK_POINTS
from training.expression.loss import ArbexLossConfig, arbex_loss, fer2013_loss
from training.expression.model import Arbex, ArbexConfig, ArbexOutput, confidence, fuse

CONFIG = ArbexConfig(branches=2, fer2013_head=True)


@pytest.fixture(scope="module")
def network() -> Arbex:
    torch.manual_seed(0)
    model = Arbex(CONFIG)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(
            parameter
        )  # away from the initial weights, where residual branches output zero
    return model.eval()


def faces(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 1, 48, 48, generator=generator)
    return images, torch.rand(count, len(LANDMARK_POINTS), 2, generator=generator)


@torch.no_grad()
def test_every_distribution_sums_to_one_and_embeddings_have_unit_length(network: Arbex) -> None:
    for output in network(*faces(3)):
        check_distributions(output)


def check_distributions(output: ArbexOutput) -> None:
    for name in ("primary", "geometric", "attentive", "fused"):
        distribution = getattr(output, name)
        assert distribution.shape == (3, 8)
        assert torch.allclose(distribution.sum(1), torch.ones(3), atol=1e-5), name
        assert (distribution >= 0).all(), name
    assert torch.allclose(output.embedding.norm(dim=1), torch.ones(3), atol=1e-5)


@torch.no_grad()
def test_a_face_has_the_same_output_alone_and_in_any_batch(network: Arbex) -> None:
    images, points = faces(5)
    together = network(images, points)
    for row in range(5):
        alone = network(images[row : row + 1], points[row : row + 1])
        for one, many in zip(alone, together, strict=True):
            assert torch.allclose(one.fused[0], many.fused[row], atol=1e-5)


@torch.no_grad()
def test_branches_share_the_trunk_and_differ_in_their_output(network: Arbex) -> None:
    first, second = network(*faces(2))
    assert (first.fused - second.fused).abs().max() > 1e-4
    one = sum(p.numel() for p in Arbex(replace(CONFIG, branches=1)).parameters())
    two = sum(p.numel() for p in Arbex(CONFIG).parameters())
    assert two - one == sum(p.numel() for p in network.each_branch()[0].parameters())


@torch.no_grad()
def test_landmarks_change_the_output(network: Arbex) -> None:
    images, points = faces(1)
    moved = points + torch.tensor([0.2, 0.0])
    change = network(images, points)[0].embedding - network(images, moved)[0].embedding
    assert change.abs().max() > 1e-5  # rounding alone changes the last of seven digits


@torch.no_grad()
def test_without_landmarks_another_face_s_points_change_nothing() -> None:
    torch.manual_seed(0)
    network = Arbex(replace(CONFIG, landmarks=False)).eval()
    images, points = faces(2)
    assert torch.equal(network(images, points)[0].fused, network(images, points.flip(0))[0].fused)
    assert not [name for name, _ in network.named_parameters() if name.startswith("levels.")]


def test_points_without_landmarks_are_refused() -> None:
    with pytest.raises(ValueError, match="set point_token = false"):
        ArbexConfig(point_token=True, landmarks=False)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = Arbex(CONFIG).train()
    images, points = faces(4)
    votes = torch.softmax(torch.randn(4, 8), dim=1)
    outputs = model(images, points)
    losses = [
        arbex_loss(output, votes, branch.reliability.unit_anchors(), 0.5, ArbexLossConfig())
        + fer2013_loss(output.fer2013_logits, torch.tensor([0, 1, 2, 3]))
        for output, branch in zip(outputs, model.each_branch(), strict=True)
    ]
    torch.stack(losses).sum().backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_a_confident_primary_is_kept_and_an_unsure_one_replaced() -> None:
    sure = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    unsure = torch.full((1, 4), 0.25)
    other = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    assert torch.allclose(fuse(sure, other, other), sure, atol=1e-5)
    assert torch.allclose(fuse(unsure, other, other), other, atol=1e-5)


def test_corrections_without_confidence_leave_the_primary() -> None:
    primary = torch.tensor([[0.7, 0.1, 0.1, 0.1]])
    nothing = torch.full((1, 4), 0.25)
    assert torch.allclose(fuse(primary, nothing, nothing).sum(), torch.tensor(1.0), atol=1e-5)


def test_confidence_is_one_minus_normalised_entropy() -> None:
    halves = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    assert math.isclose(confidence(halves).item(), 1 - math.log(2) / math.log(4), abs_tol=1e-5)
    assert confidence(torch.tensor([[1.0, 0.0]])).isfinite().all()
