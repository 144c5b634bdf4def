"""Training of one network with late branches to answer as an ensemble does, member by branch.

Tran et al., "Hydra: Preserving Ensemble Diversity for Model Distillation", 2020 (arXiv 2001.04694): branch k imitates
member k, so that the branches disagree where the members do. The members' answers are computed once, for a few randomly
changed versions of every training face and for versions unlike any face (training/data/strange.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.data.strange import make_strange
from training.expression.dirichlet import concentrations, proxy_loss, split
from training.expression.face_set import MEAN, STD, FaceSet
from training.expression.loss import ArbexLossConfig, arbex_loss, class_distribution_loss
from training.expression.model import Arbex
from training.expression.task import accuracy_of, predict


@dataclass(frozen=True, slots=True)
class LessonConfig:
    """Which versions of the training faces the members are asked about."""

    versions: int = 3  # randomly changed as in training
    strange_versions: int = 1
    votes_weight: float = 0.5  # of the votes beside the members, in the mean over branches; strange versions have none
    seed: int = 7


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Pictures and what the members say of them."""

    images: Tensor  # (L, S, S) uint8
    landmarks: Tensor  # (L, P, 2) float16
    answers: Tensor  # (L, M, C) float16 probabilities
    rows: Tensor  # (L,) training face; -1 for a strange picture, which has no votes


def make_lessons(
    members: list[Arbex], train: FaceSet, config: LessonConfig, file: Path, report: Callable[[str], None] = print
) -> Lessons:
    """Ask the members, or read what they said before from FILE; each version is kept as soon as it is done."""
    parts = []
    for version in range(config.versions + config.strange_versions):
        path = file.with_name(f"{file.stem}_{version}.safetensors")
        if not path.is_file():
            part = _ask(members, train, config, version)
            partial = path.with_suffix(".part")
            save_file(part, str(partial))
            partial.replace(path)
            report(f"members asked about version {version + 1} of {config.versions + config.strange_versions}")
        parts.append(load_file(str(path)))
    return Lessons(*(torch.cat([part[name] for part in parts]) for name in ("images", "landmarks", "answers", "rows")))


@torch.no_grad()
def _ask(
    members: list[Arbex], train: FaceSet, config: LessonConfig, version: int, size: int = 128
) -> dict[str, Tensor]:
    strange, device = version >= config.versions, next(members[0].parameters()).device
    generator = torch.Generator().manual_seed(config.seed * 1000 + version)
    found: dict[str, list[Tensor]] = {"images": [], "landmarks": [], "answers": []}
    for start in range(0, train.samples, size):
        batch = train.changed(torch.arange(start, min(start + size, train.samples)), generator)
        grey = batch.images * STD + MEAN
        grey = make_strange(grey, generator) if strange else grey
        stored = (grey * 255).round().clamp(0, 255).to(torch.uint8)
        pictures = _normalised(stored)
        points = batch.landmarks.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            answers = [output.fused for member in members for output in member(pictures.to(device), points)]
        found["images"].append(stored[:, 0])
        found["landmarks"].append(batch.landmarks.half())
        found["answers"].append(torch.stack(answers, 1).half().cpu())
    rows = torch.full((train.samples,), -1) if strange else torch.arange(train.samples)
    return {name: torch.cat(parts).contiguous() for name, parts in found.items()} | {"rows": rows}


def _normalised(images: Tensor) -> Tensor:
    pictures = (images.float() / 255 - MEAN) / STD
    return pictures.contiguous(memory_format=torch.channels_last)


class DistillationTask:
    """Branch k imitates member k; their mean also follows the votes."""

    def __init__(
        self,
        lessons: Lessons,
        train: FaceSet,
        validation: FaceSet,
        model: Arbex,
        loss_config: ArbexLossConfig,
        votes_weight: float,
    ) -> None:
        self.model: Arbex = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks the keyword for modules
        self.samples = len(lessons.rows)
        self._lessons, self._validation = lessons, validation
        self._train = train
        self._loss_config, self._votes_weight = loss_config, votes_weight
        self._device = next(model.parameters()).device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the lessons with these row numbers (B,), whose changes are made already."""
        images, landmarks, answers = lesson_batch(self._lessons, rows, self._device)
        outputs = self.model(images, landmarks)
        losses = [
            arbex_loss(output, answers[:, number], branch.reliability.unit_anchors(), progress, self._loss_config)
            for number, (output, branch) in enumerate(zip(outputs, self.model.each_branch(), strict=True))
        ]
        faces = self._lessons.rows[rows]
        known = faces >= 0
        mean = torch.stack([output.fused for output in outputs]).mean(0)
        votes = class_distribution_loss(mean[known], self._train.targets(faces[known]).to(self._device))
        return torch.stack(losses).mean() + self._votes_weight * votes

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the mean over branches."""
        fused, _ = predict(model, self._validation, self._device)
        return accuracy_of(fused.mean(1), self._validation.faces)


class DirichletTask:
    """One Dirichlet over the primary logits takes the place of the members (training/expression/dirichlet.py)."""

    def __init__(self, lessons: Lessons, validation: FaceSet, model: Arbex) -> None:
        self.model: Arbex = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks the keyword for modules
        self.samples = len(lessons.rows)
        self._lessons, self._validation = lessons, validation
        self._device = next(model.parameters()).device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Proxy loss of the lessons with these row numbers (B,)."""
        images, landmarks, answers = lesson_batch(self._lessons, rows, self._device)
        return proxy_loss(concentrations(self.model(images, landmarks)[0].logits), answers)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the Dirichlet's mean."""
        found = [
            split(concentrations(model(images.to(self._device), landmarks.to(self._device))[0].logits)).probabilities
            for images, landmarks in self._validation.batches(256)
        ]
        probabilities: npt.NDArray[np.float32] = torch.cat(found).cpu().numpy()
        return accuracy_of(probabilities, self._validation.faces)


def lesson_batch(lessons: Lessons, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised pictures (B, 1, S, S), landmarks (B, P, 2) and answers (B, M, C).

    The answers are renormalised in single precision.
    """
    images = _normalised(lessons.images[rows, None])
    answers = lessons.answers[rows].float()
    answers = answers / answers.sum(-1, keepdim=True)
    return images.to(device), lessons.landmarks[rows].float().to(device), answers.to(device)
