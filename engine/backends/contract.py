"""The contract of a model file: a JSON file beside the ONNX file, without which nothing is loaded.

``expression.onnx`` has ``expression.json``. The contract lists the model's inputs and outputs, the order of its labels,
its calibration, its training data, and the sha256 of the one ONNX file it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from engine.errors import ContractError
from engine.files import write_text
from engine.records import json_text, load_json, read_record

#: Version of the contract's form; 2 renames the two limits of ExpressionCalibration.
SCHEMA: Final = 2
#: A contract is about 4 KiB.
MAX_CONTRACT_BYTES: Final = 2**20
_REMEDY: Final = "restore it from the model's release, or export the model again"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output; a name in the shape is an axis of any length."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The model's image input: grey = (view(crop, side_px) / 255 - mean) / std."""

    template: str  # engine.alignment.CROP_TEMPLATE
    side_px: int
    colour: str  # "grey"
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class ExpressionCalibration:
    """Fitted on validation faces, never on test faces (UAR, SPEC 4.1-4.2)."""

    temperature: float  # shared by the members; divides their logits
    aleatoric_limit: float  # nats; above it a face is ambiguous
    epistemic_limit: float  # nats; above it a face is not assessed
    false_rejection: float  # share 0-1 of clean validation faces above epistemic_limit, by construction
    epistemic_quantiles: tuple[float, ...]  # nats, rising, at equally spaced shares 0-1 of validation faces
    fitted_on: str  # data set, split and number of faces


@dataclass(frozen=True, slots=True)
class AUCalibration:
    """Fitted on validation identities, never on test identities."""

    temperature: float  # divides every logit
    thresholds: tuple[float, ...]  # (K,) occurrence above which a unit counts as present
    trusted: tuple[bool, ...]  # (K,) False = insufficient evidence: shown greyed, never reported as present
    mask_samples: int  # S of the fixed noise bank
    mask_seed: int  # seed of the bank
    fitted_on: str
    #: (K,) median logit of the occurrence of faces that people called neutral; empty: not measured
    neutral: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _Contract:
    """The fields of every contract, in the order of the file."""

    schema: int
    name: str
    task: str  # "expression" or "action_units"
    sha256: str  # of the ONNX file
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    crop: CropSpec
    labels: tuple[str, ...]  # order of the class or unit axis: facs.EXPRESSIONS, or codes such as "AU12"
    calibration: ExpressionCalibration | AUCalibration
    data: tuple[str, ...]  # what it was trained on, one line each
    licence: str
    trained: str  # date, command and seed


@dataclass(frozen=True, slots=True)
class ExpressionContract(_Contract):
    """Contract of an expression model; `labels` are facs.EXPRESSIONS."""

    calibration: ExpressionCalibration


@dataclass(frozen=True, slots=True)
class ActionUnitContract(_Contract):
    """Contract of an action-unit model; `labels` are codes such as "AU12"."""

    calibration: AUCalibration

    @property
    def has_intensity(self) -> bool:
        """Whether the model grades units from 0 to 5 besides their occurrence."""
        return any(output.name == "intensity" for output in self.outputs)


#: The contract of a model of either task.
ModelContract: TypeAlias = ExpressionContract | ActionUnitContract

#: The contract of each task, in the order of a frame's path.
CONTRACTS: Final[dict[str, type[ModelContract]]] = {
    "expression": ExpressionContract,
    "action_units": ActionUnitContract,
}


def faces_axis(contract: ModelContract) -> int | str:
    """Name of the axis that counts faces: the first of the image."""
    return next(spec.shape[0] for spec in contract.inputs if spec.name == "image")


def mask_samples(contract: ModelContract) -> int:
    """Length of the axis that counts samples of the masks; 1 for models without."""
    calibration = contract.calibration
    return calibration.mask_samples if isinstance(calibration, AUCalibration) else 1


def input_shapes(contract: ModelContract, faces: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs by name, for a number of faces."""
    lengths = {faces_axis(contract): faces}
    samples = mask_samples(contract)
    return {
        spec.name: tuple(axis if isinstance(axis, int) else lengths.get(axis, samples) for axis in spec.shape)
        for spec in contract.inputs
    }


def contract_path(model: Path) -> Path:
    """Path of the contract of a model file."""
    return model.with_suffix(".json")


def read_contract(model: Path) -> ModelContract:
    """Read the contract of a model file; its hash is checked by `engine.backends.model_file`.

    Raises:
        ContractError: missing, too large, not JSON, of another schema, or with a field missing, unknown or of the wrong
            type.
    """
    path = contract_path(model)
    try:
        raw = load_json(
            path, lambda problem: ContractError(f"{problem}: restore it beside its model"), MAX_CONTRACT_BYTES
        )
    except FileNotFoundError:
        raise ContractError(f"{path} is missing: a model is never loaded without its contract") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise ContractError(f"{path} has schema {found!r}, this version reads {SCHEMA}: {_REMEDY}")
    task = raw.get("task")
    if not isinstance(task, str) or task not in CONTRACTS:
        raise ContractError(f"{path} has task {task!r}, expected one of {', '.join(CONTRACTS)}")
    return read_record(
        CONTRACTS[task],
        _with_neutral(raw) if task == "action_units" else raw,
        lambda problem: ContractError(f"{path} is not a valid contract: {problem} ({_REMEDY})"),
        require_all=True,
    )


def _with_neutral(raw: dict[str, object]) -> dict[str, object]:
    """A contract from before neutral logits were measured has none."""
    calibration = raw.get("calibration")
    return {**raw, "calibration": {"neutral": [], **calibration}} if isinstance(calibration, dict) else raw


def write_contract(contract: ModelContract, model: Path) -> Path:
    """Write the contract of a model file and return its path.

    Raises:
        OSError: it cannot be written.
    """
    path = contract_path(model)
    write_text(path, json_text(contract))
    return path
