"""A released model in float16 and int8: written only if its decisions are those of the original.

The files are for GPU runtimes (docs/gpu.md). They keep the calibration of the original, so their decisions are compared
with its decisions, face by face, on images that neither was trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from engine.action_units import noise_bank, sigmoid
from engine.backends.contract import (
    ActionUnitContract,
    ExpressionCalibration,
    ExpressionContract,
    ModelContract,
    write_contract,
)
from engine.backends.half_precision import derived_contract, half_precision, open_session, simplified
from engine.backends.model_file import read_model
from engine.backends.precision import variant_path
from engine.config import Precision
from engine.expression import softmax
from engine.files import sha256_of
from engine.types import Float32, Int64
from engine.uncertainty import decompose
from training.data.fer2013 import FerFaces, read_faces
from training.layers.onnx_export import store_weights_as_half
from training.layers.onnx_precision import eight_bits

Inputs = dict[str, Float32]

#: Precisions written by default; int8 changes the action units of one face in twenty.
PRECISIONS: Final[dict[str, tuple[Precision, ...]]] = {"expression": ("fp16", "int8"), "action_units": ("fp16",)}
#: Share of decisions that must be those of the original.
REQUIRED: Final[dict[Precision, float]] = {"fp32": 1.0, "fp16": 0.99, "int8": 0.97}
#: Training faces that int8 ranges are calibrated on, and faces per run.
CALIBRATION_FACES: Final = 512
_BATCH: Final = 32
_SPLIT: Final = "PublicTest"


@dataclass(frozen=True, slots=True)
class PrecisionFigures:
    """A file in another precision beside the original, on the same faces."""

    task: str
    precision: Precision
    file: str
    bytes: int
    faces: int
    logit_difference: float  # largest, absolute
    mean_logit_difference: float
    same_decision: float  # share 0-1 of faces with the same route and label, or with the same trusted units
    same_route: float | None  # expression only
    same_label: float | None


def write_precisions(
    model: Path,
    data: Path,
    cache: Path,
    precisions: Sequence[Precision] = (),
    report: Callable[[str], None] = print,
) -> list[PrecisionFigures]:
    """Write ``model`` in other precisions beside it, each with its contract.

    Args:
        model: ONNX file with its contract.
        data: folder of FER2013 with FERPlus; PublicTest is compared, Training calibrates int8.
        cache: folder for the meshes of the images.
        precisions: fp16, int8 or both; none = those of PRECISIONS.
        report: takes one line per file.

    Raises:
        ValueError: a precision has fewer decisions of the original than REQUIRED; the others are written.
        ModelError, ContractError: the original is damaged.
        FileNotFoundError: the data are missing.
    """
    original = read_model(model)
    contract, network = original.contract, onnx.load_model_from_string(original.content)
    side = contract.crop.side_px
    compared = read_faces(data, _SPLIT, cache, side)
    samples = [_inputs(contract, compared, slice(0, count)) for count in (1, 3)]
    plain = simplified(network, samples)
    reference = _logits(network, contract, compared)
    found, refused = [], list[str]()
    for precision in precisions or PRECISIONS[contract.task]:
        changed = _converted(plain, precision, contract, lambda: read_faces(data, "Training", cache, side))
        logits = _logits(changed, contract, compared)
        figures = _compare(contract, precision, reference, logits)
        path = variant_path(model, precision)
        if figures.same_decision < REQUIRED[precision]:
            refused.append(
                f"{path.name} ({figures.same_decision:.2%} of the decisions, {REQUIRED[precision]:.0%} required)"
            )
            path.unlink(missing_ok=True)
            continue
        onnx.save(changed, str(path))
        store_weights_as_half(path)
        write_contract(derived_contract(contract, precision, sha256_of(path)), path)
        figures = dataclasses.replace(figures, file=path.name, bytes=path.stat().st_size)
        report(
            f"{path}: {figures.bytes / 1e6:.1f} MB, {figures.same_decision:.2%} of {figures.faces} faces have the "
            f"decision of {model.name}, logits differ by at most {figures.logit_difference:.2g}"
        )
        found.append(figures)
    if refused:
        raise ValueError(f"not written, because its decisions differ from those of {model.name}: {', '.join(refused)}")
    return found


def _converted(
    plain: ModelProto, precision: Precision, contract: ModelContract, training: Callable[[], FerFaces]
) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(plain)
    if precision == "fp16":
        return half_precision(copy)
    faces = training()
    chosen = np.sort(np.random.default_rng(0).permutation(len(faces.crops))[:CALIBRATION_FACES])
    batches = (_inputs(contract, faces, chosen[start : start + _BATCH]) for start in range(0, len(chosen), _BATCH))
    return eight_bits(copy, batches)


def _inputs(contract: ModelContract, faces: FerFaces, part: slice | Int64) -> Inputs:
    """Inputs of the network for some faces, as the engine passes them."""
    crop = contract.crop
    grey = faces.crops[part][:, None].astype(np.float32)
    image = (grey / np.float32(255) - np.float32(crop.mean)) / np.float32(crop.std)
    if isinstance(contract, ActionUnitContract):
        calibration = contract.calibration
        return {
            "image": image,
            "noise": noise_bank(calibration.mask_samples, len(contract.labels), calibration.mask_seed),
        }
    return {"image": image, "landmarks": faces.landmarks[part]}


def _batches(contract: ModelContract, faces: FerFaces) -> Iterator[Inputs]:
    for start in range(0, len(faces.crops), _BATCH):
        yield _inputs(contract, faces, slice(start, start + _BATCH))


def _logits(network: ModelProto, contract: ModelContract, faces: FerFaces) -> Float32:
    session = open_session(network)
    return np.concatenate([session.run(["logits"], inputs)[0] for inputs in _batches(contract, faces)])


def _compare(contract: ModelContract, precision: Precision, wanted: Float32, found: Float32) -> PrecisionFigures:
    difference = np.abs(found - wanted)
    route = label = None
    if isinstance(contract, ExpressionContract):
        (routes, labels), (own_routes, own_labels) = (
            _routes(logits, contract.calibration) for logits in (wanted, found)
        )
        route, label = float((routes == own_routes).mean()), float((labels == own_labels).mean())
        same = (routes == own_routes) & (labels == own_labels)
    else:
        same = (_occurs(wanted, contract) == _occurs(found, contract)).all(1)
    return PrecisionFigures(
        task=contract.task,
        precision=precision,
        file="",
        bytes=0,
        faces=len(wanted),
        logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        same_decision=float(same.mean()),
        same_route=route,
        same_label=label,
    )


def _routes(logits: Float32, calibration: ExpressionCalibration) -> tuple[Int64, Int64]:
    """Route of each face (0 accept, 1 ambiguous, 2 not assessed; SPEC 5.3) and its most probable label, (N,) each."""
    members = softmax(logits, calibration.temperature)
    parts = decompose(members)
    ambiguous = parts.aleatoric > calibration.aleatoric_limit
    route = np.where(parts.epistemic > calibration.epistemic_limit, 2, ambiguous.astype(np.int64))
    return route.astype(np.int64), members.mean(1).argmax(1)


def _occurs(logits: Float32, contract: ActionUnitContract) -> npt.NDArray[np.bool_]:
    """Whether each trusted unit occurs, (N, trusted); all units if none is trusted."""
    calibration = contract.calibration
    trusted = np.array(calibration.trusted)
    occurrence = sigmoid(logits, calibration.temperature).mean(1)  # (N, K)
    occurs = occurrence > np.array(calibration.thresholds)
    return np.asarray(occurs[:, trusted] if trusted.any() else occurs, bool)
