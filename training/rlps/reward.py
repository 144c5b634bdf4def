"""Rewards and objectives of RLPS (SPEC 5.2).

J = sum_i pi_i (R_i - b_i) + beta H(pi_i), with pi_i = P(keep), is Eq. 3 of the paper as an exact expectation: a kept
image earns its reward, a removed one earns 0. Eq. 4 as printed has an expected gradient of 0 and is not offered.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def rewards(targets: Tensor, probabilities: Tensor) -> Tensor:
    """R (N,) = <v, p> of targets (N, C) and probabilities (N, C); of a hard label this is p(label)."""
    return (targets * probabilities).sum(1)


def class_baselines(reward: Tensor, targets: Tensor, share: float) -> Tensor:
    """Baseline b (N,) = 1/C + share x (mean reward of the image's class - 1/C); class = top of target (N, C).

    An image without expression earns the chance level 1/C under even classes, so never more than its baseline. Half the
    class mean, the obvious choice, lies below chance for classes that are hard to recognise, and keeps their noise.
    """
    owner = targets.argmax(1)
    chance = 1 / targets.shape[1]
    count = torch.bincount(owner, minlength=targets.shape[1]).clamp(min=1)
    total = torch.zeros(targets.shape[1]).index_add_(0, owner, reward)
    above = (total / count - chance).clamp(min=0)
    return chance + share * above[owner]


def advantages(reward: Tensor, baseline: Tensor) -> Tensor:
    """(R - b) / std (N,); 0 where all rewards are equal."""
    above = reward - baseline
    deviation = above.std(correction=0)
    return above / deviation if deviation > 0 else torch.zeros_like(above)


def expected_loss(keep_logits: Tensor, advantage: Tensor, entropy_weight: float) -> Tensor:
    """-J / N of logits and advantages (N,)."""
    keep = keep_logits.sigmoid()
    entropy = functional.softplus(keep_logits) - keep * keep_logits  # of a Bernoulli, in nats
    return -(keep * advantage + entropy_weight * entropy).mean()


def weighted_keep_loss(keep_logits: Tensor, advantage: Tensor) -> Tensor:
    """-mean of A ln pi: Eq. 4 as a cross-entropy of the policy with y = 1, weighted by the reward (N,).

    Unlike the printed sum over both actions it has a gradient: images with a reward above chance are kept. A reward
    below chance pulls the logit down without bound.
    """
    return -(advantage * functional.logsigmoid(keep_logits)).mean()


def sampled_loss(keep_logits: Tensor, actions: Tensor, advantage: Tensor) -> Tensor:
    """REINFORCE for drawn actions (N,) bool: -mean of (a A - pi A) ln pi(a); its expected gradient is that of J."""
    keep = keep_logits.sigmoid().detach()
    credit = (actions.float() - keep) * advantage
    chosen = torch.where(actions, keep_logits, -keep_logits)
    return -(credit * functional.logsigmoid(chosen)).mean()
