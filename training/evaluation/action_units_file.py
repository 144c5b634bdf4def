"""``mien-train evaluate au``: the figures of an exported action-unit model on people it has never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.action_units import sigmoid
from engine.errors import ContractError
from engine.facs import unit_code
from engine.types import Float32
from training.action_units.exported import ExportedActionUnits
from training.action_units.expression_check import ExpressionCheck, check_expressions
from training.data.action_unit_faces import UnitFaces
from training.data.fer2013 import FerFaces
from training.evaluation.action_units import RESAMPLES, UnitReport, f1_half, judge, unit_report
from training.evaluation.mask_noise import MaskNoise, measure_mask_noise
from training.evaluation.unit_intensity import IntensityReport, intensity_report
from training.metrics.bootstrap import Figure

#: Numbers of sampled masks that are compared (SPEC 3.3).
SAMPLE_COUNTS: Final = (1, 5, 20, 50)
#: Samples of the measured time.
TIMED_SAMPLES: Final = 20
TIMED_RUNS: Final = 200
#: Faces, evenly over the test faces, on which the bank is compared with many samples.
NOISE_FACES: Final = 330
_TIMED_THREADS: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class UnitModelFacts:
    """The model that was measured."""

    name: str
    sha256: str
    trained: str
    data: tuple[str, ...]
    temperature: float
    mask_samples: int
    fitted_on: str
    units: tuple[str, ...]
    not_trusted: tuple[str, ...]  # units that the program shows greyed


@dataclass(frozen=True, slots=True)
class SourceReport:
    """The figures on the test faces of one data set."""

    source: str
    report: UnitReport


@dataclass(frozen=True, slots=True)
class SamplesFigures:
    """Figures at one number of sampled masks."""

    samples: int
    f1_half: Figure  # mean over units, at probability 0.5
    epistemic_nats: float  # mean over faces and units


@dataclass(frozen=True, slots=True)
class Latency:
    """One face with 20 samples on ONNX Runtime, from grey levels to outputs."""

    threads: int
    samples: int
    median_ms: float
    runs: int


@dataclass(frozen=True, slots=True)
class UnitFileReport:
    """All figures of one model file on held-out people."""

    model: UnitModelFacts
    test_fold: int
    test: str  # description of the test faces
    all: UnitReport
    sources: tuple[SourceReport, ...]
    by_samples: tuple[SamplesFigures, ...]
    fer: ExpressionCheck | None
    intensity: IntensityReport | None  # of the test faces with a label; None where the model grades nothing
    noise: MaskNoise | None  # of at most NOISE_FACES test faces; None where no mask is sampled
    latency: tuple[Latency, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FerSplit:
    """The faces of FERPlus for the outside check, at 96 pixels."""

    name: str  # PublicTest or PrivateTest
    faces: FerFaces


def evaluate_units_file(
    model: Path,
    test: UnitFaces,
    description: str,
    fer: FerSplit | None = None,
    resamples: int = RESAMPLES,
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> UnitFileReport:
    """Figures of a model file on the faces of one test fold, and the outside check on FERPlus.

    Raises:
        ContractError: the file has no contract, is not an action-unit model, or lacks a unit of the faces.
        ValueError: there is no face.
    """
    network = ExportedActionUnits(model, threads)
    places = _places(network, test.units)
    calibration = network.calibration
    report(f"{len(test.people)} faces with {calibration.mask_samples} samples each")
    logits = network.logits(test.crops)[..., places]

    def measured(faces: UnitFaces, sampled: Float32) -> UnitReport:
        thresholds = [calibration.thresholds[place] for place in places]
        return unit_report(faces, sampled, calibration.temperature, thresholds, resamples)

    whole = measured(test, logits)
    chosen = {str(name): test.sources == name for name in np.unique(test.sources)}
    return UnitFileReport(
        model=_facts(network),
        test_fold=int(test.folds[0]),
        test=description,
        all=whole,
        sources=tuple(
            SourceReport(name, whole if rows.all() else measured(test.where(rows), logits[rows]))
            for name, rows in chosen.items()
        ),
        by_samples=tuple(
            _with_samples(test, network.logits(test.crops, count)[..., places], calibration.temperature)
            for count in SAMPLE_COUNTS
        ),
        fer=None if fer is None else _check(network, fer, resamples),
        intensity=_intensity(network, test, places),
        noise=_noise(network, test),
        latency=tuple(_latency(model, count, test) for count in _TIMED_THREADS),
    )


def _places(network: ExportedActionUnits, units: tuple[int, ...]) -> list[int]:
    """Output index of each unit that the faces are labelled with."""
    labels = network.contract.labels
    missing = [unit_code(unit) for unit in units if unit_code(unit) not in labels]
    if missing:
        raise ContractError(
            f"{network.contract.name} has no output for {', '.join(missing)}: give faces without these labels"
        )
    return [labels.index(unit_code(unit)) for unit in units]


def _facts(network: ExportedActionUnits) -> UnitModelFacts:
    contract, calibration = network.contract, network.calibration
    return UnitModelFacts(
        name=contract.name,
        sha256=contract.sha256,
        trained=contract.trained,
        data=contract.data,
        temperature=calibration.temperature,
        mask_samples=calibration.mask_samples,
        fitted_on=calibration.fitted_on,
        units=contract.labels,
        not_trusted=tuple(
            label for label, trusted in zip(contract.labels, calibration.trusted, strict=True) if not trusted
        ),
    )


def _with_samples(test: UnitFaces, logits: Float32, temperature: float) -> SamplesFigures:
    judged = judge(logits, temperature)
    return SamplesFigures(logits.shape[1], f1_half(test, judged), float(judged.epistemic[test.known].mean()))


def _noise(network: ExportedActionUnits, test: UnitFaces) -> MaskNoise | None:
    if network.calibration.mask_samples == 1:
        return None
    step = max(1, len(test.crops) // NOISE_FACES)
    return measure_mask_noise(network, test.crops[::step][:NOISE_FACES])


def _intensity(network: ExportedActionUnits, test: UnitFaces, places: list[int]) -> IntensityReport | None:
    labelled = test.where(np.flatnonzero(~np.isnan(test.graded()).all(1)))
    graded = network.intensities(labelled.crops) if len(labelled.people) else None
    return None if graded is None else intensity_report(labelled, graded[:, places])


def _check(network: ExportedActionUnits, fer: FerSplit, resamples: int) -> ExpressionCheck:
    logits = network.logits(fer.faces.crops)
    occurrence = sigmoid(logits, network.calibration.temperature).mean(1)
    units = tuple(int(label.removeprefix("AU")) for label in network.contract.labels)
    return check_expressions(occurrence, units, fer.faces, fer.name, resamples)


def _latency(model: Path, threads: int, test: UnitFaces) -> Latency:
    median = ExportedActionUnits(model, threads).latency_ms(test.crops[0], TIMED_SAMPLES, TIMED_RUNS)
    return Latency(threads, TIMED_SAMPLES, median, TIMED_RUNS)
