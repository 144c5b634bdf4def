"""Model files: where they are, and the checks before any backend opens one.

A file is opened only if its contract fits this engine and names the file's own hash, and if it holds one plain network
(`engine.backends.model_graph`). Files in the program's own folder must also be those of its list, ``SHA256SUMS``; a
model that is not on the list is tried in a process of its own before it is opened (`engine.backends.trial`).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.alignment import CROP_SIDE_PX, CROP_TEMPLATE
from engine.backends.contract import (
    CONTRACTS,
    MAX_CONTRACT_BYTES,
    AUCalibration,
    ExpressionCalibration,
    ExpressionContract,
    ModelContract,
    TensorSpec,
    contract_path,
    read_contract,
)
from engine.backends.model_graph import check_graph
from engine.errors import ContractError, ModelError
from engine.facs import EXPRESSIONS, UNIT_NAMES, unit_code
from engine.files import read_bytes
from engine.types import COVERED_PARTS, MESH_POINTS

#: Folder of the models that come with the program, in a checkout as in an installed wheel.
MODELS_FOLDER: Final = Path(__file__).resolve().parents[2] / "assets" / "models"
#: A file is read whole to be hashed; models are a few MB, and a wrong file must not fill the memory.
MAX_BYTES: Final = 64 * 2**20
#: In MODELS_FOLDER: hash and name of every model and contract, as ``sha256sum`` writes and checks them.
RELEASE_LIST: Final = "SHA256SUMS"
_MAX_LIST_BYTES: Final = 2**16
_LIST_REMEDY: Final = "install the program again"
#: Draws of the mask for one face; the released model has 20.
MAX_MASK_SAMPLES: Final = 1024
#: Logits of occurrences stay far below.
_MAX_LOGIT: Final = 80.0

_Shapes = Mapping[str, tuple[int | str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model file whose contract and hash have been checked."""

    path: Path
    contract: ModelContract
    content: bytes  # the ONNX file, exactly the bytes that were hashed
    released: bool = False  # both files are those that came with the program


def model_path(task: str, folder: Path | None = None) -> Path:
    """Path of the ONNX file for a task; its contract is beside it.

    Args:
        task: "expression" or "action_units".
        folder: searched instead of MODELS_FOLDER.

    Raises:
        ModelError: the file does not exist.
        ValueError: there is no such task.
    """
    if task not in CONTRACTS:
        raise ValueError(f"unknown task {task!r}: known are {', '.join(CONTRACTS)}")
    path = (folder or MODELS_FOLDER) / f"{task}.onnx"
    if not path.is_file():
        remedy = "name a folder that holds it" if folder else "install the program again, or fetch the whole repository"
        raise ModelError(f"{path} is missing: {remedy}")
    return path


def read_model(path: Path) -> ModelFile:
    """Read a model file and check its contract and hash.

    Raises:
        ContractError: the contract is missing, malformed, or not supported by this engine.
        ModelError: the file is missing, too large, not the one named by the contract, or holds more than one plain
            network; or it is in the program's own folder and not on its list.
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
    check_graph(content, path)
    return ModelFile(path, contract, content, _is_released(path, found))


def _is_released(path: Path, sha256: str) -> bool:
    """Whether a model and its contract are on the list of the program's own folder.

    In a checkout, a model that was exported since the list was written counts as one of unknown origin.

    Raises:
        ModelError: they are in the folder of an installed program but differ from the list, or the list is missing.
    """
    if path.resolve().parent != MODELS_FOLDER:
        return False
    try:
        _check_listed(path, sha256)
    except ModelError:
        if _is_checkout():
            return False
        raise
    return True


def _is_checkout() -> bool:
    return (MODELS_FOLDER.parents[1] / ".git").exists()


def _check_listed(path: Path, sha256: str) -> None:
    listed = _release_list(MODELS_FOLDER / RELEASE_LIST)
    contract = contract_path(path)
    for name, found in ((path.name, sha256), (contract.name, _hash_of(contract))):
        if listed.get(name) != found:
            raise ModelError(f"{path.parent / name} is not the file of this release: {_LIST_REMEDY}")


def _release_list(path: Path) -> dict[str, str]:
    """Hashes by file name."""
    try:
        lines = read_bytes(path, _MAX_LIST_BYTES).decode("ascii").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {name.lstrip("*"): sha256 for sha256, name in pairs}
    except (OSError, ValueError):
        raise ModelError(f"{path} is missing or damaged: {_LIST_REMEDY}") from None


def _hash_of(path: Path) -> str:
    try:
        return hashlib.sha256(read_bytes(path, MAX_CONTRACT_BYTES)).hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {_LIST_REMEDY}") from None


def check_contract(contract: ModelContract, path: Path) -> None:
    """Compare a contract with what this engine supports.

    Raises:
        ContractError: the first difference.
    """
    where = contract_path(path)
    crop = contract.crop
    _require(
        crop.template == CROP_TEMPLATE, where, f"crop template {crop.template!r}, this engine uses {CROP_TEMPLATE!r}"
    )
    _require(crop.colour == "grey", where, f"crop colour {crop.colour!r}, this engine uses 'grey'")
    _require(
        1 <= crop.side_px <= CROP_SIDE_PX, where, f"crop side {crop.side_px} px, this engine supports 1-{CROP_SIDE_PX}"
    )
    _require(0 <= crop.mean <= 1, where, f"crop mean {crop.mean}, not 0-1")
    _require(0.001 <= crop.std <= 1, where, f"crop std {crop.std}, not 0.001-1")
    temperature = contract.calibration.temperature
    _require(0.01 <= temperature <= 100, where, f"temperature {temperature}, not 0.01-100")
    image = ("N", 1, crop.side_px, crop.side_px)
    inputs: _Shapes
    outputs: _Shapes
    if isinstance(contract, ExpressionContract):
        _check_expression(contract.labels, contract.calibration, where)
        inputs = {"image": image}
        if any(spec.name == "landmarks" for spec in contract.inputs):
            inputs["landmarks"] = ("N", MESH_POINTS, 2)
        outputs = {"logits": ("N", "M", len(EXPRESSIONS))}
        if any(spec.name == "covered" for spec in contract.outputs):
            outputs["covered"] = ("N", len(COVERED_PARTS))
    else:
        _check_action_units(contract.labels, contract.calibration, where)
        k = len(contract.labels)
        inputs = {"image": image, "noise": (contract.calibration.mask_samples, 2, k, k)}
        outputs = {"logits": ("N", "S", k), "mask_mean": ("N", k, k), "mask_std": ("N", k, k), "adjacency": (k, k)}
        if contract.has_intensity:
            outputs["intensity"] = ("N", k)
    _check_tensors(contract.inputs, inputs, "input", where)
    _check_tensors(contract.outputs, outputs, "output", where)


def _check_expression(labels: tuple[str, ...], calibration: ExpressionCalibration, where: Path) -> None:
    _require(labels == EXPRESSIONS, where, f"labels {', '.join(labels)}; this engine knows {', '.join(EXPRESSIONS)}")
    limits = (calibration.aleatoric_limit, calibration.epistemic_limit)
    _require(min(limits) >= 0, where, f"a limit of {min(limits)} nats, which cannot be below 0")
    _require(
        0 <= calibration.false_rejection <= 1, where, f"false_rejection {calibration.false_rejection}, not a share"
    )
    quantiles = calibration.epistemic_quantiles
    rising = len(quantiles) >= 2 and all(low <= high for low, high in itertools.pairwise(quantiles))
    _require(rising, where, "epistemic_quantiles that are not rising, or fewer than 2")


def _check_action_units(labels: tuple[str, ...], calibration: AUCalibration, where: Path) -> None:
    known = {unit_code(unit) for unit in UNIT_NAMES}
    odd = sorted(set(labels) - known)
    _require(not odd, where, f"unknown action units {', '.join(odd)}")
    _require(0 < len(labels) == len(set(labels)), where, "no labels, or a label twice")
    thresholds = calibration.thresholds
    _require(len(thresholds) == len(labels), where, f"{len(thresholds)} thresholds for {len(labels)} units")
    _require(all(0 <= value <= 1 for value in thresholds), where, "a threshold outside 0-1")
    trusted = calibration.trusted
    _require(len(trusted) == len(labels), where, f"{len(trusted)} values of trusted for {len(labels)} units")
    neutral = calibration.neutral
    _require(len(neutral) in (0, len(labels)), where, f"{len(neutral)} neutral logits for {len(labels)} units")
    _require(all(abs(value) <= _MAX_LOGIT for value in neutral), where, "a neutral logit that is not a small number")
    samples = calibration.mask_samples
    _require(1 <= samples <= MAX_MASK_SAMPLES, where, f"mask_samples {samples}, not 1-{MAX_MASK_SAMPLES}")
    seed = calibration.mask_seed
    _require(0 <= seed < 2**63, where, f"mask_seed {seed}, not 0 to 2^63 - 1")


def _check_tensors(specs: tuple[TensorSpec, ...], needed: _Shapes, kind: str, where: Path) -> None:
    """Require exactly the tensors that the estimators feed and read."""
    names = sorted(spec.name for spec in specs)
    _require(
        names == sorted(needed), where, f"{kind}s {', '.join(names)}; this engine needs {', '.join(sorted(needed))}"
    )
    for spec in specs:
        _require(spec.dtype == "float32", where, f"{kind} {spec.name} of {spec.dtype}, this engine uses float32")
        want = needed[spec.name]
        # An input may accept more lengths than it is fed; an output is of any length only where this engine allows it.
        fits = len(spec.shape) == len(want) and all(
            have == need or isinstance(have if kind == "input" else need, str)
            for have, need in zip(spec.shape, want, strict=True)
        )
        _require(fits, where, f"{kind} {spec.name} of shape {spec.shape}, this engine needs {want}")


def _require(fits: bool, where: Path, problem: str) -> None:
    if not fits:
        raise ContractError(f"{where} has {problem}: use a model exported for this version")


def _read_bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): restore it beside its contract") from None
