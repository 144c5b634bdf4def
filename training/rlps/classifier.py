"""Trains the RLPS classifier on some of the images and predicts for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.types import Int64, UInt8
from training.data.augment import AugmentConfig, FaceBatch, augment
from training.data.fer2013 import MEAN, STD
from training.loop.checkpoint import load_weights
from training.loop.trainer import TrainerConfig, channels_last, fit
from training.rlps.images import ImageSet
from training.rlps.model import ClassifierConfig, SixConvClassifier

#: Lower bound of a class share in the prior, which bounds the correction of rare classes.
_LEAST_PRIOR = 1e-3
_BATCH = 256


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """Settings of a classifier's training."""

    model: ClassifierConfig
    augment: AugmentConfig
    prior_weight: float  # of the balanced softmax; 0 is plain cross-entropy
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of a classifier for N images."""

    logits: Tensor  # (N, C) float32; their softmax is the posterior under even classes where prior_weight is 1
    features: Tensor  # (N, F) float32


class ClassifierTask:
    """The classifier as a task of the loop (training/loop/trainer.py).

    The loss is cross-entropy with the log class shares added to the logits (balanced softmax; Ren et al., NeurIPS 2020,
    arXiv 2007.10740). Without it an image without content would earn the share of its label, which is high for common
    classes, and the policy would keep it.
    """

    def __init__(self, faces: ImageSet, chosen: Int64, settings: ClassifierSettings, samples: int, seed: int) -> None:
        torch.manual_seed(seed)  # of the initial weights, so that a resumed run starts from the same
        self.model: SixConvClassifier = channels_last(SixConvClassifier(settings.model, len(faces.names)))
        self.model.to(settings.device)
        self.samples = samples  # per epoch; runs on parts of the set can so have equal budgets
        self._chosen = torch.from_numpy(chosen)
        self._crops, self._targets = torch.from_numpy(faces.crops), torch.from_numpy(faces.targets)
        self._log_prior = log_prior(self._targets[self._chosen], settings.prior_weight).to(settings.device)
        self._settings = settings

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the chosen images at these positions (B,), modulo their number."""
        places = self._chosen[rows % len(self._chosen)]
        images = self._crops[places, None].float() / 255
        no_points = torch.zeros(len(rows), 0, 2)
        no_mirror = torch.zeros(0, dtype=torch.long)
        batch = augment(
            FaceBatch(images, no_points, self._targets[places]), no_mirror, self._settings.augment, generator
        )
        images = ((batch.images - MEAN) / STD).to(self._settings.device, memory_format=torch.channels_last)
        logits = self.model(images).float() + self._log_prior
        return functional.cross_entropy(logits, batch.targets.to(self._settings.device))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """No figures: short trainings are judged once, at their end."""
        return {}

    def judge(self, model: SixConvClassifier, faces: ImageSet) -> dict[str, float]:
        """Accuracy and NLL on other images, under the class shares of the training set."""
        logits = predict(model, faces.crops, self._settings.device).logits + self._log_prior.cpu()
        return judged(logits, torch.from_numpy(faces.targets))


def log_prior(targets: Tensor, weight: float) -> Tensor:
    """What the balanced softmax adds to the logits (C,): the log share of each class in targets (N, C), weighted."""
    return targets.mean(0).clamp(min=_LEAST_PRIOR).log() * weight


def judged(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy and NLL of logits (N, C) against targets (N, C)."""
    hits = (logits.argmax(1) == targets.argmax(1)).float().mean()
    return {"accuracy": float(hits), "nll": float(functional.cross_entropy(logits, targets))}


def train_classifier(
    task: ClassifierTask, config: TrainerConfig, folder: Path, facts: dict[str, Any], start: Path | None
) -> SixConvClassifier:
    """Train into ``folder``, or load the finished weights there; ``start`` is a file of initial weights.

    Raises:
        ValueError: there are fewer images than a batch holds.
    """
    if task.samples < config.batch_size:
        raise ValueError(f"{task.samples} images do not fill a batch of {config.batch_size}: lower batch_size")
    if start is not None:
        load_weights(start, task.model)
    load_weights(fit(task, config, folder, facts, lambda _: None), task.model)
    return task.model.eval()


def predict(model: SixConvClassifier, crops: UInt8, device: str) -> Predictions:
    """Predictions for grey crops (N, S, S) in evaluation mode, from the mean feature of image and mirror image."""
    logits, features = [], []
    model.eval()
    with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16):
        for part in torch.split(torch.from_numpy(crops), _BATCH):
            images = ((part[:, None].float() / 255 - MEAN) / STD).to(device, memory_format=torch.channels_last)
            feature = (model.features(images) + model.features(images.flip(-1))) / 2
            features.append(feature.float().cpu())
            logits.append(model.head(feature).float().cpu())
    return Predictions(torch.cat(logits), torch.cat(features))


def fold_of(faces: ImageSet, folds: int, seed: int) -> Int64:
    """Fold (N,) of each image, stratified by class; copies of an image share its fold.

    A copy in another fold would let a classifier train on an image that it has to judge.
    """
    random = np.random.default_rng(seed)
    owner = faces.targets.argmax(1)
    found = np.empty(len(owner), np.int64)
    for label in np.unique(owner):
        places = random.permutation(np.flatnonzero(owner == label))
        found[places] = (np.arange(len(places)) + random.integers(folds)) % folds
    first: dict[bytes, int] = {}
    for place, crop in enumerate(faces.crops):
        found[place] = found[first.setdefault(crop.tobytes(), place)]
    return found
