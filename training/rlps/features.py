"""Classifiers of RLPS on features that a pretrained network computed once, instead of six convolutions (SPEC 5.3).

The last two layers are those of training/rlps/model.py: a feature of 128 values and a logit per class. A training takes
seconds, so nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.types import Float32, Int64
from training.loop.steps import take_steps
from training.loop.trainer import TrainerConfig
from training.rlps.classifier import fold_of, judged, log_prior
from training.rlps.fit import RlpsConfig, classifier_seed
from training.rlps.images import ImageSet, Mask
from training.rlps.policy import Evidence


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """Images with their features."""

    faces: ImageSet
    features: Float32  # (N, F)

    def at(self, rows: Int64) -> Float32:
        """Features (M, F) of the images with these rows of the data set, which must be in order."""
        return self.features[np.searchsorted(self.faces.rows, rows)]


class FeatureHead(nn.Module):
    """Features (N, F) to the feature that the policy reads (N, 128) and a logit per class."""

    def __init__(self, width: int, config: RlpsConfig, classes: int) -> None:
        super().__init__()
        shape = config.classifier
        self.feature = nn.Sequential(nn.Linear(width, shape.embedding), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(shape.dropout), nn.Linear(shape.embedding, classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C)."""
        logits: Tensor = self.head(self.feature(features))
        return logits


class FeatureClassifiers:
    """`training.rlps.fit.Classifiers` on features."""

    def __init__(self, config: RlpsConfig, train: FeatureSet, validation: FeatureSet) -> None:
        self._config, self._faces = config, train.faces
        self._targets = torch.from_numpy(train.faces.targets)
        self._mean, self._deviation = train.features.mean(0), np.maximum(train.features.std(0), 1e-6)
        self._features, self._validation = self._scaled(train.features), self._scaled(validation.features)
        self._validation_targets = torch.from_numpy(validation.faces.targets)
        self._fold = fold_of(train.faces, config.folds, config.trainer.seed)
        self._initial: dict[str, FeatureHead] = {}
        self._out_of_fold: Tensor | None = None

    def judge(self, turn: int | str, kept: Mask) -> dict[str, float]:
        """Validation figures, under the class shares of the kept images."""
        logits, _ = _outputs(self._trained("main", turn, kept, number=0), self._validation)
        return judged(logits + self._log_prior(kept), self._validation_targets)

    def evidence(self, epoch: int, kept: Mask) -> Evidence:
        """Features and probabilities of classifiers trained on the kept images."""
        head = self._trained("main", epoch, kept, number=0)
        logits, features = _outputs(head, self._features)
        if self._config.policy.method != "x":
            return Evidence(features, logits.softmax(1), self._targets)
        if self._out_of_fold is None or epoch % self._config.refresh_every == 0:
            self._out_of_fold = self._predict_folds(epoch, kept)
        return Evidence(features, self._out_of_fold, self._targets)

    def accuracy(self, chosen: Mask, test: FeatureSet) -> float:
        """Accuracy on other images after as many steps as a training on all images has, on the chosen ones."""
        samples = len(chosen)
        head = self._fitted(np.flatnonzero(chosen), samples, self._config.trainer, 0, None)
        logits, _ = _outputs(head, self._scaled(test.features))
        return judged(logits + self._log_prior(chosen), torch.from_numpy(test.faces.targets))["accuracy"]

    def _log_prior(self, chosen: Mask) -> Tensor:
        return log_prior(self._targets[torch.from_numpy(chosen)], self._config.prior_weight)

    def _scaled(self, features: Float32) -> Tensor:
        return torch.from_numpy((features - self._mean) / self._deviation)

    def _predict_folds(self, epoch: int, kept: Mask) -> Tensor:
        found = torch.empty(self._targets.shape)
        for fold in range(self._config.folds):
            out = np.flatnonzero(self._fold == fold)
            head = self._trained(f"fold_{fold}", epoch, kept & (self._fold != fold), number=fold + 1)
            found[out] = _outputs(head, self._features[out])[0].softmax(1)
        return found

    def _trained(self, name: str, turn: int | str, chosen: Mask, number: int) -> FeatureHead:
        """From random weights in epoch 0, later fine-tuned from those."""
        places = np.flatnonzero(chosen)
        trainer = self._config.trainer
        if turn == 0:
            self._initial[name] = self._fitted(places, len(places), trainer, number, None)
            return self._initial[name]
        tuned = replace(trainer, epochs=self._config.finetune_epochs, learning_rate=self._config.finetune_learning_rate)
        return self._fitted(places, len(places), tuned, number, self._initial[name])

    def _fitted(
        self, places: Int64, samples: int, trainer: TrainerConfig, number: int, start: FeatureHead | None
    ) -> FeatureHead:
        """A head trained on the images at these places, with the steps of ``samples`` images; AdamW."""
        seed = classifier_seed(self._config, number)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = FeatureHead(self._features.shape[-1], self._config, self._targets.shape[1])
            if start is not None:
                head.load_state_dict(start.state_dict())
            _fit(head, self._features[places], self._targets[places], samples, trainer, self._config.prior_weight)
        return head.eval()


def _fit(
    head: FeatureHead, features: Tensor, targets: Tensor, samples: int, trainer: TrainerConfig, prior_weight: float
) -> None:
    """Balanced softmax on the images in random order; random numbers are torch's own."""
    prior = log_prior(targets, prior_weight)
    size = trainer.batch_size
    steps = trainer.epochs * max(1, samples // size)
    take_steps(
        head.train().parameters(),
        _batches(len(features), size, steps),
        lambda rows: functional.cross_entropy(head(features[rows]) + prior, targets[rows]),
        highest_rate=trainer.learning_rate,
        weight_decay=trainer.weight_decay,
        warmup_steps=max(1, round(trainer.warmup_epochs * steps / trainer.epochs)),
    )


def _batches(count: int, size: int, steps: int) -> Sequence[Tensor]:
    """Row numbers of ``steps`` batches, pass after pass in random order."""
    passes = -(-steps * size // count)
    order = torch.cat([torch.randperm(count) for _ in range(passes)])
    return torch.split(order[: steps * size], size)


@torch.no_grad()
def _outputs(head: FeatureHead, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, C) of features (N, F), and the features (N, 128) that the policy reads."""
    head.eval()
    feature = head.feature(features)
    return head.head(feature), feature
