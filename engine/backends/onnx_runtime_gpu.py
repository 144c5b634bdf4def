"""ONNX Runtime on an NVIDIA GPU (package onnxruntime-gpu): the CUDA and TensorRT providers, for use without engines.

Inputs and outputs stay in GPU buffers that are bound once per number of faces, so a run can be a captured CUDA graph.
ONNX Runtime falls back to the CPU without an error when a provider's libraries are missing; that is refused here, since
the CPU has a backend of its own.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.backends.base import InferenceBackend, check_signature, warm_up
from engine.backends.cuda import CudaError, open_driver
from engine.backends.model_file import ModelFile
from engine.backends.onnx_runtime import error_line, import_onnxruntime, session_options, tensor_specs
from engine.backends.plans import PlanStore
from engine.backends.precision import read_variant, with_precision_of
from engine.backends.tensorrt_build import profiles_of
from engine.config import GpuConfig
from engine.errors import BackendError
from engine.types import Float32

_log = logging.getLogger(__name__)

_FATAL_ONLY: Final = 4
#: Bindings are kept for this many sets of input shapes; the sizes in use are one per number of faces.
_MAX_BINDINGS: Final = 64
_PROVIDERS: Final = {
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
}


@dataclass(frozen=True, slots=True)
class Target:
    """An execution provider with its options, and the device of its buffers."""

    backend: str
    provider: str
    options: dict[str, str]
    graph_option: str  # the option that turns CUDA graphs on; empty: the provider has none
    device: str  # for the user
    memory: str = "cuda"  # of the buffers, as ONNX Runtime names it


@dataclass(slots=True)
class _Binding:
    """Buffers of one set of input shapes, bound to the session."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    binding: Any
    options: Any


class OnnxRuntimeGpuBackend:
    """A network on a GPU provider of ONNX Runtime, with bound buffers and, where the network allows it, CUDA graphs."""

    def __init__(self, model: ModelFile, target: Target, graphs: bool) -> None:
        """Open, check and warm up.

        Raises:
            BackendError: the provider cannot be used here, or cannot load the file.
            ModelError: the network cannot run.
            ContractError: the network does not match its contract.
        """
        self._onnxruntime, errors = import_onnxruntime("onnxruntime-gpu")
        self._errors: tuple[type[Exception], ...] = (*errors, KeyError)  # KeyError: an input is missing
        self.contract = model.contract
        self.name, self.device = target.backend, target.device
        self._path, self._target = model.path, target
        self._bindings: dict[tuple[tuple[int, ...], ...], _Binding] = {}
        _require_provider(self._onnxruntime, target)
        self._session: Any = self._open(model, graphs and bool(target.graph_option))
        used = self._session.get_providers()[0]
        if used != target.provider:
            raise BackendError(
                f"{self.name} cannot run: ONNX Runtime chose {used}, as libraries of {target.provider} are missing: "
                "install the CUDA and cuDNN that this onnxruntime-gpu was built for (docs/gpu.md)"
            )
        check_signature(model.path, "input", model.contract.inputs, tensor_specs(self._session.get_inputs()))
        check_signature(model.path, "output", model.contract.outputs, tensor_specs(self._session.get_outputs()))
        warm_up(model.path, self)

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend."""
        try:
            bound = self._bound(inputs)
            for name, value in bound.inputs.items():
                value.update_inplace(np.ascontiguousarray(inputs[name]))
            self._session.run_with_iobinding(bound.binding, bound.options)
            return {name: value.numpy().copy() for name, value in bound.outputs.items()}
        except self._errors as error:
            raise BackendError(f"{self._path} cannot run on {self.name} ({error_line(error)})") from None

    def close(self) -> None:
        """See InferenceBackend."""
        self._bindings.clear()
        self._session = None

    def _open(self, model: ModelFile, graphs: bool) -> Any:
        options = dict(self._target.options)
        if graphs:
            options[self._target.graph_option] = "1"
        try:
            return self._onnxruntime.InferenceSession(
                model.content,
                session_options(self._onnxruntime, 1),
                providers=[(self._target.provider, options)],
                enable_fallback=0,  # it would print on stdout
            )
        except self._errors as error:
            if graphs:  # refused for networks with control flow or with a node on the CPU
                _log.info("%s runs without CUDA graphs: %s", self._path.name, error_line(error))
                return self._open(model, False)
            # Not a ModelError: a fault of the file would be found on the CPU too, and this one may be the machine's.
            raise BackendError(f"{self._path} cannot be loaded by {self.name} ({error_line(error)})") from None

    def _bound(self, inputs: Mapping[str, Float32]) -> _Binding:
        """Buffers for these input shapes, allocated at their first use."""
        shapes = {spec.name: inputs[spec.name].shape for spec in self.contract.inputs}
        key = tuple(shapes.values())
        if key not in self._bindings:
            if len(self._bindings) >= _MAX_BINDINGS:
                self._bindings.clear()
            self._bindings[key] = self._bind(shapes, len(self._bindings) + 1)
        return self._bindings[key]

    def _bind(self, shapes: Mapping[str, tuple[int, ...]], graph: int) -> _Binding:
        """Allocate buffers and bind them; ``graph`` numbers the CUDA graph of these shapes."""
        lengths = {
            axis: length
            for spec in self.contract.inputs
            for axis, length in zip(spec.shape, shapes[spec.name], strict=True)
            if isinstance(axis, str)
        }
        results = {
            spec.name: tuple(lengths[axis] if isinstance(axis, str) else axis for axis in spec.shape)
            for spec in self.contract.outputs
        }
        options = self._onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(graph))
        bound = _Binding({}, {}, self._session.io_binding(), options)
        for name, shape in shapes.items():
            bound.inputs[name] = self._buffer(shape)
            bound.binding.bind_ortvalue_input(name, bound.inputs[name])
        for name, shape in results.items():
            bound.outputs[name] = self._buffer(shape)
            bound.binding.bind_ortvalue_output(name, bound.outputs[name])
        return bound

    def _buffer(self, shape: tuple[int, ...]) -> Any:
        device = int(self._target.options.get("device_id", "0"))
        value = self._onnxruntime.OrtValue
        return value.ortvalue_from_shape_and_type(list(shape), np.float32, self._target.memory, device)


def open_onnxruntime_gpu(backend: str, model: ModelFile, config: GpuConfig) -> InferenceBackend:
    """Open a model on the provider of a backend's name.

    Raises:
        BackendError: there is no driver, GPU or onnxruntime-gpu, or its libraries are missing.
        ModelError, ContractError: the network cannot run or does not match its contract.
    """
    try:
        gpu = open_driver().facts(config.device)
    except CudaError as error:
        raise BackendError(f"{backend} cannot run: {error}") from None
    config = with_precision_of(model.path, config)
    variant = read_variant(model, config.precision, PlanStore().folder)
    device = f"{gpu.name}, {config.precision}"
    if backend == "onnxruntime-cuda":
        options = {"device_id": str(config.device), "use_tf32": "0" if config.precision == "fp32" else "1"}
        target = Target(backend, _PROVIDERS[backend], options, "enable_cuda_graph", device)
    else:
        options = _tensorrt_options(variant, config)
        target = Target(backend, _PROVIDERS[backend], options, "trt_cuda_graph_enable", device)
    return OnnxRuntimeGpuBackend(variant, target, config.cuda_graphs)


def _tensorrt_options(model: ModelFile, config: GpuConfig) -> dict[str, str]:
    """Options of the TensorRT provider, with one profile for all numbers of faces; it keeps its own engine cache."""
    folder = PlanStore().folder / "onnxruntime" / model.contract.sha256[:16]
    spans = profiles_of(model.contract, config.max_faces)
    ranges = {
        "min": {name: span.smallest for name, span in spans[0].items()},
        "opt": {name: span.tuned for name, span in spans[-1].items()},
        "max": {name: span.largest for name, span in spans[-1].items()},
    }
    shapes = {
        f"trt_profile_{kind}_shapes": ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in by_name.items())
        for kind, by_name in ranges.items()
    }
    return {
        "device_id": str(config.device),
        "trt_max_workspace_size": str(config.workspace_mb << 20),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        **shapes,
    }


def _require_provider(onnxruntime: Any, target: Target) -> None:
    if target.provider not in onnxruntime.get_available_providers():
        raise BackendError(
            f"{target.backend} cannot run: the installed onnxruntime has no {target.provider}; "
            "replace it by onnxruntime-gpu (docs/gpu.md)"
        )
    onnxruntime.set_default_logger_severity(_FATAL_ONLY)  # missing libraries are reported by the check of providers
    preload = getattr(onnxruntime, "preload_dlls", None)
    if target.memory == "cuda" and preload is not None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):  # it prints what it cannot find
            preload()
        for line in printed.getvalue().splitlines():
            _log.debug("%s: %s", target.backend, line)
