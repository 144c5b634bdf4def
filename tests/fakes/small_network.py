"""A small network as torch exports one, for tests of conversions."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from engine.backends.half_precision import open_session


def small_network(condition: str = "constant") -> ModelProto:
    """Two convolutions of different sizes, a head behind them, and an ``If`` as torch writes it for a squeeze."""
    random = np.random.default_rng(3)
    weights = {
        "w1": random.normal(0, 0.3, (4, 1, 3, 3)), "b1": random.normal(0, 0.1, 4),
        "w2": random.normal(0, 0.3, (8, 4, 3, 3)), "b2": random.normal(0, 0.1, 8),
        "head": random.normal(0, 0.3, (8, 5)),
    }  # fmt: skip
    then = helper.make_graph(
        [helper.make_node("Relu", ["pooled"], ["kept"])], "then", [], [_info("kept", ["N", 8, 1, 1])]
    )
    other = helper.make_graph(
        [helper.make_node("Neg", ["pooled"], ["flipped"])], "else", [], [_info("flipped", ["N", 8, 1, 1])]
    )
    length = "pooled_shape" if condition == "constant" else "image_shape"
    axis = 3 if condition == "constant" else 0
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="c1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="c2", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c2"], ["pooled"]),
        helper.make_node("Shape", ["pooled"], ["pooled_shape"]),
        helper.make_node("Shape", ["image"], ["image_shape"]),
        helper.make_node("Constant", [], ["axis"], value=numpy_helper.from_array(np.array(axis, np.int64))),
        helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.array(1, np.int64))),
        helper.make_node("Gather", [length, "axis"], ["length"]),
        helper.make_node("Equal", ["length", "one"], ["is_one"]),
        helper.make_node("If", ["is_one"], ["chosen"], then_branch=then, else_branch=other),
        helper.make_node("Flatten", ["chosen"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["logits"]),
    ]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", [_info("image", ["N", 1, 16, 16])], [_info("logits", ["N", 5])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _info(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def images(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(seed).normal(size=(count, 1, 16, 16)).astype(np.float32)}


def run(model: ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The logits of the network on ONNX Runtime."""
    return np.asarray(open_session(model).run(["logits"], inputs)[0])
