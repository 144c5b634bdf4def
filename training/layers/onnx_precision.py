"""An exported file in other precisions: float16 arithmetic, and int8 convolutions with quantise/dequantise nodes.

Both are typed in the file, as strongly typed TensorRT networks need it (`engine.backends.tensorrt_build`): float16
nodes have float16 tensors with casts around them, and int8 is QuantizeLinear and DequantizeLinear in front of a
convolution, symmetric, with a scale per output channel and float biases, the form that TensorRT accepts. Inputs and
outputs stay float32.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from engine.types import Float32

#: Operators that stay float32 wherever they are: sums, exponentials and roots lose too much in float16.
_EXACT: Final = frozenset({
    "Softmax", "LayerNormalization", "Exp", "Log", "Sqrt", "Pow", "Div", "Clip", "Sigmoid", "Softplus",
    "ReduceMean", "ReduceSum", "ReduceL2",
})  # fmt: skip
#: Operators whose tensors are no floating-point numbers, or whose inputs are shapes.
_SHAPES: Final = frozenset({"Shape", "Constant", "ConstantOfShape", "Cast", "Gather", "Equal", "Where", "Expand"})
#: Share of the activations inside the int8 range, in percent; the rest is clipped.
_PERCENTILE: Final = 99.999


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


def eight_bits(model: ModelProto, batches: Iterable[Mapping[str, Float32]]) -> ModelProto:
    """A simplified network with convolutions in int8, calibrated on batches of inputs (99.999th percentile).

    Those on the largest maps stay float32: their few channels lose most, and on the released expression model they
    cost a percent of the decisions.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package is untyped
        def __init__(self) -> None:
            self._left = iter(batches)

        def get_next(self) -> dict[str, Float32] | None:
            found = next(self._left, None)
            return None if found is None else dict(found)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        # It prints its progress.
        with contextlib.redirect_stdout(io.StringIO()):
            quantize_static(
                str(source),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.Percentile,
                nodes_to_exclude=_largest_convolutions(model),
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    "CalibPercentile": _PERCENTILE,
                },
            )
        quantised = onnx.load(str(target))
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def open_session(model: ModelProto) -> onnxruntime.InferenceSession:
    """A network on the CPU, where float16 tensors are rounded and sums are float32."""
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
        value = next(attribute.t for attribute in node.attribute if attribute.name == "value")
        graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(value), node.output[0]))
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


def _largest_convolutions(model: ModelProto) -> list[str]:
    """Names of the convolutions whose output has the height and width of the first one's."""
    shapes = {
        info.name: tuple(axis.dim_value for axis in info.type.tensor_type.shape.dim[2:])
        for info in shape_inference.infer_shapes(model).graph.value_info
    }
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if shapes.get(node.output[0]) == shapes.get(convolutions[0].output[0])]


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
