"""An exported file with int8 convolutions; float16 is derived by `engine.backends.half_precision`.

QuantizeLinear and DequantizeLinear stand in front of a convolution, symmetric, with a scale per output channel and
float biases, the form that TensorRT accepts. Inputs and outputs stay float32.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import onnx
from onnx import ModelProto, shape_inference

from engine.types import Float32

#: Share of the activations inside the int8 range, in percent; the rest is clipped.
_PERCENTILE: Final = 99.999


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


def _largest_convolutions(model: ModelProto) -> list[str]:
    """Names of the convolutions whose output has the height and width of the first one's."""
    shapes = {
        info.name: tuple(axis.dim_value for axis in info.type.tensor_type.shape.dim[2:])
        for info in shape_inference.infer_shapes(model).graph.value_info
    }
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if shapes.get(node.output[0]) == shapes.get(convolutions[0].output[0])]
