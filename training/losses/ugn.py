"""Losses of UGN (head note of training/models/ugn.py names the paper).

Stage 1 weighs each unit by the inverse of its rate, as JAA-Net does (Shao, Liu, Cai and Ma, "Deep Adaptive Attention
for Joint Facial Action Unit Detection and Face Alignment", ECCV 2018). Stage 2 weighs each face by its epistemic
uncertainty (Eq. 9 of UGN). Where we differ: means over the batch, not sums; weights of Eq. 9 within groups of 16 faces,
the paper's batch, because the effect of a softmax over the batch fades as the batch grows; and `mask_divergence`, which
the paper lacks. Trained by Eq. 9 alone our masks ended at 1 +- 0.0000 and every epistemic part at 0, because noise in
the mask only ever costs. A weight of 1e-4 keeps the masks random (standard deviation 0.05) and cost 0.001 of average
precision on validation people.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

#: The paper's batch size.
WEIGHTING_GROUP: Final = 16


def unit_weights(rates: Tensor) -> Tensor:
    """tau_i = K (1 / r_i) / sum_j (1 / r_j) for occurrence rates r (K,), each above 0; their mean is 1.

    >>> unit_weights(torch.tensor([0.25, 0.75]))
    tensor([1.5000, 0.5000])
    """
    if not bool((rates > 0).all()):
        raise ValueError(f"every unit needs a rate above 0, not {rates.tolist()}: leave out units that never occur")
    inverse = 1.0 / rates
    return len(rates) * inverse / inverse.sum()


def weighted_unit_loss(logits: Tensor, targets: Tensor, tau: Tensor) -> Tensor:
    """Mean over faces of sum_i tau_i BCE_i; logits and targets (N, K), targets 0-1, tau (K,)."""
    terms = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")  # (N, K)
    return (tau * terms).sum(1).mean()


def adaptive_weights(epistemic: Tensor, group: int = WEIGHTING_GROUP) -> Tensor:
    """w_k = 1 + softmax(U)_k over each group of faces, U_k the sum of the face's epistemic parts (N, K) in nats.

    Returns (N,) without gradient, in (1, 2]; the increments of a group sum to 1. A last group may be smaller.
    """
    scores = epistemic.detach().sum(1)  # (N,) U
    return 1.0 + torch.cat([part.softmax(0) for part in torch.split(scores, group)])  # Eq. 9


def adaptive_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean over faces of w_k sum_i BCE_i; logits (N, K) of one sampled mask, targets (N, K), weights (N,)."""
    terms = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")  # (N, K)
    return (weights * terms.sum(1)).mean()  # Eq. 9


def mask_divergence(mu: Tensor, sigma: Tensor) -> Tensor:
    """Mean over faces and samples of KL(N(mu, sigma^2) || N(0, 1)), in nats, summed over the mask (N, S, K, K).

    >>> mask_divergence(torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3))
    tensor(0.)
    """
    terms = (mu.square() + sigma.square() - 1) / 2 - sigma.log()  # (N, S, K, K)
    return terms.sum((-1, -2)).mean()
