"""``mien-train study dirichlet``: late branches against one Dirichlet, trained alike (SPEC 4.4).

Both networks start from the trunk of the same teacher and see the same pictures, with the same degradations and answers
of the teachers, for the same number of passes. Everything is measured on PublicTest, with temperatures fitted there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from training.corruptions.catalogue import FAMILIES
from training.data.fer2013 import FerFaces, majority_labels, read_faces
from training.evaluation.estimates import Estimates, Estimator
from training.evaluation.natural_shift import natural_shift, news_sets
from training.evaluation.uncertainty import (
    CROP_SIDE_PX,
    StrengthReport,
    UncertaintyConfig,
    UncertaintyReport,
    at_side,
    compare,
)
from training.evaluation.uncertainty_tables import scores_of
from training.expression.calibration import fit_temperature
from training.expression.fit import load_members
from training.expression.student import StudentConfig, fit_student
from training.loop.trainer import TrainerConfig
from training.metrics.calibration import expected_calibration_error, log_loss
from training.metrics.decisions import macro_f1
from training.studies.members import OverSeeds, over_seeds
from training.studies.network_estimators import (
    dirichlet_estimator,
    fit_dirichlet_temperature,
    fused_logits,
    network_estimator,
    outputs_of,
)

BRANCHES: Final = "branches"
DIRICHLET: Final = "dirichlet"
#: Families of corruptions that no training saw (training/expression/degrade.py).
_KEPT_OUT: Final = (*FAMILIES["noise"], *FAMILIES["blur"])
#: Sets of changed faces of faces128, as training/evaluation/natural_shift.py names them.
_COVERED: Final = ("lower half covered", "upper half covered", "left half covered")
_STRANGE: Final = ("turned by 90 degrees", "turned by 180 degrees", "pencil sketch", "cartoon")

#: Of the intervals over faces, which are not reported: the study has seeds.
_RESAMPLES: Final = 20


@dataclass(frozen=True, slots=True)
class RivalFigures:
    """Figures of one method over seeds; AUROCs are of epistemic uncertainty against clean PublicTest faces."""

    method: str
    accuracy: OverSeeds  # majority faces
    macro_f1: OverSeeds
    nll_votes: OverSeeds
    ece_votes: OverSeeds
    rho_aleatoric_votes: OverSeeds  # Spearman's correlation with the entropy of the votes
    rho_epistemic_votes: OverSeeds
    aleatoric_with_epistemic: OverSeeds
    auroc_kept_out_cifar_c: OverSeeds  # noise and blur, severity 5
    auroc_kept_out_imagenet_c: OverSeeds
    auroc_half_covered_least: OverSeeds  # faces128; lower, upper and left half
    auroc_strange: OverSeeds  # faces128; mean of turned and drawn faces
    temperature: OverSeeds


@dataclass(frozen=True, slots=True)
class DirichletReport:
    """The comparison on PublicTest."""

    seeds: tuple[int, ...]
    trainer: TrainerConfig
    majority_n: int
    votes_n: int
    corrupted_n: int
    methods: tuple[RivalFigures, ...]


def compare_dirichlet(
    config: StudentConfig,
    data: Path,
    teacher_run: Path,
    faces128: Path,
    run: Path,
    seeds: Sequence[int] = (0, 1),
    faces: int = 300,
    report: Callable[[str], None] = print,
) -> DirichletReport:
    """Train both methods for every seed in RUN, resuming what is there, and measure them.

    Args:
        config: of the branches; the Dirichlet differs in nothing but its one branch and its loss.
        data: folder with fer2013.csv and fer2013new.csv.
        teacher_run: finished run of ``mien-train fit teacher``.
        faces128: folder of faces128.
        run: folder of the networks; RUN/lessons holds the teachers' answers, which all networks share.
        seeds: of the initial weights, the order of the pictures and their degradation.
        faces: how many faces are corrupted.
        report: receives progress lines.

    Raises:
        FileNotFoundError, ValueError: as in `fit_student`.
    """
    dirichlet = replace(config, dirichlet=True, model=replace(config.model, branches=1))
    folders = {}
    for seed in seeds:
        for method, settings in ((BRANCHES, config), (DIRICHLET, dirichlet)):
            report(f"{method}, seed {seed}")
            folder = folders[method, seed] = run / f"{method}_seed_{seed}"
            seeded = replace(settings, trainer=replace(settings.trainer, seed=seed))
            fit_student(seeded, data, teacher_run, folder, faces128, report=report, lessons=run / "lessons")
    side, cache = config.model.input_side_px, teacher_run / "cache"
    public = read_faces(data, "PublicTest", cache, side)
    judged = {key: _judged(key[0], folder, public) for key, folder in folders.items()}
    found = shift_figures(
        {_name(key): item[0] for key, item in judged.items()}, data, cache, faces128, side, faces, report
    )
    rows = {key: {**clean_figures(item[0], item[1], public), **found[_name(key)]} for key, item in judged.items()}
    methods = tuple(
        figures_over_seeds(method, [rows[method, seed] for seed in seeds]) for method in (BRANCHES, DIRICHLET)
    )
    majority = int((majority_labels(public.votes) >= 0).sum())
    return DirichletReport(tuple(seeds), config.trainer, majority, len(public.rows), faces, methods)


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]} {key[1]}"


def _judged(method: str, folder: Path, public: FerFaces) -> tuple[Estimator, float]:
    """The estimator of a finished run for crops of its own side, and its temperature."""
    (network,), _ = load_members(folder)
    if method == DIRICHLET:
        logits = outputs_of(network, public.crops, public.landmarks)[0].logits
        temperature = fit_dirichlet_temperature(logits, public.vote_shares)
        return dirichlet_estimator(network, temperature), temperature
    temperature = fit_temperature(fused_logits([network], public.crops, public.landmarks), public.vote_shares)
    return network_estimator([network], temperature), temperature


def clean_figures(estimate: Estimator, temperature: float, public: FerFaces) -> dict[str, float]:
    """Accuracy and calibration on faces whose crops have the estimator's side."""
    found: Estimates = estimate(public.crops, public.landmarks)
    labels, shares = majority_labels(public.votes), public.vote_shares.astype(np.float64)
    clear, named = labels >= 0, found.probabilities.argmax(1)
    return {
        "accuracy": float((named == labels)[clear].mean()),
        "macro_f1": macro_f1(labels[clear], named[clear], shares.shape[1]),
        "nll_votes": float(log_loss(found.probabilities, shares).mean()),
        "ece_votes": expected_calibration_error(found.probabilities, shares),
        "temperature": temperature,
    }


def shift_figures(
    estimators: Mapping[str, Estimator],
    data: Path,
    cache: Path,
    faces128: Path,
    side: int,
    faces: int,
    report: Callable[[str], None],
) -> dict[str, dict[str, float]]:
    """Rank correlations with the votes, and AUROCs on changed faces, of every network."""
    small = read_faces(data, "PublicTest", cache, CROP_SIDE_PX)
    sized = {name: at_side(estimate, side) for name, estimate in estimators.items()}
    compared = compare(
        sized, small, UncertaintyConfig(severe_faces=faces, graded_faces=0, resamples=_RESAMPLES), report
    ).reports
    sets = [item for item in news_sets(faces128, cache) if item.name.startswith("faces128 few")]
    found = {}
    for name, estimate in sized.items():
        clean = scores_of(estimate(small.crops, small.landmarks))
        shifted = {
            item.name: item.auroc_epistemic.value
            for item in natural_shift(estimate, clean, sets, resamples=_RESAMPLES).sets
        }
        report(f"{name}: shifts measured")
        found[name] = _correlations(compared[name]) | {
            **{f"auroc_kept_out_{part.strength.value}": _kept_out(part) for part in compared[name].strengths},
            "auroc_half_covered_least": min(shifted[f"faces128 few: {change}"] for change in _COVERED),
            "auroc_strange": float(np.mean([shifted[f"faces128 few: {change}"] for change in _STRANGE])),
        }
    return found


def _correlations(tables: UncertaintyReport) -> dict[str, float]:
    disagreement = tables.disagreement
    return {
        "rho_aleatoric_votes": disagreement.scores.aleatoric.value,
        "rho_epistemic_votes": disagreement.scores.epistemic.value,
        "aleatoric_with_epistemic": disagreement.aleatoric_with_epistemic.value,
    }


def _kept_out(part: StrengthReport) -> float:
    rows = [row.auroc.epistemic.value for row in part.shift.corruptions if row.corruption in _KEPT_OUT]
    return float(np.mean(rows))


def figures_over_seeds(method: str, rows: Sequence[Mapping[str, float]]) -> RivalFigures:
    """Join what `clean_figures` and `shift_figures` give for each seed."""
    return RivalFigures(method, **{name: over_seeds([row[name] for row in rows]) for name in rows[0]})
