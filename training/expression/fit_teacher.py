"""``mien-train fit teacher``: fine-tune the pretrained trunk on FERPlus votes, one ensemble member per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.config import read_toml
from engine.errors import ConfigError
from engine.facs import EXPRESSIONS
from engine.records import read_record
from engine.types import Float32
from training.data.augment import AugmentConfig
from training.data.fer2013 import MEAN, STD
from training.data.sources import Source
from training.expression.faces import FaceSet, accuracy_of, read_face_set
from training.expression.fit import member_folder
from training.expression.teacher import Teacher, TeacherConfig
from training.layers.face_trunk import load_trunk, match_statistics
from training.layers.face_trunk_weights import ARRAYS_SHA256, read_trunk
from training.loop.checkpoint import code_version, load_weights, read_facts
from training.loop.distributed import rank_0_first
from training.loop.trainer import TrainerConfig, channels_last, fit
from training.metrics.decisions import macro_f1

#: Training faces that give the statistics of the trunk's batch norms.
_STATISTICS_FACES: Final = 512
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class TeacherRunConfig:
    """All settings of a run; read from TOML, an unknown key is an error."""

    members: int = 3
    faces: int = 0  # of Training and of PublicTest, evenly spaced, to try the command; 0 is all
    mixup_alpha: float = 0.2  # of the beta distribution; 0 turns mixup off
    model: TeacherConfig = field(default_factory=TeacherConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def read_teacher_config(path: Path) -> TeacherRunConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(TeacherRunConfig, path)


class TeacherTask:
    """The teacher as the training loop needs it (training/loop/trainer.py)."""

    def __init__(
        self,
        train: FaceSet,
        validation: FaceSet,
        config: TeacherRunConfig,
        model: Teacher,
        device: torch.device,
    ) -> None:
        self.model: Teacher = channels_last(model.to(device))
        self.samples = train.samples
        self._train, self._validation = train, validation
        self._mixup_alpha, self._classes, self._device = config.mixup_alpha, config.model.classes, device

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Cross-entropy with the target shares of the training faces with these row numbers (B,)."""
        batch = self._train.augmented(rows, generator)
        images, targets = mixup(batch.images, batch.targets, self._mixup_alpha, generator)
        return functional.cross_entropy(self.model(images.to(self._device)), targets.to(self._device))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy and macro-F1 on the labels, NLL against the target shares, without the mirror image."""
        faces = self._validation.faces
        probabilities = teacher_probabilities(model, self._validation, self._device)
        clear = faces.labels >= 0
        score = macro_f1(faces.labels[clear], probabilities[clear].argmax(1), self._classes)
        return accuracy_of(probabilities, faces) | {"macro_f1": score}


def pretrained_teacher(config: TeacherConfig, trunk: Mapping[str, Float32], train: FaceSet) -> Teacher:
    """The trunk of dlib (`read_trunk`) with batch norms fitted to the training faces, and a random head."""
    model = Teacher(config)
    load_trunk(model.trunk, trunk, MEAN, STD)
    spread = torch.linspace(0, train.samples - 1, min(train.samples, _STATISTICS_FACES)).long()
    match_statistics(model.trunk, train.plain(spread)[0])
    return model


def mixup(images: Tensor, targets: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace each sample by a mean of itself and another one of the batch, weighted by a draw from Beta(alpha, alpha).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018 (arXiv 1710.09412), with a weight per sample.

    Args:
        images: (B, 1, S, S).
        targets: (B, C) shares.
        alpha: at 0 both are returned as they are.
        generator: of all random numbers.
    """
    if alpha <= 0:
        return images, targets
    seed = int(torch.randint(0x7FFFFFFF, (1,), generator=generator))  # torch's beta distribution takes no generator
    weight = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, len(images)).astype(np.float32))
    other = torch.randperm(len(images), generator=generator)
    return (
        torch.lerp(images[other], images, weight[:, None, None, None]),
        torch.lerp(targets[other], targets, weight[:, None]),
    )


@torch.no_grad()
def teacher_probabilities(model: nn.Module, faces: FaceSet, device: torch.device, mirrored: bool = False) -> Float32:
    """Probabilities (N, C) of a teacher in evaluation mode, for the faces or for their mirror images."""
    parts = []
    for images, _ in faces.batches(_BATCH):
        seen = images.flip(-1) if mirrored else images
        logits = model(seen.to(device).contiguous(memory_format=torch.channels_last))
        parts.append(functional.softmax(logits, -1).cpu().numpy())
    return np.concatenate(parts)


def fit_teacher(
    config: TeacherRunConfig,
    data: Path,
    trunk: Path,
    run: Path,
    members: Sequence[int],
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> None:
    """Train the given members into RUN/member_K; they differ in their seed: head, order and random changes.

    Fits on Training and logs the figures of PublicTest after each epoch; PrivateTest is not used.

    Args:
        config: all settings.
        data: folder with fer2013.csv and fer2013new.csv.
        trunk: weights of dlib's network (training/layers/face_trunk_weights.py).
        run: folder of checkpoints, weights, logs and caches.
        members: numbers from 0; member K has the seed of the settings plus K.
        device: cpu or cuda.
        report: receives progress lines.

    Raises:
        FileNotFoundError: the data is missing.
        ModelError: the trunk's weights are missing or not dlib's.
    """
    weights = read_trunk(trunk)
    side, cache = config.model.input_side_px, run / "cache"
    with rank_0_first():  # under torchrun the other ranks find its meshes
        train, validation = (
            read_face_set(Source.FER2013, data, split, cache, side, config.augment).spread(config.faces)
            for split in ("Training", "PublicTest")
        )
    report(f"training: {train.faces.summary()}")
    report(f"validation: {validation.faces.summary()}")
    facts = {
        "config": asdict(config),
        "code": code_version(),
        "labels": list(EXPRESSIONS),
        "data": f"FER2013 Training with FERPlus votes, {train.samples} faces, without copies of test images",
        "trunk_sha256": ARRAYS_SHA256,
    }
    for member in members:
        report(f"member {member}")
        trainer = replace(config.trainer, seed=config.trainer.seed + member)
        torch.manual_seed(trainer.seed)
        model = pretrained_teacher(config.model, weights, train)
        task = TeacherTask(train, validation, config, model, torch.device(device))
        fit(task, trainer, member_folder(run, member), facts, report)


def finished_members(run: Path) -> tuple[int, ...]:
    """Numbers of the members of a run that have their final weights."""
    folders = (path.parent.name for path in run.glob("member_*/weights.safetensors"))
    return tuple(sorted(int(name.removeprefix("member_")) for name in folders))


def load_teachers(run: Path, members: Sequence[int]) -> list[Teacher]:
    """The given members in evaluation mode; each keeps its own settings, which may differ in the input's side.

    Raises:
        FileNotFoundError: a member has not finished.
        ValueError: no member is given.
    """
    if not members:
        raise ValueError(f"{run} has no finished member: run 'mien-train fit teacher' first")
    teachers = []
    for member in members:
        file = member_folder(run, member) / "weights.safetensors"
        facts = read_facts(file)["config"]
        config = read_record(TeacherRunConfig, facts, partial(_config_error, file))
        teacher = Teacher(config.model)
        load_weights(file, teacher)
        teachers.append(teacher.eval())
    return teachers


def _config_error(file: Path, problem: str) -> ConfigError:
    return ConfigError(f"{file}: {problem}")
