"""``mien-train fit expression``: train the members of the expression ensemble one after the other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from engine.config import read_toml
from engine.facs import EXPRESSIONS
from training.augment import AugmentConfig
from training.datasets.fer2013 import read_faces
from training.losses.arbex import ArbexLossConfig
from training.models.arbex import ArbexConfig
from training.trainers.checkpoint import load_weights
from training.trainers.expression import ExpressionTask
from training.trainers.trainer import TrainerConfig, fit


@dataclass(frozen=True, slots=True)
class ExpressionRunConfig:
    """All settings of a run; read from TOML, an unknown key is an error."""

    members: int = 5
    model: ArbexConfig = field(default_factory=ArbexConfig)
    loss: ArbexLossConfig = field(default_factory=ArbexLossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def read_run_config(path: Path) -> ExpressionRunConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(ExpressionRunConfig, path)


def member_folder(run: Path, member: int) -> Path:
    """Where a member's checkpoint and weights stand."""
    return run / f"member_{member}"


def code_version() -> str:
    """Commit of the checkout, with a mark when files differ from it; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[1]
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


def fit_expression(
    config: ExpressionRunConfig,
    data: Path,
    run: Path,
    members: Sequence[int],
    device: str = "cpu",
    start: Path | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Train the given members into RUN/member_K; each differs in its seed only (initial weights, order, changes).

    ``start`` is a finished run whose members are the initial weights: a further cycle of a falling learning rate
    (warm restart; Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv 1608.03983).
    """
    cache = run / "cache"
    train, validation = read_faces(data, "Training", cache), read_faces(data, "PublicTest", cache)
    report(f"{len(train.rows)} Training faces, {len(validation.rows)} PublicTest faces")
    for member in members:
        trainer = replace(config.trainer, seed=config.trainer.seed + member)
        torch.manual_seed(trainer.seed)
        task = ExpressionTask(train, validation, config.model, config.loss, config.augment, torch.device(device))
        facts = _facts(config, len(train.rows))
        if start is not None:
            facts["start"] = load_weights(member_folder(start, member) / "weights.safetensors", task.model)
        report(f"member {member}")
        fit(task, trainer, member_folder(run, member), facts, report)


def _facts(config: ExpressionRunConfig, samples: int) -> dict[str, Any]:
    return {
        "config": asdict(config),
        "code": code_version(),
        "labels": list(EXPRESSIONS),
        "data": f"FER2013 Training with FERPlus votes, {samples} faces, pictures shared with a test split left out",
    }
