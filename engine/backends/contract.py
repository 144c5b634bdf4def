"""The contract of a model file: a JSON file beside the ONNX file, without which nothing is loaded.

``expression.onnx`` has ``expression.json``. The contract says what the model takes and gives, in which order, how it is
calibrated, on which data it was trained, and the sha256 of the one ONNX file that it speaks for.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from engine.errors import ContractError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output; a text in the shape is an axis of any length."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The picture that the model reads: grey = (view(crop, side_px) / 255 - mean) / std."""

    template: str  # engine.alignment.CROP_TEMPLATE
    side_px: int
    colour: str  # "grey"
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class ExpressionCalibration:
    """Fitted on validation faces, never on test faces (UAR, SPEC 4.1-4.2)."""

    temperature: float  # shared by the members; divides their logits
    max_aleatoric: float  # nats; above it a face is ambiguous
    max_epistemic: float  # nats; above it a face is not assessed
    false_rejection: float  # share of clean validation faces above max_epistemic, by construction
    epistemic_quantiles: tuple[float, ...]  # nats at equally spaced shares 0..1 of validation faces, rising
    fitted_on: str  # data set, split and number of faces


@dataclass(frozen=True, slots=True)
class AUCalibration:
    """Fitted on validation identities, never on test identities."""

    temperature: float  # divides every logit
    thresholds: tuple[float, ...]  # (K,) occurrence above which a unit counts as present
    trusted: tuple[bool, ...]  # (K,) False = shown greyed and marked, never called present, not to be built on
    mask_samples: int  # S of the fixed noise bank
    mask_seed: int  # seed of the bank
    fitted_on: str


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


#: The contract of a model of either task.
ModelContract: TypeAlias = ExpressionContract | ActionUnitContract

#: The contract of each task, in the order of a frame's path.
CONTRACTS: Final[dict[str, type[ModelContract]]] = {
    "expression": ExpressionContract,
    "action_units": ActionUnitContract,
}

_Record = TypeVar("_Record")


def contract_path(model: Path) -> Path:
    """Where the contract of a model file stands."""
    return model.with_suffix(".json")


def read_contract(model: Path) -> ModelContract:
    """Read the contract beside a model file and check its form (not yet the model's hash).

    Raises:
        ContractError: missing, not JSON, of another schema, or with a field missing, unknown or of the wrong type.
    """
    path = contract_path(model)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContractError(f"{path} is missing: a model is never loaded without its contract") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(f"{path} cannot be read as JSON ({error}): restore it beside its model") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise ContractError(f"{path} has schema {found!r}, this version reads {SCHEMA}: use a matching model")
    task = raw.get("task")
    if not isinstance(task, str) or task not in CONTRACTS:
        raise ContractError(f"{path} has task {task!r}, expected one of {', '.join(CONTRACTS)}")
    try:
        return _build(CONTRACTS[task], raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"{path} does not hold a valid contract: {error} (restore it beside its model, or export the model again)"
        ) from None


def write_contract(contract: ModelContract, model: Path) -> Path:
    """Write the contract beside its model file; return the contract's path."""
    path = contract_path(model)
    path.write_text(json.dumps(dataclasses.asdict(contract), indent=1) + "\n", encoding="utf-8")
    return path


def _build(record: type[_Record], raw: Any) -> _Record:
    """Make a record from JSON values, strictly: every field there, none unknown, each of its type."""
    if not isinstance(raw, dict):
        raise TypeError(f"{record.__name__} must be an object, not {type(raw).__name__}")
    hints = typing.get_type_hints(record)
    odd = set(raw) ^ set(hints)
    if odd:
        name = min(odd)
        raise ValueError(f"{record.__name__} {'has unknown' if name in raw else 'lacks the'} field {name!r}")
    return record(**{name: _value(f"{record.__name__}.{name}", hint, raw[name]) for name, hint in hints.items()})


def _value(where: str, hint: Any, raw: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), raw)
    if typing.get_origin(hint) is tuple:
        if not isinstance(raw, list):
            raise TypeError(f"{where} must be a list, not {type(raw).__name__}")
        return tuple(_value(where, typing.get_args(hint)[0], item) for item in raw)
    choices = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if float in choices and isinstance(raw, int) and not isinstance(raw, bool):
        raw = float(raw)
    if type(raw) not in choices:
        names = " or ".join(choice.__name__ for choice in choices)
        raise TypeError(f"{where} must be {names}, not {type(raw).__name__}")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise ValueError(f"{where} must be finite, not {raw}")
    return raw
