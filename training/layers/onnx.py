"""From a torch module to one ONNX file that holds its own weights, half-size."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

#: Opset that ONNX Runtime, OpenVINO and TensorRT 10 and 11 all read.
OPSET = 17
#: Smaller initialisers stay float32: they are constants of shapes and norms, and halving them saves nothing.
_MIN_HALVED = 256


def export_onnx(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> None:
    """Write a module in evaluation mode; ``dynamic`` names the axes of any length, per input and output."""
    model.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own retirement and of traced shapes
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
    """Store float32 weights as float16 and cast them back in the graph; backends fold the casts when they load.

    Halves the file. Arithmetic stays float32; only the weights are rounded (relative error at most 2^-11), which
    parity.py measures.
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
