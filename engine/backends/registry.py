"""Opens a model on the first backend of a list that can run it here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.backends.base import InferenceBackend
from engine.backends.model_file import ModelFile, read_model
from engine.backends.switching import PendingBackend, PendingError, SwitchingBackend
from engine.config import GpuConfig
from engine.errors import BackendError, ConfigError, ContractError, EngineError, ModelError

_log = logging.getLogger(__name__)
_GPU: Final = GpuConfig()


def _open_onnxruntime(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.onnx_runtime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(model, threads)


def _open_openvino(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.openvino_cpu import OpenVinoBackend

    return OpenVinoBackend(model, threads)


def _open_openvino_bf16(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.openvino_cpu import OpenVinoBackend

    return OpenVinoBackend(model, threads, "bf16")


def _open_tensorrt(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.tensorrt_engines import open_tensorrt

    return open_tensorrt(model, threads, gpu)


def _open_onnxruntime_cuda(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.onnx_runtime_gpu import open_onnxruntime_gpu

    return open_onnxruntime_gpu("onnxruntime-cuda", model, gpu)


def _open_onnxruntime_tensorrt(model: ModelFile, threads: int, gpu: GpuConfig) -> InferenceBackend:
    from engine.backends.onnx_runtime_gpu import open_onnxruntime_gpu

    return open_onnxruntime_gpu("onnxruntime-tensorrt", model, gpu)


#: Every backend by its name in the settings; its package is imported only when it is tried.
BACKENDS: Final[dict[str, Callable[[ModelFile, int, GpuConfig], InferenceBackend]]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
    "openvino-bf16": _open_openvino_bf16,
    "tensorrt": _open_tensorrt,
    "onnxruntime-cuda": _open_onnxruntime_cuda,
    "onnxruntime-tensorrt": _open_onnxruntime_tensorrt,
}
#: Backends that need an NVIDIA GPU.
GPU_BACKENDS: Final = frozenset({"tensorrt", "onnxruntime-cuda", "onnxruntime-tensorrt"})


def is_installed(backend: str) -> bool:
    """Whether the package of a backend is installed, and for a GPU's also the driver; imports nothing."""
    if find_spec(backend.partition("-")[0]) is None:
        return False
    if backend not in GPU_BACKENDS:
        return True
    from engine.backends.cuda import has_driver

    return has_driver()


def open_backend(model: Path, order: Sequence[str], threads: int, gpu: GpuConfig = _GPU) -> InferenceBackend:
    """Check a model file against its contract, then open it on the first backend of ``order`` that can run it.

    With ``gpu.build`` "background", a network whose TensorRT engine is still to be built runs on the next backend until
    it is, and a network on a GPU continues on the next backend if the GPU fails.

    Args:
        model: the ONNX file, with its contract beside it.
        order: names of BACKENDS, the preferred one first.
        threads: of the backend, 1 or more.
        gpu: settings of the backends on a GPU.

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
    return _open_first(read_model(model), order, threads, gpu)


def _open_first(model: ModelFile, order: Sequence[str], threads: int, gpu: GpuConfig) -> InferenceBackend:
    refusals: list[EngineError] = []
    for place, name in enumerate(order):
        following = order[place + 1 :]
        try:
            opened = BACKENDS[name](model, threads, gpu)
        except ContractError:
            raise  # a fault of the file on every backend
        except PendingError as error:
            _log.info("backend %s cannot run %s yet: %s", name, model.path.name, error)
            return _while_pending(model, following, threads, gpu, error.pending)
        except (BackendError, ModelError) as error:
            _log.info("backend %s refused %s: %s", name, model.path.name, error)
            refusals.append(error)
            continue
        if name in GPU_BACKENDS and gpu.build == "background" and following:
            return SwitchingBackend(opened, partial(_open_first, model, following, threads, gpu))
        return opened
    for refusal in reversed(refusals):
        if isinstance(refusal, ModelError):
            raise refusal  # a backend is available: the fault is the file's
    raise BackendError(f"no backend of {', '.join(order)} can run here: {'; '.join(map(str, refusals))}")


def _while_pending(
    model: ModelFile, following: Sequence[str], threads: int, gpu: GpuConfig, pending: PendingBackend
) -> InferenceBackend:
    """Run on one of the following backends until the pending one is ready; without one, wait for it."""
    reopen = partial(_open_first, model, following, threads, gpu)
    try:
        meanwhile = reopen() if following else None
    except BaseException:
        pending.close()
        raise
    if meanwhile is not None:
        return SwitchingBackend(meanwhile, reopen, pending)
    try:
        return pending.open()
    finally:
        pending.close()
