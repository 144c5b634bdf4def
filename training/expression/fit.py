"""Trains the members of the expression ensemble one after the other (``mien-train fit expression``; SPEC 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.config import read_toml
from engine.errors import ConfigError, SourceError
from engine.facs import EXPRESSIONS
from engine.records import read_record
from training.data.augment import AugmentConfig
from training.data.sources import SPLITS, Source
from training.expression.faces import FaceSet, accuracy_of, predict, read_face_set
from training.expression.loss import ArbexLossConfig, arbex_loss, fer2013_loss
from training.expression.model import Arbex, ArbexConfig
from training.expression.trunk import TrunkConfig, TrunkTask
from training.loop.checkpoint import code_version, load_weights, read_facts
from training.loop.distributed import rank_0_first
from training.loop.trainer import TrainerConfig, channels_last, fit


@dataclass(frozen=True, slots=True)
class ExpressionRunConfig:
    """All settings of a run; read from TOML, an unknown key is an error."""

    members: int = 5
    model: ArbexConfig = field(default_factory=ArbexConfig)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
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
    """Folder of a member's checkpoint and weights."""
    return run / f"member_{member}"


@dataclass(frozen=True, slots=True)
class ExpressionData:
    """The data set, its splits, and an optional list of images to keep."""

    folder: Path
    source: Source = Source.FER2013
    split: str = ""  # to train on; by default the publisher's first
    validation_split: str = ""  # by default the second
    keep: Path | None = None  # list of ``mien-train fit rlps``: train on these only

    def splits(self) -> tuple[str, str]:
        """Names of the two splits.

        Raises:
            SourceError: the source has no splits of its own and one is not named.
        """
        known = SPLITS.get(self.source, ("", ""))
        training, validation = self.split or known[0], self.validation_split or known[1]
        if not training or not validation:
            raise SourceError(f"{self.source.value} has no splits of its own: name --split and --validation-split")
        return training, validation


class ExpressionTask:
    """ARBEx as a task of the loop (training/loop/trainer.py)."""

    def __init__(
        self,
        train: FaceSet,
        validation: FaceSet,
        model_config: ArbexConfig,
        loss_config: ArbexLossConfig,
        device: torch.device,
    ) -> None:
        self.model: Arbex = channels_last(Arbex(model_config).to(device))
        self.samples = train.samples
        self._train, self._validation = train, validation
        self._loss_config, self._device = loss_config, device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Mean loss of the branches for the training faces with these row numbers (B,)."""
        batch = self._train.augmented(rows, generator)
        outputs = self.model(batch.images.to(self._device), batch.landmarks.to(self._device))
        votes, labels = batch.targets.to(self._device), self._train.second_labels(rows, self._device)
        losses = []
        for output, branch in zip(outputs, self.model.each_branch(), strict=True):
            anchors = branch.reliability.unit_anchors()
            loss = arbex_loss(output, votes, anchors, progress, self._loss_config)
            if output.fer2013_logits is not None and labels is not None:
                loss = loss + self._loss_config.fer2013_weight * fer2013_loss(output.fer2013_logits, labels)
            losses.append(loss)
        return torch.stack(losses).mean()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy on the majority labels and NLL against the votes, of the fused and the primary distribution."""
        fused, primary = predict(model, self._validation, self._device)
        figures = accuracy_of(fused.mean(1), self._validation.faces)
        first = accuracy_of(primary.mean(1), self._validation.faces)
        return figures | {f"{name}_primary": value for name, value in first.items()}


def fit_expression(
    config: ExpressionRunConfig,
    data: ExpressionData,
    run: Path,
    members: Sequence[int],
    device: str = "cpu",
    start: Path | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Train the given members into RUN/member_K; each differs in its seed only (initial weights, order, augmentation).

    A member has two stages: its trunk alone (member_K/trunk), then the whole network from that trunk. With ``start``, a
    finished run, training starts from its members instead: another cycle of the learning rate (warm restart;
    Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv 1608.03983).
    """
    train, validation = read_both(data, config, run / "cache", report)
    report(f"training: {train.faces.summary()}")
    report(f"validation: {validation.faces.summary()}")
    for member in members:
        report(f"member {member}")
        trainer = replace(config.trainer, seed=config.trainer.seed + member)
        folder = member_folder(run, member)
        facts = run_facts(config, data, train.samples)
        torch.manual_seed(trainer.seed)
        task = ExpressionTask(train, validation, config.model, config.loss, torch.device(device))
        if start is not None:
            facts["start"] = load_weights(member_folder(start, member) / "weights.safetensors", task.model)
        elif config.trunk.epochs > 0:
            first = TrunkTask(
                train, validation, config.model, config.trunk, config.loss.fer2013_weight, torch.device(device)
            )
            first_trainer = replace(trainer, epochs=config.trunk.epochs, learning_rate=config.trunk.learning_rate)
            load_weights(fit(first, first_trainer, folder / "trunk", facts, report), first.model)
            task.model.trunk.load_state_dict(first.model.trunk.state_dict())
        fit(task, trainer, folder, facts, report)


def load_members(run: Path) -> tuple[list[Arbex], ExpressionRunConfig]:
    """The finished networks of a run in evaluation mode, and its settings.

    Raises:
        FileNotFoundError: a member has not finished.
    """
    first = member_folder(run, 0) / "weights.safetensors"
    facts = read_facts(first)["config"]
    config = read_record(ExpressionRunConfig, facts, lambda problem: ConfigError(f"{first}: {problem}"))
    members = []
    for number in range(config.members):
        member = Arbex(config.model)
        load_weights(member_folder(run, number) / "weights.safetensors", member)
        members.append(member.eval())
    return members, config


def read_both(
    data: ExpressionData, config: ExpressionRunConfig, cache: Path, report: Callable[[str], None]
) -> tuple[FaceSet, FaceSet]:
    """Training and validation faces."""
    training, validation = data.splits()
    side = config.model.input_side_px
    with rank_0_first():  # the other ranks then read its cached meshes
        return (
            read_face_set(data.source, data.folder, training, cache, side, config.augment, data.keep, report),
            read_face_set(data.source, data.folder, validation, cache, side, config.augment, None, report),
        )


def run_facts(config: ExpressionRunConfig, data: ExpressionData, samples: int) -> dict[str, Any]:
    """Facts that a checkpoint of a run on ``samples`` faces records."""
    described = f"{data.source.value} {data.splits()[0]}, {samples} faces"
    if data.source is Source.FER2013:
        described = f"FER2013 Training with FERPlus votes, {samples} faces, pictures shared with a test split left out"
    if data.keep is not None:
        described += ", cleaned by mien-train fit rlps"
    return {"config": asdict(config), "code": code_version(), "labels": list(EXPRESSIONS), "data": described}
