"""Faces as tensors with augmentation, and predictions for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import SourceError
from engine.types import Float32, Int64
from training.data.augment import AugmentConfig, FaceBatch, augment
from training.data.fer2013 import MEAN, STD, read_faces
from training.data.keep_list import read_keep_list
from training.data.labelled import LabelledFaces
from training.data.sources import Source, read_labelled
from training.expression.landmark_maps import LANDMARK_POINTS, MIRROR


class FaceSet:
    """Faces of one split; ``fer2013_labels`` (N,) are the second labels, which only FER2013 has."""

    def __init__(self, faces: LabelledFaces, config: AugmentConfig, fer2013_labels: Int64 | None = None) -> None:
        self.faces, self.samples = faces, len(faces.names)
        self._config = config
        self._fer2013_labels = None if fer2013_labels is None else torch.from_numpy(fer2013_labels)
        self._images = torch.from_numpy(faces.crops)
        self._landmarks = torch.from_numpy(faces.landmarks[:, LANDMARK_POINTS])
        self._targets = torch.from_numpy(faces.targets)
        self._mirror = torch.tensor(MIRROR)

    def spread(self, count: int) -> FaceSet:
        """``count`` faces, evenly spaced; all of them for 0."""
        if count == 0 or count >= self.samples:
            return self
        chosen = np.zeros(self.samples, bool)
        chosen[np.linspace(0, self.samples - 1, count).astype(int)] = True
        second = None if self._fer2013_labels is None else self._fer2013_labels.numpy()[chosen]
        return FaceSet(self.faces.where(chosen), self._config, second)

    def second_labels(self, rows: Tensor, device: torch.device) -> Tensor | None:
        """FER2013 labels (B,) of these row numbers, where there are any."""
        return None if self._fer2013_labels is None else self._fer2013_labels[rows].to(device)

    def targets(self, rows: Tensor) -> Tensor:
        """Vote shares (B, C) of these row numbers (B,)."""
        return self._targets[rows]

    def augmented(self, rows: Tensor, generator: torch.Generator) -> FaceBatch:
        """Augmented faces of these row numbers (B,); images are normalised."""
        unchanged = FaceBatch(self._images[rows, None].float() / 255, self._landmarks[rows], self._targets[rows])
        batch = augment(unchanged, self._mirror, self._config, generator)
        images = ((batch.images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        return FaceBatch(images, batch.landmarks, batch.targets)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images (B, 1, S, S) and landmarks (B, P, 2) without augmentation, in order."""
        for start in range(0, self.samples, size):
            yield self.plain(torch.arange(start, min(start + size, self.samples)))

    def plain(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (B, 1, S, S) and landmarks (B, P, 2) of these row numbers (B,), without augmentation."""
        return (self._images[rows, None].float() / 255 - MEAN) / STD, self._landmarks[rows]


def read_face_set(
    source: Source,
    data: Path,
    split: str,
    cache: Path,
    side_px: int,
    config: AugmentConfig,
    keep: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> FaceSet:
    """A split of any source; ``keep`` is a list of ``mien-train fit rlps``, which holds rows of FER2013.

    Raises:
        SourceError: the split is unknown, the data are not in the publisher's layout, or a keep list is given for
            another source than FER2013.
        FileNotFoundError, ValueError: FER2013 or the list cannot be read.
    """
    if source is not Source.FER2013:
        if keep is not None:
            raise SourceError(f"{keep} lists rows of FER2013; leave --keep out for {source.value}")
        return FaceSet(read_labelled(source.value, data, split, cache, side_px, report), config)
    faces = read_faces(data, split, cache, side_px)
    labelled, second = faces.labelled(), faces.labels
    if keep is not None:
        kept = read_keep_list(keep, faces.rows)
        labelled, second = labelled.where(kept), second[kept]
    return FaceSet(labelled, config, second)


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
