"""TensorRT on an NVIDIA GPU: only detects whether this machine could run it, and reports what is missing.

The driver is queried first, through ctypes: TensorRT's own runtime ends the process when it is used without a GPU.
TensorRT engines are not built yet, so this backend opens no network and is in no default order.
"""

from __future__ import annotations

import ctypes
import sys
from typing import NoReturn

from engine.backends.model_file import ModelFile
from engine.errors import BackendError

_REMEDY = "use the backend onnxruntime"


def open_tensorrt(model: ModelFile, threads: int) -> NoReturn:
    """Report why the model cannot run.

    Raises:
        BackendError: there is no driver, no GPU or no TensorRT; or all are present but engines cannot be built yet.
    """
    del threads  # the GPU has its own
    count = gpu_count()
    try:
        import tensorrt
    except ImportError as error:
        raise BackendError(
            f"tensorrt cannot be imported ({error}): install it from NVIDIA's package index or JetPack, or {_REMEDY}"
        ) from None
    raise BackendError(
        f"{model.path} cannot run on tensorrt {tensorrt.__version__} and {count} GPU yet: "
        f"this version cannot build TensorRT engines; {_REMEDY}"
    )


def gpu_count() -> int:
    """Number of NVIDIA GPUs, at least 1; creates no CUDA context.

    Raises:
        BackendError: there is no driver, it does not start, or it reports no GPU.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        raise BackendError(
            f"tensorrt needs an NVIDIA driver, and {library} was not found: install it, or {_REMEDY}"
        ) from None
    status = driver.cuInit(0)
    if status != 0:
        raise BackendError(
            f"tensorrt needs an NVIDIA GPU, and cuInit returned error {status}: check nvidia-smi, or {_REMEDY}"
        )
    count = ctypes.c_int(0)
    status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value < 1:
        raise BackendError(
            f"tensorrt needs an NVIDIA GPU, and the driver reports {count.value} (error {status}): "
            f"check nvidia-smi, or {_REMEDY}"
        )
    return count.value
