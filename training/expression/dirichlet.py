"""Distilling an ensemble into one Dirichlet network.

Ryabinin, Malinin, Gales: "Scaling Ensemble Distribution Distillation to Many Classes with Proxy Targets", NeurIPS 2021
(arXiv 2105.06987), after Malinin et al., "Ensemble Distribution Distillation", ICLR 2020 (arXiv 1905.00076).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_EPSILON = 1e-6
#: Members that agree to the last digit would ask for an infinite concentration.
_LARGEST_CONCENTRATION = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class DirichletSplit:
    """What a Dirichlet says of each face."""

    probabilities: Tensor  # (N, C) its mean
    aleatoric: Tensor  # (N,) nats, expected entropy
    epistemic: Tensor  # (N,) nats, mutual information


def concentrations(logits: Tensor) -> Tensor:
    """Alpha = exp(z) + 1 of logits (N, C), in single precision: at least 1, so that the density has one peak."""
    return logits.float().clamp(max=20).exp() + 1


def proxy_concentration(members: Tensor) -> Tensor:
    """Total concentration beta_0 (N,) of the Dirichlet that fits members (N, M, C) best by Stirling's approximation.

    beta_0 = (C - 1) / (2 sum_c pbar_c (ln pbar_c - mean_m ln p_mc)): large where members agree.
    """
    safe = members.clamp(min=_EPSILON)
    mean = safe.mean(1)
    spread = (mean * (mean.log() - safe.log().mean(1))).sum(-1)
    return ((members.shape[-1] - 1) / (2 * spread.clamp(min=_EPSILON))).clamp(max=_LARGEST_CONCENTRATION)


def proxy_loss(alpha: Tensor, members: Tensor) -> Tensor:
    """Mean over faces of E_Dir(alpha)[-sum_c pbar_c ln pi_c] + KL(Dir(alpha) | Dir(1)) / beta_0 (their Eq. 12).

    ``alpha`` is (N, C); ``members`` (N, M, C) are the probabilities of the ensemble.
    """
    total = alpha.sum(-1, keepdim=True)
    expected_log = torch.digamma(alpha) - torch.digamma(total)  # (N, C) E[ln pi]
    fit = -(members.mean(1) * expected_log).sum(-1)
    classes = torch.tensor(float(alpha.shape[-1]), device=alpha.device)
    divergence = (
        torch.lgamma(total.squeeze(-1))
        - torch.lgamma(alpha).sum(-1)
        - torch.lgamma(classes)
        + ((alpha - 1) * expected_log).sum(-1)
    )
    return (fit + divergence / proxy_concentration(members)).mean()


def split(alpha: Tensor) -> DirichletSplit:
    """Total = aleatoric + epistemic of Dirichlets alpha (N, C), in closed form (SPEC 4.4)."""
    total = alpha.sum(-1, keepdim=True)
    mean = alpha / total
    aleatoric = -(mean * (torch.digamma(alpha + 1) - torch.digamma(total + 1))).sum(-1)
    entropy = -(mean * mean.clamp(min=_EPSILON).log()).sum(-1)
    return DirichletSplit(mean, aleatoric, (entropy - aleatoric).clamp(min=0))
