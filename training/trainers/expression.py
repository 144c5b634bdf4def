"""Training of one ARBEx network on FERPlus vote distributions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from engine.types import Float32
from training.augment import AugmentConfig, FaceBatch, augment
from training.datasets.fer2013 import FerFaces, majority_labels
from training.losses.arbex import ArbexLossConfig, arbex_loss, fer2013_loss
from training.models.arbex import Arbex, ArbexConfig
from training.models.landmark_maps import LANDMARK_POINTS, MIRROR

#: The crop's grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of FER2013 crops.
MEAN, STD = 0.5, 0.25


class FaceSet:
    """Faces as tensors, with the random changes of training."""

    def __init__(self, faces: FerFaces, config: AugmentConfig) -> None:
        self.faces, self.samples = faces, len(faces.rows)
        self.labels = torch.from_numpy(faces.labels)
        self._config = config
        self._images = torch.from_numpy(faces.crops)
        self._landmarks = torch.from_numpy(faces.landmarks[:, LANDMARK_POINTS])
        self._votes = torch.from_numpy(faces.vote_shares)
        self._mirror = torch.tensor(MIRROR)

    def changed(self, rows: Tensor, generator: torch.Generator) -> FaceBatch:
        """Faces of these row numbers (B,), randomly changed; pictures are normalised."""
        plain = FaceBatch(self._images[rows, None].float() / 255, self._landmarks[rows], self._votes[rows])
        batch = augment(plain, self._mirror, self._config, generator)
        pictures = ((batch.images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        return FaceBatch(pictures, batch.landmarks, batch.targets)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Unchanged normalised pictures (B, 1, S, S) and landmarks (B, P, 2), in order."""
        for start in range(0, self.samples, size):
            yield self.unchanged(torch.arange(start, min(start + size, self.samples)))

    def unchanged(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures (B, 1, S, S) and landmarks (B, P, 2) of these row numbers (B,)."""
        return (self._images[rows, None].float() / 255 - MEAN) / STD, self._landmarks[rows]


class ExpressionTask:
    """What the loop needs to know of ARBEx (training/trainers/trainer.py)."""

    def __init__(
        self,
        train: FaceSet,
        validation: FaceSet,
        model_config: ArbexConfig,
        loss_config: ArbexLossConfig,
        device: torch.device,
    ) -> None:
        self.model: Arbex = Arbex(model_config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks the keyword for modules
        self.samples = train.samples
        self._train, self._validation = train, validation
        self._loss_config, self._device = loss_config, device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Mean loss of the branches for the training faces with these row numbers (B,)."""
        batch = self._train.changed(rows, generator)
        outputs = self.model(batch.images.to(self._device), batch.landmarks.to(self._device))
        votes, labels = batch.targets.to(self._device), self._train.labels[rows].to(self._device)
        losses = []
        for output, branch in zip(outputs, self.model.each_branch(), strict=True):
            anchors = branch.reliability.unit_anchors()
            loss = arbex_loss(output, votes, anchors, progress, self._loss_config)
            if output.fer2013_logits is not None:
                loss = loss + self._loss_config.fer2013_weight * fer2013_loss(output.fer2013_logits, labels)
            losses.append(loss)
        return torch.stack(losses).mean()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the fused and the primary distribution."""
        fused, primary = predict(model, self._validation, self._device)
        figures = accuracy_of(fused.mean(1), self._validation.faces)
        first = accuracy_of(primary.mean(1), self._validation.faces)
        return figures | {f"{name}_primary": value for name, value in first.items()}


def accuracy_of(probabilities: Float32, faces: FerFaces) -> dict[str, float]:
    """Accuracy on the majority labels and NLL against the votes, of distributions (N, C)."""
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    return {
        "accuracy": float((probabilities.argmax(1) == labels)[clear].mean()),
        "nll": float(-(faces.vote_shares * np.log(np.maximum(probabilities, 1e-9))).sum(1).mean()),
    }


@torch.no_grad()
def predict(model: nn.Module, faces: FaceSet, device: torch.device, size: int = 256) -> tuple[Float32, Float32]:
    """Fused and primary distributions, each (N, branches, C), in evaluation mode."""
    fused, primary = [], []
    for images, landmarks in faces.batches(size):
        outputs = model(images.to(device), landmarks.to(device))
        fused.append(torch.stack([output.fused for output in outputs], 1).float().cpu().numpy())
        primary.append(torch.stack([output.primary for output in outputs], 1).float().cpu().numpy())
    return np.concatenate(fused), np.concatenate(primary)
