"""TensorRT on an NVIDIA GPU: runs plans with page-locked buffers and CUDA graphs.

Each number of faces has an execution context and a graph of its own: the copies to the GPU, the kernels and the copies
back become one launch. A graph stays valid only while nothing is changed in the context it was captured from, so a
context keeps the shapes that it starts with.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.backends.base import check_signature, warm_up
from engine.backends.contract import TensorSpec, faces_axis
from engine.backends.cuda import CudaDevice, CudaError
from engine.backends.model_file import ModelFile
from engine.backends.plans import PlanError
from engine.backends.tensorrt_build import (
    TENSORRT_ERRORS,
    TensorRt,
    make_logger,
    profiles_of,
)
from engine.config import GpuConfig
from engine.errors import BackendError
from engine.types import Float32

_log = logging.getLogger(__name__)

#: Contexts are kept for this many shapes; the shapes in use are one per number of faces.
_MAX_SHAPES: Final = 64
_FLOAT_BYTES: Final = 4


@dataclass(slots=True)
class _Buffer:
    """One tensor in page-locked memory and on the GPU, large enough for the largest profile."""

    device: int  # address
    host: int  # address
    values: Float32  # the host memory, flat


@dataclass(slots=True)
class _Shape:
    """A context for one set of input shapes."""

    context: Any
    outputs: dict[str, tuple[int, ...]]
    runs: int = 0
    graph: int = 0  # 0: not captured


class TensorRtBackend:
    """A network as a TensorRT plan."""

    name = "tensorrt"

    def __init__(self, package: TensorRt, model: ModelFile, plan: bytes, config: GpuConfig) -> None:
        """Load the plan, allocate its buffers, check, warm up, and capture the graphs.

        Raises:
            PlanError: TensorRT cannot read the plan.
            BackendError: the GPU has too little memory, or the network cannot run.
            ModelError, ContractError: the network does not match its contract.
        """
        self.contract = model.contract
        self.device = f"{package.gpu.name}, {config.precision}"
        self._path, self._config = model.path, config
        self._faces, self._max_faces = faces_axis(model.contract), config.max_faces
        self._profiles = profiles_of(model.contract, config.max_faces)
        self._buffers: dict[str, _Buffer] = {}
        self._shapes: dict[tuple[tuple[int, ...], ...], _Shape] = {}
        self._graphs = config.cuda_graphs
        self._outputs = [spec.name for spec in model.contract.outputs]
        self._runtime: Any = None
        self._engine: Any = None
        self._logger: Any = None
        try:
            self._cuda = CudaDevice(package.driver, config.device)
        except CudaError as error:
            raise BackendError(f"tensorrt cannot use {package.gpu.name}: {error}") from None
        try:
            self._load(package.module, plan)
            warm_up(model.path, self)
            self._shapes.clear()  # those of the warm-up do not occur again
            self._capture_all()
        except (CudaError, *TENSORRT_ERRORS) as error:
            self.close()
            raise BackendError(f"{model.path} cannot be loaded by tensorrt ({_line(error)})") from None
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend; more faces than the plan supports are run in parts."""
        try:
            parts = [self._run(part) for part in self._split(inputs)]
        except (CudaError, *TENSORRT_ERRORS) as error:
            raise BackendError(f"{self._path} cannot run on tensorrt ({_line(error)}): use onnxruntime") from None
        if len(parts) == 1:
            return parts[0]
        per_face = {spec.name for spec in self.contract.outputs if spec.shape[0] == self._faces}
        return {
            name: np.concatenate([part[name] for part in parts]) if name in per_face else parts[0][name]
            for name in self._outputs
        }

    def close(self) -> None:
        """See InferenceBackend."""
        if self._engine is not None:
            with contextlib.suppress(CudaError):  # of a GPU that failed
                self._cuda.use()
        self._shapes, self._buffers = {}, {}
        self._engine = self._runtime = None  # the contexts first, then the engine, then the runtime
        self._cuda.close()

    def _load(self, trt: Any, plan: bytes) -> None:
        logger = make_logger(trt)
        self._logger = logger  # TensorRT keeps no reference of its own
        self._runtime = trt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise PlanError(f"tensorrt cannot read its engine ({logger.last_error or 'no reason given'})")
        if self._engine.num_optimization_profiles != len(self._profiles):
            raise PlanError(f"the engine has {self._engine.num_optimization_profiles} profiles")
        for kind, promised in (("input", self.contract.inputs), ("output", self.contract.outputs)):
            check_signature(self._path, kind, promised, self._specs(trt, kind))
        self._allocate()

    def _context(self, profile: int, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """A new context for a profile and input shapes; contexts may share a profile since TensorRT 10."""
        context = self._engine.create_execution_context()
        if context is None:
            raise RuntimeError(self._logger.last_error or "too little memory")
        if not context.set_optimization_profile_async(profile, self._cuda.stream):
            raise RuntimeError(f"profile {profile} was refused")
        self._cuda.synchronize()
        for name, shape in shapes.items():
            if not context.set_input_shape(name, tuple(shape)):
                raise RuntimeError(f"the shape {shape} of {name} was refused")
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.device):
                raise RuntimeError(f"the address of {name} was refused")
        return context

    def _specs(self, trt: Any, kind: str) -> list[TensorSpec]:
        """Inputs or outputs as the engine declares them."""
        engine = self._engine
        mode = trt.TensorIOMode.INPUT if kind == "input" else trt.TensorIOMode.OUTPUT
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [
            TensorSpec(
                name,
                tuple("any" if length < 0 else int(length) for length in engine.get_tensor_shape(name)),
                np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name,
            )
            for name in names
            if engine.get_tensor_mode(name) == mode
        ]

    def _allocate(self) -> None:
        """Give every tensor buffers for the largest shapes."""
        shapes = {name: span.largest for name, span in self._profiles[-1].items()}
        context = self._context(len(self._profiles) - 1, shapes)
        shapes |= {name: _output_shape(context, name) for name in self._outputs}
        for name, shape in shapes.items():
            count = int(np.prod(shape))
            size = max(count, 1) * _FLOAT_BYTES
            host = self._cuda.allocate_pinned(size)
            values = np.ctypeslib.as_array((ctypes.c_float * count).from_address(host))
            self._buffers[name] = _Buffer(self._cuda.allocate(size), host, values)

    def _capture_all(self) -> None:
        """Run every number of faces until its graph is captured, so that no frame has to wait for that."""
        for faces in range(1, self._max_faces + 1):
            profile = self._profiles[0 if faces == 1 else -1]
            zeros = {
                spec.name: np.zeros(_with_faces(profile[spec.name].largest, spec, self._faces, faces), np.float32)
                for spec in self.contract.inputs
            }
            for _ in range(2):
                self._run(zeros)

    def _split(self, inputs: Mapping[str, Float32]) -> list[Mapping[str, Float32]]:
        """Check the inputs and cut them into runs of at most the largest number of faces."""
        if sorted(inputs) != sorted(spec.name for spec in self.contract.inputs):
            raise BackendError(f"{self._path} cannot run on tensorrt: the inputs are {', '.join(sorted(inputs))}")
        spans, faces = self._profiles[-1], len(inputs["image"])
        for spec in self.contract.inputs:
            array, largest = inputs[spec.name], spans[spec.name].largest
            wanted = _with_faces(largest, spec, self._faces, faces)
            fits = len(array.shape) == len(wanted) and all(
                length == want or (isinstance(axis, str) and axis != self._faces and 1 <= length <= want)
                for length, want, axis in zip(array.shape, wanted, spec.shape, strict=True)
            )
            if array.dtype != np.float32 or not fits or faces < 1:
                have = f"{array.dtype} {array.shape}"
                raise BackendError(f"{self._path} cannot run on tensorrt: {spec.name} is {have}, not float32 {wanted}")
        if faces <= self._max_faces:
            return [inputs]
        per_face = {spec.name for spec in self.contract.inputs if spec.shape[0] == self._faces}
        return [
            {
                name: array[start : start + self._max_faces] if name in per_face else array
                for name, array in inputs.items()
            }
            for start in range(0, faces, self._max_faces)
        ]

    def _run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """Run checked inputs of a supported size."""
        self._cuda.use()
        for name, array in inputs.items():
            self._buffers[name].values[: array.size] = array.ravel()
        shapes = {spec.name: inputs[spec.name].shape for spec in self.contract.inputs}
        shape = self._shape(shapes)
        if shape.graph:
            self._cuda.launch(shape.graph)
        else:
            self._enqueue(shape, shapes)
            shape.runs += 1
            if shape.runs > 1 and self._graphs:  # the first run does work that cannot be captured
                self._capture(shape, shapes)
        self._cuda.synchronize()
        return {
            name: self._buffers[name].values[: int(np.prod(found))].reshape(found).copy()
            for name, found in shape.outputs.items()
        }

    def _shape(self, shapes: Mapping[str, tuple[int, ...]]) -> _Shape:
        """The context for these input shapes, created at their first use."""
        key = tuple(shapes.values())
        if key not in self._shapes:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            context = self._context(0 if shapes["image"][0] == 1 else len(self._profiles) - 1, shapes)
            self._shapes[key] = _Shape(context, {name: _output_shape(context, name) for name in self._outputs})
        return self._shapes[key]

    def _capture(self, shape: _Shape, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Capture the run that was just made; without graphs the network still runs, only slower."""
        self._cuda.synchronize()
        try:
            self._cuda.begin_capture()
            try:
                self._enqueue(shape, shapes)
            except BaseException:
                self._cuda.abandon_capture()
                raise
            shape.graph = self._cuda.end_capture()
        except (CudaError, RuntimeError) as error:
            self._graphs = False
            _log.warning("%s runs without CUDA graphs: %s", self._path.name, _line(error))

    def _enqueue(self, shape: _Shape, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Enqueue the copies to the GPU, the network, and the copies back."""
        for name, lengths in shapes.items():
            buffer = self._buffers[name]
            self._cuda.upload(buffer.device, buffer.host, int(np.prod(lengths)) * _FLOAT_BYTES)
        if not shape.context.execute_async_v3(self._cuda.stream):
            raise RuntimeError(self._logger.last_error or "the network was not started")
        for name, lengths in shape.outputs.items():
            buffer = self._buffers[name]
            self._cuda.download(buffer.host, buffer.device, int(np.prod(lengths)) * _FLOAT_BYTES)


def _output_shape(context: Any, name: str) -> tuple[int, ...]:
    shape = tuple(int(length) for length in context.get_tensor_shape(name))
    if min(shape, default=0) < 0:
        raise RuntimeError(f"the shape {shape} of {name} depends on values")
    return shape


def _with_faces(largest: tuple[int, ...], spec: TensorSpec, axis: int | str, faces: int) -> tuple[int, ...]:
    """The largest shape of an input, with another number of faces on its axis of faces."""
    return tuple(faces if name == axis else length for name, length in zip(spec.shape, largest, strict=True))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
