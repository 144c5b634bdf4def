"""OpenVINO on the CPU (optional package): faster on x86, with the results of ONNX Runtime."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from engine.backends.base import check_signature, warm_up
from engine.backends.contract import ModelContract, TensorSpec
from engine.backends.model_file import ModelFile
from engine.errors import BackendError, ModelError
from engine.types import Float32

_DTYPES = {"f32": "float32"}


class OpenVinoBackend:
    """A network on OpenVINO's CPU plug-in."""

    name = "openvino"
    device = "CPU"

    def __init__(self, model: ModelFile, threads: int) -> None:
        """Open, check and warm up.

        Raises:
            BackendError: OpenVINO is not installed.
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
        self._path = model.path
        try:
            core = openvino.Core()
            network = core.read_model(io.BytesIO(model.content))
            compiled = core.compile_model(network, "CPU", _options(threads))
            self._request: Any = compiled.create_infer_request()
        except (RuntimeError, ValueError, MemoryError) as error:
            raise ModelError(f"{model.path} cannot be loaded by openvino ({_line(error)}): use onnxruntime") from None
        inputs, outputs = model.contract.inputs, model.contract.outputs
        check_signature(model.path, "input", inputs, _specs(compiled.inputs, inputs))
        check_signature(model.path, "output", outputs, _specs(compiled.outputs, outputs))
        self._outputs = [(spec.name, compiled.output(spec.name)) for spec in outputs]
        warm_up(model.path, self)

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend."""
        try:
            results = self._request.infer(dict(inputs), share_inputs=True, share_outputs=False)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise BackendError(f"{self._path} cannot run on openvino ({_line(error)}): use onnxruntime") from None
        return {name: results[port] for name, port in self._outputs}

    def close(self) -> None:
        """See InferenceBackend."""
        self._request, self._outputs = None, []


def _options(threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 on CPUs that have it, with other results
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
