"""``mien-train fit student``: the shipped network, distilled from the teachers (SPEC 4.4).

ARBEx on the trunk of one teacher, with a late branch per teacher: branch k imitates teacher k (Tran et al., "Hydra",
2020, arXiv 2001.04694). One more branch may follow the raters' votes themselves (`raters_branch`), and the mean over
branches follows them too. The teachers' answers are made once
(lessons.py); covered, badly lit, corrupted and strange pictures are drawn from them batch by batch (degrade.py).

`dirichlet` trains the rival in place of the branches: one Dirichlet that learns the mean and the spread of the same
answers to the same pictures (loss.py). The engine does not read it; `mien-train study dirichlet` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import read_toml
from engine.types import Float32
from training.data.augment import AugmentConfig
from training.data.fer2013 import MEAN, STD
from training.data.sources import Source
from training.expression.degrade import DegradeConfig, degrade, exposed_targets
from training.expression.faces import FaceSet, accuracy_of, predict, read_face_set
from training.expression.fit import ExpressionData, ExpressionRunConfig, member_folder, run_facts
from training.expression.fit_teacher import finished_members, load_teachers
from training.expression.lessons import TaughtFaces, VersionsConfig, make_lessons, unlabelled_news
from training.expression.loss import (
    ArbexLossConfig,
    arbex_loss,
    class_distribution_loss,
    concentrations,
    proxy_loss,
    split,
)
from training.expression.model import Arbex, ArbexConfig, ArbexOutput
from training.expression.trunk import TrunkConfig
from training.expression.trunk_levels import WIDTHS, trunk_part
from training.loop.distributed import rank_0_first
from training.loop.trainer import TrainerConfig, channels_last, fit
from training.metrics.decisions import macro_f1


def _model() -> ArbexConfig:
    return ArbexConfig(
        input_side_px=96,
        network_side_px=96,
        widths=WIDTHS,
        pretrained_trunk=True,
        landmarks=False,
        branches=4,
    )


@dataclass(frozen=True, slots=True)
class StudentConfig:
    """All settings of a run; read from TOML, an unknown key is an error."""

    faces: int = 0  # of Training, PublicTest and faces128, evenly spaced, to try the command; 0 is all
    start_teacher: int = 0  # whose trunk the student starts from
    raters_branch: bool = True  # the last branch learns the votes, where a face has them
    votes_weight: float = 0.5  # of the votes beside the teachers, in the mean over branches
    dirichlet: bool = False  # the rival: one Dirichlet in place of the branches; it is not exported
    model: ArbexConfig = field(default_factory=_model)
    loss: ArbexLossConfig = field(default_factory=ArbexLossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    versions: VersionsConfig = field(default_factory=VersionsConfig)
    degrade: DegradeConfig = field(default_factory=DegradeConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def read_student_config(path: Path) -> StudentConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(StudentConfig, path)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Degraded pictures of a batch."""

    images: Tensor  # (B, 1, S, S) normalised
    targets: Tensor  # (B, M, C) of the teachers, then of the raters
    ordinary: Tensor  # (B,) bool; an ordinary face, whose votes count


class StudentTask:
    """The student as the training loop needs it (training/loop/trainer.py)."""

    def __init__(
        self, lessons: TaughtFaces, train: FaceSet, validation: FaceSet, model: Arbex, config: StudentConfig
    ) -> None:
        self.model: Arbex = channels_last(model)
        self.samples = len(lessons.rows)
        self._lessons, self._train, self._validation, self._config = lessons, train, validation, config
        self._device = next(model.parameters()).device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Loss of the pictures with these row numbers (B,)."""
        outputs, targets, ordinary = self._lesson(rows, generator)
        losses = [
            arbex_loss(output, targets[:, number], branch.reliability.unit_anchors(), progress, self._config.loss)
            for number, (output, branch) in enumerate(zip(outputs, self.model.each_branch(), strict=True))
        ]
        mean = torch.stack([output.fused for output in outputs]).mean(0)
        return torch.stack(losses).mean() + self._votes_loss(mean, rows, ordinary)

    def _lesson(self, rows: Tensor, generator: torch.Generator) -> tuple[list[ArbexOutput], Tensor, Tensor]:
        """Outputs of each branch, targets (B, M, C) and which pictures (B,) show an ordinary face."""
        drawn = self.draw(rows, generator)
        landmarks = self._lessons.landmarks[rows].float().to(self._device)
        outputs = self.model(drawn.images.to(self._device), landmarks)
        return outputs, drawn.targets.to(self._device), drawn.ordinary

    def draw(self, rows: Tensor, generator: torch.Generator) -> Drawn:
        """The pictures with these row numbers (B,), degraded at random, with what is learned from them."""
        changed = degrade(self._lessons.images[rows, None].float() / 255, self._config.degrade, generator)
        images = ((changed.images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        targets = exposed_targets(self._answers(rows), changed.exposure, changed.faceless)
        return Drawn(images, targets, changed.exposure == 0)

    def _votes_loss(self, mean: Tensor, rows: Tensor, ordinary: Tensor) -> Tensor:
        """Weighted loss of the predicted distributions (B, C) where a face is ordinary and has votes; 0 without one."""
        faces = self._lessons.rows[rows]
        known = (faces >= 0) & ordinary
        if not known.any():
            return mean.new_zeros(())
        votes = self._train.targets(faces[known]).to(self._device)
        return self._config.votes_weight * class_distribution_loss(mean[known], votes)

    def _answers(self, rows: Tensor) -> Tensor:
        """Answers (B, M, C) for the branches: those of the teachers, then the votes; unlabelled faces have none."""
        answers = self._lessons.answers[rows].float()
        answers = answers / answers.sum(-1, keepdim=True)
        if not self._config.raters_branch:
            return answers
        faces = self._lessons.rows[rows]
        votes = torch.where((faces >= 0)[:, None], self._train.targets(faces.clamp(min=0)), answers.mean(1))
        return torch.cat([answers, votes[:, None]], 1)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy and macro-F1 on the majority labels and NLL against the votes, of the mean over branches."""
        fused, _ = predict(model, self._validation, self._device)
        return self._figures(fused.mean(1))

    def _figures(self, mean: Float32) -> dict[str, float]:
        faces = self._validation.faces
        clear = faces.labels >= 0
        score = macro_f1(faces.labels[clear], mean[clear].argmax(1), mean.shape[1])
        return accuracy_of(mean, faces) | {"macro_f1": score}


class DirichletStudentTask(StudentTask):
    """The rival: the primary logits of one branch are a Dirichlet, which learns the answers of all.

    Its mean learns the mean of the answers, its concentration their spread. The votes count in the mean alone: shares
    of ten raters differ from every teacher's answer for lack of raters, not because a picture is strange.
    """

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Proxy loss of the pictures with these row numbers (B,), and the loss against the votes."""
        (output,), targets, ordinary = self._lesson(rows, generator)
        alpha = concentrations(output.logits)
        teachers = targets[:, : self._lessons.answers.shape[1]]
        mean = alpha / alpha.sum(-1, keepdim=True)
        return proxy_loss(alpha, teachers, targets.mean(1)) + self._votes_loss(mean, rows, ordinary)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """The figures of `StudentTask`, of the Dirichlet's mean."""
        found = [
            split(concentrations(model(images.to(self._device), landmarks.to(self._device))[0].logits)).probabilities
            for images, landmarks in self._validation.batches(256)
        ]
        return self._figures(np.asarray(torch.cat(found).cpu().numpy(), np.float32))


def fit_student(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    run: Path,
    faces128: Path | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = print,
    lessons: Path | None = None,
) -> None:
    """Make the lessons that are missing and train into RUN/member_0; RUN exports like any other run.

    Args:
        config: all settings.
        data: folder with fer2013.csv and fer2013new.csv.
        teacher_run: finished run of ``mien-train fit teacher``.
        run: folder of lessons, checkpoints and weights.
        faces128: folder of faces128, whose faces the teachers label; without it, FER2013 alone.
        device: cpu or cuda.
        report: receives progress lines.
        lessons: folder of the teachers' answers, which runs may share; by default RUN/lessons.

    Raises:
        ValueError: the branches do not fit the finished teachers.
        FileNotFoundError: data or a teacher is missing.
    """
    teachers = _teachers(teacher_run)
    if not 0 <= config.start_teacher < len(teachers):
        raise ValueError(f"start_teacher must be 0 to {len(teachers) - 1}, not {config.start_teacher}")
    needed = 1 if config.dirichlet else len(teachers) + config.raters_branch
    if needed != config.model.branches:
        raise ValueError(
            f"{config.model.branches} branches do not fit the {len(teachers)} finished teachers of {teacher_run}"
            f"{' and the raters' if config.raters_branch else ''}: set model.branches = {needed}"
        )
    with rank_0_first():  # the other ranks then read its lessons
        sets, taught = read_lessons(config, data, teacher_run, lessons or run / "lessons", faces128, report)
    report(f"{len(taught.rows)} pictures, {len(teachers)} teachers")
    torch.manual_seed(config.trainer.seed)
    model = Arbex(config.model)
    (start,) = load_teachers(teacher_run, [teachers[config.start_teacher]])
    model.trunk.load_state_dict(trunk_part(start.state_dict()))
    task = (DirichletStudentTask if config.dirichlet else StudentTask)(
        taught, sets.train, sets.validation, model.to(device), config
    )
    fit(task, config.trainer, member_folder(run, 0), _facts(config, data, sets, teachers), report)


def _teachers(run: Path) -> tuple[int, ...]:
    """Finished members of the teacher.

    Raises:
        ValueError: there is none.
    """
    found = finished_members(run)
    if not found:
        raise ValueError(f"{run} has no finished member: run mien-train fit teacher first")
    return found


def make_student_lessons(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    run: Path,
    faces128: Path | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Store the answers of the teachers that have finished so far; `fit_student` reads them.

    Raises:
        FileNotFoundError: data is missing.
    """
    read_lessons(config, data, teacher_run, run / "lessons", faces128, report)


@dataclass(frozen=True, slots=True, eq=False)
class StudentSets:
    """The faces of a run."""

    train: FaceSet
    validation: FaceSet
    unlabelled: FaceSet | None


def _read_sets(
    config: StudentConfig, data: Path, cache: Path, faces128: Path | None, report: Callable[[str], None]
) -> StudentSets:
    side = config.model.input_side_px
    train, validation = (
        read_face_set(Source.FER2013, data, split, cache, side, config.augment).spread(config.faces)
        for split in ("Training", "PublicTest")
    )
    report(f"training: {train.faces.summary()}")
    if faces128 is None or config.versions.unlabelled_count == 0:
        return StudentSets(train, validation, None)
    unlabelled = FaceSet(unlabelled_news(faces128, cache, side), config.augment).spread(config.faces)
    report(f"unlabelled: {unlabelled.samples} faces of faces128")
    return StudentSets(train, validation, unlabelled)


def read_lessons(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    folder: Path,
    faces128: Path | None,
    report: Callable[[str], None] = print,
) -> tuple[StudentSets, TaughtFaces]:
    """The faces of a run, and their versions with the answers of all finished teachers; missing ones are made.

    Raises:
        FileNotFoundError: data is missing.
        ValueError: no teacher has finished.
    """
    sets = _read_sets(config, data, teacher_run / "cache", faces128, report)
    teachers = _teachers(teacher_run)
    return sets, make_lessons(teacher_run, teachers, sets.train, sets.unlabelled, config.versions, folder, report)


def _facts(config: StudentConfig, data: Path, sets: StudentSets, teachers: Sequence[int]) -> dict[str, Any]:
    """Facts of the run; its settings are written as those of a run that `load_members` reads."""
    settings = ExpressionRunConfig(
        members=1,
        model=config.model,
        trunk=TrunkConfig(epochs=0),
        loss=config.loss,
        augment=config.augment,
        trainer=config.trainer,
    )
    facts = run_facts(settings, ExpressionData(data), sets.train.samples)
    if sets.unlabelled is not None:
        facts["data"] += f"; faces128, {sets.unlabelled.samples} faces without their labels"
    return facts | {"student": asdict(config) | {"teachers": list(teachers)}}
