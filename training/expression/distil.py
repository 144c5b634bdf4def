"""Distils an ensemble into one network that keeps its uncertainty (``mien-train fit uar``; SPEC 4.4).

UAR: Inoshita, Ueno, "Interpretable Uncertainty Routing Separating Emotion Ambiguity from Distribution Shift in Facial
Expression Recognition", 2026, arXiv 2606.22725: an ensemble, routed by the two parts of its uncertainty. Its members
are fully fine-tuned DINOv2 networks, ours are five ARBEx networks, and the shipped model is distilled from them by:

- late branches (shipped): branch k learns from member k, so the branches disagree where the members do (Tran et al.,
  "Hydra: Preserving Ensemble Diversity for Model Distillation", 2020, arXiv 2001.04694);
- or one Dirichlet (loss.py).

The members' predictions are computed once, for a few augmented versions of every training face and for versions unlike
any face (training/data/strange.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.config import read_toml
from engine.files import atomic_write
from training.data.augment import AugmentConfig
from training.data.fer2013 import MEAN, STD
from training.data.strange import make_strange
from training.expression.faces import FaceSet, accuracy_of, predict
from training.expression.fit import (
    ExpressionData,
    ExpressionRunConfig,
    ExpressionTask,
    load_members,
    member_folder,
    read_both,
    run_facts,
)
from training.expression.loss import (
    ArbexLossConfig,
    arbex_loss,
    class_distribution_loss,
    concentrations,
    proxy_loss,
    split,
)
from training.expression.model import Arbex, ArbexConfig
from training.loop.distributed import rank_0_first
from training.loop.trainer import Task, TrainerConfig, channels_last, fit


class Method(Enum):
    """How the network learns."""

    BRANCHES = "branches"  # late branches on the votes alone, without an ensemble
    DISTILLED = "distilled"  # late branches, each learning from one member
    DIRICHLET = "dirichlet"  # one Dirichlet that learns the spread of the members


@dataclass(frozen=True, slots=True)
class LessonConfig:
    """Versions of the training faces on which the members predict."""

    versions: int = 3  # augmented as in training
    strange_versions: int = 1  # unlike any face (training/data/strange.py)
    votes_weight: float = 0.5  # of the votes beside the members, in the mean over branches; strange versions have none
    seed: int = 7


@dataclass(frozen=True, slots=True)
class UarRunConfig:
    """All settings of a run; read from TOML, an unknown key is an error."""

    method: str = Method.DISTILLED.value
    member: int = 0  # whose weights the shared part starts from
    model: ArbexConfig = field(default_factory=lambda: ArbexConfig(branches=5))
    loss: ArbexLossConfig = field(default_factory=ArbexLossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    lessons: LessonConfig = field(default_factory=LessonConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def read_uar_config(path: Path) -> UarRunConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(UarRunConfig, path)


def fit_uar(
    config: UarRunConfig,
    data: ExpressionData,
    members: Path,
    run: Path,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> None:
    """Train into RUN/member_0 from the finished ensemble in MEMBERS; RUN exports like any other run.

    The members' predictions are cached in MEMBERS and serve every method.

    Raises:
        ValueError: the method is unknown, or the branches are not as many as the members.
    """
    method = _method(config)
    teachers, teacher_config = load_members(members)
    if method is Method.DISTILLED and config.model.branches != len(teachers):
        raise ValueError(
            f"{config.model.branches} branches cannot learn from {len(teachers)} members: set model.branches"
        )
    settings = _as_expression_run(config)
    train, validation = read_both(data, settings, members / "cache", report)
    report(f"{method.value}: {train.samples} faces, {len(teachers)} members, {config.model.branches} branches")
    model = _student(config, teachers[config.member]).to(device)
    task: Task
    if method is Method.BRANCHES:
        task = ExpressionTask(train, validation, config.model, config.loss, torch.device(device))
        task.model.load_state_dict(model.state_dict())
    else:
        with rank_0_first():  # the other ranks then read its cached lessons
            lessons = make_lessons(
                [teacher.to(device) for teacher in teachers],
                train,
                config.lessons,
                members / "lessons.safetensors",
                report,
            )
        if method is Method.DISTILLED:
            task = DistillationTask(lessons, train, validation, model, config.loss, config.lessons.votes_weight)
        else:
            task = DirichletTask(lessons, validation, model)
    facts = run_facts(settings, data, train.samples) | _origin(config, teacher_config)
    fit(task, config.trainer, member_folder(run, 0), facts, report)


def _method(config: UarRunConfig) -> Method:
    try:
        return Method(config.method)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ValueError(f"method {config.method!r} is unknown: use one of {known}") from None


def _student(config: UarRunConfig, teacher: Arbex) -> Arbex:
    """A network with the weights of one member, each branch with those of the member's own branch."""
    torch.manual_seed(config.trainer.seed)
    model = Arbex(config.model)
    weights = model.state_dict()
    for name, value in teacher.state_dict().items():
        if name.startswith("branches.0."):
            for number in range(config.model.branches):
                own = name.replace("branches.0.", f"branches.{number}.", 1)
                if own in weights:
                    weights[own] = value.clone()
        else:
            weights[name] = value
    if config.method == Method.BRANCHES.value:  # equal branches would stay equal on equal targets
        fresh = model.state_dict()
        weights |= {name: fresh[name] for name in weights if name.startswith("branches.")}
    model.load_state_dict(weights)
    return model


def _as_expression_run(config: UarRunConfig) -> ExpressionRunConfig:
    """The settings that the export reads: one network with several branches."""
    return ExpressionRunConfig(
        members=1, model=config.model, loss=config.loss, augment=config.augment, trainer=config.trainer
    )


def _origin(config: UarRunConfig, teachers: ExpressionRunConfig) -> dict[str, Any]:
    return {
        "uar": {"method": config.method, "lessons": asdict(config.lessons)},
        "members": {"count": teachers.members, "trunk": asdict(teachers.trunk), "trainer": asdict(teachers.trainer)},
    }


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Images with the members' predictions."""

    images: Tensor  # (L, S, S) uint8
    landmarks: Tensor  # (L, P, 2) float16
    predictions: Tensor  # (L, M, C) float16 probabilities
    rows: Tensor  # (L,) training face; -1 for a strange image, which has no votes


def make_lessons(
    members: list[Arbex], train: FaceSet, config: LessonConfig, file: Path, report: Callable[[str], None] = print
) -> Lessons:
    """Predictions of the members, cached beside FILE version by version."""
    parts = []
    for version in range(config.versions + config.strange_versions):
        path = file.with_name(f"{file.stem}_{version}.safetensors")
        if not path.is_file():
            part = _predict(members, train, config, version)
            with atomic_write(path) as target:
                save_file(part, str(target))
            report(f"members predicted version {version + 1} of {config.versions + config.strange_versions}")
        parts.append(load_file(str(path)))
    return Lessons(*(torch.cat([part[name] for part in parts]) for name in ("images", "landmarks", "answers", "rows")))


@torch.no_grad()
def _predict(
    members: list[Arbex], train: FaceSet, config: LessonConfig, version: int, size: int = 128
) -> dict[str, Tensor]:
    strange, device = version >= config.versions, next(members[0].parameters()).device
    generator = torch.Generator().manual_seed(config.seed * 1000 + version)
    found: dict[str, list[Tensor]] = {"images": [], "landmarks": [], "answers": []}
    for start in range(0, train.samples, size):
        batch = train.augmented(torch.arange(start, min(start + size, train.samples)), generator)
        grey = batch.images * STD + MEAN
        grey = make_strange(grey, generator) if strange else grey
        stored = (grey * 255).round().clamp(0, 255).to(torch.uint8)
        images = _normalised(stored)
        points = batch.landmarks.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            fused = [output.fused for member in members for output in member(images.to(device), points)]
        found["images"].append(stored[:, 0])
        found["landmarks"].append(batch.landmarks.half())
        found["answers"].append(torch.stack(fused, 1).half().cpu())
    rows = torch.full((train.samples,), -1) if strange else torch.arange(train.samples)
    return {name: torch.cat(parts).contiguous() for name, parts in found.items()} | {"rows": rows}


def _normalised(images: Tensor) -> Tensor:
    normalised = (images.float() / 255 - MEAN) / STD
    return normalised.contiguous(memory_format=torch.channels_last)


class DistillationTask:
    """Branch k learns from member k; the mean over branches also learns from the votes."""

    def __init__(
        self,
        lessons: Lessons,
        train: FaceSet,
        validation: FaceSet,
        model: Arbex,
        loss_config: ArbexLossConfig,
        votes_weight: float,
    ) -> None:
        self.model: Arbex = channels_last(model)
        self.samples = len(lessons.rows)
        self._lessons, self._validation = lessons, validation
        self._train = train
        self._loss_config, self._votes_weight = loss_config, votes_weight
        self._device = next(model.parameters()).device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the lessons with these row numbers (B,), which are augmented already."""
        images, landmarks, predictions = lesson_batch(self._lessons, rows, self._device)
        outputs = self.model(images, landmarks)
        losses = [
            arbex_loss(output, predictions[:, number], branch.reliability.unit_anchors(), progress, self._loss_config)
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
    """One Dirichlet over the primary logits replaces the members."""

    def __init__(self, lessons: Lessons, validation: FaceSet, model: Arbex) -> None:
        self.model: Arbex = channels_last(model)
        self.samples = len(lessons.rows)
        self._lessons, self._validation = lessons, validation
        self._device = next(model.parameters()).device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Proxy loss of the lessons with these row numbers (B,)."""
        images, landmarks, predictions = lesson_batch(self._lessons, rows, self._device)
        return proxy_loss(concentrations(self.model(images, landmarks)[0].logits), predictions)

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
    """Normalised images (B, 1, S, S), landmarks (B, P, 2) and predictions (B, M, C), which sum to 1 in float32."""
    images = _normalised(lessons.images[rows, None])
    predictions = lessons.predictions[rows].float()
    predictions = predictions / predictions.sum(-1, keepdim=True)
    return images.to(device), lessons.landmarks[rows].float().to(device), predictions.to(device)
