"""Opens a model on the first backend of a list that can run it here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.backends.base import InferenceBackend
from engine.backends.model_file import ModelFile, read_model
from engine.errors import BackendError, ConfigError, ContractError, EngineError, ModelError

_log = logging.getLogger(__name__)


def _open_onnxruntime(model: ModelFile, threads: int) -> InferenceBackend:
    from engine.backends.onnx_runtime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(model, threads)


def _open_openvino(model: ModelFile, threads: int) -> InferenceBackend:
    from engine.backends.openvino_cpu import OpenVinoBackend

    return OpenVinoBackend(model, threads)


def _open_tensorrt(model: ModelFile, threads: int) -> InferenceBackend:
    from engine.backends.tensorrt_gpu import open_tensorrt

    return open_tensorrt(model, threads)


#: Every backend by its name in the settings; its package is imported only when it is tried.
BACKENDS: Final[dict[str, Callable[[ModelFile, int], InferenceBackend]]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
    "tensorrt": _open_tensorrt,
}


def open_backend(model: Path, order: Sequence[str], threads: int) -> InferenceBackend:
    """Check a model file against its contract, then open it on the first backend of ``order`` that can run it.

    Args:
        model: the ONNX file, with its contract beside it.
        order: names of BACKENDS, the preferred one first.
        threads: of the backend, 1 or more.

    Raises:
        BackendError: a name is unknown, or no backend of the list can run here; lists the reason of each.
        ContractError: the contract is missing, malformed, or does not match the network.
        ModelError: the file is missing or changed, or no backend can load it.
        ConfigError: ``threads`` is below 1.
    """
    if threads < 1:
        raise ConfigError(f"threads is {threads}: set it to 1 or more")
    unknown = [name for name in order if name not in BACKENDS]
    if unknown or not order:
        raise BackendError(f"unknown backend {', '.join(unknown) or '(none named)'}: known are {', '.join(BACKENDS)}")
    checked = read_model(model)
    refusals: list[EngineError] = []
    for name in order:
        try:
            return BACKENDS[name](checked, threads)
        except ContractError:
            raise  # a fault of the file on every backend
        except (BackendError, ModelError) as error:
            _log.info("backend %s refused %s: %s", name, model.name, error)
            refusals.append(error)
    for refusal in reversed(refusals):
        if isinstance(refusal, ModelError):
            raise refusal  # a backend is available: the fault is the file's
    raise BackendError(f"no backend of {', '.join(order)} can run here: {'; '.join(map(str, refusals))}")
