"""The losses of expression, and the Dirichlet that replaces an ensemble."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.expression.loss import (
    ArbexLossConfig,
    anchor_loss,
    arbex_loss,
    centre_loss,
    class_distribution_loss,
    concentrations,
    proxy_concentration,
    proxy_loss,
    repulsion_loss,
    split,
)
from training.expression.model import ArbexOutput


@given(st.lists(st.floats(-5, 8), min_size=2, max_size=8))
def test_total_is_aleatoric_plus_epistemic_and_none_is_negative(logits: list[float]) -> None:
    parts = split(concentrations(torch.tensor([logits], dtype=torch.float64)).double())
    total = -(parts.probabilities * parts.probabilities.log()).sum().item()
    assert parts.epistemic.item() >= 0
    assert parts.aleatoric.item() > 0
    assert total == pytest.approx((parts.aleatoric + parts.epistemic).item(), abs=1e-3)


def test_samples_of_a_dirichlet_have_the_entropy_that_the_closed_form_gives() -> None:
    torch.manual_seed(0)
    alpha = torch.tensor([[4.0, 2.0, 1.5]])
    drawn = torch.distributions.Dirichlet(alpha[0]).sample((40_000,))
    mean_entropy = -(drawn * drawn.clamp(min=1e-12).log()).sum(1).mean().item()
    assert split(alpha).aleatoric.item() == pytest.approx(mean_entropy, abs=0.01)


def test_members_that_agree_give_a_higher_concentration() -> None:
    apart = torch.tensor([[[0.9, 0.1], [0.1, 0.9]]])
    near = torch.tensor([[[0.55, 0.45], [0.45, 0.55]]])
    assert proxy_concentration(apart) < proxy_concentration(near)
    # (C - 1) / (2 sum_c pbar_c (ln pbar_c - mean ln p_c)) with pbar = (0.5, 0.5)
    expected = 1 / (2 * (math.log(0.5) - (math.log(0.9) + math.log(0.1)) / 2))
    assert proxy_concentration(apart).item() == pytest.approx(expected, rel=1e-4)


def test_descending_the_loss_finds_mean_and_spread_of_the_members() -> None:
    torch.manual_seed(0)
    truth = torch.distributions.Dirichlet(torch.tensor([12.0, 6.0, 2.0]))
    members = truth.sample((1, 400))  # one face, many members
    logits = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        proxy_loss(concentrations(logits), members).backward()
        optimizer.step()
    found = concentrations(logits).detach()
    assert found.argmax() == 0
    assert split(found).probabilities[0, 0].item() == pytest.approx(0.6, abs=0.08)
    # the reverse divergence to the proxy (beta_0 pbar + 1) has its least value there
    proxy = proxy_concentration(members)[:, None] * members.mean(1) + 1
    assert torch.allclose(found, proxy, rtol=0.1)


def test_a_target_beside_the_members_moves_the_mean_and_leaves_the_concentration() -> None:
    alpha = torch.tensor([[4.0, 2.0, 1.5]])
    members = torch.tensor([[[0.6, 0.3, 0.1], [0.4, 0.4, 0.2]]])
    target = torch.tensor([[0.0, 1.0, 0.0]])
    expected_log = torch.digamma(alpha) - torch.digamma(alpha.sum())
    moved = -((target - members.mean(1)) * expected_log).sum()
    assert (proxy_loss(alpha, members, target) - proxy_loss(alpha, members)).item() == pytest.approx(moved.item())


def test_class_distribution_loss_by_hand() -> None:
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


def test_repulsion_is_minus_four_for_opposite_anchors_and_ignores_those_of_another_class() -> None:
    one = torch.tensor([1.0, 0.0])
    assert repulsion_loss(torch.stack([one, -one, one, -one]), 2).item() == pytest.approx(-4)
    assert repulsion_loss(torch.stack([one, one, -one, -one]), 2).item() == pytest.approx(0)
    assert repulsion_loss(torch.stack([one, -one]), 2).item() == 0  # one anchor each


def test_a_part_near_uniform_gets_its_gradient_from_the_loss_of_the_parts() -> None:
    votes, anchors = torch.eye(4)[:1], torch.nn.functional.normalize(torch.eye(4), dim=1)

    def gradient(parts_weight: float) -> float:
        attentive = torch.full((1, 4), 0.25, requires_grad=True)
        sure = torch.tensor([[0.97, 0.01, 0.01, 0.01]])
        embedding = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        fused = sure + 0 * attentive  # an unsure correction hardly counts in the fusion
        output = ArbexOutput(embedding, sure.log(), sure, sure, attentive, fused)
        arbex_loss(output, votes, anchors, 1.0, ArbexLossConfig(parts_weight=parts_weight)).backward()
        assert attentive.grad is not None
        return float(attentive.grad.abs().max())

    assert gradient(0.0) == 0.0
    assert gradient(0.3) == pytest.approx(0.3 / 3 / 0.25)
