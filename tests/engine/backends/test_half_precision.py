"""Float16 files: the graph that comes out, its numbers, and its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from engine.backends import half_precision as half_precision_file
from engine.backends.half_precision import derive_half, half_precision, simplified
from engine.backends.model_file import model_path, read_model
from engine.errors import BackendError
from tests.fakes.small_network import images, run, small_network

ModelMaker = Callable[..., Path]
SAMPLES = [images(1), images(3)]


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_a_simplified_network_has_no_if_no_constants_and_the_same_numbers() -> None:
    original, plain = small_network(), simplified(small_network(), SAMPLES)
    assert not {"If", "Constant", "Equal", "Neg"} & set(kinds(plain))
    np.testing.assert_array_equal(run(plain, images(7)), run(original, images(7)))


def test_a_condition_that_depends_on_the_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the condition 'is_one' of the network depends on its input"):
        simplified(small_network(condition="batch"), SAMPLES)


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


@pytest.mark.parametrize("task", ["expression", "action_units"])
def test_released_models_are_derived_with_the_same_bytes_every_time(task: str, tmp_path: Path) -> None:
    model = read_model(model_path(task))
    paths = [tmp_path / name / "derived.fp16.onnx" for name in ("first", "second")]
    for path in paths:
        derive_half(model, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    half = read_model(paths[0])
    assert half.contract.name == f"{model.contract.name}-fp16"
    assert half.contract.trained == f"fp16 from {model.contract.sha256}; {model.contract.trained}"
    assert half.contract.calibration == model.contract.calibration
    tensors = ModelProto.FromString(half.content).graph.initializer
    halved = sum(len(tensor.raw_data) for tensor in tensors if tensor.data_type == TensorProto.FLOAT16)
    assert halved > 0.4 * len(half.content)  # the weights of the convolutions; those of the heads stay float32


def test_a_conversion_that_changes_the_numbers_is_refused_and_not_stored(
    expression_model: ModelMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(network: ModelProto) -> ModelProto:
        for node in network.graph.node:
            if node.output[0] == "both":
                node.op_type = "Mul"  # an Add before
        return network

    monkeypatch.setattr(half_precision_file, "half_precision", wrong)
    with pytest.raises(BackendError, match="cannot be converted to float16: logits is off by"):
        derive_half(read_model(expression_model()), tmp_path / "half.fp16.onnx")
    assert not list(tmp_path.glob("half.*"))
