"""Making the 468-point mesh network fit mediapipe 1.x, whose graph reads every output as 478 points.

The Tasks API of 1.2.2 divides the length of the landmark output by 478 to learn how many numbers a point has. 1404
values then count as 2 each, and every point is wrong. One GATHER at the end, which repeats the first ten points
as points 468 to 477, makes it 1434 values, 3 each. The repeated points lie inside the face and so change neither its
bounding box nor the square that the package follows. The network's weights are not touched.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import numpy as np

from engine.types import MESH_POINTS

#: Points that the package's graph expects; the last ten are those of the irises in newer networks.
_EXPECTED_POINTS: Final = 478
_FILE_IDENTIFIER: Final = b"TFL3"
_START_BYTES: Final = 2 * 1024 * 1024


def padded_network(network: bytes) -> bytes:
    """The mesh network (a tflite file with an output of 468 x 3 values) with 478 x 3 values at that output."""
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    flatbuffers: Any = importlib.import_module("flatbuffers")
    model = schema.ModelT.InitFromPackedBuf(network, 0)
    graph = model.subgraphs[0]
    values = MESH_POINTS * 3
    source = next(index for index in graph.outputs if int(np.prod(graph.tensors[index].shape)) == values)
    order = np.arange(_EXPECTED_POINTS * 3, dtype="<i4") % values

    indices = _add_tensor(schema, model, b"repeated_points", [order.size], schema.TensorType.INT32, order.tobytes())
    shape = [1, 1, 1, order.size]
    padded = _add_tensor(schema, model, b"padded_landmarks", shape, schema.TensorType.FLOAT32, b"")
    graph.operators.append(_gather(schema, model, source, indices, padded))
    graph.outputs = [padded if index == source else index for index in graph.outputs]

    builder = flatbuffers.Builder(_START_BYTES)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def _add_tensor(schema: Any, model: Any, name: bytes, shape: list[int], kind: int, data: bytes) -> int:
    """Add a tensor to the first graph; its index. With data it is a constant."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, len(model.buffers) - 1
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1


def _gather(schema: Any, model: Any, source: int, indices: int, target: int) -> Any:
    """The operator target = source[..., indices]."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.GATHER
    code.version = 1
    model.operatorCodes.append(code)
    options = schema.GatherOptionsT()
    options.axis = 3
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [source, indices], [target]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.GatherOptions, options
    return operator
