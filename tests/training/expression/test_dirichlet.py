"""The Dirichlet in place of an ensemble: its split, its proxy and what its loss asks for."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.expression.dirichlet import concentrations, proxy_concentration, proxy_loss, split


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


def test_agreeing_members_ask_for_more_concentration() -> None:
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
