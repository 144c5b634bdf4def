"""OpenVINO on the CPU (optional package): faster on x86, in float32 or, on CPUs with AVX512-BF16 or AMX, in bfloat16.

With shapes of any length it is slower than ONNX Runtime, with fixed ones faster. So the network is compiled for batches
of 1 and 4 faces, and a batch of another size is split or filled up: each size more costs a third of a second at start.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np

from engine.backends.base import check_signature, warm_up
from engine.backends.contract import ModelContract, TensorSpec, faces_axis, input_shapes, mask_samples
from engine.backends.model_file import ModelFile
from engine.errors import BackendError, ModelError
from engine.types import Float32

OpenVinoPrecision = Literal["f32", "bf16"]
#: Batches that the network is compiled for.
SIZES: Final = (1, 4)
#: From this number of faces on, a filled-up batch of 4 costs no more than single faces.
_FILLED_UP: Final = 3
_DTYPES: Final = {"f32": "float32"}
_ERRORS: Final = (RuntimeError, ValueError, MemoryError)


class OpenVinoBackend:
    """A network on OpenVINO's CPU plug-in."""

    def __init__(self, model: ModelFile, threads: int, precision: OpenVinoPrecision = "f32") -> None:
        """Open, check and warm up; compiling takes about a second.

        Raises:
            BackendError: OpenVINO is not installed, or the CPU has no bfloat16.
            ModelError: OpenVINO cannot load or run the file.
            ContractError: the network does not match its contract.
        """
        try:
            import openvino
        except ImportError as error:
            raise BackendError(
                f"openvino cannot be imported ({error}): pip install openvino, or leave it out"
            ) from None
        self.contract: ModelContract = model.contract
        self.name = "openvino" if precision == "f32" else f"openvino-{precision}"
        self.device = "CPU"
        self._path = model.path
        self._axis = faces_axis(model.contract)
        self._by_face = [spec.name for spec in model.contract.inputs if spec.shape[0] == self._axis]
        self._requests: dict[int, Any] = {}
        try:
            core = openvino.Core()
            if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                raise BackendError("openvino-bf16 cannot run (this CPU has no bfloat16): use openvino or onnxruntime")
            network = core.read_model(io.BytesIO(model.content))
            self._check(network)
            for size in SIZES:
                network.reshape(input_shapes(model.contract, size))
                compiled = core.compile_model(network, "CPU", _options(threads, precision))
                self._requests[size] = compiled.create_infer_request()
        except _ERRORS as error:
            raise ModelError(f"{model.path} cannot be loaded by openvino ({_line(error)}): use onnxruntime") from None
        free = {axis for spec in model.contract.inputs for axis in spec.shape if isinstance(axis, str)}
        warm_up(model.path, self, dict.fromkeys(free - {self._axis}, mask_samples(model.contract)))

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend."""
        faces = len(inputs[self._by_face[0]])
        parts, start = list[dict[str, Float32]](), 0
        while start < faces or not parts:
            size = SIZES[faces - start >= _FILLED_UP]
            parts.append(self._run_part(inputs, start, min(faces - start, size), size))
            start += size
        if len(parts) == 1:
            return parts[0]
        return {
            spec.name: np.concatenate([part[spec.name] for part in parts])
            if spec.shape[0] == self._axis
            else parts[0][spec.name]
            for spec in self.contract.outputs
        }

    def close(self) -> None:
        """See InferenceBackend."""
        self._requests = {}

    def _run_part(self, inputs: Mapping[str, Float32], start: int, count: int, size: int) -> dict[str, Float32]:
        """Run ``count`` faces as a batch of ``size``, filled up with zeros."""
        own = dict(inputs)
        for name in self._by_face:
            part = inputs[name][start : start + count]
            own[name] = (
                part if count == size else np.concatenate([part, np.zeros((size - count, *part.shape[1:]), np.float32)])
            )
        try:
            request = self._requests[size]
            results = request.infer(own, share_inputs=True, share_outputs=False)
            found = {spec.name: results[spec.name] for spec in self.contract.outputs}
        except (*_ERRORS, KeyError) as error:
            raise BackendError(f"{self._path} cannot run on openvino ({_line(error)}): use onnxruntime") from None
        return {
            spec.name: found[spec.name][:count] if spec.shape[0] == self._axis else found[spec.name]
            for spec in self.contract.outputs
        }

    def _check(self, network: Any) -> None:
        """Compare the network, whose axes are still free, with the contract."""
        inputs, outputs = self.contract.inputs, self.contract.outputs
        check_signature(self._path, "input", inputs, _specs(network.inputs, inputs))
        check_signature(self._path, "output", outputs, _specs(network.outputs, outputs))


def _options(threads: int, precision: OpenVinoPrecision) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,  # by default bf16 on CPUs that have it, with other results
        "INFERENCE_NUM_THREADS": threads,
    }


def _specs(ports: Iterable[Any], promised: Iterable[TensorSpec]) -> list[TensorSpec]:
    """Ports as specs; of several names of a port, the one in the contract."""
    wanted = {spec.name for spec in promised}
    return [
        TensorSpec(
            min(port.get_names() & wanted or port.get_names(), default="(no name)"),
            tuple(str(axis) if axis.is_dynamic else axis.get_length() for axis in port.get_partial_shape()),
            _DTYPES.get(port.get_element_type().get_type_name(), port.get_element_type().get_type_name()),
        )
        for port in ports
    ]


def _line(error: Exception) -> str:
    """Last line of an OpenVINO error; the lines before are positions in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
