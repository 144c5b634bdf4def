"""``mien-train evaluate fer2013-heads``: heads for FER2013's own seven labels on the features of the teachers.

Each head is trained for itself, on the labels that FER2013 came with, by multinomial logistic regression on the mean of
a teacher's last map; the features themselves were fitted to the FERPlus votes of the same images. The strength of the
penalty is chosen on PublicTest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from engine.types import Float32, Float64, Int64, UInt8
from training.data.fer2013 import FER2013_LABELS, MEAN, STD, FerFaces, read_faces
from training.evaluation.expression_report import LabelFigures, label_figures
from training.expression.fit_teacher import finished_members, load_teachers
from training.expression.teacher import Teacher
from training.studies.members import OverSeeds, over_seeds

#: Candidates for the inverse strength of the penalty.
_STRENGTHS: Final = (0.003, 0.03, 0.3)
_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class HeadsReport:
    """Each teacher's head, and the mean of their probabilities."""

    split: str
    faces: int  # with an image; FER2013's label counts, whatever the raters voted
    teachers: tuple[int, ...]
    strengths: tuple[float, ...]  # chosen
    single: OverSeeds
    ensemble: LabelFigures


def evaluate_heads(
    teacher_run: Path, data: Path, cache: Path, split: str, report: Callable[[str], None] = print
) -> HeadsReport:
    """Train the heads on Training and measure them on a split.

    Raises:
        FileNotFoundError, ValueError: the data are missing, or no teacher has finished.
    """
    numbers = finished_members(teacher_run)
    found, chosen, labels = [], [], np.zeros(0, np.int64)
    for number, teacher in zip(numbers, load_teachers(teacher_run, numbers), strict=True):
        side = teacher.config.input_side_px
        training, validation, test = (
            read_faces(data, part, cache, side, without_votes=True) for part in ("Training", "PublicTest", split)
        )
        labels = test.labels
        scaler = StandardScaler().fit(features := features_of(teacher, training))
        held_out = scaler.transform(features_of(teacher, validation))
        head, strength = _best_head(scaler.transform(features), training.labels, held_out, validation.labels)
        values = held_out if split == "PublicTest" else scaler.transform(features_of(teacher, test))
        found.append(head.predict_proba(values).astype(np.float64))
        chosen.append(strength)
        report(f"teacher {number}: {float((found[-1].argmax(1) == labels).mean()):.4f}")
    return HeadsReport(
        split=split,
        faces=len(labels),
        teachers=numbers,
        strengths=tuple(chosen),
        single=over_seeds([float((part.argmax(1) == labels).mean()) for part in found]),
        ensemble=label_figures(np.mean(found, axis=0), labels, FER2013_LABELS),
    )


def _best_head(
    features: Float64, labels: Int64, held_out: Float64, held_out_labels: Int64
) -> tuple[LogisticRegression, float]:
    heads = [LogisticRegression(C=strength, max_iter=300).fit(features, labels) for strength in _STRENGTHS]
    best = int(np.argmax([head.score(held_out, held_out_labels) for head in heads]))
    return heads[best], _STRENGTHS[best]


@torch.no_grad()
def features_of(teacher: Teacher, faces: FerFaces) -> Float32:
    """Mean (N, 256) of the last map, averaged over each face and its mirror image."""
    return np.asarray((_features(teacher, faces.crops) + _features(teacher, faces.crops[:, :, ::-1])) / 2, np.float32)


def _features(teacher: Teacher, crops: UInt8) -> Float32:
    parts = []
    for part in torch.split(torch.from_numpy(np.ascontiguousarray(crops)), _BATCH):
        image = ((part[:, None].float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(teacher.trunk(image).float())
    return np.asarray(torch.cat(parts).numpy(), np.float32)
