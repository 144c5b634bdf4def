"""What an ONNX file may contain, checked before a runtime parses it.

The models of this program are plain feed-forward networks in one file. Whatever else the format offers is refused:
weights in other files, loops, functions, sparse tensors, operators of other domains, fields that are not in the format,
and any encoding that a parser might read differently. Field numbers: onnx/onnx.proto (ONNX IR version 10).

Sizes that a network computes while it runs cannot be seen here; `engine.backends.trial` limits those.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.backends.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Field,
    MalformedError,
    Value,
    integers,
    read_message,
)
from engine.errors import ModelError

_OPERATOR_NAMES: Final = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
    DequantizeLinear Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm
    GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity If InstanceNormalization
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mish Mod Mul Neg Not Or
    PRelu Pad Pow QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid Sign Size Slice Softmax
    Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Trilu Unsqueeze Where
"""
#: Operators of the released models, of their float16 and int8 variants, and of what PyTorch exports for the other
#: layers that the two methods may use. None of them repeats a part of the graph, reads a file or draws at random.
OPERATORS: Final = frozenset(_OPERATOR_NAMES.split())
#: Nodes, tensors and subgraphs of a file; the released models have at most 584, 259 and 2.
MAX_NODES: Final = 20_000
MAX_TENSORS: Final = 20_000
#: An operator If holds graphs, which may hold others.
MAX_DEPTH: Final = 4
#: Values of one tensor, and of all stored ones together (4 bytes each: as many as the largest file has room for).
MAX_VALUES: Final = 2**24
MAX_AXES: Final = 8

_ONE = Field((BYTES,))
_MANY = Field((BYTES,), repeated=True)
_NUMBER = Field((VARINT,))
_NUMBERS = Field((VARINT, BYTES), repeated=True)

_MODEL: Final = {
    1: _NUMBER,  # ir_version
    2: _ONE,  # producer_name
    3: _ONE,  # producer_version
    4: _ONE,  # domain
    5: _NUMBER,  # model_version
    6: _ONE,  # doc_string
    7: _ONE,  # graph
    8: _MANY,  # opset_import
    14: _MANY,  # metadata_props
}
_OPSET: Final = {1: _ONE, 2: _NUMBER}  # domain, version
_GRAPH: Final = {
    1: _MANY,  # node
    2: _ONE,  # name
    5: _MANY,  # initializer
    10: _ONE,  # doc_string
    11: _MANY,  # input
    12: _MANY,  # output
    13: _MANY,  # value_info
    14: _MANY,  # quantization_annotation
    16: _MANY,  # metadata_props
}
_NODE: Final = {
    1: _MANY,  # input
    2: _MANY,  # output
    3: _ONE,  # name
    4: _ONE,  # op_type
    5: _MANY,  # attribute
    6: _ONE,  # doc_string
    7: _ONE,  # domain
    9: _MANY,  # metadata_props
}
_ATTRIBUTE: Final = {
    1: _ONE,  # name
    2: Field((FIXED32,)),  # f
    3: _NUMBER,  # i
    4: _ONE,  # s
    5: _ONE,  # t: a tensor
    6: _ONE,  # g: a graph
    7: Field((FIXED32, BYTES), repeated=True),  # floats
    8: _NUMBERS,  # ints
    9: _MANY,  # strings
    13: _ONE,  # doc_string
    20: _NUMBER,  # type
}
_TENSOR: Final = {
    1: _NUMBERS,  # dims
    2: _NUMBER,  # data_type
    4: Field((FIXED32, BYTES), repeated=True),  # float_data
    5: _NUMBERS,  # int32_data
    7: _NUMBERS,  # int64_data
    8: _ONE,  # name
    9: _ONE,  # raw_data
    10: Field((FIXED64, BYTES), repeated=True),  # double_data
    11: _NUMBERS,  # uint64_data
    12: _ONE,  # doc_string
    13: _MANY,  # external_data, refused
    14: _NUMBER,  # data_location: 0 = in this file
    16: _MANY,  # metadata_props
}
#: Operators whose input of this place is a shape, or lengths of axes, to allocate.
_SHAPE_INPUTS: Final = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Pad": 1}
_INT64: Final = 7
#: A tensor of INT64 up to this length may be a shape.
_SHORT_BYTES: Final = 256


def check_graph(content: bytes, path: Path) -> None:
    """Refuse an ONNX file that is anything but one plain feed-forward network.

    Args:
        content: of the file.
        path: for the message.

    Raises:
        ModelError: naming what is refused.
    """
    try:
        _Walk().model(memoryview(content))
    except MalformedError as error:
        raise ModelError(f"{path} is not loaded ({error}): export it again, as one file of plain operators") from None


class _Walk:
    """Visits graphs, nodes, attributes and tensors, not types and metadata; counts over the whole file."""

    def __init__(self) -> None:
        self._nodes = 0
        self._tensors = 0
        self._values = 0

    def model(self, content: memoryview) -> None:
        graphs = 0
        for value in read_message(content, _MODEL, "the model"):
            if value.number == 7:
                graphs += 1
                self._graph(value.content, MAX_DEPTH)
            elif value.number == 8:
                for part in read_message(value.content, _OPSET, "an operator set"):
                    if part.number == 1 and bytes(part.content) not in (b"", b"ai.onnx"):
                        raise MalformedError(f"operators of the domain {_text(part.content)!r}")
        if not graphs:
            raise MalformedError("no graph")

    def _graph(self, content: memoryview, depth: int) -> None:
        if not depth:
            raise MalformedError(f"graphs within graphs, more than {MAX_DEPTH} deep")
        shapes: dict[str, int] = {}  # products of the integers of small constants, by name
        nodes: list[tuple[str, Sequence[str]]] = []
        for value in read_message(content, _GRAPH, "a graph"):
            if value.number == 1:
                nodes.append(self._node(value.content, depth, shapes))
            elif value.number == 5:
                self._tensor(value.content, shapes)
        for operator, inputs in nodes:
            place = _SHAPE_INPUTS.get(operator, len(inputs))
            if place < len(inputs) and shapes.get(inputs[place], 0) > MAX_VALUES:
                raise MalformedError(f"an operator {operator} that makes more than {MAX_VALUES} values")

    def _node(self, content: memoryview, depth: int, shapes: dict[str, int]) -> tuple[str, Sequence[str]]:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise MalformedError(f"more than {MAX_NODES} nodes")
        operator, domain, inputs, output = "", "", [], ""
        attributes: list[Value] = []
        for value in read_message(content, _NODE, "a node"):
            if value.number == 1:
                inputs.append(_text(value.content))
            elif value.number == 2:
                output = _text(value.content)
            elif value.number == 4:
                operator = _text(value.content)
            elif value.number == 5:
                attributes.append(value)
            elif value.number == 7:
                domain = _text(value.content)
        if domain not in ("", "ai.onnx") or operator not in OPERATORS:
            name = f"{domain}.{operator}" if domain else operator
            raise MalformedError(f"the operator {name!r:.60}, which models of this program do not use")
        for attribute in attributes:
            self._attribute(attribute.content, operator, output, depth, shapes)
        return operator, inputs

    def _attribute(self, content: memoryview, operator: str, output: str, depth: int, shapes: dict[str, int]) -> None:
        for value in read_message(content, _ATTRIBUTE, "an attribute"):
            if value.number == 5:
                self._tensor(value.content, shapes, output)
            elif value.number == 6:
                if operator != "If":
                    raise MalformedError(f"a graph in an operator {operator}")
                self._graph(value.content, depth - 1)
            elif value.number == 8 and operator == "Constant":
                known = shapes.get(output, 1)
                shapes[output] = known if known > MAX_VALUES else known * _product(integers(value, "an attribute"))

    def _tensor(self, content: memoryview, shapes: dict[str, int], output: str = "") -> None:
        self._tensors += 1
        if self._tensors > MAX_TENSORS:
            raise MalformedError(f"more than {MAX_TENSORS} tensors")
        tensor = _read_tensor(content)
        if len(tensor.dims) > MAX_AXES or any(length < 0 for length in tensor.dims):
            raise MalformedError(f"a tensor of shape {tensor.dims[: MAX_AXES + 1]}")
        self._values += math.prod(tensor.dims)
        if self._values > MAX_VALUES:
            raise MalformedError(f"tensors of more than {MAX_VALUES} values")
        if tensor.kind == _INT64:
            shapes[output or tensor.name] = _product(tensor.integers)


@dataclass(slots=True)
class _Tensor:
    """What matters of a tensor."""

    name: str = ""
    kind: int = 0  # data_type
    dims: list[int] = field(default_factory=list)
    integers: list[int] = field(default_factory=list)  # its values, if it is a short one of INT64


def _read_tensor(content: memoryview) -> _Tensor:
    tensor = _Tensor()
    for value in read_message(content, _TENSOR, "a tensor"):
        if value.number == 1:
            tensor.dims.extend(integers(value, "a tensor"))
        elif value.number == 2:
            tensor.kind = value.integer
        elif value.number == 7:
            tensor.integers.extend(integers(value, "a tensor"))
        elif value.number == 8:
            tensor.name = _text(value.content)
        elif value.number == 9 and len(value.content) <= _SHORT_BYTES:
            raw = bytes(value.content)
            tensor.integers.extend(
                int.from_bytes(raw[at : at + 8], "little", signed=True) for at in range(0, len(raw), 8)
            )
        elif value.number == 13 or (value.number == 14 and value.integer):
            raise MalformedError("weights in another file, which no hash covers")
    return tensor


def _product(lengths: Iterable[int]) -> int:
    """Values of a tensor of these lengths, or some number above MAX_VALUES; -1 ("as the input") counts as 1."""
    product = 1
    for length in lengths:
        product *= max(length, 1)
        if product > MAX_VALUES:  # the product of thousands of factors would take hours
            break
    return product


def _text(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        raise MalformedError("a name that is not UTF-8") from None
