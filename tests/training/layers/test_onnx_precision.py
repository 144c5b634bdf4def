"""Networks with int8 convolutions, and files with float16 weights: the graph that comes out, and its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from engine.backends.half_precision import simplified
from tests.fakes.small_network import images, run, small_network
from training.layers.onnx_export import store_weights_as_half
from training.layers.onnx_precision import eight_bits

SAMPLES = [images(1), images(3)]


def test_weights_stored_as_half_become_plain_weights_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small_network(), str(path))
    store_weights_as_half(path)
    stored = onnx.load(str(path))
    assert "Cast" in {node.op_type for node in stored.graph.node}
    plain = simplified(stored, SAMPLES)
    assert "Cast" not in {node.op_type for node in plain.graph.node}
    np.testing.assert_array_equal(run(plain, images(2)), run(onnx.load(str(path)), images(2)))


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
