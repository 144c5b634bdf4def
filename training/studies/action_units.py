"""``mien-train study au``: the claims of the UGN paper (SPEC 3.5; head note of training/action_units/model.py).

Five variants on three folds of people, in two series: less training data, and flipped labels. The point with all data
and no flipped label belongs to both. On BP4D or DISFA that point is the published table.

The trainer counts epochs. With few faces an epoch has few steps or none, so a batch is at most as large as the training
set, and the epochs of each stage are raised until it has ``StudyConfig.steps`` steps; warm-up keeps its share of them.
Small shares therefore train for other numbers of steps than the whole set, unless the settings have one epoch, which
gives each setting ``StudyConfig.steps``; the report lists them, and how validation figures changed during training.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from engine.files import write_text
from engine.types import Float32, UInt8
from training.action_units.features import ActionUnitsConfig
from training.action_units.fit import describe_faces, fit_features, fit_head, head_features, sampled_logits
from training.action_units.model import UGN, Variant
from training.data.action_unit_faces import FOLDS, UnitFaces, UnitSplit, split_people
from training.evaluation.action_units import judge
from training.loop.checkpoint import code_version
from training.loop.json_report import plain
from training.loop.run_log import Plan
from training.loop.trainer import TrainerConfig
from training.metrics.decisions import Flags
from training.studies.variant_comparison import Compared, FoldDecisions, compare_variants

#: The paper's ranking, highest F1 first.
PAPER_ORDER: Final = (Variant.UGN_B, Variant.UGN, Variant.GN_D, Variant.RESNET_BL, Variant.RESNET)
_HEADS: Final = (Variant.GN_D, Variant.UGN, Variant.UGN_B)


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """Grid of settings to train and measure."""

    folds: tuple[int, ...] = FOLDS
    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)  # of the training people, with no label flipped
    flips: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)  # share of the training labels, with all people
    steps: int = 300  # minimum number of each stage
    samples: int = 20  # masks per test face
    seed: int = 0  # for the choice of people and labels
    resamples: int = 1000

    def points(self) -> tuple[tuple[float, float], ...]:
        """Every setting as (share of people, share of flipped labels), once each; (1, 0) is always included."""
        series = [(share, 0.0) for share in sorted({*self.shares, 1.0})] + [(1.0, flip) for flip in sorted(self.flips)]
        return tuple(dict.fromkeys(series))


@dataclass(frozen=True, slots=True)
class Curve:
    """How one model's training went, after each epoch: validation people, whose labels are flipped like the others."""

    variant: str
    steps: tuple[int, ...]
    training_loss: tuple[float, ...]
    average_precision: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting on one fold: sizes and training steps."""

    fold: int
    training_people: int
    training_faces: int
    steps_features: int
    steps_head: int
    test_people: int
    test_faces: int
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyPoint:
    """One setting over all folds."""

    share: float
    flipped: float
    cells: tuple[Cell, ...]
    compared: Compared


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The whole study."""

    sources: tuple[str, ...]
    units: tuple[int, ...]
    config: StudyConfig
    code: str
    points: tuple[StudyPoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CellTraining:
    """One setting of the study on one fold, as its models are trained."""

    split: UnitSplit
    config: ActionUnitsConfig
    folder: Path  # receives a folder for each model
    device: torch.device
    facts: dict[str, Any]  # for the checkpoints
    report: Callable[[str], None]


class Fitting(Protocol):
    """How the five models of a setting are trained."""

    @property
    def trunk(self) -> str | None:
        """Hash of the trunk that all share; None: each is trained from random weights."""

    def fit(self, cell: CellTraining) -> dict[Variant, UGN]:
        """The trained models."""

    def logits(self, model: UGN, variant: Variant, crops: UInt8, samples: int) -> Float32:
        """Sampled logits (N, S, K) of crops (N, 96, 96)."""


class WholeNetworks:
    """Every model from random weights, trunk included."""

    trunk: str | None = None

    def fit(self, cell: CellTraining) -> dict[Variant, UGN]:
        """As in `Fitting`."""
        split, config, device, facts, report = cell.split, cell.config, cell.device, cell.facts, cell.report
        fitted = {}
        for variant, balanced in ((Variant.RESNET, False), (Variant.RESNET_BL, True)):
            place = cell.folder / variant.value
            fitted[variant] = fit_features(split, config, place, balanced, device, facts, report)
        trunk = fitted[Variant.RESNET_BL]
        features = head_features(split, config, trunk, device)  # shared by all heads
        for variant in _HEADS:
            place = cell.folder / variant.value
            fitted[variant] = fit_head(split, config, trunk, variant, place, device, facts, report, features)
        return fitted

    def logits(self, model: UGN, variant: Variant, crops: UInt8, samples: int) -> Float32:
        """As in `Fitting`."""
        return sampled_logits(model, variant, crops, samples)


def study_units(
    faces: UnitFaces,
    config: ActionUnitsConfig,
    run: Path,
    study: StudyConfig,
    device: torch.device,
    report: Callable[[str], None] = print,
    fitting: Fitting | None = None,
) -> StudyReport:
    """Train and measure every setting; settings that RUN already holds are read, not repeated.

    ``fitting`` trains the models, by default `WholeNetworks`. RUN receives fold1/share100/flip0/ and so on, each with a
    folder per variant, decisions.npz and cell.json.

    Raises:
        ValueError: RUN was written with other settings or faces, or a fold has no test people.
    """
    fitting = fitting or WholeNetworks()
    points = []
    for share, flipped in study.points():
        cells, decisions = [], []
        for fold in study.folds:
            split = study_split(faces, fold, share, flipped, study.seed)
            folder = run / f"fold{fold}" / f"share{_percent(share)}" / f"flip{_percent(flipped)}"
            decided = _run_cell(split, config, study, folder, device, report, fitting)
            decisions.append(FoldDecisions(split.test.people, split.test.known, split.test.occurs, decided))
            cells.append(_cell(fold, split, config, study, folder))
        compared = compare_variants(faces.units, decisions, [item.value for item in PAPER_ORDER], study.resamples)
        points.append(StudyPoint(share, flipped, tuple(cells), compared))
        report(_line(points[-1]))
    sources = tuple(str(name) for name in np.unique(faces.sources))
    return StudyReport(sources, faces.units, study, code_version(), tuple(points))


def study_split(faces: UnitFaces, fold: int, share: float, flipped: float, seed: int) -> UnitSplit:
    """The split of a fold with a share of its training and validation people, and flipped labels.

    Test people and their labels are unchanged.
    """
    split = split_people(faces, fold)
    training, validation = (share_of_people(part, share, seed) for part in (split.training, split.validation))
    return UnitSplit(flip_labels(training, flipped, seed), flip_labels(validation, flipped, seed + 1), split.test)


def share_of_people(faces: UnitFaces, share: float, seed: int) -> UnitFaces:
    """The faces of a share of the people, at least one person; a smaller share is a subset of a larger one.

    Raises:
        ValueError: the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of the people must be above 0 and at most 1, not {share}")
    names = np.unique(faces.people)
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    count = math.ceil(share * len(names) - 1e-9)  # 0.1 * 30 is 3 despite rounding
    return faces.where(np.isin(faces.people, ranked[:count]))


def flip_labels(faces: UnitFaces, share: float, seed: int = 0) -> UnitFaces:
    """The faces with a share of the known labels of each unit flipped, and their soft targets with them.

    Exactly round(share x known) labels per unit, the same for one seed; those of a smaller share are a subset of those
    of a larger one. Unknown labels are unchanged.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of flipped labels must be between 0 and 1, not {share}")
    flipped = np.zeros(faces.known.shape, bool)
    for place, unit in enumerate(faces.units):
        known = np.flatnonzero(faces.known[:, place])
        order = np.random.default_rng((seed, unit)).permutation(known)
        flipped[order[: round(share * len(known))], place] = True
    targets = np.where(flipped, 1 - faces.targets, faces.targets).astype(np.float32)
    return replace(faces, occurs=faces.occurs ^ flipped, targets=targets)


def scaled(config: TrainerConfig, faces: int, steps: int) -> TrainerConfig:
    """Trainer settings for a training set of any size (head note)."""
    batch = min(config.batch_size, faces)
    epochs = max(config.epochs, math.ceil(steps / (faces // batch)))
    return replace(config, batch_size=batch, epochs=epochs, warmup_epochs=config.warmup_epochs * epochs / config.epochs)


def _scaled_run(config: ActionUnitsConfig, faces: int, study: StudyConfig) -> ActionUnitsConfig:
    return replace(
        config, stage1=scaled(config.stage1, faces, study.steps), stage2=scaled(config.stage2, faces, study.steps)
    )


def _run_cell(
    split: UnitSplit,
    config: ActionUnitsConfig,
    study: StudyConfig,
    folder: Path,
    device: torch.device,
    report: Callable[[str], None],
    fitting: Fitting,
) -> dict[str, Flags]:
    """Decisions (N, K) of each variant on the test faces, read from the folder or trained."""
    settings = _settings(split, config, study, fitting.trunk)
    cell, packed = folder / "cell.json", folder / "decisions.npz"
    if cell.is_file():
        if json.loads(cell.read_text(encoding="utf-8"))["settings"] != settings:
            raise ValueError(f"{cell} was written with other settings or faces: give another folder as --run")
        with np.load(packed) as file:
            bits = {name: file[name] for name in file.files}
    else:
        report(f"{folder}: {len(split.training.people)} training faces")
        folder.mkdir(parents=True, exist_ok=True)
        used = _scaled_run(config, len(split.training.people), study)
        description = f"{describe_faces(split.training)}; study {settings['faces']}"
        facts = {"data": description, "test_fold": int(split.test.folds[0])}
        fitted = fitting.fit(CellTraining(split, used, folder, device, facts, report))
        decided = {
            variant.value: _decide(fitting.logits(model, variant, split.test.crops, study.samples))
            for variant, model in fitted.items()
        }
        bits = {name: np.packbits(flags) for name, flags in decided.items()}
        np.savez(packed, **bits)
        _write_cell(cell, settings, split, decided)
    shape = split.test.occurs.shape
    return {
        name: np.unpackbits(flags, count=shape[0] * shape[1]).reshape(shape).astype(bool)
        for name, flags in bits.items()
    }


def _settings(split: UnitSplit, config: ActionUnitsConfig, study: StudyConfig, trunk: str | None) -> dict[str, Any]:
    """Everything that the result of a cell depends on, in types that survive a round trip through JSON."""
    digest = hashlib.sha256(json.dumps([asdict(config), study.steps]).encode())
    for part in (split.training, split.test):
        for array in (part.crops, part.occurs, part.known, part.targets, part.people.astype("U")):
            digest.update(np.ascontiguousarray(array).tobytes())
    settings = {"config": asdict(config), "steps": study.steps, "samples": study.samples, "faces": digest.hexdigest()}
    found: dict[str, Any] = json.loads(json.dumps(settings))
    return found if trunk is None else found | {"trunk": trunk}


def _decide(logits: Float32) -> Flags:
    """Occurrence (N, K) at probability 0.5, without a temperature."""
    return np.asarray(judge(logits, 1.0).occurrence >= np.float32(0.5))


def _write_cell(path: Path, settings: dict[str, Any], split: UnitSplit, decided: dict[str, Flags]) -> None:
    """Write the cell's figures and settings last: the file marks the cell as finished."""
    fold = FoldDecisions(split.test.people, split.test.known, split.test.occurs, decided)
    compared = compare_variants(split.test.units, [fold], list(decided), resamples=0)
    figures = {
        scores.variant: {
            "f1": scores.f1.value,
            "accuracy": scores.accuracy.value,
            "units": {unit.unit: unit.f1 for unit in scores.units},
        }
        for scores in compared.variants
    }
    # Settings are compared when the study resumes, so only the figures are rounded.
    write_text(path, json.dumps({"settings": settings, "variants": plain(figures)}, indent=1) + "\n")


def _cell(fold: int, split: UnitSplit, config: ActionUnitsConfig, study: StudyConfig, folder: Path) -> Cell:
    faces = len(split.training.people)
    used = _scaled_run(config, faces, study)
    plans = [Plan(stage.epochs, faces, stage.batch_size) for stage in (used.stage1, used.stage2)]
    return Cell(
        fold=fold,
        training_people=len(np.unique(split.training.people)),
        training_faces=faces,
        steps_features=plans[0].steps,
        steps_head=plans[1].steps,
        test_people=len(np.unique(split.test.people)),
        test_faces=len(split.test.people),
        curves=_curves(folder, [plan.steps_per_epoch for plan in plans]),
    )


def _curves(folder: Path, steps_per_epoch: Sequence[int]) -> tuple[Curve, ...]:
    """The curves of the models whose logs the folder of a setting holds; older ones may be gone."""
    found = []
    for variant in PAPER_ORDER:
        log = folder / variant.value / "log.jsonl"
        if not log.is_file():
            continue
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        steps = steps_per_epoch[variant.has_graph]
        found.append(
            Curve(
                variant.value,
                tuple(steps * int(line["epoch"]) for line in lines),
                tuple(float(line["training_loss"]) for line in lines),
                tuple(float(line["average_precision"]) for line in lines),
            )
        )
    return tuple(found)


def _line(point: StudyPoint) -> str:
    scores = ", ".join(f"{item.variant} {item.f1.value:.3f}" for item in point.compared.variants)
    return f"{point.share:.0%} of the people, {point.flipped:.0%} of the labels flipped: F1 {scores}"


def _percent(share: float) -> str:
    """A share as used in folder names: 100, 1, 0.5."""
    return f"{100 * share:g}"
