"""Losses of expression: ARBEx on vote shares, and the distillation of an ensemble into one Dirichlet.

ARBEx (arXiv 2305.01486, section 3.4; SPEC 2.4): L = L_cls + r (w_a L_a + w_c L_c), r rising from 0 to 1 over the run.
Where we differ: means over the batch; cross-entropy with the votes; a bounded L_a; c(p) in L_c carries no gradient.

Dirichlet (SPEC 4.4): Ryabinin, Malinin, Gales, "Scaling Ensemble Distribution Distillation to Many Classes with Proxy
Targets", NeurIPS 2021, arXiv 2105.06987, after Malinin et al., "Ensemble Distribution Distillation", ICLR 2020,
arXiv 1905.00076.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.expression.model import ArbexOutput, confidence

_EPSILON = 1e-6
#: Members that agree to the last digit would require an infinite concentration.
_LARGEST_CONCENTRATION = 1e3


@dataclass(frozen=True, slots=True)
class ArbexLossConfig:
    """Weights of the auxiliary losses."""

    anchor_weight: float = 0.1  # w_a
    centre_weight: float = 1.0  # w_c
    repulsion_weight: float = 0.0  # between anchors of one class (`repulsion_loss`)
    parts_weight: float = 0.0  # of the cross-entropies of p, s and u beside that of their fusion
    fer2013_weight: float = 0.2  # of the second head's cross-entropy


def class_distribution_loss(distribution: Tensor, votes: Tensor) -> Tensor:
    """L_cls = -mean_n sum_c v_c ln final_c for distributions (N, C) and vote shares (N, C)."""
    return -(votes * distribution.clamp(min=1e-9).log()).sum(-1).mean()


def anchor_loss(anchors: Tensor, classes: int) -> Tensor:
    """L_a = -mean of |a - a'|^2 over pairs of unit anchors (C*K, D) of different classes; between -4 and 0.

    The official form sums over unnormalised anchors, which has no lower bound (SPEC 2.4).
    """
    per_class = len(anchors) // classes
    owner = torch.arange(classes, device=anchors.device).repeat_interleave(per_class)
    apart = owner[:, None] != owner[None, :]
    squared = 2 - 2 * anchors @ anchors.T
    return -squared[apart].mean()


def repulsion_loss(anchors: Tensor, classes: int) -> Tensor:
    """Minus the mean of |a - a'|^2 over pairs of unit anchors (C*K, D) of one class; 0 for K = 1.

    Our addition: without it the anchors of a class fall together (mean cosine 0.967 for K = 10 in 0.1.0).
    """
    own = anchors.view(classes, -1, anchors.shape[1])  # (C, K, D)
    count = own.shape[1]
    if count == 1:
        return anchors.new_zeros(())
    squared = 2 - 2 * own @ own.transpose(1, 2)  # (C, K, K), 0 on the diagonal
    return -squared.sum() / (classes * count * (count - 1))


def centre_loss(output: ArbexOutput, votes: Tensor, anchors: Tensor) -> Tensor:
    """L_c = mean_n c(p_n) min_k |e_n - a_yk| / sqrt(D), y = most voted class; c is detached."""
    classes = votes.shape[1]
    own = anchors.view(classes, -1, anchors.shape[1])[votes.argmax(-1)]  # (N, K, D)
    nearness = (own * output.embedding[:, None]).sum(-1)  # (N, K) cosine
    distance = (2 - 2 * nearness).clamp(min=1e-6).sqrt().min(-1).values
    weight = confidence(output.primary).squeeze(-1).detach()
    return (weight * distance).mean() / math.sqrt(output.embedding.shape[1])


def fer2013_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the second head's logits (N, 7) with FER2013 labels (N,), smoothed by 0.1."""
    return functional.cross_entropy(logits, labels, label_smoothing=0.1)


def arbex_loss(output: ArbexOutput, votes: Tensor, anchors: Tensor, progress: float, config: ArbexLossConfig) -> Tensor:
    """The loss of one branch at a training progress r of 0-1; final = (1 - r) p + r q (SPEC 2.2).

    ``parts_weight`` is our addition. The fusion weighs each part by its confidence, so a part that starts near the
    uniform distribution gets hardly any gradient through it and never learns: the attentive correction of a network
    trained without this term was right in a tenth of the faces.
    """
    final = (1 - progress) * output.primary + progress * output.fused
    auxiliary = config.anchor_weight * anchor_loss(anchors, votes.shape[1])
    auxiliary = auxiliary + config.centre_weight * centre_loss(output, votes, anchors)
    if config.repulsion_weight:
        auxiliary = auxiliary + config.repulsion_weight * repulsion_loss(anchors, votes.shape[1])
    loss = class_distribution_loss(final, votes) + progress * auxiliary
    if config.parts_weight == 0.0:
        return loss
    parts = (output.primary, output.geometric, output.attentive)
    return loss + config.parts_weight * torch.stack([class_distribution_loss(part, votes) for part in parts]).mean()


@dataclass(frozen=True, slots=True, eq=False)
class DirichletSplit:
    """Mean and uncertainty of a Dirichlet per face."""

    probabilities: Tensor  # (N, C) its mean
    aleatoric: Tensor  # (N,) nats, expected entropy
    epistemic: Tensor  # (N,) nats, mutual information


def concentrations(logits: Tensor) -> Tensor:
    """Alpha = exp(z) + 1 of logits (N, C), in single precision: at least 1, so that the density has one peak."""
    return logits.float().clamp(max=20).exp() + 1


def proxy_concentration(members: Tensor) -> Tensor:
    """Total concentration beta_0 (N,) of the Dirichlet that fits members (N, M, C) best, by Stirling's approximation.

    beta_0 = (C - 1) / (2 sum_c pbar_c (ln pbar_c - mean_m ln p_mc)): large where members agree.
    """
    safe = members.clamp(min=_EPSILON)
    mean = safe.mean(1)
    spread = (mean * (mean.log() - safe.log().mean(1))).sum(-1)
    return ((members.shape[-1] - 1) / (2 * spread.clamp(min=_EPSILON))).clamp(max=_LARGEST_CONCENTRATION)


def proxy_loss(alpha: Tensor, members: Tensor, target: Tensor | None = None) -> Tensor:
    """Mean over faces of E_Dir(alpha)[-sum_c pbar_c ln pi_c] + KL(Dir(alpha) | Dir(1)) / beta_0 (their Eq. 12).

    ``alpha`` is (N, C); ``members`` (N, M, C) are the probabilities of the ensemble. A ``target`` (N, C) takes the
    place of their mean pbar in the first term; the concentration beta_0 is that of the members.
    """
    total = alpha.sum(-1, keepdim=True)
    expected_log = torch.digamma(alpha) - torch.digamma(total)  # (N, C) E[ln pi]
    fit = -((members.mean(1) if target is None else target) * expected_log).sum(-1)
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
