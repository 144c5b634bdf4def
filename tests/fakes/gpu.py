"""A GPU and its driver in Python: memory is the host's, streams are lazy, and a captured graph replays its operations.

Nothing enqueued happens before the stream is synchronised, so a result that is read too early is wrong, as on a GPU.
Arguments are converted as ctypes would, by the prototypes of engine.backends.cuda.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

OUT_OF_MEMORY = 2
NO_DEVICE = 100
LAUNCH_FAILED = 719
CAPTURE_INVALIDATED = 901


class FakeFunction:
    """A function of the library, called as ctypes calls it."""

    def __init__(self, name: str, body: Callable[..., int]) -> None:
        self.argtypes: tuple[Any, ...] = ()
        self.restype: Any = None
        self._name, self._body = name, body

    def __call__(self, *arguments: Any) -> int:
        assert self.restype is ctypes.c_int, f"{self._name} is called without a prototype"
        assert len(arguments) == len(self.argtypes), f"{self._name} takes {len(self.argtypes)} arguments"
        for argument, kind in zip(arguments, self.argtypes, strict=True):
            kind.from_param(argument)  # raises for a wrong type
        return self._body(*(a.value if isinstance(a, ctypes._SimpleCData) else a for a in arguments))


class FakeStream:
    """Operations that wait for the next synchronisation, or are being captured."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.captured: list[Callable[[], None]] | None = None

    def enqueue(self, operation: Callable[[], None]) -> None:
        (self.waiting if self.captured is None else self.captured).append(operation)


class FakeGpu:
    """One GPU. Attributes may be changed between calls to make something fail."""

    def __init__(self, name: str = "Fake GPU", count: int = 1, memory_bytes: int = 1 << 30) -> None:
        self.name, self.count, self.memory_bytes = name, count, memory_bytes
        self.capability, self.driver = (8, 7), 12060
        self.init_status = 0
        self.synchronize_status = 0
        self.allow_capture = True
        self.contexts = 0  # retained
        self.current = False  # whether a context is current
        self.launches = 0
        self.buffers: dict[int, Any] = {}
        self.streams: dict[int, FakeStream] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self._next = 0x1000
        self.library = SimpleNamespace(
            **{name[1:]: FakeFunction(name[1:], getattr(self, name)) for name in dir(self) if name.startswith("_cu")},
        )

    @property
    def used_bytes(self) -> int:
        return sum(map(len, self.buffers.values()))

    def _handle(self) -> int:
        self._next += 16
        return self._next

    def _cuInit(self, flags: int) -> int:
        assert flags == 0
        return self.init_status

    def _cuDriverGetVersion(self, out: Any) -> int:
        out._obj.value = self.driver
        return 0

    def _cuGetErrorName(self, code: int, out: Any) -> int:
        names = {OUT_OF_MEMORY: b"CUDA_ERROR_OUT_OF_MEMORY", NO_DEVICE: b"CUDA_ERROR_NO_DEVICE"}
        out._obj.value = names.get(code)
        return 0 if code in names else 1

    def _cuDeviceGetCount(self, out: Any) -> int:
        out._obj.value = self.count
        return 0

    def _cuDeviceGet(self, out: Any, ordinal: int) -> int:
        out._obj.value = ordinal
        return 0 if ordinal < self.count else 101

    def _cuDeviceGetName(self, out: Any, size: int, device: int) -> int:
        out.value = self.name.encode()[: size - 1]
        return 0

    def _cuDeviceGetAttribute(self, out: Any, attribute: int, device: int) -> int:
        out._obj.value = {75: self.capability[0], 76: self.capability[1], 18: 1}[attribute]
        return 0

    def _cuDeviceTotalMem_v2(self, out: Any, device: int) -> int:
        out._obj.value = self.memory_bytes
        return 0

    def _cuDevicePrimaryCtxRetain(self, out: Any, device: int) -> int:
        self.contexts += 1
        out._obj.value = 0xC0
        return 0

    def _cuDevicePrimaryCtxRelease_v2(self, device: int) -> int:
        self.contexts -= 1
        return 0

    def _cuCtxSetCurrent(self, context: int) -> int:
        assert context == 0xC0
        self.current = True
        return 0

    def _allocate(self, out: Any, size: int) -> int:
        assert self.current, "no context is current in this thread"
        if self.used_bytes + size > self.memory_bytes:
            return OUT_OF_MEMORY
        buffer = (ctypes.c_ubyte * size)(*b"\xee" * size)
        address = ctypes.addressof(buffer)
        self.buffers[address] = buffer
        out._obj.value = address
        return 0

    def _free(self, address: int) -> int:
        del self.buffers[address]
        return 0

    def _cuMemAlloc_v2(self, out: Any, size: int) -> int:
        return self._allocate(out, size)

    def _cuMemHostAlloc(self, out: Any, size: int, flags: int) -> int:
        return self._allocate(out, size)

    def _cuMemFree_v2(self, address: int) -> int:
        return self._free(address)

    def _cuMemFreeHost(self, address: int) -> int:
        return self._free(address)

    def _copy(self, target: int, source: int, size: int, stream: int) -> int:
        assert size <= min(len(self.buffers[target]), len(self.buffers[source]))
        self.streams[stream].enqueue(lambda: void(ctypes.memmove(target, source, size)))
        return 0

    def _cuMemcpyHtoDAsync_v2(self, target: int, source: int, size: int, stream: int) -> int:
        return self._copy(target, source, size, stream)

    def _cuMemcpyDtoHAsync_v2(self, target: int, source: int, size: int, stream: int) -> int:
        return self._copy(target, source, size, stream)

    def _cuStreamCreate(self, out: Any, flags: int) -> int:
        out._obj.value = self._handle()
        self.streams[out._obj.value] = FakeStream()
        return 0

    def _cuStreamSynchronize(self, stream: int) -> int:
        assert self.streams[stream].captured is None, "a stream that is being captured was synchronised"
        waiting, self.streams[stream].waiting = self.streams[stream].waiting, []
        for operation in waiting:
            operation()
        return self.synchronize_status

    def _cuStreamDestroy_v2(self, stream: int) -> int:
        del self.streams[stream]
        return 0

    def _cuStreamBeginCapture_v2(self, stream: int, mode: int) -> int:
        self.streams[stream].captured = []
        return 0

    def _cuStreamEndCapture(self, stream: int, out: Any) -> int:
        operations, self.streams[stream].captured = self.streams[stream].captured, None
        if not self.allow_capture or operations is None:
            return CAPTURE_INVALIDATED
        out._obj.value = self._handle()
        self.graphs[out._obj.value] = operations
        return 0

    def _cuGraphInstantiateWithFlags(self, out: Any, graph: int, flags: int) -> int:
        out._obj.value = self._handle()
        self.graphs[out._obj.value] = self.graphs[graph]
        return 0

    def _cuGraphLaunch(self, graph: int, stream: int) -> int:
        self.launches += 1
        for operation in self.graphs[graph]:
            self.streams[stream].enqueue(operation)
        return 0

    def _cuGraphExecDestroy(self, graph: int) -> int:
        del self.graphs[graph]
        return 0

    def _cuGraphDestroy(self, graph: int) -> int:
        del self.graphs[graph]
        return 0


def void(result: object) -> None:
    """Drop a result."""
