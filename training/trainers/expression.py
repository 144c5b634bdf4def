"""Training of one ARBEx member on FERPlus vote distributions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from training.augment import AugmentConfig, FaceBatch, augment
from training.datasets.fer2013 import FerFaces, majority_labels
from training.losses.arbex import ArbexLossConfig, arbex_loss
from training.models.arbex import Arbex, ArbexConfig
from training.models.landmark_maps import LANDMARK_POINTS, MIRROR

#: The crop's grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of FER2013 crops.
MEAN, STD = 0.5, 0.25


class ExpressionTask:
    """What the loop needs to know of ARBEx (training/trainers/trainer.py)."""

    def __init__(
        self,
        train: FerFaces,
        validation: FerFaces,
        model_config: ArbexConfig,
        loss_config: ArbexLossConfig,
        augment_config: AugmentConfig,
        device: torch.device,
    ) -> None:
        self.model: Arbex = Arbex(model_config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks the keyword for modules
        self.samples = len(train.rows)
        self._loss_config, self._augment_config, self._device = loss_config, augment_config, device
        self._images = torch.from_numpy(train.crops)
        self._landmarks = torch.from_numpy(train.landmarks[:, LANDMARK_POINTS])
        self._votes = torch.from_numpy(train.vote_shares)
        self._mirror = torch.tensor(MIRROR)
        self._validation = validation

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the training faces with these row numbers (B,)."""
        images = self._images[rows, None].float() / 255
        batch = augment(
            FaceBatch(images, self._landmarks[rows], self._votes[rows]), self._mirror, self._augment_config, generator
        )
        pictures = ((batch.images - MEAN) / STD).to(self._device, memory_format=torch.channels_last)
        output = self.model(pictures, batch.landmarks.to(self._device))
        anchors = self.model.reliability.unit_anchors()
        return arbex_loss(output, batch.targets.to(self._device), anchors, progress, self._loss_config)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the fused and the primary distribution."""
        fused, primary = predict(model, self._validation, self._device)
        labels = majority_labels(self._validation.votes)
        clear = labels >= 0
        votes = self._validation.vote_shares
        return {
            "accuracy": float((fused.argmax(1) == labels)[clear].mean()),
            "accuracy_primary": float((primary.argmax(1) == labels)[clear].mean()),
            "nll": float(-(votes * np.log(np.maximum(fused, 1e-9))).sum(1).mean()),
            "nll_primary": float(-(votes * np.log(np.maximum(primary, 1e-9))).sum(1).mean()),
        }


@torch.no_grad()
def predict(
    model: nn.Module, faces: FerFaces, device: torch.device, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Fused and primary distributions, each (N, C) float32, in evaluation mode."""
    fused, primary = [], []
    for images, landmarks in _batches(faces, batch_size):
        output = model(images.to(device), landmarks.to(device))
        fused.append(output.fused.float().cpu().numpy())
        primary.append(output.primary.float().cpu().numpy())
    return np.concatenate(fused), np.concatenate(primary)


def _batches(faces: FerFaces, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(faces.rows), batch_size):
        part = slice(start, start + batch_size)
        images = torch.from_numpy(faces.crops[part, None]).float() / 255
        yield (images - MEAN) / STD, torch.from_numpy(faces.landmarks[part][:, LANDMARK_POINTS])
