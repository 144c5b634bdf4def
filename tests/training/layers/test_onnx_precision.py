"""Networks in other precisions: the graph that comes out, and its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from training.layers.onnx_export import store_weights_as_half
from training.layers.onnx_precision import eight_bits, half_precision, open_session, simplified


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


SAMPLES = [images(1), images(3)]


def run(model: ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(open_session(model).run(["logits"], inputs)[0])


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_a_simplified_network_has_no_if_no_constants_and_the_same_numbers() -> None:
    original, plain = small_network(), simplified(small_network(), SAMPLES)
    assert not {"If", "Constant", "Equal", "Neg"} & set(kinds(plain))
    np.testing.assert_array_equal(run(plain, images(7)), run(original, images(7)))


def test_a_condition_that_depends_on_the_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the condition 'is_one' of the network depends on its input"):
        simplified(small_network(condition="batch"), SAMPLES)


def test_weights_stored_as_half_become_plain_weights_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small_network(), str(path))
    store_weights_as_half(path)
    stored = onnx.load(str(path))
    assert "Cast" in kinds(stored)
    plain = simplified(stored, SAMPLES)
    assert "Cast" not in kinds(plain)
    np.testing.assert_array_equal(run(plain, images(2)), run(onnx.load(str(path)), images(2)))


def test_convolutions_become_float16_and_the_head_stays_float32() -> None:
    plain = simplified(small_network(), SAMPLES)
    half = half_precision(ModelProto.FromString(plain.SerializeToString()))
    types = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert types["w1.half"] == types["w2.half"] == types["b2.half"] == TensorProto.FLOAT16
    assert types["head"] == TensorProto.FLOAT
    assert kinds(half).count("Cast") == 2  # one into the convolutions, one out of them
    assert [value.type.tensor_type.elem_type for value in (*half.graph.input, *half.graph.output)] == [1, 1]
    difference = np.abs(run(half, images(9)) - run(plain, images(9))).max()
    assert 0 < difference < 1e-3


def test_int8_quantises_all_convolutions_but_those_on_the_largest_maps(capsys: pytest.CaptureFixture[str]) -> None:
    plain = simplified(small_network(), SAMPLES)
    quantised = eight_bits(plain, [images(16, seed) for seed in range(4)])
    assert capsys.readouterr().out == ""
    producers = {output: node for node in quantised.graph.node for output in node.output}
    first, second = (node for node in quantised.graph.node if node.op_type == "Conv")
    assert "w1" in first.input
    assert [producers[name].op_type for name in second.input[:2]] == ["DequantizeLinear"] * 2
    types = {tensor.name: tensor.data_type for tensor in quantised.graph.initializer}
    assert types["b2"] == TensorProto.FLOAT  # TensorRT has no int32 bias
    zero_points = [numpy_helper.to_array(t) for t in quantised.graph.initializer if t.name.endswith("zero_point")]
    assert zero_points
    assert not any(value.any() for value in zero_points)  # symmetric
    scale = next(numpy_helper.to_array(t) for t in quantised.graph.initializer if t.name == "w2_scale")
    assert scale.shape == (8,)  # per output channel
    difference = np.abs(run(quantised, images(9)) - run(plain, images(9))).max()
    assert 0 < difference < 0.05
