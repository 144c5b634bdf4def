"""Calibration of an exported action-unit model: temperature, thresholds, and which units are trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from engine.action_units import noise_bank
from engine.backends.contract import AUCalibration
from engine.baseline import logits_of
from engine.facs import EXPRESSIONS, unit_code
from engine.types import Float32
from training.action_units.exported import ExportedActionUnits, open_session, run_logits
from training.action_units.expression_check import check_expressions
from training.action_units.expression_prior import PRIOR, fit_shifts, prior_bounds, weak_targets
from training.action_units.fit import describe_faces
from training.data.action_unit_faces import UnitFaces
from training.data.action_unit_sources import UnitSource
from training.data.fer2013 import FerFaces
from training.metrics.decisions import best_f1_threshold, f1_at, shared_f1_threshold
from training.metrics.ranking import auroc

MASK_SAMPLES: Final = 20
MASK_SEED: Final = 0
#: AUROC on validation people that a trusted unit needs in every source that labels it.
TRUSTED_AUROC: Final = 0.85
#: The check on expressions labelled by people: from the first AUROC on it replaces labelled photographs of the unit,
#: below the second it overrides them; used where at least TIED_FACES faces show the expression.
TIE_CONFIRMS, TIE_CONTRADICTS, TIED_FACES = 0.80, 0.70, 100
#: A face is neutral if so many of the votes for an expression say so; the median of fewer faces is not used.
NEUTRAL_SHARE: Final = 0.8
MIN_NEUTRAL: Final = 100
_RENDERED: Final = UnitSource.OPEN.value
#: Thresholds of a curve.
CURVE_LIMITS: Final = np.round(np.arange(0.05, 1.0, 0.05), 2)
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class WeakLabels:
    """Faces in the wild with probabilities of units from the expressions that people named."""

    occurrence: Float32  # (N, K) of the model
    targets: Float32  # (N, K) expression_prior.weak_targets
    labelled: Flags  # (K,) units that some expression, shown by at least TIED_FACES faces, is known for


@dataclass(frozen=True, slots=True)
class SourceAuroc:
    """AUROC of a unit on the validation people of one source that labels it."""

    source: str
    auroc: float
    faces: int


@dataclass(frozen=True, slots=True)
class UnitEvidence:
    """What chose the threshold of one unit, and what says whether it is trusted (`trusted_units`)."""

    unit: str
    threshold: float  # the chosen one
    trusted: bool
    sources: tuple[SourceAuroc, ...]  # of those in which the unit both occurs and does not
    expression: float | None  # AUROC for the expression that FACS ties it to; None: no such one, or too few faces
    limits: tuple[float, ...]
    f1: tuple[float, ...]  # on the labels of validation people, rendered and machine-labelled together
    f1_weak: tuple[float, ...]  # on weak labels of faces in the wild; empty where they say nothing of the unit


def calibrate(
    model: Path,
    faces: UnitFaces,
    samples: int = MASK_SAMPLES,
    fer: FerFaces | None = None,
    agreeing: Mapping[int, bool] | None = None,
) -> AUCalibration:
    """Temperature, thresholds and trust, fitted with the file itself on validation people, where labels are known.

    ``fer`` are the faces of FERPlus PublicTest; ``agreeing`` is that of `trusted_units`.
    """
    return calibrate_with_evidence(model, faces, samples, fer, agreeing)[0]


def calibrate_with_evidence(
    model: Path,
    faces: UnitFaces,
    samples: int = MASK_SAMPLES,
    fer: FerFaces | None = None,
    agreeing: Mapping[int, bool] | None = None,
) -> tuple[AUCalibration, tuple[UnitEvidence, ...]]:
    """`calibrate`, and what each unit's threshold and trust were chosen on."""
    bank, session = noise_bank(samples, len(faces.units), MASK_SEED), open_session(model, 1)
    logits = run_logits(session, faces.crops, bank)
    temperature = fit_temperature(logits, faces.occurs, faces.known)
    occurrence = mean_occurrence(logits, temperature)
    ties: dict[int, float] = {}
    weak: WeakLabels | None = None
    neutral: tuple[float, ...] = ()
    if fer is not None:
        in_the_wild = mean_occurrence(run_logits(session, fer.crops, bank), temperature)
        ties, weak = expression_ties(in_the_wild, faces.units, fer), weak_labels(in_the_wild, faces.units, fer)
        neutral = neutral_logits(in_the_wild, fer)
    thresholds = fit_thresholds(faces, occurrence, weak)
    calibration = AUCalibration(
        temperature=temperature,
        thresholds=thresholds,
        trusted=trusted_units(faces, occurrence, ties, agreeing),
        mask_samples=samples,
        mask_seed=MASK_SEED,
        fitted_on=_fitted_on(faces, fer, agreeing),
        neutral=neutral,
    )
    return calibration, unit_evidence(faces, occurrence, thresholds, calibration.trusted, ties, weak)


def unit_evidence(
    faces: UnitFaces,
    occurrence: Float32,
    thresholds: Sequence[float],
    trusted: Sequence[bool],
    ties: Mapping[int, float],
    weak: WeakLabels | None = None,
) -> tuple[UnitEvidence, ...]:
    """Evidence for each unit, from its occurrence (N, K) on validation people and its weak labels."""
    found = []
    for unit, (occurs, known, p) in enumerate(zip(faces.occurs.T, faces.known.T, occurrence.T, strict=True)):
        in_the_wild = weak is not None and bool(weak.labelled[unit])
        found.append(
            UnitEvidence(
                unit=unit_code(faces.units[unit]),
                threshold=thresholds[unit],
                trusted=trusted[unit],
                sources=_source_aurocs(faces, unit, p),
                expression=ties.get(faces.units[unit]),
                limits=tuple(CURVE_LIMITS.tolist()),
                f1=tuple(f1_at(occurs[known], p[known], CURVE_LIMITS).tolist()),
                f1_weak=tuple(f1_at(weak.targets[:, unit], weak.occurrence[:, unit], CURVE_LIMITS).tolist())
                if weak is not None and in_the_wild
                else (),
            )
        )
    return tuple(found)


def _source_aurocs(faces: UnitFaces, unit: int, p: Float32) -> tuple[SourceAuroc, ...]:
    """AUROC of the occurrence (N,) of the unit at this place, in each source where it is defined."""
    occurs, known = faces.occurs[:, unit], faces.known[:, unit]
    found = []
    for source in np.unique(faces.sources[known]):
        rows = known & (faces.sources == source)
        if np.unique(occurs[rows]).size == 2:
            found.append(SourceAuroc(str(source), round(auroc(occurs[rows], p[rows]), 4), int(rows.sum())))
    return tuple(found)


def _fitted_on(faces: UnitFaces, fer: FerFaces | None, agreeing: Mapping[int, bool] | None) -> str:
    """What calibrated the model, with the rule of trust."""
    text = f"validation people: {describe_faces(faces)}"
    if fer is not None:
        text += f"; thresholds also FERPlus PublicTest ({len(fer.rows)} faces, weak labels)"
    if agreeing is not None:
        text += (
            f"; trusted: AUROC {TRUSTED_AUROC} in every source, {TIE_CONTRADICTS} to {TIE_CONFIRMS} on the unit's "
            "expression where there is one, and agreement with an independent reference on clips"
        )
    return text


def neutral_logits(occurrence: Float32, fer: FerFaces) -> tuple[float, ...]:
    """Median logits (K,) of the occurrences (N, K) of faces that most raters called neutral: the usual baseline.

    Raises:
        ValueError: fewer than MIN_NEUTRAL faces are neutral.
    """
    chosen = fer.vote_shares[:, EXPRESSIONS.index("neutral")] >= NEUTRAL_SHARE
    if chosen.sum() < MIN_NEUTRAL:
        raise ValueError(f"{chosen.sum()} faces are neutral, not {MIN_NEUTRAL}: give the whole of FERPlus PublicTest")
    return tuple(round(float(value), 4) for value in np.median(logits_of(occurrence[chosen]), axis=0))


def with_neutral_logits(model: Path, fer: FerFaces) -> AUCalibration:
    """The calibration of a model file with `neutral_logits`; everything else stays.

    Raises:
        ContractError: the file is not an action-unit model.
        ValueError: see `neutral_logits`.
    """
    network = ExportedActionUnits(model)
    occurrence = mean_occurrence(network.logits(fer.crops), network.calibration.temperature)
    return replace(network.calibration, neutral=neutral_logits(occurrence, fer))


def weak_labels(occurrence: Float32, units: tuple[int, ...], fer: FerFaces) -> WeakLabels:
    """Weak labels of faces whose occurrences by the model are (N, K)."""
    shifts = fit_shifts(occurrence, fer.vote_shares, *prior_bounds(units))
    shown = np.array([[unit in PRIOR[expression] for unit in units] for expression in EXPRESSIONS], np.float64)
    labelled = (fer.vote_shares @ shown).sum(0) >= TIED_FACES
    return WeakLabels(occurrence, weak_targets(occurrence, fer.vote_shares, shifts), labelled)


def fit_thresholds(faces: UnitFaces, occurrence: Float32, weak: WeakLabels | None = None) -> tuple[float, ...]:
    """Thresholds (K,) of the highest F1 for occurrence (N, K); 0.5 for a unit whose known labels are all the same.

    With weak labels of a unit it is the mean of F1 on both, so that a threshold found on rendered faces or machine
    labels does not miss the unit on faces in the wild.
    """
    found = []
    for unit, (occurs, known, p) in enumerate(zip(faces.occurs.T, faces.known.T, occurrence.T, strict=True)):
        both = np.unique(occurs[known]).size == 2
        if both and weak is not None and weak.labelled[unit]:
            parts = (occurs[known].astype(np.float32), p[known]), (weak.targets[:, unit], weak.occurrence[:, unit])
            found.append(shared_f1_threshold(parts))
        else:
            found.append(round(best_f1_threshold(occurs[known], p[known]), 4) if both else 0.5)
    return tuple(found)


def trusted_units(
    faces: UnitFaces,
    occurrence: Float32,
    ties: Mapping[int, float] | None = None,
    agreeing: Mapping[int, bool] | None = None,
) -> tuple[bool, ...]:
    """Which units (K,) are trusted, by their occurrence (N, K) on validation people.

    A trusted unit reaches TRUSTED_AUROC in every source that labels it, and has evidence from photographs: a source of
    photographs labels it, or its occurrence separates the expression that FACS ties it to (``ties``: unit to AUROC on
    faces labelled by people; TIE_CONFIRMS), or the reference agrees. A tie below TIE_CONTRADICTS withdraws trust
    whatever the sources show. A source whose known labels are all the same is no evidence.

    ``agreeing`` says, per unit, whether an independent reference agrees. Where it is given, a unit that disagrees, or
    that the reference does not code, is not trusted.
    """
    found = []
    for unit, occurs, known, p in zip(faces.units, faces.occurs.T, faces.known.T, occurrence.T, strict=True):
        sources = set(faces.sources[known].tolist())
        rows = [known & (faces.sources == source) for source in sources]
        good = bool(rows) and all(auroc(occurs[chosen], p[chosen]) >= TRUSTED_AUROC for chosen in rows)
        agrees = agreeing is None or agreeing.get(unit, False)
        photographed = bool(sources - {_RENDERED}) or (agreeing is not None and agrees)
        tie = (ties or {}).get(unit, TIE_CONTRADICTS if photographed else 0.0)
        found.append(good and agrees and tie >= (TIE_CONTRADICTS if photographed else TIE_CONFIRMS))
    return tuple(found)


def expression_ties(occurrence: Float32, units: tuple[int, ...], fer: FerFaces) -> dict[int, float]:
    """AUROC of each single unit for the expression FACS ties it to, where at least TIED_FACES faces show it.

    ``occurrence`` (N, K) is that of the faces of FERPlus PublicTest.
    """
    found = check_expressions(occurrence, units, fer, "PublicTest", resamples=0).ties
    ties: dict[int, float] = {}
    for tie in found:
        if len(tie.units) == 1 and tie.positives >= TIED_FACES:
            unit = int(tie.units[0].removeprefix("AU"))
            ties[unit] = max(tie.auroc.value, ties.get(unit, 0.0))
    return ties


def fit_temperature(logits: Float32, labels: Flags, known: Flags) -> float:
    """The temperature, to 0.001, with the smallest binary NLL of the mean occurrence over the known labels.

    Logits are (N, S, K), labels and known (N, K). The search covers 0.25 to 4, where the NLL has one minimum.
    """
    found = minimize_scalar(
        lambda log_temperature: _nll(logits, labels, known, np.exp(log_temperature)),
        bounds=(np.log(0.25), np.log(4.0)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return round(float(np.exp(found.x)), 3)


def mean_occurrence(logits: Float32, temperature: float) -> Float32:
    """Occurrence (N, K): mean over the samples of sigmoid(logits / temperature), logits (N, S, K)."""
    return np.asarray((1 / (1 + np.exp(-logits / temperature))).mean(1), np.float32)


def _nll(logits: Float32, labels: Flags, known: Flags, temperature: float) -> float:
    p = np.clip(mean_occurrence(logits, temperature), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(labels, p, 1 - p))[known].mean())
