"""CUDA through the driver's own library and ctypes: facts of a GPU, memory, one stream, and captured graphs.

The driver API is used rather than the runtime API (libcudart) or the package cuda-python. ``libcuda.so.1`` comes with
the driver, so it is present wherever a GPU can be used and needs no version to be matched, while libcudart changes its
name with each CUDA release and is in another place under JetPack, Debian and pip. TensorRT and ONNX Runtime use the
device's primary context, which `CudaDevice` retains, so their streams and memory are the same objects.

Every function raises `CudaError` with the driver's name of the error. Nothing is loaded when this module is imported.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import BackendError

#: Error codes of cuda.h that have a meaning of their own here.
OUT_OF_MEMORY: Final = 2
_NO_DEVICE: Final = 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
_INTEGRATED: Final = 18  # CUdevice_attribute: the GPU shares the memory of the CPU, as on Jetson
_NON_BLOCKING: Final = 1  # CUstream_flags: does not wait for the default stream
_CAPTURE_THREAD_LOCAL: Final = 1  # CUstreamCaptureMode: calls of other threads cannot end the capture
_NAME_BYTES: Final = 256

#: Argument types of each function used, as cuda.h declares them; all return a CUresult.
PROTOTYPES: Final[dict[str, tuple[Any, ...]]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (c_uint64, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_uint64, c_size_t, c_void_p),
    "cuStreamCreate": (POINTER(c_void_p), c_uint),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, c_uint64),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
}


class CudaError(BackendError):
    """A call of the CUDA driver failed.

    Attributes:
        code: CUresult; OUT_OF_MEMORY, for example. 0 if there is no driver to call.
    """

    def __init__(self, problem: str, code: int = 0) -> None:
        super().__init__(problem)
        self.code = code


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """A GPU as the driver describes it."""

    name: str  # "Orin", "NVIDIA GeForce RTX 4090"
    capability: str  # compute capability, such as "8.7"
    memory_bytes: int  # shared with the CPU if integrated
    integrated: bool
    driver: str  # newest CUDA version that the driver supports, such as "12.6"


class CudaDriver:
    """The loaded and initialised driver."""

    def __init__(self, library: Any) -> None:
        """Use `open_driver`; ``library`` is libcuda as ctypes loads it."""
        self._functions: dict[str, Any] = {}
        for name, arguments in PROTOTYPES.items():
            function = getattr(library, name, None)
            if function is None:
                raise CudaError(f"the NVIDIA driver is too old: it has no {name}; install one for CUDA 11.4 or later")
            function.argtypes, function.restype = arguments, c_int
            self._functions[name] = function
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of PROTOTYPES.

        Raises:
            CudaError: it returned an error, which the message names.
        """
        code = self._functions[name](*arguments)
        if code:
            raise CudaError(f"{name} returned {self._name_of(code)}", code)

    def integer(self, name: str, *arguments: Any) -> int:
        """Call a function that returns an integer or handle through its first argument.

        Raises:
            CudaError: it returned an error.
        """
        found = PROTOTYPES[name][0]._type_()
        self.call(name, byref(found), *arguments)
        return int(found.value or 0)

    def gpu_count(self) -> int:
        """Number of GPUs, which may be 0."""
        return self.integer("cuDeviceGetCount")

    def facts(self, device: int) -> GpuFacts:
        """Describe a GPU; creates no context.

        Raises:
            CudaError: there is no GPU of this number.
        """
        handle = self.integer("cuDeviceGet", device)
        name = ctypes.create_string_buffer(_NAME_BYTES)
        self.call("cuDeviceGetName", name, _NAME_BYTES, handle)
        major, minor, integrated = (
            self.integer("cuDeviceGetAttribute", attribute, handle)
            for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR, _INTEGRATED)
        )
        version = self.integer("cuDriverGetVersion")  # 12060 for 12.6
        return GpuFacts(
            name=name.value.decode("utf-8", "replace"),
            capability=f"{major}.{minor}",
            memory_bytes=self.integer("cuDeviceTotalMem_v2", handle),
            integrated=bool(integrated),
            driver=f"{version // 1000}.{version % 1000 // 10}",
        )

    def _name_of(self, code: int) -> str:
        text = c_char_p()
        known = self._functions["cuGetErrorName"](code, byref(text)) == 0 and text.value
        return f"{text.value.decode()} ({code})" if known and text.value else f"error {code}"


def _load() -> Any:
    """The driver's library.

    Raises:
        CudaError: it is not installed.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(library)
    except OSError:
        raise CudaError(f"an NVIDIA driver is needed, and {library} was not found") from None


def has_driver() -> bool:
    """Whether a driver is installed; it may still fail to start or have no GPU."""
    try:
        _load()
    except CudaError:
        return False
    return True


def open_driver() -> CudaDriver:
    """Load the driver and require at least one GPU; creates no context.

    TensorRT ends the process when it is used without a GPU, so this comes before any use of it.

    Raises:
        CudaError: there is no driver, it does not start, or it reports no GPU.
    """
    driver = CudaDriver(_load())
    if driver.gpu_count() < 1:
        raise CudaError("an NVIDIA GPU is needed, and the driver reports none", _NO_DEVICE)
    return driver


class CudaDevice:
    """The primary context of a GPU with one stream. The methods may be called from one thread at a time."""

    def __init__(self, driver: CudaDriver, device: int = 0) -> None:
        """Retain the context and create the stream.

        Raises:
            CudaError: there is no such GPU, or it has no memory left for a context.
        """
        self._driver = driver
        self._handle = driver.integer("cuDeviceGet", device)
        self._context = driver.integer("cuDevicePrimaryCtxRetain", self._handle)
        self._device_memory: list[int] = []
        self._host_memory: list[int] = []
        self._graphs: list[int] = []
        self.stream = 0
        try:
            self.use()
            self.stream = driver.integer("cuStreamCreate", _NON_BLOCKING)
        except CudaError:
            self.close()
            raise

    def use(self) -> None:
        """Make the context current in the calling thread, which may not be the one that opened the device."""
        self._driver.call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """Address of ``size`` bytes of GPU memory, freed by `close`.

        Raises:
            CudaError: OUT_OF_MEMORY.
        """
        address = self._driver.integer("cuMemAlloc_v2", size)
        self._device_memory.append(address)
        return address

    def allocate_pinned(self, size: int) -> int:
        """Address of ``size`` bytes of page-locked host memory, freed by `close`.

        Raises:
            CudaError: OUT_OF_MEMORY.
        """
        address = self._driver.integer("cuMemHostAlloc", size, 0)
        self._host_memory.append(address)
        return address

    def upload(self, target: int, source: int, size: int) -> None:
        """Enqueue a copy from page-locked host memory to the GPU."""
        self._driver.call("cuMemcpyHtoDAsync_v2", target, source, size, self.stream)

    def download(self, target: int, source: int, size: int) -> None:
        """Enqueue a copy from the GPU to page-locked host memory."""
        self._driver.call("cuMemcpyDtoHAsync_v2", target, source, size, self.stream)

    def synchronize(self) -> None:
        """Wait until everything enqueued is done.

        Raises:
            CudaError: a copy or a kernel failed; the context cannot be used again after most such errors.
        """
        self._driver.call("cuStreamSynchronize", self.stream)

    def begin_capture(self) -> None:
        """Record what is enqueued from now on instead of running it."""
        self._driver.call("cuStreamBeginCapture_v2", self.stream, _CAPTURE_THREAD_LOCAL)

    def end_capture(self) -> int:
        """End the recording and return it as an executable graph for `launch`, destroyed by `close`.

        Raises:
            CudaError: something was enqueued that cannot be captured.
        """
        graph = c_void_p()
        self._driver.call("cuStreamEndCapture", self.stream, byref(graph))
        try:
            executable = self._driver.integer("cuGraphInstantiateWithFlags", graph, 0)
        finally:
            self._driver.call("cuGraphDestroy", graph)
        self._graphs.append(executable)
        return executable

    def abandon_capture(self) -> None:
        """End a recording that failed, so that the stream can be used again."""
        graph = c_void_p()
        try:
            self._driver.call("cuStreamEndCapture", self.stream, byref(graph))
        except CudaError:
            return  # the capture was invalidated and has ended
        if graph.value:
            self._driver.call("cuGraphDestroy", graph)

    def launch(self, graph: int) -> None:
        """Enqueue a captured graph."""
        self._driver.call("cuGraphLaunch", graph, self.stream)

    def close(self) -> None:
        """Free everything and release the context. A second call does nothing; errors of a broken context are kept."""
        if not self._context:
            return
        pairs = [
            ("cuGraphExecDestroy", self._graphs),
            ("cuStreamDestroy_v2", [self.stream] if self.stream else []),
            ("cuMemFree_v2", self._device_memory),
            ("cuMemFreeHost", self._host_memory),
        ]
        self._attempt("cuCtxSetCurrent", self._context)
        for name, handles in pairs:
            for handle in handles:
                self._attempt(name, handle)
            handles.clear()
        self._attempt("cuDevicePrimaryCtxRelease_v2", self._handle)
        self._context = self.stream = 0

    def _attempt(self, name: str, argument: int) -> None:
        """Call a function that frees something; after a failed kernel each of them returns that kernel's error."""
        try:
            self._driver.call(name, argument)
        except CudaError:
            return
