"""Export of a finished action-units run: ``action_units.onnx`` and its contract, calibrated on validation people."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from engine.action_units import noise_bank
from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import SCHEMA, ActionUnitContract, AUCalibration, CropSpec, TensorSpec, write_contract
from engine.facs import unit_code
from engine.tracking.face_models import sha256_of
from training.action_units.calibration import (
    MASK_SAMPLES,
    MASK_SEED,
    UnitEvidence,
    calibrate,
    calibrate_with_evidence,
    with_neutral_logits,
)
from training.action_units.exported import ExportedActionUnits
from training.action_units.features import MEAN, STD, load_action_units
from training.action_units.model import UGN, UGNExport, Variant
from training.data.action_unit_faces import WEAK, UnitSplit
from training.data.action_unit_sources import UnitSource
from training.data.fer2013 import FerFaces
from training.layers.onnx_export import export_onnx, largest_difference, require_parity, store_weights_as_half

INPUTS: Final = ("image", "noise")
OUTPUTS: Final = ("logits", "mask_mean", "mask_std", "adjacency")
#: Only of models that grade intensity.
INTENSITY: Final = "intensity"
#: Largest allowed difference from torch over all outputs, before and after rounding the weights to float16.
_EXACT_TOLERANCE: Final = 1e-3
_HALF_TOLERANCE: Final = 0.05
_DYNAMIC: Final = {
    "image": {0: "N"},
    "noise": {0: "S"},
    "logits": {0: "N", 1: "S"},
    "mask_mean": {0: "N"},
    "mask_std": {0: "N"},
    INTENSITY: {0: "N"},
}
#: Sources not labelled by certified FACS coders.
_NOT_CODED: Final = (UnitSource.OPEN.value, UnitSource.FACES128.value, WEAK)
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
    agreeing: Mapping[int, bool] | None = None,
    self_noise: float | None = None,
) -> None:
    """Write the model of a finished run to ``target`` (.onnx) and its contract beside it.

    ``self_noise`` is the share of the noise on the units' own loops in the file; by default that of the training.

    ``fer`` are the PublicTest faces of FERPlus at 96 pixels, used for thresholds and in deciding which units are
    trusted; ``agreeing`` says of units whether an independent reference agrees (`trusted_units`).

    Raises:
        FileNotFoundError: the run is not finished.
        ValueError: the run has no graph, was trained on another fold or other units than ``split``, or the file's
            outputs differ from the torch module's; or ``self_noise`` is not between 0 and 1.
    """
    model, facts = load_action_units(run)
    _require_fitting(run, facts, split)
    if self_noise is not None:
        model.head.set_self_noise(self_noise)
        facts["self_noise"] = self_noise
    samples = 1 if facts["variant"] == Variant.GN_D.value else MASK_SAMPLES
    difference = write_model(model, target)
    report(f"{target}: {target.stat().st_size / 1e6:.2f} MB, largest difference from torch {difference:.1e}")
    calibration = calibrate(target, split.validation, samples, fer, agreeing)
    _report_calibration(calibration, split, report)
    write_contract(_contract(model, target, calibration, facts, split), target)


def calibrate_again(
    model: Path,
    split: UnitSplit,
    report: Callable[[str], None] = print,
    fer: FerFaces | None = None,
    agreeing: Mapping[int, bool] | None = None,
) -> tuple[UnitEvidence, ...]:
    """Replace the calibration in the contract of an exported model, whose weights stay; arguments as above.

    Returns what thresholds and trust were chosen on.

    Raises:
        ContractError: the file is not an action-unit model.
        ValueError: it held out another fold, or has other units.
    """
    contract = ExportedActionUnits(model).contract
    units = tuple(unit_code(unit) for unit in split.validation.units)
    fold = int(split.test.folds[0])
    if contract.labels != units:
        raise ValueError(f"{model} has the units {contract.labels}, the data {units}: give the sets of its training")
    if held_out_fold(contract.data) != fold:
        held_out = held_out_fold(contract.data)
        raise ValueError(f"{model} held out fold {held_out}, not {fold}: give --test-fold {held_out}")
    samples = contract.calibration.mask_samples
    calibration, evidence = calibrate_with_evidence(model, split.validation, samples, fer, agreeing)
    _report_calibration(calibration, split, report)
    write_contract(replace(contract, calibration=calibration), model)
    return evidence


def add_neutral(model: Path, fer: FerFaces, report: Callable[[str], None] = print) -> None:
    """Write the usual neutral logits into the contract of a model whose calibration has none, or others.

    Raises:
        ContractError, ValueError: as in `with_neutral_logits`.
    """
    contract = ExportedActionUnits(model).contract
    calibration = with_neutral_logits(model, fer)
    write_contract(replace(contract, calibration=calibration), model)
    pairs = zip(contract.labels, calibration.neutral, strict=True)
    report(f"neutral logits: {', '.join(f'{unit} {value:.2f}' for unit, value in pairs)}")


def _report_calibration(calibration: AUCalibration, split: UnitSplit, report: Callable[[str], None]) -> None:
    report(f"temperature {calibration.temperature:.3f}, fitted on {calibration.fitted_on}")
    units = zip(split.validation.units, calibration.trusted, strict=True)
    report(f"trusted: {', '.join(unit_code(unit) for unit, trusted in units if trusted) or 'none'}")


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
    outputs = (*OUTPUTS, INTENSITY) if model.config.intensity else OUTPUTS
    dynamic = {name: axes for name, axes in _DYNAMIC.items() if name in (*INPUTS, *outputs)}
    export_onnx(wrapped, tuple(inputs.values()), target, INPUTS, outputs, dynamic)
    require_parity(largest_difference(wrapped, inputs, target, outputs), _EXACT_TOLERANCE)
    store_weights_as_half(target)
    differences = largest_difference(wrapped, inputs, target, outputs)
    require_parity(differences, _HALF_TOLERANCE)
    return max(differences.values())


def _contract(
    model: UGN, target: Path, calibration: AUCalibration, facts: dict[str, Any], split: UnitSplit
) -> ActionUnitContract:
    units, side = model.config.units, model.config.side_px
    family = "gn-d" if facts["variant"] == Variant.GN_D.value else "ugn"
    sources = sorted(set(split.training.sources.tolist()))
    coded = [source for source in sources if source not in _NOT_CODED]
    seeds = f"seeds {facts['config']['stage1']['seed']} and {facts['config']['stage2']['seed']}"
    command = f"mien-train fit au ({facts['variant']})"
    if "self_noise" in facts:
        command += f", exported with {facts['self_noise']} of the noise on own loops"
    data = [facts["data"], held_out_line(facts["test_fold"])]
    if len(coded) < len(sources):
        data.insert(0, _NOT_CODED_LINE)
    graded = (TensorSpec(INTENSITY, ("N", units)),) if model.config.intensity else ()
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
            *graded,
        ),
        crop=CropSpec(CROP_TEMPLATE, side, "grey", MEAN, STD),
        labels=tuple(unit_code(unit) for unit in split.validation.units),
        calibration=calibration,
        data=tuple(data),
        licence=_CLOSED_LICENCE.format(", ".join(coded)) if coded else _OPEN_LICENCE,
        trained=f"{datetime.date.today().isoformat()}, {command}, code {facts['code']}, {seeds}",
    )
