"""Export of a torch module to one ONNX file with float16 weights, and comparison of the two."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

#: Read by ONNX Runtime, OpenVINO and TensorRT 10 and 11.
OPSET = 17
#: Smaller initialisers stay float32: constants of shapes and norms, whose size does not matter.
_MIN_HALVED = 256


def export_onnx(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> None:
    """Write a module in evaluation mode; ``dynamic`` names the axes of variable length, per input and output."""
    model.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of this exporter, and traced shapes
        torch.onnx.export(
            model,
            inputs,
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path), full_check=True)


def store_weights_as_half(path: Path) -> None:
    """Store float32 weights as float16 and cast them back in the graph, which halves the file.

    Backends fold the casts when they load. Arithmetic stays float32; only the weights are rounded (relative error at
    most 2^-11).
    """
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _MIN_HALVED:
            continue
        name = tensor.name
        limit = float(np.finfo(np.float16).max)
        tensor.CopyFrom(numpy_helper.from_array(np.clip(values, -limit, limit).astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""  # the exporter writes source paths of the machine into it
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def largest_difference(
    model: nn.Module, inputs: Mapping[str, Tensor], path: Path, output_names: Sequence[str]
) -> dict[str, float]:
    """Largest absolute difference per output between the module and the file, on the same inputs."""
    with torch.no_grad():
        expected = model.eval()(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(output_names), {name: value.numpy() for name, value in inputs.items()})
    pairs = zip(output_names, expected, found, strict=True)
    return {name: float(np.abs(want.numpy() - have).max()) for name, want, have in pairs}


def require_parity(differences: Mapping[str, float], tolerance: float) -> None:
    """Check the differences of an export.

    Raises:
        ValueError: an output differs by more than the tolerance.
    """
    for name, difference in differences.items():
        if not difference <= tolerance:
            raise ValueError(
                f"output {name!r} of the exported model differs by {difference:.2g}, allowed {tolerance:.2g}"
            )
