"""Versions of the training faces and the teachers' answers to them, made once and kept on disk.

Each version is one file of augmented pictures and one file of answers per teacher (float16), so that a killed command
resumes at the file that is missing and a teacher that finishes later is added alone. The student draws covered, badly
lit and corrupted pictures from the versions while it trains (training/expression/degrade.py).

Faces of faces128, without their labels, are one more set: the teachers label them. People whose pictures the tests
use (`measured_news`) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from engine.alignment import view
from engine.facs import EXPRESSIONS
from engine.files import atomic_write
from training.data.fer2013 import MEAN, STD
from training.data.labelled import LabelledFaces
from training.data.news_faces import other_news
from training.expression.faces import FaceSet
from training.expression.fit_teacher import load_teachers
from training.expression.teacher import Teacher

_BATCH = 128


@dataclass(frozen=True, slots=True)
class VersionsConfig:
    """How many augmented versions, each with its own random numbers."""

    count: int = 3  # of the faces with votes
    unlabelled_count: int = 1  # of the unlabelled faces
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ValueError: there is no version.
        """
        if self.count < 1 or self.unlabelled_count < 0:
            raise ValueError(f"at least one version of the faces is needed, not {self.count}")


@dataclass(frozen=True, slots=True, eq=False)
class TaughtFaces:
    """Pictures with the teachers' answers."""

    images: Tensor  # (L, S, S) uint8
    landmarks: Tensor  # (L, P, 2) float16
    answers: Tensor  # (L, M, C) float16 probabilities
    rows: Tensor  # (L,) training face with votes, or -1


def make_lessons(
    teacher_run: Path,
    teachers: Sequence[int],
    faces: FaceSet,
    unlabelled: FaceSet | None,
    config: VersionsConfig,
    folder: Path,
    report: Callable[[str], None] = print,
) -> TaughtFaces:
    """All versions with the answers of these teachers; what FOLDER has already is read.

    Raises:
        FileNotFoundError: a teacher has not finished.
    """
    sets = [(f"faces_{number}", faces) for number in range(config.count)]
    if unlabelled is not None:
        sets += [(f"unlabelled_{number}", unlabelled) for number in range(config.unlabelled_count)]
    folder.mkdir(parents=True, exist_ok=True)
    loaded: dict[int, Teacher] = {}
    parts = []
    for seed, (name, group) in enumerate(sets, config.seed * 1000):
        version = _version(folder / f"{name}.safetensors", group, seed, report)
        answers = []
        for number in teachers:
            path = folder / f"{name}_teacher_{number}.safetensors"
            if not path.is_file():
                if number not in loaded:
                    (loaded[number],) = load_teachers(teacher_run, [number])
                _save({"answers": teacher_answers(loaded[number], version["images"])}, path)
                report(f"teacher {number} labelled {name}")
            answers.append(load_file(str(path))["answers"])
        rows = torch.arange(group.samples) if group is faces else torch.full((group.samples,), -1)
        parts.append((version["images"], version["landmarks"], torch.stack(answers, 1), rows))
    return TaughtFaces(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _version(path: Path, faces: FaceSet, seed: int, report: Callable[[str], None]) -> dict[str, Tensor]:
    if not path.is_file():
        generator = torch.Generator().manual_seed(seed)
        images, landmarks = [], []
        for start in range(0, faces.samples, _BATCH):
            batch = faces.augmented(torch.arange(start, min(start + _BATCH, faces.samples)), generator)
            images.append(((batch.images[:, 0] * STD + MEAN) * 255).round().clamp(0, 255).to(torch.uint8))
            landmarks.append(batch.landmarks.half())
        _save({"images": torch.cat(images), "landmarks": torch.cat(landmarks)}, path)
        report(f"made {path.stem}: {faces.samples} pictures")
    return load_file(str(path))


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    with atomic_write(path) as part:
        save_file({name: value.contiguous() for name, value in tensors.items()}, str(part))


@torch.no_grad()
def teacher_answers(teacher: Teacher, images: Tensor) -> Tensor:
    """Probabilities (N, C) float16 of a teacher for grey pictures (N, S, S) uint8, resized to its input."""
    side = teacher.config.input_side_px
    found = []
    for part in torch.split(images, _BATCH):
        grey = (part[:, None].float() / 255 - MEAN) / STD
        if side != images.shape[-1]:
            grey = functional.interpolate(grey, size=side, mode="bilinear", antialias=True, align_corners=False)
        with torch.autocast("cpu", torch.bfloat16):
            logits = teacher(grey.contiguous(memory_format=torch.channels_last))
        found.append(functional.softmax(logits.float(), -1).half())
    return torch.cat(found)


def unlabelled_news(folder: Path, cache: Path, side_px: int) -> LabelledFaces:
    """Faces of faces128 of people whom no test uses; targets are 0 and labels -1, because only teachers label them.

    Raises:
        FileNotFoundError: labels.csv or an image is missing.
    """
    found = other_news(folder, cache)
    count = len(found.crops)
    return LabelledFaces(
        crops=np.stack([view(crop, side_px) for crop in found.crops]),
        landmarks=found.landmarks,
        targets=np.zeros((count, len(EXPRESSIONS)), np.float32),
        labels=np.full(count, -1),
        presence=np.ones(count, np.float32),
        names=found.people,
    )
