"""``mien-train study au``: the claims of the UGN paper (SPEC 3.5; head note of training/action_units/model.py).

Five variants, three folds of people, two series: with less training data, and with labels turned over. The point with
all data and no label turned over belongs to both. On BP4D or DISFA that point is the published table.

The trainer counts epochs. With few faces an epoch is a few steps or none, so a batch is at most as large as the
training set and the epochs of each stage are raised until it has ``StudyConfig.steps`` steps; warm-up keeps its share.
Small shares therefore train for other numbers of steps than the whole set, which the report tells.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

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
from training.studies.label_noise import flip_labels
from training.studies.variant_comparison import Compared, FoldDecisions, compare_variants

#: Highest F1 first, as the paper has it.
PAPER_ORDER: Final = (Variant.UGN_B, Variant.UGN, Variant.GN_D, Variant.RESNET_BL, Variant.RESNET)
_HEADS: Final = (Variant.GN_D, Variant.UGN, Variant.UGN_B)


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """What is trained and measured."""

    folds: tuple[int, ...] = FOLDS
    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)  # of the training people, labels as they are
    flips: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)  # of the training labels, all people
    steps: int = 300  # least steps of each stage
    samples: int = 20  # masks at test
    seed: int = 0  # of the choice of people and labels
    resamples: int = 1000

    def points(self) -> tuple[tuple[float, float], ...]:
        """Share and flipped part of every setting, none twice; the whole data as they are is always one."""
        series = [(share, 0.0) for share in sorted({*self.shares, 1.0})] + [(1.0, flip) for flip in sorted(self.flips)]
        return tuple(dict.fromkeys(series))


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting on one fold: what it was trained on and for how long."""

    fold: int
    training_people: int
    training_faces: int
    steps_features: int
    steps_head: int
    test_people: int
    test_faces: int


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


def study_units(
    faces: UnitFaces,
    config: ActionUnitsConfig,
    run: Path,
    what: StudyConfig,
    device: torch.device,
    report: Callable[[str], None] = print,
) -> StudyReport:
    """Train and measure every setting; what RUN holds already is read, not repeated.

    RUN receives fold1/share100/flip0/ and so on, each with a folder per variant, decisions.npz and cell.json.

    Raises:
        ValueError: RUN was made with other settings or faces, or a fold has nobody to test on.
    """
    points = []
    for share, flipped in what.points():
        cells, decisions = [], []
        for fold in what.folds:
            split = study_split(faces, fold, share, flipped, what.seed)
            folder = run / f"fold{fold}" / f"share{_percent(share)}" / f"flip{_percent(flipped)}"
            said = _run_cell(split, config, what, folder, device, report)
            decisions.append(FoldDecisions(split.test.people, split.test.known, split.test.occurs, said))
            cells.append(_cell(fold, split, config, what))
        compared = compare_variants(faces.units, decisions, [item.value for item in PAPER_ORDER], what.resamples)
        points.append(StudyPoint(share, flipped, tuple(cells), compared))
        report(_line(points[-1]))
    sources = tuple(str(name) for name in np.unique(faces.sources))
    return StudyReport(sources, faces.units, what, code_version(), tuple(points))


def study_split(faces: UnitFaces, fold: int, share: float, flipped: float, seed: int) -> UnitSplit:
    """The fold's people, a share of them to train and to validate on, and their labels turned over.

    Test people and their labels stay as they are.
    """
    split = split_people(faces, fold)
    training, validation = (share_of_people(part, share, seed) for part in (split.training, split.validation))
    return UnitSplit(flip_labels(training, flipped, seed), flip_labels(validation, flipped, seed + 1), split.test)


def share_of_people(faces: UnitFaces, share: float, seed: int) -> UnitFaces:
    """The faces of a share of the people, at least one; those of a smaller share are among those of a larger one.

    Raises:
        ValueError: the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of the people must be above 0 and at most 1, not {share}")
    names = np.unique(faces.people)
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    count = math.ceil(share * len(names) - 1e-9)  # 0.1 * 30 is 3, whatever the rounding says
    return faces.where(np.isin(faces.people, ranked[:count]))


def scaled(config: TrainerConfig, faces: int, steps: int) -> TrainerConfig:
    """The settings for a training set of any size: see the head note."""
    batch = min(config.batch_size, faces)
    epochs = max(config.epochs, math.ceil(steps / (faces // batch)))
    return replace(config, batch_size=batch, epochs=epochs, warmup_epochs=config.warmup_epochs * epochs / config.epochs)


def _scaled_run(config: ActionUnitsConfig, faces: int, what: StudyConfig) -> ActionUnitsConfig:
    return replace(
        config, stage1=scaled(config.stage1, faces, what.steps), stage2=scaled(config.stage2, faces, what.steps)
    )


def _run_cell(
    split: UnitSplit,
    config: ActionUnitsConfig,
    what: StudyConfig,
    folder: Path,
    device: torch.device,
    report: Callable[[str], None],
) -> dict[str, Flags]:
    """What each variant decides of the test faces (N, K); trained where the folder does not have it."""
    settings = _settings(split, config, what)
    told, kept = folder / "cell.json", folder / "decisions.npz"
    if told.is_file():
        if json.loads(told.read_text(encoding="utf-8"))["settings"] != settings:
            raise ValueError(f"{told} was made with other settings or faces: give another folder for the run")
        with np.load(kept) as file:
            bits = {name: file[name] for name in file.files}
    else:
        report(f"{folder}: {len(split.training.people)} training faces")
        folder.mkdir(parents=True, exist_ok=True)
        used = _scaled_run(config, len(split.training.people), what)
        facts = {"data": f"{describe_faces(split.training)}; study {settings['faces']}", "test_fold": int(split.test.folds[0])}
        fitted = _fit_variants(split, used, folder, device, facts, report)
        said = {
            variant.value: _decide(model, variant, split.test.crops, what.samples) for variant, model in fitted.items()
        }
        bits = {name: np.packbits(flags) for name, flags in said.items()}
        np.savez(kept, **bits)
        _write_cell(told, settings, split, said)
    shape = split.test.occurs.shape
    return {
        name: np.unpackbits(flags, count=shape[0] * shape[1]).reshape(shape).astype(bool)
        for name, flags in bits.items()
    }


def _settings(split: UnitSplit, config: ActionUnitsConfig, what: StudyConfig) -> dict[str, Any]:
    """What the result of a cell hangs on, as JSON gives it back."""
    digest = hashlib.sha256(json.dumps([asdict(config), what.steps]).encode())
    for part in (split.training, split.test):
        for array in (part.crops, part.occurs, part.known, part.targets, part.people.astype("U")):
            digest.update(np.ascontiguousarray(array).tobytes())
    settings = {"config": asdict(config), "steps": what.steps, "samples": what.samples, "faces": digest.hexdigest()}
    found: dict[str, Any] = json.loads(json.dumps(settings))
    return found


def _fit_variants(
    split: UnitSplit,
    config: ActionUnitsConfig,
    folder: Path,
    device: torch.device,
    facts: dict[str, Any],
    report: Callable[[str], None],
) -> dict[Variant, UGN]:
    fitted = {}
    for variant, balanced in ((Variant.RESNET, False), (Variant.RESNET_BL, True)):
        fitted[variant] = fit_features(split, config, folder / variant.value, balanced, device, facts, report)
    trunk = fitted[Variant.RESNET_BL]
    features = head_features(split, config, trunk, device)  # the same for all heads
    for variant in _HEADS:
        place = folder / variant.value
        fitted[variant] = fit_head(split, config, trunk, variant, place, device, facts, report, features)
    return fitted


def _decide(model: UGN, variant: Variant, crops: UInt8, samples: int) -> Flags:
    """Occurrence (N, K) at probability 0.5, without a temperature."""
    logits: Float32 = sampled_logits(model, variant, crops, samples)
    return np.asarray(judge(logits, 1.0).occurrence >= np.float32(0.5))


def _write_cell(path: Path, settings: dict[str, Any], split: UnitSplit, said: dict[str, Flags]) -> None:
    """The cell's own figures beside its settings; the file's being there says that the cell is finished."""
    fold = FoldDecisions(split.test.people, split.test.known, split.test.occurs, said)
    compared = compare_variants(split.test.units, [fold], list(said), resamples=0)
    figures = {
        scores.variant: {
            "f1": scores.f1.value,
            "accuracy": scores.accuracy.value,
            "units": {unit.unit: unit.f1 for unit in scores.units},
        }
        for scores in compared.variants
    }
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps({"settings": settings, "variants": plain(figures)}, indent=1) + "\n", "utf-8")
    partial.replace(path)


def _cell(fold: int, split: UnitSplit, config: ActionUnitsConfig, what: StudyConfig) -> Cell:
    faces = len(split.training.people)
    used = _scaled_run(config, faces, what)
    return Cell(
        fold=fold,
        training_people=len(np.unique(split.training.people)),
        training_faces=faces,
        steps_features=Plan(used.stage1.epochs, faces, used.stage1.batch_size).steps,
        steps_head=Plan(used.stage2.epochs, faces, used.stage2.batch_size).steps,
        test_people=len(np.unique(split.test.people)),
        test_faces=len(split.test.people),
    )


def _line(point: StudyPoint) -> str:
    scores = ", ".join(f"{item.variant} {item.f1.value:.3f}" for item in point.compared.variants)
    return f"{point.share:.0%} of the people, {point.flipped:.0%} of the labels flipped: F1 {scores}"


def _percent(share: float) -> str:
    """A share for a folder's name: 100, 1, 0.5."""
    return f"{100 * share:g}"
