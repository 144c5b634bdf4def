"""Training of the RLPS classifier on a part of the pictures, and its answers for all of them."""

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
from training.loop.trainer import TrainerConfig, fit
from training.rlps.model import ClassifierConfig, SixConvClassifier
from training.rlps.policy import PictureSet

#: Least share of a class in the prior, so that a rare class is not raised without bound.
_LEAST_PRIOR = 1e-3
_BATCH = 256


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """All that a classifier's training needs beside pictures."""

    model: ClassifierConfig
    augment: AugmentConfig
    prior_weight: float  # of the balanced softmax; 0 is plain cross-entropy
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a classifier says of N pictures."""

    logits: Tensor  # (N, C) float32; their softmax is the posterior under even classes where prior_weight is 1
    features: Tensor  # (N, F) float32


class ClassifierTask:
    """What the loop needs to know of the classifier (training/loop/trainer.py).

    The loss is cross-entropy with the log class shares added to the logits (balanced softmax; Ren et al., NeurIPS 2020,
    arXiv 2007.10740). Without it a picture that shows nothing would earn the share of its label, much for common
    classes, and the policy would keep it.
    """

    def __init__(self, faces: PictureSet, chosen: Int64, settings: ClassifierSettings, samples: int, seed: int) -> None:
        torch.manual_seed(seed)  # of the first weights, so that a run that goes on makes the same ones
        self.model: SixConvClassifier = _channels_last(SixConvClassifier(settings.model, len(faces.names)))
        self.model.to(settings.device)
        self.samples = samples  # pictures seen per epoch, so that trainings on parts can have the same budget
        self._chosen = torch.from_numpy(chosen)
        self._crops, self._targets = torch.from_numpy(faces.crops), torch.from_numpy(faces.targets)
        prior = self._targets[self._chosen].mean(0).clamp(min=_LEAST_PRIOR).log() * settings.prior_weight
        self._log_prior = prior.to(settings.device)
        self._settings = settings

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the chosen pictures at these places (B,), counted round and round."""
        places = self._chosen[rows % len(self._chosen)]
        images = self._crops[places, None].float() / 255
        nowhere = torch.zeros(len(rows), 0, 2)
        no_mirror = torch.zeros(0, dtype=torch.long)
        batch = augment(FaceBatch(images, nowhere, self._targets[places]), no_mirror, self._settings.augment, generator)
        pictures = ((batch.images - MEAN) / STD).to(self._settings.device, memory_format=torch.channels_last)
        logits = self.model(pictures).float() + self._log_prior
        return functional.cross_entropy(logits, batch.targets.to(self._settings.device))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Nothing: short trainings are judged once, at their end."""
        return {}

    def judge(self, model: SixConvClassifier, faces: PictureSet) -> dict[str, float]:
        """Accuracy and NLL on other pictures, under the class shares of the training."""
        logits = answers_of(model, faces.crops, self._settings.device).logits + self._log_prior.cpu()
        targets = torch.from_numpy(faces.targets)
        hits = (logits.argmax(1) == targets.argmax(1)).float().mean()
        return {"accuracy": float(hits), "nll": float(functional.cross_entropy(logits, targets))}


def train_classifier(
    task: ClassifierTask, config: TrainerConfig, folder: Path, facts: dict[str, Any], start: Path | None
) -> SixConvClassifier:
    """Train into ``folder``, or read what stands there; ``start`` holds the initial weights.

    Raises:
        ValueError: fewer pictures than a batch.
    """
    if task.samples < config.batch_size:
        raise ValueError(f"{task.samples} pictures are less than a batch of {config.batch_size}; lower batch_size")
    if start is not None:
        load_weights(start, task.model)
    load_weights(fit(task, config, folder, facts, lambda _: None), task.model)
    return task.model.eval()


def answers_of(model: SixConvClassifier, crops: UInt8, device: str) -> Answers:
    """Answers for grey crops (N, S, S) in evaluation mode, from the mean feature of picture and mirror image."""
    logits, features = [], []
    model.eval()
    with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16):
        for part in torch.split(torch.from_numpy(crops), _BATCH):
            images = ((part[:, None].float() / 255 - MEAN) / STD).to(device, memory_format=torch.channels_last)
            feature = (model.features(images) + model.features(images.flip(-1))) / 2
            features.append(feature.float().cpu())
            logits.append(model.head(feature).float().cpu())
    return Answers(torch.cat(logits), torch.cat(features))


def fold_of(faces: PictureSet, folds: int, seed: int) -> Int64:
    """Fold (N,) of each picture, spread evenly over every class; copies of a picture share its fold.

    A copy in another fold would let a classifier see the picture that it is to judge.
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


def _channels_last(model: SixConvClassifier) -> SixConvClassifier:
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it for modules
    return model
