"""Faces as tensors, with the random changes of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import SourceError
from engine.types import Int64
from training.data.augment import AugmentConfig, FaceBatch, augment
from training.data.fer2013 import read_faces
from training.data.keep_list import read_keep_list
from training.data.labelled import LabelledFaces
from training.data.sources import Source, read_labelled
from training.expression.landmark_maps import LANDMARK_POINTS, MIRROR

#: The crop's grey levels 0-255 become (grey / 255 - MEAN) / STD; about the mean and deviation of FER2013 crops.
MEAN, STD = 0.5, 0.25


class FaceSet:
    """Faces of one split; ``fer2013_labels`` (N,) are the second labels that only FER2013 has."""

    def __init__(self, faces: LabelledFaces, config: AugmentConfig, fer2013_labels: Int64 | None = None) -> None:
        self.faces, self.samples = faces, len(faces.names)
        self._config = config
        self._fer2013_labels = None if fer2013_labels is None else torch.from_numpy(fer2013_labels)
        self._images = torch.from_numpy(faces.crops)
        self._landmarks = torch.from_numpy(faces.landmarks[:, LANDMARK_POINTS])
        self._targets = torch.from_numpy(faces.targets)
        self._mirror = torch.tensor(MIRROR)

    def second_labels(self, rows: Tensor, device: torch.device) -> Tensor | None:
        """FER2013 labels (B,) of these row numbers, where there are any."""
        return None if self._fer2013_labels is None else self._fer2013_labels[rows].to(device)

    def targets(self, rows: Tensor) -> Tensor:
        """Vote shares (B, C) of these row numbers (B,)."""
        return self._targets[rows]

    def changed(self, rows: Tensor, generator: torch.Generator) -> FaceBatch:
        """Faces of these row numbers (B,), randomly changed; pictures are normalised."""
        plain = FaceBatch(self._images[rows, None].float() / 255, self._landmarks[rows], self._targets[rows])
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
    """A split of any source; ``keep`` is a list of ``mien-train fit rlps``, which knows the rows of FER2013 only.

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
