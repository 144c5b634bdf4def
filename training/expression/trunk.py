"""First stage of a member's training: the trunk alone, as a plain classifier (SPEC 2.5).

The published ARBEx starts from a trunk pretrained on identities. This one starts from random weights and learns faster
without attention, anchors and fusion, which follow in the second stage.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.expression.faces import FaceSet, accuracy_of
from training.expression.loss import class_distribution_loss, fer2013_loss
from training.expression.model import FER2013_CLASSES, ArbexConfig, Trunk
from training.loop.trainer import channels_last


@dataclass(frozen=True, slots=True)
class TrunkConfig:
    """Settings of the first stage."""

    epochs: int = 18
    learning_rate: float = 2e-3
    dropout: float = 0.2


class TrunkClassifier(nn.Module):
    """The trunk with a mean over its last map and two linear heads."""

    def __init__(self, config: ArbexConfig, dropout: float) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.widths[-1], config.classes)
        self.fer2013 = nn.Linear(config.widths[-1], FER2013_CLASSES)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised grey (N, 1, S, S) to logits (N, C) and (N, 7), float32."""
        pooled = self.dropout(self.trunk(image)[-1].mean((2, 3)))
        return self.head(pooled).float(), self.fer2013(pooled).float()


class TrunkTask:
    """The first stage as a task of the loop (training/loop/trainer.py)."""

    def __init__(
        self,
        train: FaceSet,
        validation: FaceSet,
        model_config: ArbexConfig,
        config: TrunkConfig,
        fer2013_weight: float,
        device: torch.device,
    ) -> None:
        self.model: TrunkClassifier = channels_last(TrunkClassifier(model_config, config.dropout).to(device))
        self.samples = train.samples
        self._train, self._validation = train, validation
        self._fer2013_weight, self._device = fer2013_weight, device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Cross-entropy with the votes, and with the FER2013 labels, of these training faces (B,)."""
        batch = self._train.augmented(rows, generator)
        logits, fer2013_logits = self.model(batch.images.to(self._device))
        votes = batch.targets.to(self._device)
        loss = class_distribution_loss(functional.softmax(logits, -1), votes)
        labels = self._train.second_labels(rows, self._device)
        return loss if labels is None else loss + self._fer2013_weight * fer2013_loss(fer2013_logits, labels)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy and NLL on the validation faces."""
        found = [
            functional.softmax(model(images.to(self._device))[0], -1).cpu()
            for images, _ in self._validation.batches(256)
        ]
        return accuracy_of(torch.cat(found).numpy(), self._validation.faces)
