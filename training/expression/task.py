"""Training of one ARBEx network on FERPlus vote distributions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.types import Float32
from training.data.labelled import LabelledFaces
from training.expression.face_set import FaceSet
from training.expression.loss import ArbexLossConfig, arbex_loss, fer2013_loss
from training.expression.model import Arbex, ArbexConfig


class ExpressionTask:
    """What the loop needs to know of ARBEx (training/loop/trainer.py)."""

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
        votes, labels = batch.targets.to(self._device), self._train.second_labels(rows, self._device)
        losses = []
        for output, branch in zip(outputs, self.model.each_branch(), strict=True):
            anchors = branch.reliability.unit_anchors()
            loss = arbex_loss(output, votes, anchors, progress, self._loss_config)
            if output.fer2013_logits is not None and labels is not None:
                loss = loss + self._loss_config.fer2013_weight * fer2013_loss(output.fer2013_logits, labels)
            losses.append(loss)
        return torch.stack(losses).mean()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the fused and the primary distribution."""
        fused, primary = predict(model, self._validation, self._device)
        figures = accuracy_of(fused.mean(1), self._validation.faces)
        first = accuracy_of(primary.mean(1), self._validation.faces)
        return figures | {f"{name}_primary": value for name, value in first.items()}


def accuracy_of(probabilities: Float32, faces: LabelledFaces) -> dict[str, float]:
    """Accuracy on the clear labels and NLL against the targets, of distributions (N, C)."""
    clear = faces.labels >= 0
    return {
        "accuracy": float((probabilities.argmax(1) == faces.labels)[clear].mean()),
        "nll": float(-(faces.targets * np.log(np.maximum(probabilities, 1e-9))).sum(1).mean()),
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
