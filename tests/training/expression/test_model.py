"""ARBEx: shapes, the laws of its distributions, and what the reliability balancing must do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from training.expression.landmark_maps import GROUPS, LANDMARK_POINTS, MIRROR, LandmarkMaps
from training.expression.loss import (
    ArbexLossConfig,
    anchor_loss,
    arbex_loss,
    centre_loss,
    class_distribution_loss,
    fer2013_loss,
)
from training.expression.model import Arbex, ArbexConfig, ArbexOutput, confidence, fuse

CONFIG = ArbexConfig(branches=2, fer2013_head=True)


@pytest.fixture(scope="module")
def network() -> Arbex:
    torch.manual_seed(0)
    model = Arbex(CONFIG)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)  # leave the first state, where branches are silent
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
def test_a_face_gets_the_same_answer_alone_and_in_any_batch(network: Arbex) -> None:
    images, points = faces(5)
    together = network(images, points)
    for row in range(5):
        alone = network(images[row : row + 1], points[row : row + 1])
        for one, many in zip(alone, together, strict=True):
            assert torch.allclose(one.fused[0], many.fused[row], atol=1e-5)


@torch.no_grad()
def test_branches_share_the_trunk_and_answer_on_their_own(network: Arbex) -> None:
    first, second = network(*faces(2))
    assert (first.fused - second.fused).abs().max() > 1e-4
    one = sum(p.numel() for p in Arbex(replace(CONFIG, branches=1)).parameters())
    two = sum(p.numel() for p in Arbex(CONFIG).parameters())
    assert two - one == sum(p.numel() for p in network.each_branch()[0].parameters())


@torch.no_grad()
def test_landmarks_change_the_answer(network: Arbex) -> None:
    images, points = faces(1)
    moved = points + torch.tensor([0.2, 0.0])
    change = network(images, points)[0].embedding - network(images, moved)[0].embedding
    assert change.abs().max() > 1e-5  # rounding alone changes the last of seven digits


def test_every_parameter_learns() -> None:
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
    silent = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert silent == []


def test_high_confidence_keeps_the_primary_and_low_confidence_hands_over() -> None:
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


def test_a_bump_of_the_map_stands_where_its_point_is() -> None:
    points = torch.full((1, len(LANDMARK_POINTS), 2), -5.0)  # far outside: no trace
    points[0, 0] = torch.tensor([0.75, 0.25])  # a point of the first group
    maps = LandmarkMaps(4)(points)
    assert maps.shape == (1, 4, 4, len(GROUPS))
    assert maps[0, ..., 1:].max() < 1e-6
    peaks = maps[0, ..., 0]
    # 0.75 of 4 cells lies between columns 2 and 3, 0.25 between rows 0 and 1: half a cell from each centre
    assert torch.allclose(peaks[0:2, 2:4], torch.full((2, 2), math.exp(-0.5 * (0.25 + 0.25))))


def test_mirroring_twice_gives_every_point_back() -> None:
    assert [MIRROR[MIRROR[place]] for place in range(len(MIRROR))] == list(range(len(MIRROR)))
    assert LANDMARK_POINTS[MIRROR[LANDMARK_POINTS.index(33)]] == 263  # outer eye corners
    assert LANDMARK_POINTS[MIRROR[LANDMARK_POINTS.index(61)]] == 291  # mouth corners


def test_class_distribution_loss_of_a_hand_made_case() -> None:
    given = torch.tensor([[0.5, 0.25, 0.25]])
    votes = torch.tensor([[0.5, 0.5, 0.0]])
    assert math.isclose(
        class_distribution_loss(given, votes).item(), 0.5 * math.log(2) + 0.5 * math.log(4), rel_tol=1e-5
    )


def test_anchor_loss_is_minus_four_for_opposite_anchors_and_ignores_those_of_one_class() -> None:
    east = torch.tensor([1.0, 0.0])
    anchors = torch.stack([east, east, -east, -east])  # two classes, two anchors each
    assert math.isclose(anchor_loss(anchors, 2).item(), -4.0, rel_tol=1e-6)


def test_centre_loss_counts_the_nearest_anchor_of_the_voted_class() -> None:
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    anchors = torch.stack([east, north, -east, -north])  # class 0: east and north
    sure = torch.tensor([[1.0, 0.0]])
    output = ArbexOutput(north[None], sure, sure, sure, sure, sure)
    voted_other = torch.tensor([[0.0, 1.0]])
    assert centre_loss(output, sure, anchors).item() < 1e-3 / math.sqrt(2) + 1e-6
    # nearest of -east and -north to north is -east, sqrt(2) away; c(p) = 1; divided by sqrt(D) = sqrt(2)
    assert math.isclose(centre_loss(output, voted_other, anchors).item(), 1.0, rel_tol=1e-4)
