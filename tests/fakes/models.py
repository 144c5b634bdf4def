"""Small real models with their contracts, generated on the fly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import (
    CONTRACTS,
    SCHEMA,
    AUCalibration,
    CropSpec,
    ExpressionCalibration,
    TensorSpec,
    write_contract,
)
from engine.facs import BP4D_UNITS, EXPRESSIONS, unit_code
from engine.types import MESH_POINTS

_EXPRESSION_SIDE_PX = 48
_UNITS_SIDE_PX = 96


def make_expression_model(
    folder: Path,
    logits: npt.ArrayLike | None = None,
    members: int = 5,
    temperature: float = 1.0,
    aleatoric_limit: float = 1.2,
    epistemic_limit: float = 0.1,
    epistemic_quantiles: Sequence[float] = (0.0, 0.02, 0.04, 0.06, 0.08, 0.2),
) -> Path:
    """Make ``expression.onnx`` with its contract: a real function of the image's quadrants and the landmarks.

    With ``logits`` (C,) or (M, C) it returns those for every face instead.
    """
    calibration = ExpressionCalibration(
        temperature, aleatoric_limit, epistemic_limit, 0.05, tuple(epistemic_quantiles), "100 fake faces"
    )
    classes = len(EXPRESSIONS)
    return _write(
        folder / "expression.onnx",
        _expression_graph(logits, members),
        "expression",
        (TensorSpec("image", ("N", 1, 48, 48)), TensorSpec("landmarks", ("N", MESH_POINTS, 2))),
        (TensorSpec("logits", ("N", members, classes)),),
        _EXPRESSION_SIDE_PX,
        EXPRESSIONS,
        calibration,
    )


def make_action_unit_model(
    folder: Path,
    logits: npt.ArrayLike | None = None,
    spread: float = 2.0,
    units: Sequence[int] = BP4D_UNITS,
    trusted: Sequence[int] | None = None,
    temperature: float = 1.0,
    samples: int = 20,
    seed: int = 7,
) -> Path:
    """Make ``action_units.onnx`` with its contract: a real function of the image's quadrants and the noise bank.

    With ``logits`` (K,) it returns those for every face, plus ``spread`` times the noise averaged per sample and unit.
    Without ``trusted`` all units are trusted.
    """
    k = len(units)
    good = tuple(trusted is None or unit in trusted for unit in units)
    calibration = AUCalibration(temperature, (0.5,) * k, good, samples, seed, "100 fake faces")
    return _write(
        folder / "action_units.onnx",
        _action_units_graph(logits, spread, k),
        "action_units",
        (TensorSpec("image", ("N", 1, 96, 96)), TensorSpec("noise", ("S", 2, k, k))),
        (
            TensorSpec("logits", ("N", "S", k)),
            TensorSpec("mask_mean", ("N", k, k)),
            TensorSpec("mask_std", ("N", k, k)),
            TensorSpec("adjacency", (k, k)),
        ),
        _UNITS_SIDE_PX,
        tuple(unit_code(unit) for unit in units),
        calibration,
    )


def _write(
    path: Path,
    graph: onnx.GraphProto,
    task: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    side_px: int,
    labels: tuple[str, ...],
    calibration: ExpressionCalibration | AUCalibration,
) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = model.SerializeToString()
    path.write_bytes(content)
    contract = CONTRACTS[task](
        schema=SCHEMA,
        name=f"tiny {task}",
        task=task,
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=inputs,
        outputs=outputs,
        crop=CropSpec(CROP_TEMPLATE, side_px, "grey", 0.5, 0.25),
        labels=labels,
        calibration=calibration,
        data=("fake data, not trained",),
        licence="MIT",
        trained="not trained",
    )
    write_contract(contract, path)
    return path


def _expression_graph(logits: npt.ArrayLike | None, members: int) -> onnx.GraphProto:
    classes = len(EXPRESSIONS)
    random = np.random.default_rng(11)
    weights = np.tile(random.normal(0, 1.5, (4, 1, classes)), (1, members, 1)) + random.normal(
        0, 0.2, (4, members, classes)
    )
    places = random.normal(0, 0.5, (2, members, classes))
    bias = np.zeros((members, classes))
    if logits is not None:
        weights, places = weights * 0, places * 0
        bias = np.broadcast_to(np.asarray(logits, np.float64), bias.shape)
    constants = {
        "weights": weights.reshape(4, -1),
        "places": places.reshape(2, -1),
        "bias": bias.reshape(-1),
    }
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[24, 24], strides=[24, 24]),
        helper.make_node("Flatten", ["pooled"], ["quadrants"]),  # (N, 4)
        helper.make_node("MatMul", ["quadrants", "weights"], ["from_image"]),  # (N, M C)
        helper.make_node("ReduceMean", ["landmarks"], ["centre"], axes=[1], keepdims=0),  # (N, 2)
        helper.make_node("MatMul", ["centre", "places"], ["from_landmarks"]),
        helper.make_node("Add", ["from_image", "from_landmarks"], ["both"]),
        helper.make_node("Add", ["both", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["logits"]),  # (N, M, C)
    ]
    return helper.make_graph(
        nodes,
        "tiny_expression",
        [_info("image", ["N", 1, 48, 48]), _info("landmarks", ["N", MESH_POINTS, 2])],
        [_info("logits", ["N", members, classes])],
        [*_floats(constants), numpy_helper.from_array(np.array([-1, members, classes], np.int64), "shape")],
    )


def _action_units_graph(logits: npt.ArrayLike | None, spread: float, k: int) -> onnx.GraphProto:
    random = np.random.default_rng(12)
    weights, bias = random.normal(0, 1.5, (4, k)), np.zeros(k)
    if logits is not None:
        weights, bias = weights * 0, np.asarray(logits, np.float64)
    edges = random.random((k, k))
    constants = {
        "weights": weights,
        "bias": bias,
        "spread": np.array(spread),
        "edges": edges / edges.sum(1, keepdims=True),
    }
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[48, 48], strides=[48, 48]),
        helper.make_node("Flatten", ["pooled"], ["quadrants"]),  # (N, 4)
        helper.make_node("MatMul", ["quadrants", "weights"], ["from_image"]),
        helper.make_node("Add", ["from_image", "bias"], ["flat"]),  # (N, K)
        helper.make_node("Unsqueeze", ["flat", "one"], ["per_face"]),  # (N, 1, K)
        helper.make_node("ReduceMean", ["noise"], ["drawn"], axes=[1, 3], keepdims=0),  # (S, K)
        helper.make_node("Mul", ["drawn", "spread"], ["per_sample"]),
        helper.make_node("Add", ["per_face", "per_sample"], ["logits"]),  # (N, S, K)
        helper.make_node("ReduceMean", ["image"], ["brightness"], axes=[1, 2], keepdims=0),  # (N, 96)
        helper.make_node("ReduceMean", ["brightness"], ["mean"], axes=[1], keepdims=1),  # (N, 1)
        helper.make_node("Unsqueeze", ["mean", "one"], ["level"]),  # (N, 1, 1)
        helper.make_node("ReduceMean", ["noise"], ["mask_draw"], axes=[0, 1], keepdims=0),  # (K, K)
        helper.make_node("Add", ["level", "mask_draw"], ["mask_logit"]),  # (N, K, K)
        helper.make_node("Sigmoid", ["mask_logit"], ["mask_mean"]),
        helper.make_node("Sub", ["mask_logit", "level"], ["deviation"]),
        helper.make_node("Abs", ["deviation"], ["mask_std"]),
        helper.make_node("Identity", ["edges"], ["adjacency"]),
    ]
    return helper.make_graph(
        nodes,
        "tiny_action_units",
        [_info("image", ["N", 1, 96, 96]), _info("noise", ["S", 2, k, k])],
        [
            _info("logits", ["N", "S", k]),
            _info("mask_mean", ["N", k, k]),
            _info("mask_std", ["N", k, k]),
            _info("adjacency", [k, k]),
        ],
        [*_floats(constants), numpy_helper.from_array(np.array([1], np.int64), "one")],
    )


def _info(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _floats(arrays: dict[str, npt.NDArray[np.float64]]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in arrays.items()]
