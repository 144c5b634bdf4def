"""``mien-train study dirichlet-heads``: branches against one Dirichlet on a frozen trunk, in minutes (SPEC 4.4).

Both read the mean of the trunk's last map, computed once for every degraded picture. A head is two linear layers; the
branches are one head per teacher and one for the raters, the Dirichlet is one head. Pictures, answers, steps and the
weight of the votes are the same. Either trunk may be chosen: that of a student, which was trained with branches and has
seen degraded pictures, or that of the first teacher, which knows neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.types import Float32, UInt8
from training.data.fer2013 import MEAN, STD, FerFaces, majority_labels, read_faces
from training.evaluation.estimates import Estimates, Estimator, estimates_of
from training.expression.calibration import fit_temperature
from training.expression.fit import load_members
from training.expression.fit_teacher import load_teachers
from training.expression.loss import class_distribution_loss, concentrations, proxy_loss
from training.expression.student import StudentConfig, StudentTask, read_lessons
from training.expression.trunk_levels import WIDTHS, PretrainedLevels, trunk_part
from training.loop.steps import take_steps
from training.loop.trainer import channels_last
from training.studies.dirichlet_rival import (
    BRANCHES,
    DIRICHLET,
    RivalFigures,
    clean_figures,
    figures_over_seeds,
    shift_figures,
)
from training.studies.network_estimators import dirichlet_estimates, fit_dirichlet_temperature
from training.studies.rlps_features import LastMap

TRUNKS: Final = ("student", "teacher")
_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Training of the heads."""

    hidden: int = 128
    dropout: float = 0.2
    passes: int = 12
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 50


@dataclass(frozen=True, slots=True)
class HeadsReport:
    """The comparison on PublicTest."""

    trunk: str
    seeds: tuple[int, ...]
    heads: HeadConfig
    pictures: int
    majority_n: int
    votes_n: int
    corrupted_n: int
    methods: tuple[RivalFigures, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Taught:
    """Degraded pictures as the heads see them."""

    features: Tensor  # (N, F), standardised
    targets: Tensor  # (N, M, C) of the teachers, then of the raters
    votes: Tensor  # (N, C)
    known: Tensor  # (N,) bool; an ordinary face with votes
    votes_weight: float
    teachers: int  # how many of M are teachers


class Features:
    """Features of crops, each set computed once: every head is measured on the same images."""

    def __init__(self, trunk: nn.Module) -> None:
        self._model = channels_last(LastMap(trunk)).eval()
        self._found: dict[bytes, Tensor] = {}
        self._mean, self._deviation = torch.zeros(1), torch.ones(1)

    def standardise(self, features: Tensor) -> Tensor:
        """Take mean and deviation from the features (N, F) of training, and return these standardised."""
        self._mean, self._deviation = features.mean(0), features.std(0).clamp(min=1e-6)
        self._found.clear()
        return (features - self._mean) / self._deviation

    @torch.no_grad()
    def raw(self, images: Tensor) -> Tensor:
        """Features (N, F) of normalised images (N, 1, S, S), not standardised."""
        with torch.autocast("cpu", torch.bfloat16):
            return torch.as_tensor(self._model(images.contiguous(memory_format=torch.channels_last)).float())

    def of(self, crops: UInt8) -> Tensor:
        """Standardised features (N, F) of grey crops (N, S, S)."""
        key = hashlib.sha256(np.ascontiguousarray(crops).tobytes()).digest()
        if key not in self._found:
            parts = torch.split(torch.from_numpy(crops), _BATCH)
            raw = torch.cat([self.raw((part[:, None].float() / 255 - MEAN) / STD) for part in parts])
            self._found[key] = (raw - self._mean) / self._deviation
        return self._found[key]


class Heads(nn.Module):
    """Heads side by side on the same features."""

    def __init__(self, width: int, count: int, classes: int, config: HeadConfig) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, config.hidden),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, classes),
            )
            for _ in range(count)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, F) to logits (N, M, C)."""
        return torch.stack([head(features) for head in self.each], 1)


def compare_heads(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    student: Path,
    faces128: Path,
    lessons: Path,
    trunk: str,
    seeds: Sequence[int] = (0, 1, 2),
    faces: int = 200,
    heads: HeadConfig = HeadConfig(),  # noqa: B008  (frozen)
    report: Callable[[str], None] = print,
) -> HeadsReport:
    """Train both kinds of heads for every seed and measure them.

    Args:
        config: of the student; its versions, degradation and weight of the votes count.
        data: folder with fer2013.csv and fer2013new.csv.
        teacher_run: finished run of ``mien-train fit teacher``.
        student: finished run of ``mien-train fit student``.
        faces128: folder of faces128.
        lessons: folder of the teachers' answers; missing ones are made.
        trunk: "student" or "teacher".
        seeds: of the heads' weights and the order of the pictures; the pictures are the same.
        faces: how many faces are corrupted.
        heads: training of the heads.
        report: receives progress lines.

    Raises:
        ValueError: the trunk is unknown.
        FileNotFoundError: a run has not finished, or data are missing.
    """
    if trunk not in TRUNKS:
        raise ValueError(f"trunk must be one of {', '.join(TRUNKS)}, not {trunk!r}")
    features = Features(_trunk(trunk, teacher_run, student))
    taught = _taught(config, data, teacher_run, student, faces128, lessons, features, report)
    side, cache = config.model.input_side_px, teacher_run / "cache"
    public = read_faces(data, "PublicTest", cache, side)
    judged = {}
    for seed in seeds:
        for method in (BRANCHES, DIRICHLET):
            trained = _fit(method, taught, heads, seed)
            judged[method, seed] = _judged(method, trained, features, public)
            report(f"{method}, seed {seed}: trained")
    estimators = {f"{method} {seed}": found[0] for (method, seed), found in judged.items()}
    shifts = shift_figures(estimators, data, cache, faces128, side, faces, report)
    rows = {
        key: {**clean_figures(found[0], found[1], public), **shifts[f"{key[0]} {key[1]}"]}
        for key, found in judged.items()
    }
    return HeadsReport(
        trunk=trunk,
        seeds=tuple(seeds),
        heads=heads,
        pictures=len(taught.features),
        majority_n=int((majority_labels(public.votes) >= 0).sum()),
        votes_n=len(public.rows),
        corrupted_n=faces,
        methods=tuple(
            figures_over_seeds(method, [rows[method, seed] for seed in seeds]) for method in (BRANCHES, DIRICHLET)
        ),
    )


def _trunk(name: str, teacher_run: Path, student: Path) -> nn.Module:
    if name == "student":
        (network,), _ = load_members(student)
        return network.trunk
    trunk = PretrainedLevels()
    trunk.load_state_dict(trunk_part(load_teachers(teacher_run, [0])[0].state_dict()))
    return trunk


def _taught(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    student: Path,
    faces128: Path,
    lessons: Path,
    features: Features,
    report: Callable[[str], None],
) -> _Taught:
    """Every version of every face, degraded once."""
    sets, faces = read_lessons(config, data, teacher_run, lessons, faces128, report)
    (network,), _ = load_members(student)
    task = StudentTask(faces, sets.train, sets.validation, network, config)
    generator = torch.Generator().manual_seed(config.trainer.seed)
    found, targets, ordinary = [], [], []
    for rows in torch.split(torch.arange(task.samples), _BATCH):
        drawn = task.draw(rows, generator)
        found.append(features.raw(drawn.images))
        targets.append(drawn.targets)
        ordinary.append(drawn.ordinary)
    report(f"{task.samples} pictures")
    return _Taught(
        features=features.standardise(torch.cat(found)),
        targets=torch.cat(targets),
        votes=sets.train.targets(faces.rows.clamp(min=0)),
        known=torch.cat(ordinary) & (faces.rows >= 0),
        votes_weight=config.votes_weight,
        teachers=faces.answers.shape[1],
    )


def _fit(method: str, taught: _Taught, config: HeadConfig, seed: int) -> Heads:
    """Train on all pictures in random order, pass after pass."""
    members, classes = taught.targets.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = Heads(WIDTHS[-1], members if method == BRANCHES else 1, classes, config)
        batches = [
            rows
            for _ in range(config.passes)
            for rows in torch.split(torch.randperm(len(taught.features)), config.batch_size)
        ]
        take_steps(
            heads.parameters(),
            batches,
            lambda rows: _loss(method, heads(taught.features[rows]), taught, rows),
            highest_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup_steps=config.warmup_steps,
        )
    return heads.eval()


def _loss(method: str, logits: Tensor, taught: _Taught, rows: Tensor) -> Tensor:
    """The losses of `StudentTask` and `DirichletStudentTask` for plain heads."""
    targets = taught.targets[rows]
    if method == BRANCHES:
        members = functional.softmax(logits, -1)
        mean, loss = members.mean(1), class_distribution_loss(members.flatten(0, 1), targets.flatten(0, 1))
    else:
        alpha = concentrations(logits[:, 0])
        mean = alpha / alpha.sum(-1, keepdim=True)
        loss = proxy_loss(alpha, targets[:, : taught.teachers], targets.mean(1))
    known = taught.known[rows]
    if not known.any():
        return loss
    return loss + taught.votes_weight * class_distribution_loss(mean[known], taught.votes[rows][known])


def _judged(method: str, heads: Heads, features: Features, public: FerFaces) -> tuple[Estimator, float]:
    """The estimator of trained heads for crops of the student's side, and its temperature."""

    @torch.no_grad()
    def logits(crops: UInt8) -> Tensor:
        return torch.as_tensor(heads(features.of(crops)))

    found = logits(public.crops)
    if method == DIRICHLET:
        temperature = fit_dirichlet_temperature(found[:, 0], public.vote_shares)
    else:
        temperature = fit_temperature(found.numpy(), public.vote_shares)

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        seen = logits(crops)
        if method == DIRICHLET:
            return dirichlet_estimates(seen[:, 0], temperature)
        return estimates_of(np.asarray(seen.numpy(), np.float32), temperature)

    return estimate, temperature
