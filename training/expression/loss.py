"""The losses of ARBEx (arXiv 2305.01486, section 3.4; SPEC 2.4), for vote distributions.

L = L_cls + r (w_a L_a + w_c L_c), where r rises from 0 to 1 over the training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.expression.model import ArbexOutput, confidence


@dataclass(frozen=True, slots=True)
class ArbexLossConfig:
    """Weights of the two auxiliary losses."""

    anchor_weight: float = 0.1
    centre_weight: float = 1.0
    fer2013_weight: float = 0.2  # of the second head's cross-entropy, where there is one


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


def centre_loss(output: ArbexOutput, votes: Tensor, anchors: Tensor) -> Tensor:
    """L_c = mean_n c(p_n) min_k |e_n - a_yk| / sqrt(D), y = most voted class; c is detached (SPEC 2.4)."""
    classes = votes.shape[1]
    own = anchors.view(classes, -1, anchors.shape[1])[votes.argmax(-1)]  # (N, K, D)
    nearness = (own * output.embedding[:, None]).sum(-1)  # (N, K) cosine
    distance = (2 - 2 * nearness).clamp(min=1e-6).sqrt().min(-1).values
    weight = confidence(output.primary).squeeze(-1).detach()
    return (weight * distance).mean() / math.sqrt(output.embedding.shape[1])


def fer2013_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the second head's logits (N, 7) with FER2013 labels (N,), smoothed by 0.1 (SPEC 2.4)."""
    return functional.cross_entropy(logits, labels, label_smoothing=0.1)


def arbex_loss(output: ArbexOutput, votes: Tensor, anchors: Tensor, progress: float, config: ArbexLossConfig) -> Tensor:
    """The loss of one branch at a training progress r of 0-1; final = (1 - r) p + r q (SPEC 2.2)."""
    final = (1 - progress) * output.primary + progress * output.fused
    auxiliary = config.anchor_weight * anchor_loss(anchors, votes.shape[1])
    auxiliary = auxiliary + config.centre_weight * centre_loss(output, votes, anchors)
    return class_distribution_loss(final, votes) + progress * auxiliary
