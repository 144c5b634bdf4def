"""UGN training, stage 1: features with a plain classifier (stage 2: training/action_units/graph.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import ConfigError
from engine.facs import HIGHEST_INTENSITY
from engine.records import read_record
from engine.types import UInt8
from training.action_units.loss import (
    WEIGHTING_GROUP,
    intensity_loss,
    label_terms,
    unit_rates,
    unit_weights,
    weighted_unit_loss,
)
from training.action_units.model import UGN, UGNConfig, Variant
from training.data.action_unit_faces import UnitFaces, UnitSplit
from training.data.augment import AugmentConfig, FaceBatch, augment
from training.loop.checkpoint import load_weights, read_facts
from training.loop.trainer import TrainerConfig, channels_last
from training.metrics.ranking import auroc, average_precision

#: Grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of faces128 crops.
MEAN: Final = 0.47
STD: Final = 0.21
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class ActionUnitsConfig:
    """All settings of a run (training/configs/action_units*.toml); an unknown key is an error."""

    model: UGNConfig = field(default_factory=UGNConfig)
    stage1: TrainerConfig = field(default_factory=TrainerConfig)
    stage2: TrainerConfig = field(default_factory=TrainerConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    variant: str = Variant.UGN_B.value
    views: int = 4  # augmented copies of each training face, whose features stage 2 learns from
    weighting_samples: int = 10  # masks drawn for the weights of the adaptive loss
    weighting_group: int = WEIGHTING_GROUP
    weighting_temperature: float = 0.0  # of the weights; 0 is the paper's Eq. 9
    marginal_samples: int = 0  # masks averaged in the loss; 0 is the paper's loss, of one mask
    mask_prior: float = 1e-3  # weight of the masks' divergence from a standard normal; 0 is the paper's loss

    def __post_init__(self) -> None:
        names = [variant.value for variant in Variant]
        if self.variant not in names:
            raise ValueError(f"variant must be one of {', '.join(names)}, not {self.variant!r}")
        if self.views < 1:
            raise ValueError(f"views must be 1 or more, not {self.views}")


def network_input(crops: UInt8) -> Tensor:
    """Crops (N, S, S) uint8 as the network reads them, (N, 1, S, S) float32."""
    return (torch.from_numpy(crops)[:, None].float() / 255 - MEAN) / STD


class TrainingFaces:
    """Training faces as tensors, with augmentation; a flip does not change the labels."""

    def __init__(self, faces: UnitFaces, config: AugmentConfig, device: torch.device) -> None:
        self.samples = len(faces.people)
        self.occurs = torch.from_numpy(faces.occurs)  # (N, K)
        self.known = torch.from_numpy(faces.known)  # (N, K)
        self.targets = torch.from_numpy(faces.targets)  # (N, K)
        self.graded = torch.from_numpy(faces.graded() / HIGHEST_INTENSITY)  # (N, K) intensity 0-1, NaN where unknown
        self.crops = faces.crops
        self._crops = torch.from_numpy(faces.crops)
        self._config, self._device = config, device

    def changed(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Augmented images (B, 1, S, S) of these row numbers (B,), normalised, on the device."""
        images = self._crops[rows, None].float() / 255
        no_points, no_targets = torch.zeros(len(rows), 0, 2), torch.zeros(len(rows), 0)
        no_mirror = torch.zeros(0, dtype=torch.long)
        batch = augment(FaceBatch(images, no_points, no_targets), no_mirror, self._config, generator)
        return ((batch.images - MEAN) / STD).to(self._device, memory_format=torch.channels_last)


class FeatureTask:
    """Stage 1: the trunk and one logistic regression per unit; units are weighted by rarity where ``balanced``.

    Targets are soft where the source labels intensity, so that the features learn it too.
    """

    def __init__(self, split: UnitSplit, config: ActionUnitsConfig, balanced: bool, device: torch.device) -> None:
        torch.manual_seed(config.stage1.seed)
        self.model: UGN = channels_last(UGN(config.model).to(device))
        self._train = TrainingFaces(split.training, config.augment, device)
        self.samples = self._train.samples
        self._validation, self._device = split.validation, device
        rates = unit_rates(self._train.occurs, self._train.known)
        self._tau = (unit_weights(rates) if balanced else (rates > 0).float()).to(device)

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """L_au of the training faces with these row numbers (B,), and their loss of intensity where it is graded."""
        features = self.model.features(self._train.changed(rows, generator))
        targets, known = self._train.targets[rows].to(self._device), self._train.known[rows].to(self._device)
        loss = weighted_unit_loss(label_terms(self.model.classifier(features).float(), targets, known), self._tau)
        grader = self.model.head.intensity  # stage 2 trains it again; here it makes the features carry intensity
        if grader is None:
            return loss
        return loss + intensity_loss(grader(features).float(), self._train.graded[rows].to(self._device))

    def some_crops(self, count: int) -> UInt8:
        """At most ``count`` training crops (n, S, S), evenly over all of them."""
        crops = self._train.crops
        return crops[:: max(1, len(crops) // count)][:count]

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the stage-1 classifier."""
        assert isinstance(model, UGN)
        features = features_of(model, network_input(self._validation.crops), self._device)
        with torch.no_grad():
            return unit_means(self._validation, model.classifier(features).sigmoid())


def unit_means(faces: UnitFaces, probabilities: Tensor) -> dict[str, float]:
    """Mean average precision and AUROC of probabilities (N, K), over units whose known labels are not all the same."""
    predicted = probabilities.float().cpu().numpy()
    found: dict[str, list[float]] = {"average_precision": [], "auroc": []}
    for occurs, known, p in zip(faces.occurs.T, faces.known.T, predicted.T, strict=True):
        if np.unique(occurs[known]).size == 2:
            found["average_precision"].append(average_precision(occurs[known], p[known]))
            found["auroc"].append(auroc(occurs[known], p[known]))
    return {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}


@torch.no_grad()
def features_of(model: UGN, images: Tensor, device: torch.device) -> Tensor:
    """Features (N, K, D) of normalised images (N, 1, S, S), float32, on the device."""
    batches = [part.to(device, memory_format=torch.channels_last) for part in torch.split(images, _BATCH)]
    return torch.cat([model.features(batch).float() for batch in batches])


def load_action_units(folder: Path) -> tuple[UGN, dict[str, Any]]:
    """The trained model of a run's folder, in evaluation mode, and the facts of its last stage.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    first = folder / "stage1" / "weights.safetensors"
    facts = read_facts(first)
    variant = Variant(facts["config"]["variant"])
    last = folder / "stage2" / "weights.safetensors" if variant.has_graph else first
    facts = read_facts(last)
    model = UGN(read_record(UGNConfig, facts["config"]["model"], lambda problem: ConfigError(f"{folder}: {problem}")))
    load_weights(first, model)
    if variant.has_graph:
        load_weights(last, model.head)
    return model.eval(), facts
