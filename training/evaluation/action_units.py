"""Evaluation of an exported action-unit model on people it has never seen, by ONNX Runtime.

"Right" means agreement with pseudo-labels (training/datasets/faces128.py), a model's opinion and not FACS coding. The
cross-check on FERPlus asks another question, answered by people: does a unit stand out on the expressions it belongs
to?
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from engine.backends.contract import AUCalibration, ModelContract, read_contract
from engine.errors import ContractError
from engine.facs import BP4D_UNITS, EXPRESSIONS, unit_code
from engine.types import Float32, UInt8
from training.datasets.faces128 import TEST, Faces128
from training.datasets.fer2013 import FerFaces, majority_labels
from training.metrics.binary import (
    accuracy,
    auroc,
    average_precision,
    balanced_accuracy,
    expected_calibration_error,
    f1_score,
)
from training.models.ugn import UnitUncertainty, decompose
from training.trainers.action_units import noise_bank, pictures

Flags = npt.NDArray[np.bool_]

#: Reported units of the textbook expressions (Ekman, Friesen and Hager, "FACS Investigator's Guide", 2002).
EXPRESSION_UNITS: Final[dict[str, tuple[int, ...]]] = {
    "happiness": (6, 12),
    "surprise": (1, 2),
    "sadness": (1, 4, 15),
    "anger": (4, 7, 23, 24),
    "disgust": (10, 17),
    "fear": (1, 2, 4),
}
#: Figures of the report that are means over the units, with intervals.
_AVERAGED: Final = ("f1", "balanced_accuracy", "auroc", "average_precision")
_RESAMPLES: Final = 1000
_SAMPLE_COUNTS: Final = (1, 5, 20, 50)
_DECILES: Final = 10
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """Agreement on one unit at its calibrated threshold; f1_always is that of saying "present" every time."""

    unit: str
    prevalence: float
    threshold: float
    f1: float
    f1_always: float
    accuracy: float
    balanced_accuracy: float
    auroc: float
    average_precision: float
    ece: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over the units with its 95 % interval, bootstrapped over people."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ExpressionCheck:
    """Does a unit stand out on faces that people gave this label? AUROC of its occurrence against all other labels."""

    expression: str
    unit: str
    auroc: float
    positives: int
    faces: int


@dataclass(frozen=True, slots=True)
class ActionUnitReport:
    """All figures of one model file on held-out people."""

    labels: str
    model_sha256: str
    faces: int
    people: int
    units: tuple[UnitFigures, ...]
    means: dict[str, Interval]
    f1_always_mean: float
    f1_by_samples: dict[int, float]  # mean F1 with so many sampled masks
    epistemic_mean_nats: float
    accuracy_by_decile: dict[str, tuple[float, ...]]  # per kind of uncertainty, least uncertain tenth first
    pseudo_label_checks: tuple[ExpressionCheck, ...]  # of the pseudo-scores themselves, against volunteers' labels
    expression_checks: tuple[ExpressionCheck, ...]  # of the model, on FERPlus PublicTest
    latency_ms: dict[int, float]  # threads to median milliseconds for one face


class ExportedActionUnits:
    """An exported model with its contract, on ONNX Runtime."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open the model and its contract.

        Raises:
            ContractError: the contract is missing, broken, or not that of an action-unit model.
        """
        self.contract: ModelContract = read_contract(path)
        if not isinstance(self.contract.calibration, AUCalibration):
            raise ContractError(f"{path} is a model for {self.contract.task}: give an action-unit model")
        self.calibration: AUCalibration = self.contract.calibration
        self._session = open_session(path, threads)

    def logits(self, crops: UInt8, samples: int | None = None) -> Float32:
        """Sampled logits (N, S, K) of crops (N, 96, 96), not yet divided by the temperature."""
        count = samples or self.calibration.mask_samples
        bank = noise_bank(count, len(self.contract.labels), self.calibration.mask_seed)
        return run_logits(self._session, crops, bank)

    def estimate(self, crops: UInt8, samples: int | None = None) -> UnitUncertainty:
        """Calibrated occurrence and uncertainty of crops (N, 96, 96)."""
        return decompose(torch.from_numpy(self.logits(crops, samples) / self.calibration.temperature))

    def latency_ms(self, crop: UInt8, repeats: int = 200) -> float:
        """Median milliseconds for one crop (96, 96), from grey levels to outputs."""
        bank = noise_bank(self.calibration.mask_samples, len(self.contract.labels), self.calibration.mask_seed)
        times = []
        for _ in range(repeats + 10):
            start = time.perf_counter()
            run_logits(self._session, crop[np.newaxis], bank)
            times.append(time.perf_counter() - start)
        return float(np.median(times[10:]) * 1000)


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU that does not spin while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_logits(session: onnxruntime.InferenceSession, crops: UInt8, bank: Float32) -> Float32:
    """Logits (N, S, K) of crops (N, 96, 96) with a noise bank (S, 2, K, K)."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        image = pictures(crops[start : start + _BATCH]).numpy()
        parts.append(session.run(["logits"], {"image": image, "noise": bank})[0])
    return np.concatenate(parts)


def evaluate_action_units(
    path: Path, faces: Faces128, fer: FerFaces | None = None, resamples: int = _RESAMPLES
) -> ActionUnitReport:
    """Figures of a model file on the test identities; ``fer`` are the PublicTest faces of FERPlus at 96 pixels."""
    model = ExportedActionUnits(path)
    test = faces.splits == TEST
    labels, people = faces.scores[test] >= faces.thresholds(), faces.identities[test]
    thresholds = np.array(model.calibration.thresholds, np.float32)
    crops = faces.crops[test]
    estimate = model.estimate(crops)
    occurrence = estimate.occurrence.numpy()
    units = unit_figures(labels, occurrence, thresholds)
    right = labels == (occurrence >= thresholds)
    return ActionUnitReport(
        labels="pseudo-labels from MediaPipe blendshape scores; not FACS coding",
        model_sha256=model.contract.sha256,
        faces=len(labels),
        people=len(np.unique(people)),
        units=units,
        means=mean_intervals(labels, occurrence, thresholds, people, resamples),
        f1_always_mean=float(np.mean([unit.f1_always for unit in units])),
        f1_by_samples={
            count: float(_mean_f1(labels, model.estimate(crops, count).occurrence.numpy() >= thresholds))
            for count in _SAMPLE_COUNTS
        },
        epistemic_mean_nats=float(estimate.epistemic.mean()),
        accuracy_by_decile={
            "epistemic": accuracy_by_decile(right, estimate.epistemic.numpy()),
            "aleatoric": accuracy_by_decile(right, estimate.aleatoric.numpy()),
            "occurrence_std": accuracy_by_decile(right, estimate.occurrence_std.numpy()),
        },
        pseudo_label_checks=expression_checks(faces.scores, faces.expressions),
        expression_checks=_check_fer(model, fer) if fer is not None else (),
        latency_ms={threads: ExportedActionUnits(path, threads).latency_ms(crops[0]) for threads in (1, 2)},
    )


def unit_figures(labels: Flags, occurrence: Float32, thresholds: Float32) -> tuple[UnitFigures, ...]:
    """Figures of each unit for labels (N, K), occurrence (N, K) and thresholds (K,)."""
    figures = []
    for place, unit in enumerate(BP4D_UNITS):
        truth, p = labels[:, place], occurrence[:, place]
        said = p >= thresholds[place]
        rate = float(truth.mean())
        figures.append(
            UnitFigures(
                unit=unit_code(unit),
                prevalence=rate,
                threshold=float(thresholds[place]),
                f1=f1_score(truth, said),
                f1_always=2 * rate / (1 + rate),
                accuracy=accuracy(truth, said),
                balanced_accuracy=balanced_accuracy(truth, said),
                auroc=auroc(truth, p),
                average_precision=average_precision(truth, p),
                ece=expected_calibration_error(truth, p),
            )
        )
    return tuple(figures)


def mean_intervals(
    labels: Flags, occurrence: Float32, thresholds: Float32, people: npt.NDArray[np.str_], resamples: int
) -> dict[str, Interval]:
    """Means over the units with 95 % intervals from drawing people, with all their pictures, again and again."""
    _, owner = np.unique(people, return_inverse=True)
    rows_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    random = np.random.default_rng(0)
    draws = []
    for _ in range(resamples):
        chosen = random.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[person] for person in chosen])
        draws.append(_means(labels[rows], occurrence[rows], thresholds))
    low, high = np.nanquantile(np.array(draws), [0.025, 0.975], axis=0)
    values = _means(labels, occurrence, thresholds)
    return {
        name: Interval(float(values[place]), float(low[place]), float(high[place]))
        for place, name in enumerate(_AVERAGED)
    }


def _means(labels: Flags, occurrence: Float32, thresholds: Float32) -> list[float]:
    figures = unit_figures(labels, occurrence, thresholds)
    return [float(np.nanmean([getattr(unit, name) for unit in figures])) for name in _AVERAGED]


def _mean_f1(labels: Flags, decisions: Flags) -> float:
    return float(np.mean([f1_score(truth, said) for truth, said in zip(labels.T, decisions.T, strict=True)]))


def accuracy_by_decile(right: Flags, uncertainty: Float32) -> tuple[float, ...]:
    """Share of right decisions in ten equal groups of rising uncertainty, mean over units; both (N, K)."""
    order = np.argsort(uncertainty, axis=0, kind="stable")
    ranked = np.take_along_axis(right, order, axis=0)
    return tuple(float(part.mean()) for part in np.array_split(ranked, _DECILES))


def expression_checks(occurrence: Float32, expressions: npt.NDArray[np.str_]) -> tuple[ExpressionCheck, ...]:
    """AUROC of units (N, K) for the expressions they belong to, over the faces that carry a label."""
    known = np.isin(expressions, EXPRESSIONS)
    checks = []
    for expression, units in EXPRESSION_UNITS.items():
        positive = expressions[known] == expression
        for unit in units:
            value = auroc(positive, occurrence[known, BP4D_UNITS.index(unit)])
            checks.append(ExpressionCheck(expression, unit_code(unit), value, int(positive.sum()), int(known.sum())))
    return tuple(checks)


def _check_fer(model: ExportedActionUnits, fer: FerFaces) -> tuple[ExpressionCheck, ...]:
    labels = majority_labels(fer.votes)
    clear = labels >= 0
    occurrence = model.estimate(fer.crops[clear]).occurrence.numpy()
    return expression_checks(occurrence, np.array(EXPRESSIONS)[labels[clear]])
