"""The policy of RLPS: its training on rewards, and the decision which images to keep (SPEC 5.1, 5.2).

Four methods behind one setting:

- ``x`` (default): rewards from classifiers that never saw the image, a baseline just above what noise earns, the exact
  expectation of Eq. 3, floors on what may be removed, optionally the label in the state.
- ``paper``: reward p(label) - 1/C from a classifier trained on the same images, sampled REINFORCE with Eq. 3 credit.
- ``paper-y1``: the same reward in the reading y = 1 of Eq. 4, a cross-entropy for keeping weighted by the reward, with
  ReLU between the layers as in the paper.
- ``code``: the authors' program: binary cross-entropy against "the classifier is right", the feature alone as state.

No method reads which images are noise, and none reads a test split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ConfigError
from engine.types import Float32, Int64
from training.rlps.images import Mask
from training.rlps.model import KeepPolicy, RunningMean
from training.rlps.reward import advantages, class_baselines, expected_loss, rewards, sampled_loss, weighted_keep_loss

METHODS: Final = ("x", "paper", "paper-y1", "code")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Predictions of the classifiers for N images."""

    features: Tensor  # (N, F) of the classifier trained on the kept images
    probabilities: Tensor  # (N, C); in method x from classifiers that never saw the image
    targets: Tensor  # (N, C)


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """Settings of the policy; those below ``batch_size`` belong to method x."""

    method: str = "x"
    relu: bool = False  # between the policy's layers, as in the paper, instead of GELU; "paper-y1" always has it
    epochs: int = 20  # passes over the images in each RL epoch
    learning_rate: float = 1e-3
    batch_size: int = 64
    entropy_weight: float = 0.02  # beta
    baseline_share: float = 0.03  # of the class mean's reward above chance
    label_in_state: bool = False  # append target and out-of-fold probabilities
    class_floor: float = 0.6  # least share of every class that is kept
    floor: float = 0.8  # least share of all images that is kept

    def __post_init__(self) -> None:
        """Check the method.

        Raises:
            ConfigError: it is not one of METHODS.
        """
        if self.method not in METHODS:
            raise ConfigError(f"method must be one of {', '.join(METHODS)}, not {self.method!r}")


class Selector:
    """A policy with its optimiser, trained for some passes in each RL epoch."""

    def __init__(self, config: PolicyConfig, features: int, classes: int, seed: int) -> None:
        self._config = config
        width = features if config.method == "code" else 2 * features
        if self._has_label():
            width += 2 * classes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._policy = KeepPolicy(width, relu=config.relu or config.method == "paper-y1")
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=config.learning_rate)
        self._generator = torch.Generator().manual_seed(seed)

    def _has_label(self) -> bool:
        return self._config.method == "x" and self._config.label_in_state

    def train(self, evidence: Evidence) -> None:
        """Train for ``epochs`` passes over all images, each in a new random order."""
        advantage = advantage_of(evidence, self._config)
        right = (evidence.probabilities.argmax(1) == evidence.targets.argmax(1)).float()
        for _ in range(self._config.epochs):
            for places, logits, drawn in self._pass(evidence, training=True):
                if self._config.method == "x":
                    loss = expected_loss(logits, advantage[places], self._config.entropy_weight)
                elif self._config.method == "paper":
                    loss = sampled_loss(logits, drawn, advantage[places])
                elif self._config.method == "paper-y1":
                    loss = weighted_keep_loss(logits, advantage[places])
                else:
                    loss = functional.binary_cross_entropy_with_logits(logits, right[places])
                self._optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                self._optimizer.step()

    @torch.no_grad()
    def keep_probabilities(self, evidence: Evidence) -> Float32:
        """P(keep) (N,) from one pass in which an image is kept from 0.5 up."""
        found = torch.empty(len(evidence.features))
        for places, logits, _ in self._pass(evidence, training=False):
            found[places] = logits.sigmoid()
        return np.asarray(found.numpy(), np.float32)

    def _pass(self, evidence: Evidence, training: bool) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Positions (B,), logits (B,) and actions (B,) bool per batch; the running mean is updated between batches."""
        features = _standardised(evidence.features)
        label = _standardised(torch.cat([evidence.targets, evidence.probabilities], 1))
        mean = RunningMean(features.shape[1])
        for places in torch.split(torch.randperm(len(features), generator=self._generator), self._config.batch_size):
            state = features[places] if self._config.method == "code" else mean.beside(features[places])
            if self._has_label():
                state = torch.cat([state, label[places]], 1)
            logits: Tensor = self._policy(state)
            keep = logits.detach().sigmoid()
            threshold = torch.rand(len(keep), generator=self._generator) if training else torch.full_like(keep, 0.5)
            actions = keep >= threshold
            yield places, logits, actions
            mean.add(features[places], actions)


def _standardised(values: Tensor) -> Tensor:
    """Columns of (N, W) with mean 0 and deviation 1; a constant column becomes 0."""
    return (values - values.mean(0)) / values.std(0, correction=0).clamp(min=1e-6)


def advantage_of(evidence: Evidence, config: PolicyConfig) -> Tensor:
    """Advantage (N,) of keeping each image: its contribution to J, in standard deviations in method x."""
    reward = rewards(evidence.targets, evidence.probabilities)
    if config.method == "x":
        return advantages(reward, class_baselines(reward, evidence.targets, config.baseline_share))
    return reward - 1 / evidence.targets.shape[1]  # Eq. 2 with j over the classes


def decide(keep_probability: Float32, owner: Int64, config: PolicyConfig) -> tuple[Mask, Mask]:
    """Which images are kept, and which of those only because of a floor; both (N,) bool.

    ``owner`` (N,) is each image's class. Floors add the images with the next highest P(keep).
    """
    wanted = keep_probability >= 0.5
    kept = wanted.copy()
    if config.method == "x":
        for label in np.unique(owner):
            _raise_to(kept, keep_probability, np.flatnonzero(owner == label), config.class_floor)
        _raise_to(kept, keep_probability, np.arange(len(owner)), config.floor)
    return kept, kept & ~wanted


def _raise_to(kept: Mask, keep_probability: Float32, places: Int64, share: float) -> None:
    missing = int(np.ceil(share * len(places))) - int(kept[places].sum())
    if missing > 0:
        left = places[~kept[places]]
        kept[left[np.argsort(-keep_probability[left], kind="stable")[:missing]]] = True
