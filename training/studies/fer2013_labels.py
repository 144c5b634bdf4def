"""``mien-train evaluate fer2013``: networks fine-tuned on FER2013's own seven labels, one by one and together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.data.augment import AugmentConfig
from training.data.fer2013 import FER2013_LABELS, read_faces
from training.evaluation.expression_report import LabelFigures, label_figures
from training.expression.fit_fer2013 import fer2013_faces
from training.expression.fit_teacher import finished_members, load_teachers, teacher_probabilities
from training.studies.members import OverSeeds, over_seeds


@dataclass(frozen=True, slots=True)
class Fer2013Report:
    """Accuracy against FER2013's own labels; each prediction is the mean of a face and its mirror image."""

    split: str
    faces: int  # with an image; FER2013's label counts, whatever the raters of FERPlus voted
    members: tuple[int, ...]
    single: OverSeeds
    ensemble: LabelFigures


def evaluate_fer2013(
    run: Path, data: Path, cache: Path, split: str, report: Callable[[str], None] = print
) -> Fer2013Report:
    """Measure the finished members of a run of ``mien-train fit fer2013`` on a split.

    Raises:
        FileNotFoundError: the data are missing.
        ValueError: no member has finished, or the run is one of ``mien-train fit teacher``.
    """
    numbers = finished_members(run)
    found, labels = [], np.zeros(0, np.int64)
    for number, network in zip(numbers, load_teachers(run, numbers), strict=True):
        if network.config.classes != len(FER2013_LABELS):
            raise ValueError(f"{run} has {network.config.classes} classes: give a run of mien-train fit fer2013")
        test = read_faces(data, split, cache, network.config.input_side_px, without_votes=True)
        faces, device, labels = fer2013_faces(test, AugmentConfig()), torch.device("cpu"), test.labels
        both = [teacher_probabilities(network, faces, device, mirrored) for mirrored in (False, True)]
        found.append(np.mean(both, axis=0, dtype=np.float64))
        report(f"member {number}: {float((found[-1].argmax(1) == labels).mean()):.4f}")
    return Fer2013Report(
        split=split,
        faces=len(labels),
        members=numbers,
        single=over_seeds([float((part.argmax(1) == labels).mean()) for part in found]),
        ensemble=label_figures(np.mean(found, axis=0), labels, FER2013_LABELS),
    )
