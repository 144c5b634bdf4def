"""From a finished action-units run to ``action_units.onnx`` with its contract, calibrated on validation people."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import SCHEMA, AUCalibration, CropSpec, ModelContract, TensorSpec, write_contract
from engine.facs import BP4D_UNITS, unit_code
from engine.tracking.face_models import sha256_of
from engine.types import Float32
from training.datasets.faces128 import VALIDATION, Faces128
from training.evaluation.action_units import open_session, run_logits
from training.export.onnx import export_onnx, store_weights_as_half
from training.export.parity import largest_difference, require_parity
from training.metrics.binary import best_f1_threshold
from training.models.ugn import UGN, UGNExport
from training.trainers.action_units import MEAN, STD, load_action_units, noise_bank

INPUTS: Final = ("image", "noise")
OUTPUTS: Final = ("logits", "mask_mean", "mask_std", "adjacency")
MASK_SAMPLES: Final = 20
MASK_SEED: Final = 0
#: Largest difference from torch that is allowed, over all outputs: before and after weights are rounded to float16.
_EXACT_TOLERANCE: Final = 1e-3
_HALF_TOLERANCE: Final = 0.05
_DYNAMIC: Final = {
    "image": {0: "N"},
    "noise": {0: "S"},
    "logits": {0: "N", 1: "S"},
    "mask_mean": {0: "N"},
    "mask_std": {0: "N"},
}
_LICENCE: Final = "MIT; trained on pseudo-labels under Apache-2.0 and on pictures that are not redistributed"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What the export measured."""

    model: Path
    size_bytes: int
    difference: float  # largest absolute difference from torch over all outputs, weights rounded
    calibration: AUCalibration


def export_action_units(
    run: Path, faces: Faces128, target: Path, report: Callable[[str], None] = print
) -> ExportSummary:
    """Write the model of a finished run to ``target`` (.onnx) and its contract beside it.

    Raises:
        FileNotFoundError: the run is not finished.
        ValueError: the file does not answer as the torch module does.
    """
    model, facts = load_action_units(run)
    difference = write_model(model, target)
    report(f"{target}: {target.stat().st_size / 1e6:.2f} MB, largest difference from torch {difference:.1e}")
    calibration = calibrate(target, faces)
    report(f"temperature {calibration.temperature:.3f}, fitted on {calibration.fitted_on}")
    seeds = f"seeds {facts['config']['stage1']['seed']} and {facts['config']['stage2']['seed']}"
    trained = f"{datetime.date.today().isoformat()}, mien-train fit action-units, code {facts['code']}, {seeds}"
    write_contract(_contract(model, target, calibration, facts["data"], trained), target)
    return ExportSummary(target, target.stat().st_size, difference, calibration)


def write_model(model: UGN, target: Path) -> float:
    """Write the ONNX file, weights as float16; return the largest difference from torch over all outputs.

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


def calibrate(model: Path, faces: Faces128) -> AUCalibration:
    """One temperature, and a threshold per unit (highest F1), fitted with the file itself on validation identities."""
    chosen = faces.splits == VALIDATION
    labels = faces.scores[chosen] >= faces.thresholds()
    bank = noise_bank(MASK_SAMPLES, len(BP4D_UNITS), MASK_SEED)
    logits = run_logits(open_session(model, 1), faces.crops[chosen], bank)
    temperature = fit_temperature(logits, labels)
    occurrence = mean_occurrence(logits, temperature)
    people = len(np.unique(faces.identities[chosen]))
    return AUCalibration(
        temperature=temperature,
        thresholds=tuple(
            round(best_f1_threshold(truth, p), 4) for truth, p in zip(labels.T, occurrence.T, strict=True)
        ),
        mask_samples=MASK_SAMPLES,
        mask_seed=MASK_SEED,
        fitted_on=f"faces128 validation identities, {len(labels)} faces of {people} people, pseudo-labels",
    )


def fit_temperature(logits: Float32, labels: npt.NDArray[np.bool_]) -> float:
    """The temperature, to 0.001, with the smallest binary NLL of the mean occurrence; logits (N, S, K), labels (N, K).

    Golden-section search over 0.25 to 4 in the logarithm (the NLL has one valley there).
    """
    low, high = np.log(0.25), np.log(4.0)
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-3:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _nll(logits, labels, np.exp(left)) < _nll(logits, labels, np.exp(right)):
            high = right
        else:
            low = left
    return round(float(np.exp((low + high) / 2)), 3)


def mean_occurrence(logits: Float32, temperature: float) -> Float32:
    """Occurrence (N, K): mean over the samples of sigmoid(logits / temperature), logits (N, S, K)."""
    return np.asarray((1 / (1 + np.exp(-logits / temperature))).mean(1), np.float32)


def _nll(logits: Float32, labels: npt.NDArray[np.bool_], temperature: float) -> float:
    p = np.clip(mean_occurrence(logits, temperature), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(labels, p, 1 - p)).mean())


def _contract(model: UGN, target: Path, calibration: AUCalibration, data: str, trained: str) -> ModelContract:
    units, side = model.config.units, model.config.side_px
    return ModelContract(
        schema=SCHEMA,
        name="ugn-edge",
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
        labels=tuple(unit_code(unit) for unit in BP4D_UNITS),
        calibration=calibration,
        data=(data, "labels are MediaPipe blendshape scores turned into units: a model's opinion, not FACS coding"),
        licence=_LICENCE,
        trained=trained,
    )
