"""Export of a finished action-units run: ``action_units.onnx`` and its contract, calibrated on validation people."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar

from engine.action_units import noise_bank
from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import SCHEMA, ActionUnitContract, AUCalibration, CropSpec, TensorSpec, write_contract
from engine.facs import unit_code
from engine.tracking.face_models import sha256_of
from engine.types import Float32
from training.action_units.exported import open_session, run_logits
from training.action_units.expression_check import check_expressions
from training.action_units.features import MEAN, STD, load_action_units
from training.action_units.fit import describe_faces
from training.action_units.model import UGN, UGNExport, Variant
from training.data.action_unit_faces import UnitFaces, UnitSplit
from training.data.action_unit_sources import UnitSource
from training.data.fer2013 import FerFaces
from training.layers.onnx_export import export_onnx, largest_difference, require_parity, store_weights_as_half
from training.metrics.decisions import best_f1_threshold
from training.metrics.ranking import auroc

INPUTS: Final = ("image", "noise")
OUTPUTS: Final = ("logits", "mask_mean", "mask_std", "adjacency")
MASK_SAMPLES: Final = 20
MASK_SEED: Final = 0
#: Largest allowed difference from torch over all outputs, before and after rounding the weights to float16.
_EXACT_TOLERANCE: Final = 1e-3
_HALF_TOLERANCE: Final = 0.05
_DYNAMIC: Final = {
    "image": {0: "N"},
    "noise": {0: "S"},
    "logits": {0: "N", 1: "S"},
    "mask_mean": {0: "N"},
    "mask_std": {0: "N"},
}
Flags = npt.NDArray[np.bool_]

#: AUROC on validation people that a trusted unit needs in every source that labels it.
TRUSTED_AUROC: Final = 0.85
#: The check on expressions labelled by people: from the first AUROC on it replaces labelled photographs of the unit,
#: below the second it overrides them; used where at least TIED_FACES faces show the expression.
TIE_CONFIRMS, TIE_CONTRADICTS, TIED_FACES = 0.80, 0.70, 100
#: Sources not labelled by certified FACS coders, and the one among them whose images are rendered.
_NOT_CODED: Final = (UnitSource.OPEN.value, UnitSource.FACES128.value)
_RENDERED: Final = UnitSource.OPEN.value
_NOT_CODED_LINE: Final = "rendered and machine-labelled faces, not certified FACS coding"
_OPEN_LICENCE: Final = "MIT; trained on pseudo-labels under Apache-2.0 and on pictures that are not redistributed"
_CLOSED_LICENCE: Final = "the agreements of the publishers of {} hold for this file: do not redistribute it"
#: Line of the contract's data that `evaluate au` reads back.
_FOLD_LINE: Final = "fold {} held out for measuring"


def export_action_units(
    run: Path,
    split: UnitSplit,
    target: Path,
    report: Callable[[str], None] = print,
    fer: FerFaces | None = None,
) -> None:
    """Write the model of a finished run to ``target`` (.onnx) and its contract beside it.

    ``fer`` are the PublicTest faces of FERPlus at 96 pixels, used in deciding which units are trusted.

    Raises:
        FileNotFoundError: the run is not finished.
        ValueError: the run has no graph, was trained on another fold or other units than ``split``, or the file's
            outputs differ from the torch module's.
    """
    model, facts = load_action_units(run)
    _require_fitting(run, facts, split)
    samples = 1 if facts["variant"] == Variant.GN_D.value else MASK_SAMPLES
    difference = write_model(model, target)
    report(f"{target}: {target.stat().st_size / 1e6:.2f} MB, largest difference from torch {difference:.1e}")
    calibration = calibrate(target, split.validation, samples, fer)
    report(f"temperature {calibration.temperature:.3f}, fitted on {calibration.fitted_on}")
    units = zip(split.validation.units, calibration.trusted, strict=True)
    report(f"trusted: {', '.join(unit_code(unit) for unit, trusted in units if trusted) or 'none'}")
    write_contract(_contract(model, target, calibration, facts, split), target)


def held_out_line(fold: int) -> str:
    """Line of the contract's ``data`` that names the fold of people held out from training."""
    return _FOLD_LINE.format(fold)


def held_out_fold(data: Sequence[str]) -> int | None:
    """The fold that `held_out_line` wrote into a contract's ``data``, or None.

    >>> held_out_fold(["faces128 (9 faces of 3 people)", held_out_line(2)])
    2
    """
    found = (re.fullmatch(_FOLD_LINE.format(r"(\d+)"), line) for line in data)
    return next((int(match[1]) for match in found if match), None)


def _require_fitting(run: Path, facts: dict[str, Any], split: UnitSplit) -> None:
    if not Variant(facts["variant"]).has_graph:
        raise ValueError(f"{run} is a run of {facts['variant']}, which has no graph: export gn-d, ugn or ugn-b")
    fold = int(split.test.folds[0])
    if facts["test_fold"] != fold:
        raise ValueError(f"{run} held out fold {facts['test_fold']}, not {fold}: give --test-fold {facts['test_fold']}")
    if facts["units"] != list(split.validation.units):
        raise ValueError(f"{run} has the units {facts['units']}, the data {list(split.validation.units)}")


def write_model(model: UGN, target: Path) -> float:
    """Write the ONNX file with float16 weights and return the largest difference from torch over all outputs.

    Raises:
        ValueError: an output differs by more than rounding explains.
    """
    units, side = model.config.units, model.config.side_px
    generator = torch.Generator().manual_seed(0)
    bank = torch.from_numpy(noise_bank(MASK_SAMPLES, units, MASK_SEED))
    inputs = {"image": torch.randn(3, 1, side, side, generator=generator), "noise": bank}
    wrapped = UGNExport(model).to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]  # stub
    export_onnx(wrapped, tuple(inputs.values()), target, INPUTS, OUTPUTS, _DYNAMIC)
    require_parity(largest_difference(wrapped, inputs, target, OUTPUTS), _EXACT_TOLERANCE)
    store_weights_as_half(target)
    differences = largest_difference(wrapped, inputs, target, OUTPUTS)
    require_parity(differences, _HALF_TOLERANCE)
    return max(differences.values())


def calibrate(model: Path, faces: UnitFaces, samples: int = MASK_SAMPLES, fer: FerFaces | None = None) -> AUCalibration:
    """Temperature, thresholds and trust, fitted with the file itself on validation people, where labels are known."""
    bank, session = noise_bank(samples, len(faces.units), MASK_SEED), open_session(model, 1)
    logits = run_logits(session, faces.crops, bank)
    temperature = fit_temperature(logits, faces.occurs, faces.known)
    occurrence = mean_occurrence(logits, temperature)
    ties = {}
    if fer is not None:
        ties = expression_ties(mean_occurrence(run_logits(session, fer.crops, bank), temperature), faces.units, fer)
    return AUCalibration(
        temperature=temperature,
        thresholds=fit_thresholds(faces, occurrence),
        trusted=trusted_units(faces, occurrence, ties),
        mask_samples=samples,
        mask_seed=MASK_SEED,
        fitted_on=f"validation people: {describe_faces(faces)}",
    )


def fit_thresholds(faces: UnitFaces, occurrence: Float32) -> tuple[float, ...]:
    """Thresholds (K,) of the highest F1 for occurrence (N, K); 0.5 for a unit whose known labels are all the same."""
    found = []
    for occurs, known, p in zip(faces.occurs.T, faces.known.T, occurrence.T, strict=True):
        both = np.unique(occurs[known]).size == 2
        found.append(round(best_f1_threshold(occurs[known], p[known]), 4) if both else 0.5)
    return tuple(found)


def trusted_units(faces: UnitFaces, occurrence: Float32, ties: Mapping[int, float] | None = None) -> tuple[bool, ...]:
    """Which units (K,) are trusted, by their occurrence (N, K) on validation people.

    A trusted unit reaches TRUSTED_AUROC in every source that labels it, and has evidence from photographs: a source of
    photographs labels it, or its occurrence separates the expression that FACS ties it to (``ties``: unit to AUROC on
    faces labelled by people; TIE_CONFIRMS). A tie below TIE_CONTRADICTS withdraws trust whatever the sources show.
    A source whose known labels are all the same is no evidence.
    """
    found = []
    for unit, occurs, known, p in zip(faces.units, faces.occurs.T, faces.known.T, occurrence.T, strict=True):
        sources = set(faces.sources[known].tolist())
        rows = [known & (faces.sources == source) for source in sources]
        good = bool(rows) and all(auroc(occurs[chosen], p[chosen]) >= TRUSTED_AUROC for chosen in rows)
        photographed = bool(sources - {_RENDERED})
        tie = (ties or {}).get(unit, TIE_CONTRADICTS if photographed else 0.0)
        found.append(good and tie >= (TIE_CONTRADICTS if photographed else TIE_CONFIRMS))
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


def _contract(
    model: UGN, target: Path, calibration: AUCalibration, facts: dict[str, Any], split: UnitSplit
) -> ActionUnitContract:
    units, side = model.config.units, model.config.side_px
    family = "gn-d" if facts["variant"] == Variant.GN_D.value else "ugn"
    sources = np.unique(split.training.sources).tolist()
    coded = [source for source in sources if source not in _NOT_CODED]
    seeds = f"seeds {facts['config']['stage1']['seed']} and {facts['config']['stage2']['seed']}"
    command = f"mien-train fit au ({facts['variant']})"
    data = [facts["data"], held_out_line(facts["test_fold"])]
    if len(coded) < len(sources):
        data.insert(0, _NOT_CODED_LINE)
    return ActionUnitContract(
        schema=SCHEMA,
        name=f"{family}-{'ref' if model.config.resnet_stem else 'edge'}",
        task="action_units",
        sha256=sha256_of(target),
        inputs=(TensorSpec("image", ("N", 1, side, side)), TensorSpec("noise", ("S", 2, units, units))),
        outputs=(
            TensorSpec("logits", ("N", "S", units)),
            TensorSpec("mask_mean", ("N", units, units)),
            TensorSpec("mask_std", ("N", units, units)),
            TensorSpec("adjacency", (units, units)),
        ),
        crop=CropSpec(CROP_TEMPLATE, side, "grey", MEAN, STD),
        labels=tuple(unit_code(unit) for unit in split.validation.units),
        calibration=calibration,
        data=tuple(data),
        licence=_CLOSED_LICENCE.format(", ".join(coded)) if coded else _OPEN_LICENCE,
        trained=f"{datetime.date.today().isoformat()}, {command}, code {facts['code']}, {seeds}",
    )
