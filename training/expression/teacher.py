"""The teacher: dlib's face network (training/layers/face_trunk.py) and one linear layer as the expression head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.facs import EXPRESSIONS
from training.layers.face_trunk import FEATURES, MIN_SIDE_PX, FaceTrunk


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """Settings of the network."""

    input_side_px: int = 128
    dropout: float = 0.2
    classes: int = len(EXPRESSIONS)

    def __post_init__(self) -> None:
        """Check the input's side.

        Raises:
            ValueError: it leaves no map for the last block.
        """
        if self.input_side_px < MIN_SIDE_PX:
            raise ValueError(
                f"input_side_px = {self.input_side_px} is too small for the trunk: use {MIN_SIDE_PX} or more"
            )


class Teacher(nn.Module):
    """The trunk with a linear head over EXPRESSIONS."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = FaceTrunk()
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(FEATURES, config.classes)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised grey (N, 1, S, S) to logits (N, C), float32."""
        return torch.as_tensor(self.head(self.dropout(self.trunk(image))).float())
