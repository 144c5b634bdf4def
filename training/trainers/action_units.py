"""Training of UGN in two stages: features with a plain classifier, then the uncertain graph head on frozen features."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.config import read_record
from engine.types import Float32, UInt8
from training.augment import AugmentConfig, FaceBatch, augment
from training.datasets.faces128 import TRAINING, VALIDATION, Faces128, soft_targets
from training.losses.ugn import (
    WEIGHTING_GROUP,
    adaptive_loss,
    adaptive_weights,
    mask_divergence,
    unit_weights,
    weighted_unit_loss,
)
from training.metrics.binary import auroc, average_precision
from training.models.ugn import UGN, UGNConfig, UncertainGraphHead, decompose
from training.trainers.checkpoint import load_weights, read_facts
from training.trainers.trainer import TrainerConfig

#: The crop's grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of faces128 crops.
MEAN: Final = 0.47
STD: Final = 0.21
#: Seed of the noise bank that validation during training uses; the contract's own seed is set at export.
_VALIDATION_SEED: Final = 0
_VALIDATION_SAMPLES: Final = 20
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class ActionUnitsConfig:
    """All settings of a run (training/configs/action_units.toml); an unknown key is an error."""

    model: UGNConfig = field(default_factory=UGNConfig)
    stage1: TrainerConfig = field(default_factory=TrainerConfig)
    stage2: TrainerConfig = field(default_factory=TrainerConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    weighting_samples: int = 10  # masks drawn for the weights of the adaptive loss
    weighting_group: int = WEIGHTING_GROUP
    mask_prior: float = 1e-4  # weight of the masks' divergence from a standard normal; 0 is the paper's loss


def pictures(crops: UInt8) -> Tensor:
    """Crops (N, S, S) uint8 as the network reads them, (N, 1, S, S) float32."""
    return (torch.from_numpy(crops)[:, None].float() / 255 - MEAN) / STD


def noise_bank(samples: int, units: int, seed: int) -> Float32:
    """The fixed standard-normal bank (S, 2, K, K) that contract, engine and evaluation share."""
    return np.random.default_rng(seed).standard_normal((samples, 2, units, units), dtype=np.float32)


class _UnitTask:
    """What both stages share: the data, its augmentation, and the validation figures."""

    def __init__(self, faces: Faces128, config: ActionUnitsConfig, device: torch.device, soft: bool) -> None:
        thresholds = faces.thresholds()
        train, validation = faces.splits == TRAINING, faces.splits == VALIDATION
        self.samples = int(train.sum())
        self._crops = torch.from_numpy(faces.crops[train])
        occurs = faces.scores[train] >= thresholds
        self.rates = torch.from_numpy(occurs.mean(0).astype(np.float32))
        targets = soft_targets(faces.scores[train], thresholds) if soft else occurs.astype(np.float32)
        self._targets = torch.from_numpy(targets)
        self._validation = pictures(faces.crops[validation])
        self._occurs: npt.NDArray[np.bool_] = faces.scores[validation] >= thresholds
        self._config, self._device = config, device

    def _batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented pictures (B, 1, S, S) and targets (B, K); labels do not change in a flip."""
        images = self._crops[rows, None].float() / 255
        no_points = torch.zeros(len(rows), 0, 2)
        no_mirror = torch.zeros(0, dtype=torch.long)
        batch = augment(FaceBatch(images, no_points, self._targets[rows]), no_mirror, self._config.augment, generator)
        normalised = ((batch.images - MEAN) / STD).to(self._device, memory_format=torch.channels_last)
        return normalised, batch.targets.to(self._device)

    def _figures(self, probabilities: Tensor) -> dict[str, float]:
        """Mean average precision and AUROC over the units for validation probabilities (N, K)."""
        units = list(zip(self._occurs.T, probabilities.float().cpu().numpy().T, strict=True))
        return {
            "average_precision": float(np.nanmean([average_precision(occurs, p) for occurs, p in units])),
            "auroc": float(np.nanmean([auroc(occurs, p) for occurs, p in units])),
        }


class FeatureTask(_UnitTask):
    """Stage 1: the trunk and one logistic regression per unit, units weighed by rarity.

    Targets are soft, so that the features also learn how strongly a unit shows.
    """

    def __init__(self, faces: Faces128, config: ActionUnitsConfig, device: torch.device) -> None:
        super().__init__(faces, config, device, soft=True)
        torch.manual_seed(config.stage1.seed)
        self.model: UGN = channels_last(UGN(config.model).to(device))
        self._tau = unit_weights(self.rates).to(device)

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """L_au of the training faces with these row numbers (B,)."""
        images, targets = self._batch(rows, generator)
        logits = self.model.classifier(self.model.features(images))
        return weighted_unit_loss(logits.float(), targets, self._tau)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the stage-1 classifier."""
        assert isinstance(model, UGN)
        parts = [model.classifier(features) for features in features_of(model, self._validation, self._device)]
        return self._figures(torch.cat(parts).sigmoid())


class GraphTask(_UnitTask):
    """Stage 2: the graph head on frozen features, faces weighed by their epistemic uncertainty.

    Targets are occurrences, as in the paper, so that the probabilities speak of occurrence.
    """

    def __init__(self, faces: Faces128, config: ActionUnitsConfig, trunk: UGN, device: torch.device) -> None:
        super().__init__(faces, config, device, soft=False)
        self._trunk = channels_last(trunk.to(device)).eval()
        self.model: UncertainGraphHead = self._trunk.head
        self._validation_features = torch.cat(list(features_of(trunk, self._validation, device)))
        self._bank = torch.from_numpy(noise_bank(_VALIDATION_SAMPLES, config.model.units, _VALIDATION_SEED)).to(device)

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """The adaptive loss with one mask per face, and the prior on the masks."""
        images, targets = self._batch(rows, generator)
        with torch.no_grad():
            features = self._trunk.features(images).float()
        with torch.autocast(self._device.type, enabled=False):  # the head is small, and its differences are fine
            with torch.no_grad():
                sampled = self.model(features, self._noise(len(rows), self._config.weighting_samples, generator))
                weights = adaptive_weights(decompose(sampled.logits).epistemic, self._config.weighting_group)
            output = self.model(features, self._noise(len(rows), 1, generator))
            divergence = sum((mask_divergence(layer.mu, layer.sigma) for layer in output.layers), torch.zeros(()))
            return adaptive_loss(output.logits[:, 0], targets, weights) + self._config.mask_prior * divergence

    def _noise(self, faces: int, samples: int, generator: torch.Generator) -> Tensor:
        units = self._config.model.units
        return torch.randn(faces, samples, 2, units, units, generator=generator).to(self._device)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the mean over the fixed bank, and the mean epistemic part in nats."""
        uncertainty = decompose(model(self._validation_features, self._bank).logits)
        return self._figures(uncertainty.occurrence) | {"epistemic": float(uncertainty.epistemic.mean())}


def channels_last(model: UGN) -> UGN:
    """The same model with its kernels in the layout that CPUs and GPUs convolve fastest."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it for modules
    return model


@torch.no_grad()
def features_of(model: UGN, images: Tensor, device: torch.device) -> list[Tensor]:
    """Features (B, K, D) of normalised pictures, batch after batch."""
    return [
        model.features(part.to(device, memory_format=torch.channels_last)).float()
        for part in torch.split(images, _BATCH)
    ]


def load_action_units(folder: Path) -> tuple[UGN, dict[str, Any]]:
    """The trained model of a run's folder, in evaluation mode, and the facts of its second stage.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    facts = read_facts(folder / "stage2" / "weights.safetensors")
    model = UGN(read_record(UGNConfig, facts["config"]["model"], str(folder)))
    load_weights(folder / "stage1" / "weights.safetensors", model)
    load_weights(folder / "stage2" / "weights.safetensors", model.head)
    return model.eval(), facts
