"""``mien-train evaluate uncertainty``: the dual validation of UAR, SPEC 4.3 A to E, for any estimator.

Corruptions are applied to the 48 px crops in the canonical view; the landmarks stay those of the clean image, as if the
face had been found before the corruption. Every corrupted set is generated once for all estimators. Choices are made
on PublicTest; PrivateTest is read once per released model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.types import Float32, Int64, UInt8
from training.corruptions.catalogue import CORRUPTIONS, SEVERITIES, Strength, corrupt
from training.data.fer2013 import FerFaces, read_faces
from training.evaluation.estimates import Estimates, Estimator, file_estimator
from training.evaluation.natural_shift import NaturalShift, ShiftSet, media_sets, natural_shift, news_sets
from training.evaluation.routes import RouteLimits, RouteTable, blurred_images, route_table
from training.evaluation.uncertainty_retention import RetentionCurve, retention_curves
from training.evaluation.uncertainty_tables import (
    CrossTable,
    DisagreementTable,
    Scores,
    SeverityRow,
    ShiftedScores,
    ShiftTable,
    cross_table,
    disagreement_table,
    scores_of,
    severity_row,
    shift_table,
)
from training.metrics.bootstrap import Figure, draw

#: Side of the crops that are corrupted: that of the FER2013 images.
CROP_SIDE_PX: Final = 48
_WORST: Final = SEVERITIES[-1]
#: The rejected share that the comparison quotes.
_QUOTED_RATE: Final = 0.8


@dataclass(frozen=True, slots=True)
class UncertaintyConfig:
    """How much is measured; inference is nearly all of the time."""

    strengths: tuple[Strength, ...] = (Strength.CIFAR_C, Strength.IMAGENET_C)
    severe_faces: int | None = None  # at severity 5, drawn by the seed; None = all
    graded_faces: int = 200  # of these, at severities 1 to 4 too; 0 leaves that table out
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class StrengthReport:
    """Tables B, C and D for one set of constants."""

    strength: Strength
    n: int
    shift: ShiftTable
    severities: tuple[SeverityRow, ...]  # on fewer faces, see the figures' n
    cross: CrossTable
    retention: tuple[RetentionCurve, ...]


@dataclass(frozen=True, slots=True)
class UncertaintyReport:
    """The dual validation of one estimator."""

    n: int
    disagreement: DisagreementTable
    strengths: tuple[StrengthReport, ...]
    config: UncertaintyConfig
    routes: RouteTable | None = None  # of a model with limits


@dataclass(frozen=True, slots=True)
class MethodRow:
    """E: one method at one strength."""

    method: str
    strength: Strength
    rho_aleatoric: Figure  # A
    rho_epistemic: Figure
    auroc_epistemic: Figure  # B
    auroc_aleatoric: Figure
    auroc_total: Figure
    auroc_one_minus_top: Figure
    aleatoric_with_epistemic: Figure
    diagonal_wins: bool  # C
    intervals_apart: bool
    retention_ratio: Figure  # D at 80 % rejection, top vote share at most one half
    kept_two_scores: Figure


@dataclass(frozen=True, slots=True)
class Comparison:
    """E: the same tables for every method, and one table of them all."""

    table: tuple[MethodRow, ...]
    reports: dict[str, UncertaintyReport]


@dataclass(frozen=True, slots=True)
class UncertaintyEvaluation:
    """Report of a model file."""

    model: str
    sha256: str
    split: str
    tables: UncertaintyReport
    natural_shift: NaturalShift | None


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Which faces meet which corruptions."""

    severe: Int64  # (S,) rows of the faces that are changed at severity 5
    graded: Int64  # (G,) places among these of the faces that are changed at severities 1 to 4 as well
    config: UncertaintyConfig

    @staticmethod
    def of(count: int, config: UncertaintyConfig) -> _Plan:
        """The plan for a number of faces."""
        severe = _subset(count, config.severe_faces, config.seed)
        return _Plan(severe, _subset(len(severe), config.graded_faces, config.seed + 1), config)

    def steps(self) -> Iterator[tuple[str, int, Int64]]:
        """Corruption, severity and the rows of its faces."""
        for name in CORRUPTIONS:
            for severity in SEVERITIES:
                rows = self.severe if severity == _WORST else self.severe[self.graded]
                if len(rows):
                    yield name, severity, rows


def evaluate_uncertainty(
    estimate: Estimator, faces: FerFaces, config: UncertaintyConfig, report: Callable[[str], None] = print
) -> UncertaintyReport:
    """Tables A to D of one estimator on faces whose crops have the side that it reads."""
    return compare({"model": estimate}, faces, config, report).reports["model"]


def compare(
    estimators: Mapping[str, Estimator],
    faces: FerFaces,
    config: UncertaintyConfig,
    report: Callable[[str], None] = print,
) -> Comparison:
    """The same for several methods on the same images, and the table of them all (E)."""
    clean = {name: scores_of(estimate(faces.crops, faces.landmarks)) for name, estimate in estimators.items()}
    return _compared(estimators, clean, faces, config, report)


def _compared(
    estimators: Mapping[str, Estimator],
    clean: Mapping[str, Scores],
    faces: FerFaces,
    config: UncertaintyConfig,
    report: Callable[[str], None],
    limits: RouteLimits | None = None,
) -> Comparison:
    """`compare` where the scores of the clean faces are known; with limits the routes are measured too."""
    plan = _Plan.of(len(faces.rows), config)
    parts: dict[str, list[StrengthReport]] = {name: [] for name in estimators}
    disagreement = {
        name: disagreement_table(scores, faces.votes, draw(len(faces.rows), config.resamples, config.seed), config.seed)
        for name, scores in clean.items()
    }
    severe: dict[str, dict[str, list[ShiftedScores]]] = {name: {} for name in estimators}
    for strength in config.strengths:
        report(f"{strength.value}: {len(plan.severe)} faces at severity {_WORST}, {len(plan.graded)} at the others")
        shifted = _shifted(estimators, faces, strength, plan)
        for name in estimators:
            part = _strength_report(strength, clean[name], faces, shifted[name], plan, disagreement[name])
            parts[name].append(part)
            severe[name][strength.value] = [item for item in shifted[name] if item.severity == _WORST]
    draws = tuple(draw(count, config.resamples, config.seed) for count in (len(faces.rows), len(plan.severe)))
    reports = {
        name: UncertaintyReport(
            len(faces.rows),
            disagreement[name],
            tuple(parts[name]),
            config,
            None
            if limits is None
            else route_table(scores, severe[name], plan.severe, faces.votes, limits, (draws[0], draws[1])),
        )
        for name, scores in clean.items()
    }
    table = (_method_row(name, tables, part) for name, tables in reports.items() for part in tables.strengths)
    return Comparison(tuple(table), reports)


def _shifted(
    estimators: Mapping[str, Estimator], faces: FerFaces, strength: Strength, plan: _Plan
) -> dict[str, list[ShiftedScores]]:
    """Scores of every method on every corrupted set; each set is generated once and not kept."""
    found: dict[str, list[ShiftedScores]] = {name: [] for name in estimators}
    for corruption, severity, rows in plan.steps():
        images = corrupt(faces.crops[rows], corruption, severity, strength, plan.config.seed)
        blurred = blurred_images(images)
        for name, estimate in estimators.items():
            scores = scores_of(estimate(images, faces.landmarks[rows]), blurred)
            found[name].append(ShiftedScores(corruption, severity, scores))
    return found


def _strength_report(
    strength: Strength,
    clean: Scores,
    faces: FerFaces,
    shifted: list[ShiftedScores],
    plan: _Plan,
    disagreement: DisagreementTable,
) -> StrengthReport:
    config = plan.config
    draws = draw(len(plan.severe), config.resamples, config.seed)
    same, worst = clean.of(plan.severe), [item for item in shifted if item.severity == _WORST]
    shift = shift_table(same, worst, draws)
    severities = []
    if len(plan.graded):
        few = draw(len(plan.graded), config.resamples, config.seed)
        for severity in SEVERITIES:
            level = [item for item in shifted if item.severity == severity]
            if severity == _WORST:
                level = [ShiftedScores(item.corruption, severity, item.scores.of(plan.graded)) for item in level]
            severities.append(severity_row(severity, same.of(plan.graded), level, few))
    return StrengthReport(
        strength=strength,
        n=len(plan.severe),
        shift=shift,
        severities=tuple(severities),
        cross=cross_table(disagreement, shift),
        retention=retention_curves(same, faces.votes[plan.severe], worst, draws),
    )


def _method_row(method: str, tables: UncertaintyReport, part: StrengthReport) -> MethodRow:
    quoted = next(row for row in part.retention[0].rows if row.rejected == _QUOTED_RATE)
    return MethodRow(
        method=method,
        strength=part.strength,
        rho_aleatoric=part.cross.aleatoric_disagreement,
        rho_epistemic=part.cross.epistemic_disagreement,
        auroc_epistemic=part.shift.mean.epistemic,
        auroc_aleatoric=part.shift.mean.aleatoric,
        auroc_total=part.shift.mean.total,
        auroc_one_minus_top=part.shift.mean.one_minus_top,
        aleatoric_with_epistemic=tables.disagreement.aleatoric_with_epistemic,
        diagonal_wins=part.cross.diagonal_wins,
        intervals_apart=part.cross.intervals_apart,
        retention_ratio=quoted.ratio,
        kept_two_scores=quoted.kept_two_scores,
    )


def _subset(count: int, size: int | None, seed: int) -> Int64:
    """Row numbers in order: all, or ``size`` of them drawn without replacement."""
    if size is None or size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


def at_side(estimate: Estimator, side_px: int) -> Estimator:
    """The estimator of a model that reads crops of another side, for crops of any side."""

    def resized(crops: UInt8, landmarks: Float32) -> Estimates:
        if crops.shape[1] == side_px:
            return estimate(crops, landmarks)
        how = cv2.INTER_AREA if crops.shape[1] > side_px else cv2.INTER_CUBIC
        sized = [cv2.resize(crop, (side_px, side_px), interpolation=how) for crop in crops]
        return estimate(np.asarray(sized, np.uint8), landmarks)

    return resized


def evaluate_uncertainty_report(
    model: Path,
    data: Path,
    cache: Path,
    split: str,
    config: UncertaintyConfig,
    faces128: Path | None = None,
    media: Path | None = None,
    report: Callable[[str], None] = print,
) -> UncertaintyEvaluation:
    """The dual validation of an exported file, and natural shift from the folders that are given.

    Raises:
        ContractError: the file has no contract, or is not an expression model.
        FileNotFoundError: a folder or a file in it is missing.
    """
    read, contract, calibration = file_estimator(model)
    limits = RouteLimits(calibration.epistemic_limit, calibration.aleatoric_limit)
    estimate = at_side(read, contract.crop.side_px)
    faces = read_faces(data, split, cache, CROP_SIDE_PX)
    report(f"{split}: {len(faces.rows)} faces")
    clean = scores_of(estimate(faces.crops, faces.landmarks), blurred_images(faces.crops))
    compared = _compared({"model": estimate}, {"model": clean}, faces, config, report, limits)
    tables = compared.reports["model"]
    sets: list[ShiftSet] = []
    skipped: tuple[str, ...] = ()
    if faces128 is not None:
        sets += news_sets(faces128, cache, config.seed)
    if media is not None:
        found = media_sets(media, config.seed)
        sets, skipped = [*sets, *found.sets], found.skipped
    natural = natural_shift(estimate, clean, sets, skipped, config.resamples, config.seed, limits) if sets else None
    return UncertaintyEvaluation(contract.name, contract.sha256, split, tables, natural)
