"""From a path to a model that may be opened: its contract fits this engine, and the file is the one it speaks for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.alignment import CROP_SIDE_PX, CROP_TEMPLATE
from engine.backends.contract import (
    AUCalibration,
    ExpressionCalibration,
    ExpressionContract,
    ModelContract,
    TensorSpec,
    contract_path,
    read_contract,
)
from engine.errors import ContractError, ModelError
from engine.facs import EXPRESSIONS, UNIT_NAMES, unit_code
from engine.types import MESH_POINTS

#: A file is read whole to be hashed; ours have a few MB, and a wrong file must not fill the memory.
MAX_BYTES: Final = 64 * 2**20
#: Key of an ONNX tensor whose values lie in another file, as protobuf writes it (field 1, 8 bytes long).
_EXTERNAL_DATA: Final = b"\n\x08location"

_Shapes = Mapping[str, tuple[int | str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model file whose contract and hash have been checked."""

    path: Path
    contract: ModelContract
    content: bytes  # the ONNX file; exactly the bytes that were hashed


def read_model(path: Path) -> ModelFile:
    """Read a model file and insist on its contract, before any backend sees it.

    Raises:
        ContractError: the contract is missing, malformed, or asks for what this engine does not do.
        ModelError: the file is missing, too large, not the one of the contract, or keeps its weights elsewhere.
    """
    contract = read_contract(path)
    check_contract(contract, path)
    content = _read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != contract.sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}..., its contract names {contract.sha256[:12]}...: "
            "restore both from one release"
        )
    if _EXTERNAL_DATA in content:
        raise ModelError(f"{path} keeps its weights in another file, which no hash covers: export it as one file")
    return ModelFile(path, contract, content)


def check_contract(contract: ModelContract, path: Path) -> None:
    """Compare what a contract says with what this engine does.

    Raises:
        ContractError: the first difference.
    """
    where = contract_path(path)
    crop = contract.crop
    _insist(
        crop.template == CROP_TEMPLATE, where, f"crop template {crop.template!r}, this engine cuts {CROP_TEMPLATE!r}"
    )
    _insist(crop.colour == "grey", where, f"crop colour {crop.colour!r}, this engine gives 'grey'")
    _insist(
        1 <= crop.side_px <= CROP_SIDE_PX, where, f"crop side {crop.side_px} px, this engine gives 1-{CROP_SIDE_PX}"
    )
    _insist(0 <= crop.mean <= 1, where, f"crop mean {crop.mean}, not 0-1")
    _insist(0.001 <= crop.std <= 1, where, f"crop std {crop.std}, not 0.001-1")
    temperature = contract.calibration.temperature
    _insist(0.01 <= temperature <= 100, where, f"temperature {temperature}, not 0.01-100")
    image = ("N", 1, crop.side_px, crop.side_px)
    inputs: _Shapes
    outputs: _Shapes
    if isinstance(contract, ExpressionContract):
        _check_expression(contract.labels, contract.calibration, where)
        inputs = {"image": image, "landmarks": ("N", MESH_POINTS, 2)}
        outputs = {"logits": ("N", "M", len(EXPRESSIONS))}
    else:
        _check_action_units(contract.labels, contract.calibration, where)
        k = len(contract.labels)
        inputs = {"image": image, "noise": (contract.calibration.mask_samples, 2, k, k)}
        outputs = {"logits": ("N", "S", k), "mask_mean": ("N", k, k), "mask_std": ("N", k, k), "adjacency": (k, k)}
    _check_tensors(contract.inputs, inputs, "input", where)
    _check_tensors(contract.outputs, outputs, "output", where)


def _check_expression(labels: tuple[str, ...], calibration: ExpressionCalibration, where: Path) -> None:
    _insist(labels == EXPRESSIONS, where, f"labels {', '.join(labels)}; this engine knows {', '.join(EXPRESSIONS)}")
    limits = (calibration.aleatoric_limit, calibration.epistemic_limit)
    _insist(min(limits) >= 0, where, f"a limit of {min(limits)} nats, which cannot be below 0")
    _insist(0 <= calibration.false_rejection <= 1, where, f"false_rejection {calibration.false_rejection}, not a share")
    quantiles = calibration.epistemic_quantiles
    rising = len(quantiles) >= 2 and all(low <= high for low, high in itertools.pairwise(quantiles))
    _insist(rising, where, "epistemic_quantiles that do not rise, or fewer than 2")


def _check_action_units(labels: tuple[str, ...], calibration: AUCalibration, where: Path) -> None:
    known = {unit_code(unit) for unit in UNIT_NAMES}
    odd = sorted(set(labels) - known)
    _insist(not odd, where, f"labels {', '.join(odd)}, which are no action units known here")
    _insist(0 < len(labels) == len(set(labels)), where, "no labels, or one of them twice")
    thresholds = calibration.thresholds
    _insist(len(thresholds) == len(labels), where, f"{len(thresholds)} thresholds for {len(labels)} units")
    _insist(all(0 <= value <= 1 for value in thresholds), where, "a threshold outside 0-1")
    trusted = calibration.trusted
    _insist(len(trusted) == len(labels), where, f"{len(trusted)} values of trusted for {len(labels)} units")
    _insist(calibration.mask_samples >= 1, where, f"mask_samples {calibration.mask_samples}, which must be 1 or more")
    _insist(calibration.mask_seed >= 0, where, f"mask_seed {calibration.mask_seed}, which cannot be below 0")


def _check_tensors(specs: tuple[TensorSpec, ...], needed: _Shapes, kind: str, where: Path) -> None:
    """The tensors that the estimators feed and read, no more and no fewer."""
    names = sorted(spec.name for spec in specs)
    _insist(
        names == sorted(needed), where, f"{kind}s {', '.join(names)}; this engine needs {', '.join(sorted(needed))}"
    )
    for spec in specs:
        _insist(spec.dtype == "float32", where, f"{kind} {spec.name} of {spec.dtype}, this engine uses float32")
        want = needed[spec.name]
        # An input may take more lengths than it is fed; an output has any length only where a letter stands.
        fits = len(spec.shape) == len(want) and all(
            have == need or isinstance(have if kind == "input" else need, str)
            for have, need in zip(spec.shape, want, strict=True)
        )
        _insist(fits, where, f"{kind} {spec.name} of shape {spec.shape}, this engine needs {want}")


def _insist(fits: bool, where: Path, problem: str) -> None:
    if not fits:
        raise ContractError(f"{where} has {problem}: use a model made for this version")


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(
                f"{path} has {size / 2**20:.0f} MiB, more than {MAX_BYTES // 2**20}: it is no model of ours"
            )
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): restore it beside its contract") from None
