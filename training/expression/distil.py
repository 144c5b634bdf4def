"""``mien-train fit uar``: one cheap network that keeps what an ensemble knows (SPEC 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from engine.config import read_toml
from training.data.augment import AugmentConfig
from training.expression.distillation import DirichletTask, DistillationTask, LessonConfig, make_lessons
from training.expression.fit import (
    ExpressionData,
    ExpressionRunConfig,
    load_members,
    member_folder,
    read_both,
    run_facts,
)
from training.expression.loss import ArbexLossConfig
from training.expression.model import Arbex, ArbexConfig
from training.expression.task import ExpressionTask
from training.loop.distributed import rank_0_first
from training.loop.trainer import Task, TrainerConfig, fit


class Method(Enum):
    """How the cheap network learns."""

    BRANCHES = "branches"  # late branches on the votes alone, without an ensemble
    DISTILLED = "distilled"  # late branches, each imitating one member
    DIRICHLET = "dirichlet"  # one Dirichlet that imitates the spread of the members


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
    """Train the network into RUN/member_0 from the finished ensemble in MEMBERS, so that it exports as any other run.

    The lessons (what the members say of changed faces) are kept in MEMBERS and serve every method.

    Raises:
        ValueError: the method is unknown, or the branches are not as many as the members.
    """
    method = _method(config)
    teachers, teacher_config = load_members(members)
    if method is Method.DISTILLED and config.model.branches != len(teachers):
        raise ValueError(f"{config.model.branches} branches cannot imitate {len(teachers)} members: set model.branches")
    settings = _as_expression_run(config)
    train, validation = read_both(data, settings, members / "cache", report)
    report(f"{method.value}: {train.samples} faces, {len(teachers)} members, {config.model.branches} branches")
    model = _student(config, teachers[config.member]).to(device)
    task: Task
    if method is Method.BRANCHES:
        task = ExpressionTask(train, validation, config.model, config.loss, torch.device(device))
        task.model.load_state_dict(model.state_dict())
    else:
        with rank_0_first():  # under torchrun the other ranks find its lessons
            asked = [teacher.to(device) for teacher in teachers]
            lessons = make_lessons(asked, train, config.lessons, members / "lessons.safetensors", report)
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
    """A network that starts as one member, each branch as that member's own."""
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
    """The settings under which the export reads the run: one network with several branches."""
    return ExpressionRunConfig(
        members=1, model=config.model, loss=config.loss, augment=config.augment, trainer=config.trainer
    )


def _origin(config: UarRunConfig, teachers: ExpressionRunConfig) -> dict[str, Any]:
    return {
        "uar": {"method": config.method, "lessons": asdict(config.lessons)},
        "members": {"count": teachers.members, "trunk": asdict(teachers.trunk), "trainer": asdict(teachers.trainer)},
    }
