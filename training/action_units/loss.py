"""Losses of UGN (head note of training/action_units/model.py names the paper).

Stage 1 weights each unit by the inverse of its rate, as JAA-Net does (Shao, Liu, Cai and Ma, "Deep Adaptive Attention
for Joint Facial Action Unit Detection and Face Alignment", ECCV 2018). Stage 2 weights each face by its epistemic
uncertainty (Eq. 9 of UGN).

Where we differ: unknown labels add no loss and count in no rate; means over the batch, not sums; the weights of Eq. 9
are computed within groups of 16 faces, the paper's batch, because the effect of a softmax over the batch fades as the
batch grows. Two parts are ours. `mask_divergence`: trained by Eq. 9 alone, our masks converged to 1 +- 0.0000 and every
epistemic part to 0, because noise in the mask only raises the loss. `marginal_terms`, where configured: the loss of the
mean probability of several masks, which, unlike the mean of their losses, does not penalise samples that disagree on
uncertain faces (Kendall and Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?",
NeurIPS 2017, sec. 3.3). With 5 masks it doubled the epistemic part on validation people and separated errors
slightly better (accuracy in the most uncertain tenth 0.74 instead of 0.77; 12 units of faces128 with the labels of the
first model), at no cost in average precision (0.756, 0.753).
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

#: The paper's batch size.
WEIGHTING_GROUP: Final = 16


def unit_rates(occurs: Tensor, known: Tensor) -> Tensor:
    """Rate (K,) of each unit among its known labels, both (N, K) bool; 0 where none is known."""
    return (occurs & known).sum(0) / known.sum(0).clamp(min=1)


def unit_weights(rates: Tensor) -> Tensor:
    """tau_i = K (1 / r_i) / sum_j (1 / r_j) for occurrence rates r (K,); their mean is 1.

    A unit without a known positive label (rate 0) gets weight 0, and K counts the others, so a small share of the data,
    or a source that labels some units only, still trains the rest.

    Raises:
        ValueError: no unit ever occurs.

    >>> unit_weights(torch.tensor([0.25, 0.75, 0.0]))
    tensor([1.5000, 0.5000, 0.0000])
    """
    taught = rates > 0
    if not bool(taught.any()):
        raise ValueError("no training face shows any unit: check the labels, or use more data")
    inverse = torch.where(taught, 1.0 / rates, 0.0)
    return taught.sum() * inverse / inverse.sum()


def label_terms(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of each label (N, K) in nats, 0 where it is not known; targets 0-1."""
    terms = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return terms * known


def marginal_terms(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy (N, K) of the mean probability over the samples of logits (N, S, K)."""
    samples = math.log(logits.shape[1])
    present = functional.logsigmoid(logits).logsumexp(1) - samples  # ln mean_s p
    absent = functional.logsigmoid(-logits).logsumexp(1) - samples  # ln mean_s (1 - p)
    return -(targets * present + (1 - targets) * absent) * known


def weighted_unit_loss(terms: Tensor, tau: Tensor) -> Tensor:
    """Mean over faces of sum_i tau_i BCE_i; terms (N, K), tau (K,)."""
    return (tau * terms).sum(1).mean()


def intensity_loss(logits: Tensor, graded: Tensor) -> Tensor:
    """Mean over the labelled faces of sum_i BCE of intensity 0-1 (N, K), NaN where unknown; 0 if none is known."""
    known = ~graded.isnan()
    terms = label_terms(logits, graded.nan_to_num(), known)
    return terms.sum() / known.any(1).sum().clamp(min=1)


def adaptive_weights(epistemic: Tensor, group: int = WEIGHTING_GROUP, temperature: float = 0.0) -> Tensor:
    """w_k = 1 + softmax(U)_k over each group of faces, U_k the sum of the face's epistemic parts (N, K) in nats.

    Returns (N,) without gradient, in (1, 2]; the increments of a group sum to 1. A last group may be smaller.
    With a temperature T above 0, w_k = 1 + n softmax(U / T)_k for the n faces of the group: the paper's weights differ
    by thousandths, these as much as T says.
    """
    scores = epistemic.detach().sum(1)  # (N,) U
    parts = torch.split(scores, group)
    if temperature > 0:
        return 1.0 + torch.cat([len(part) * (part / temperature).softmax(0) for part in parts])
    return 1.0 + torch.cat([part.softmax(0) for part in parts])  # Eq. 9


def adaptive_loss(terms: Tensor, weights: Tensor) -> Tensor:
    """Mean over faces of w_k sum_i BCE_i; terms (N, K), weights (N,)."""
    return (weights * terms.sum(1)).mean()  # Eq. 9


def mask_divergence(mu: Tensor, sigma: Tensor) -> Tensor:
    """Mean over faces and samples of KL(N(mu, sigma^2) || N(0, 1)), in nats, summed over the mask (N, S, K, K).

    >>> mask_divergence(torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3))
    tensor(0.)
    """
    terms = (mu.square() + sigma.square() - 1) / 2 - sigma.log()  # (N, S, K, K)
    return terms.sum((-1, -2)).mean()
