"""``mien-train fit fer2013``: the teachers fine-tuned on the seven labels that FER2013 came with.

These labels are those of one person each and differ from the FERPlus majority for a third of the images, so they need
a network of their own. It starts from a teacher, whose trunk has learned the votes for the same Training images, with
a new head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from engine.types import Float32, Int64
from training.data.augment import AugmentConfig
from training.data.fer2013 import FER2013_LABELS, FerFaces, read_faces
from training.data.labelled import LabelledFaces
from training.expression.faces import FaceSet
from training.expression.fit import member_folder
from training.expression.fit_teacher import TeacherRunConfig, TeacherTask, finished_members, load_teachers
from training.expression.teacher import Teacher
from training.loop.checkpoint import code_version
from training.loop.distributed import rank_0_first
from training.loop.trainer import fit

#: Share of a label that is spread over all classes: a third of the labels are disputed.
_SMOOTHING: Final = 0.1


def fit_fer2013(
    config: TeacherRunConfig,
    data: Path,
    teacher_run: Path,
    run: Path,
    members: Sequence[int] | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> None:
    """Train RUN/member_K from teacher K, at that teacher's input side, on Training; PublicTest is logged.

    Args:
        config: settings; ``model`` is the teacher's with seven classes, whatever it says.
        data: folder with fer2013.csv.
        teacher_run: finished run of ``mien-train fit teacher``.
        run: folder of checkpoints, weights and logs.
        members: numbers of teachers; by default all that have finished.
        device: cpu or cuda.
        report: receives progress lines.

    Raises:
        FileNotFoundError: the data or a teacher is missing.
        ValueError: no teacher has finished.
    """
    numbers = tuple(finished_members(teacher_run) if members is None else members)
    for number, teacher in zip(numbers, load_teachers(teacher_run, numbers), strict=True):
        model = replace(teacher.config, classes=len(FER2013_LABELS), dropout=config.model.dropout)
        settings = replace(config, model=model)
        trainer = replace(config.trainer, seed=config.trainer.seed + number)
        with rank_0_first():  # under torchrun the other ranks find its meshes
            train, validation = (
                fer2013_faces(
                    read_faces(data, split, teacher_run / "cache", model.input_side_px, without_votes=True),
                    config.augment,
                    smoothing,
                )
                for split, smoothing in (("Training", _SMOOTHING), ("PublicTest", 0.0))
            )
        report(f"member {number}: {train.samples} faces")
        torch.manual_seed(trainer.seed)
        network = Teacher(model)
        network.trunk.load_state_dict(teacher.trunk.state_dict())
        facts = {
            "config": asdict(settings),
            "code": code_version(),
            "labels": list(FER2013_LABELS),
            "data": f"FER2013 Training with its own labels, {train.samples} faces, without copies of test images",
            "teacher": number,
        }
        task = TeacherTask(train, validation, settings, network, torch.device(device))
        fit(task, trainer, member_folder(run, number), facts, report)


def fer2013_faces(faces: FerFaces, augment: AugmentConfig, smoothing: float = 0.0) -> FaceSet:
    """Faces whose targets (N, 7) are FER2013's own labels, smoothed."""
    return FaceSet(
        LabelledFaces(
            crops=faces.crops,
            landmarks=faces.landmarks,
            targets=label_shares(faces.labels, smoothing),
            labels=faces.labels,
            presence=faces.presence,
            names=np.array([str(row) for row in faces.rows]),
        ),
        augment,
    )


def label_shares(labels: Int64, smoothing: float) -> Float32:
    """Labels (N,) as shares (N, 7): 1 - smoothing for the label and smoothing / 7 for each class.

    Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016 (arXiv 1512.00567).
    """
    classes = len(FER2013_LABELS)
    return np.asarray((1 - smoothing) * np.eye(classes)[labels] + smoothing / classes, np.float32)
