"""float16 files of a model for GPUs, made from its float32 file when a GPU needs them.

TensorRT 11 takes the type of every layer from the file (strongly typed networks; the flags of version 10 are gone). So
the float16 file has float16 tensors with casts around them; inputs and outputs stay float32. The only module of the
engine that needs the package onnx, which the extra ``gpu`` installs.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from engine.backends.contract import ModelContract, write_contract
from engine.backends.model_file import ModelFile
from engine.backends.onnx_runtime import OnnxRuntimeBackend, import_onnxruntime
from engine.backends.parity import difference_beyond, random_inputs
from engine.config import Precision
from engine.errors import BackendError
from engine.files import atomic_write
from engine.types import Float32

#: Operators that stay float32 wherever they are: sums, exponentials and roots lose too much in float16.
_EXACT: Final = frozenset({
    "Softmax", "LayerNormalization", "Exp", "Log", "Sqrt", "Pow", "Div", "Clip", "Sigmoid", "Softplus",
    "ReduceMean", "ReduceSum", "ReduceL2",
})  # fmt: skip
#: Operators whose tensors are no floating-point numbers, or whose inputs are shapes.
_SHAPES: Final = frozenset({"Shape", "Constant", "ConstantOfShape", "Cast", "Gather", "Equal", "Where", "Expand"})
#: Largest mean difference of an output, as a share of its standard deviation; rounding explains a hundredth.
_PARITY: Final = 0.05
#: Numbers of faces for which a derived file is compared with its original.
_COMPARED_FACES: Final = (1, 3)


def derive_half(model: ModelFile, path: Path) -> None:
    """Write the float16 file of a model to ``path``, with a contract that names the original's hash.

    Raises:
        BackendError: the network cannot be converted, or its numbers change by more than rounding.
        OSError: the file cannot be written.
    """
    batches = [random_inputs(model.contract, faces) for faces in _COMPARED_FACES]
    try:
        network = half_precision(simplified(onnx.load_model_from_string(model.content), batches))
    except (ValueError, onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise BackendError(
            f"{model.path} cannot be converted to float16 ({error}): set gpu.precision to fp32"
        ) from None
    content = network.SerializeToString(deterministic=True)
    contract = derived_contract(model.contract, "fp16", hashlib.sha256(content).hexdigest())
    original, half = OnnxRuntimeBackend(model, 1), OnnxRuntimeBackend(ModelFile(path, contract, content), 1)
    try:
        difference = difference_beyond(_PARITY, original, half, batches)
    finally:
        original.close()
        half.close()
    if difference is not None:
        raise BackendError(f"{model.path} cannot be converted to float16: {difference}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_bytes(content)
    write_contract(contract, path)


def derived_contract(contract: ModelContract, precision: Precision, sha256: str) -> ModelContract:
    """The contract of a file in another precision: its own name and hash, and the original's hash in ``trained``."""
    return dataclasses.replace(
        contract,
        name=f"{contract.name}-{precision}",
        sha256=sha256,
        trained=f"{precision} from {contract.sha256}; {contract.trained}",
    )


def simplified(model: ModelProto, samples: Sequence[Mapping[str, Float32]]) -> ModelProto:
    """The same network in float32 weights, without ``If`` and without ``Constant`` nodes.

    TensorRT supports ``If`` with restrictions and CUDA graphs exclude it. The exporter writes one for every squeeze of
    an axis whose length it does not know; its condition is the same for all inputs, so the branch can be inlined.

    Args:
        model: as exported.
        samples: inputs of different batch sizes, on which the conditions are evaluated.

    Raises:
        ValueError: a condition differs between the samples.
    """
    model = shape_inference.infer_shapes(model)
    graph = model.graph
    _restore_weights(graph)
    while choices := [node for node in graph.node if node.op_type == "If"]:
        taken = _conditions(model, [node.input[0] for node in choices], samples)
        for node in choices:
            _inline(graph, node, taken[node.input[0]])
    _constants_as_initializers(graph)
    _remove_unused(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def half_precision(model: ModelProto) -> ModelProto:
    """A simplified network with float16 arithmetic in front of its last convolution, and float32 behind it.

    What follows the convolutions is a thousandth of the work and decides probabilities and uncertainties.
    """
    model = shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    floats = _float_tensors(graph)
    chosen = [
        node
        for node in _before_last_convolution(graph)
        if node.op_type not in _EXACT | _SHAPES and any(name in floats for name in node.output)
    ]
    _as_half(graph, chosen, floats)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def open_session(model: ModelProto) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU, where float16 tensors are rounded and sums are float32."""
    onnxruntime, _ = import_onnxruntime("onnxruntime")
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _restore_weights(graph: GraphProto) -> None:
    """Undo `training.layers.onnx_export.store_weights_as_half`: float16 weights behind a cast become float32."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in weights]:
        tensor = weights[node.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), node.output[0]))
        graph.node.remove(node)


def _conditions(model: ModelProto, names: Sequence[str], samples: Sequence[Mapping[str, Float32]]) -> dict[str, bool]:
    """Values of the conditions of ``If`` nodes, which must be the same for all samples."""
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.BOOL, None) for name in set(names))
    session = open_session(probe)
    found = {name: {bool(session.run([name], dict(sample))[0]) for sample in samples} for name in names}
    for name, values in found.items():
        if len(values) != 1:
            raise ValueError(f"the condition {name!r} of the network depends on its input, so it cannot be exported")
    return {name: values.pop() for name, values in found.items()}


def _inline(graph: GraphProto, node: NodeProto, condition: bool) -> None:
    """Replace an ``If`` by the nodes of one branch; names inside a branch are unique in files of torch."""
    name = "then_branch" if condition else "else_branch"
    branch = next(attribute.g for attribute in node.attribute if attribute.name == name)
    place = list(graph.node).index(node)
    graph.node.remove(node)
    nodes = [*branch.node]
    for inner, outer in zip(branch.output, node.output, strict=True):
        nodes.append(helper.make_node("Identity", [inner.name], [outer], name=f"{node.name}.{outer}"))
    for offset, new in enumerate(nodes):
        graph.node.insert(place + offset, new)
    graph.initializer.extend(branch.initializer)


def _constants_as_initializers(graph: GraphProto) -> None:
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        (attribute,) = node.attribute
        value = helper.get_attribute_value(attribute)
        if attribute.name == "value":
            array = numpy_helper.to_array(value)
        else:  # value_int, value_ints, value_float, value_floats
            array = np.asarray(value, np.int64 if attribute.name.startswith("value_int") else np.float32)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        graph.node.remove(node)


def _remove_unused(graph: GraphProto) -> None:
    """Remove nodes and weights that no output needs, such as the conditions of inlined branches."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)


def _float_tensors(graph: GraphProto) -> set[str]:
    infos = [*graph.value_info, *graph.input, *graph.output]
    found = {info.name for info in infos if info.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _before_last_convolution(graph: GraphProto) -> list[NodeProto]:
    """The convolutions and all nodes that lead to one, in the order of the graph."""
    needed: set[str] = set()
    found = []
    for node in reversed(list(graph.node)):
        if node.op_type == "Conv" or not needed.isdisjoint(node.output):
            needed.update(node.input)
            found.append(node)
    return found[::-1]


def _as_half(graph: GraphProto, chosen: Sequence[NodeProto], floats: set[str]) -> None:
    """Give the chosen nodes float16 tensors, with casts where they meet the others."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    inside = {name for node in chosen for name in node.output}
    is_chosen = {id(node) for node in chosen}
    halves: dict[str, str] = {}  # float32 tensor of the other nodes -> its float16 copy
    nodes: list[NodeProto] = []
    outside = {name for node in graph.node if id(node) not in is_chosen for name in node.input}
    outside |= {output.name for output in graph.output}
    for node in graph.node:
        if id(node) not in is_chosen:
            nodes.append(node)
            continue
        for place, name in enumerate(node.input):
            if name not in floats:
                continue
            if name in inside:
                node.input[place] = f"{name}.half"
                continue
            if name not in halves:
                halves[name] = f"{name}.half"
                if name in weights:
                    value = numpy_helper.to_array(weights[name]).astype(np.float16)
                    graph.initializer.append(numpy_helper.from_array(value, halves[name]))
                else:
                    nodes.append(_cast(name, halves[name], TensorProto.FLOAT16))
            node.input[place] = halves[name]
        produced = list(node.output)
        for place, name in enumerate(produced):
            node.output[place] = f"{name}.half"
        nodes.append(node)
        nodes += [_cast(f"{name}.half", name, TensorProto.FLOAT) for name in produced if name in outside]
    del graph.node[:]
    graph.node.extend(nodes)
    _remove_unused(graph)


def _cast(source: str, target: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=kind)
