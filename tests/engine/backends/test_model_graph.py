"""Hostile and damaged ONNX files, made here: each is refused before a runtime parses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.backends.model_file import MODELS_FOLDER
from engine.backends.model_graph import MAX_VALUES, check_graph
from engine.errors import ModelError

PATH = Path("model.onnx")


def model_of(
    nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto] = (), domain: str = ""
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        list(tensors),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 17)], ir_version=8)


def identity() -> onnx.ModelProto:
    return model_of([helper.make_node("Identity", ["x"], ["y"])])


def refusal(content: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        check_graph(content, PATH)
    return str(caught.value)


def body() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N"])],
    )


@pytest.mark.parametrize("path", sorted(MODELS_FOLDER.glob("*.onnx")), ids=lambda path: path.name)
def test_the_released_models_pass(path: Path) -> None:
    check_graph(path.read_bytes(), path)


def external(model: onnx.ModelProto) -> onnx.TensorProto:
    """A tensor of the model whose values are in another file."""
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret.bin"
    model.graph.initializer.append(tensor)
    return tensor


def test_weights_in_another_file_are_refused() -> None:
    model = identity()
    external(model)
    assert "weights in another file" in refusal(model.SerializeToString())


def test_weights_in_another_file_are_refused_in_an_attribute_and_in_a_branch() -> None:
    model = identity()
    tensor = external(model)
    del model.graph.initializer[:]
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    assert "weights in another file" in refusal(model_of([constant]).SerializeToString())
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [4])])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    assert "weights in another file" in refusal(model_of([choice]).SerializeToString())


def test_an_overlong_number_cannot_hide_anything() -> None:
    """Protobuf reads the length 8 from two bytes too; a search for the usual bytes does not find such a key."""
    model = identity()
    external(model)
    content = model.SerializeToString()
    assert b"\n\x08location" in content
    hidden = content.replace(b"\n\x08location", b"\n\x88\x00location")
    assert "weights in another file" in refusal(hidden) or "ends within" in refusal(hidden)
    overlong = bytes([0x88, 0x00, 0x08]) + content[2:]  # field 1, ir_version: the tag in two bytes
    assert "not encoded in the shortest way" in refusal(overlong)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (helper.make_node("Loop", ["x", "x"], ["y"], body=body()), "Loop"),
        (helper.make_node("Scan", ["x"], ["y"], body=body(), num_scan_inputs=1), "Scan"),
        (helper.make_node("SequenceMap", ["x"], ["y"], body=body()), "SequenceMap"),
        (helper.make_node("RandomNormalLike", ["x"], ["y"]), "RandomNormalLike"),
        (helper.make_node("NonZero", ["x"], ["y"]), "NonZero"),
        (helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft"), "com.microsoft.FusedConv"),
    ],
)
def test_operators_that_models_do_not_use_are_refused(node: onnx.NodeProto, name: str) -> None:
    assert f"the operator '{name}'" in refusal(model_of([node]).SerializeToString())


def test_a_graph_is_only_allowed_in_if_and_only_a_few_deep() -> None:
    hidden = helper.make_node("Relu", ["x"], ["y"], body=body())
    assert "a graph in an operator Relu" in refusal(model_of([hidden]).SerializeToString())
    graph = body()
    for _ in range(6):
        choice = helper.make_node("If", ["a"], ["b"], then_branch=graph, else_branch=body())
        graph = helper.make_graph([choice], "outer", [], [])
    model = identity()
    model.graph.node.extend(graph.node)
    assert "graphs within graphs" in refusal(model.SerializeToString())


def test_a_loop_in_a_branch_is_found() -> None:
    inner = helper.make_graph([helper.make_node("Loop", ["a"], ["b"], body=body())], "inner", [], [])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=body())
    assert "the operator 'Loop'" in refusal(model_of([choice]).SerializeToString())


def test_another_domain_a_function_and_training_are_refused() -> None:
    assert "operators of the domain 'evil'" in refusal(
        model_of([helper.make_node("Identity", ["x"], ["y"])], domain="evil").SerializeToString()
    )
    model = identity()
    model.functions.add().name = "f"
    assert "the field 25" in refusal(model.SerializeToString())
    model = identity()
    model.training_info.add()
    assert "the field 20" in refusal(model.SerializeToString())
    model = identity()
    model.graph.sparse_initializer.add()
    assert "the field 15" in refusal(model.SerializeToString())


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile"])
@pytest.mark.parametrize("is_raw", [True, False])
def test_a_constant_shape_of_gigabytes_is_refused(operator: str, is_raw: bool) -> None:
    lengths = np.array([2**11, 2**11, 2**11], np.int64)  # 2^33 values
    shape = (
        numpy_helper.from_array(lengths, "shape")
        if is_raw
        else helper.make_tensor("shape", TensorProto.INT64, [3], lengths.tolist())
    )
    inputs = ["shape"] if operator == "ConstantOfShape" else ["x", "shape"]
    made = model_of([helper.make_node(operator, inputs, ["y"])], [shape])
    assert f"makes more than {MAX_VALUES} values" in refusal(made.SerializeToString())
    constant = helper.make_node("Constant", [], ["shape"], value_ints=lengths.tolist())
    made = model_of([constant, helper.make_node(operator, inputs, ["y"])])
    assert f"makes more than {MAX_VALUES} values" in refusal(made.SerializeToString())


def test_a_tensor_that_claims_to_be_huge_is_refused() -> None:
    model = identity()
    tensor = model.graph.initializer.add()
    tensor.dims.extend([2**31, 8])
    tensor.data_type = TensorProto.FLOAT
    assert "tensors of more than" in refusal(model.SerializeToString())
    del tensor.dims[:]
    tensor.dims.extend([-1, 8])
    assert "a tensor of shape" in refusal(model.SerializeToString())


def test_a_field_that_protobuf_would_merge_is_refused() -> None:
    """Two graphs become one for protobuf; a checker that looks at one of them would miss the other."""
    content = identity().SerializeToString()
    assert "the field 7 twice" in refusal(content + content[content.index(b"\x3a") :])


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"\x0b\x0c", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 11, b"PK\x03\x04", b"\x80\x02]q\x00."]
)
def test_what_is_not_a_model_is_refused(content: bytes) -> None:
    assert "is not loaded" in refusal(content)


def test_every_truncation_is_refused(expression_model: Callable[..., Path]) -> None:
    content = expression_model().read_bytes()
    whole = [place for place in range(len(content) - 1) if _passes(content[:place])]
    # A cut between two fields of the model leaves one that lacks its operator sets, never half a graph.
    assert all(b"\x3a" in content[:place] for place in whole)
    assert len(whole) <= 2


def _passes(content: bytes) -> bool:
    try:
        check_graph(content, PATH)
    except ModelError:
        return False
    return True
