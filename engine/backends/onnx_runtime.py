"""ONNX Runtime on the CPU: the backend that is always installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.backends.base import check_signature, warm_up
from engine.backends.contract import ModelContract, TensorSpec
from engine.backends.model_file import ModelFile
from engine.errors import BackendError, ModelError
from engine.types import Float32

_FATAL_ONLY = 4
#: Type names of ONNX Runtime to those of numpy; any other name fails the comparison with the contract.
_DTYPES = {"tensor(float)": "float32"}


class OnnxRuntimeBackend:
    """A network on ONNX Runtime's CPU provider."""

    name = "onnxruntime"
    device = "CPU"

    def __init__(self, model: ModelFile, threads: int) -> None:
        """Open, check and warm up.

        Raises:
            BackendError: ONNX Runtime is not installed.
            ModelError: ONNX Runtime cannot load or run the file.
            ContractError: the network does not match its contract.
        """
        onnxruntime, self._errors = import_onnxruntime("onnxruntime")
        self.contract: ModelContract = model.contract
        self._path = model.path
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model.content,
                session_options(onnxruntime, threads),
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it would print on stdout and try the same provider again
            )
        except self._errors as error:
            raise ModelError(
                f"{model.path} cannot be loaded by onnxruntime ({error_line(error)}): restore it from its release"
            ) from None
        check_signature(model.path, "input", model.contract.inputs, tensor_specs(self._session.get_inputs()))
        check_signature(model.path, "output", model.contract.outputs, tensor_specs(self._session.get_outputs()))
        self._outputs = [spec.name for spec in model.contract.outputs]
        warm_up(model.path, self)

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend."""
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, dict(inputs)), strict=True))
        except self._errors as error:
            reason = error_line(error)
            raise BackendError(f"{self._path} cannot run on onnxruntime ({reason}): restore the model") from None

    def close(self) -> None:
        """See InferenceBackend."""
        self._session = None


def import_onnxruntime(package: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """ONNX Runtime and the errors it raises, which have no common base but Exception.

    Args:
        package: to install if it is missing; ``onnxruntime`` and ``onnxruntime-gpu`` provide the same module.

    Raises:
        BackendError: it cannot be imported.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as native
    except ImportError as error:
        raise BackendError(f"onnxruntime cannot be imported ({error}): pip install {package}") from None
    onnxruntime.disable_telemetry_events()  # for Windows builds; see engine/telemetry.py for the others
    own = [kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return onnxruntime, (*own, RuntimeError, ValueError, MemoryError)


def session_options(onnxruntime: Any, threads: int) -> Any:
    """Session options: all optimisations, waiting threads that do not spin, and errors only as exceptions."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL_ONLY  # everything else is raised as an error
    # Spinning while waiting gave 7 % more speed for 75 % more processor time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def tensor_specs(arguments: Iterable[Any]) -> list[TensorSpec]:
    """Inputs or outputs of a session as specs."""
    return [
        TensorSpec(
            argument.name,
            tuple(axis if isinstance(axis, int) else str(axis) for axis in argument.shape),
            _DTYPES.get(argument.type, argument.type),
        )
        for argument in arguments
    ]


def error_line(error: Exception) -> str:
    """First line of an ONNX Runtime error, without its codes."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).strip()
    return text.splitlines()[0].strip() if text else type(error).__name__
