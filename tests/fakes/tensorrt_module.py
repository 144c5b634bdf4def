"""The part of the package tensorrt that we call, on a fake GPU: a plan holds the ONNX file, ONNX Runtime computes it.

Methods have the parameters of the real classes, which packaging/check_tensorrt_api.py compares with the wheels.
"""

from __future__ import annotations

import ctypes
import enum
import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from tests.fakes.gpu import FakeGpu

Dims = tuple[int, ...]
PLAN = b"FAKEPLAN"


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    TF32 = 7


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = Severity

    def __init__(self) -> None:
        pass

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text


def nptype(trt_type: str) -> type:
    return {"float32": np.float32, "float16": np.float16}[trt_type]


class Network:
    """INetworkDefinition."""

    content = b""


class OptimizationProfile:
    """IOptimizationProfile."""

    def __init__(self) -> None:
        self.ranges: dict[str, tuple[Dims, Dims, Dims]] = {}

    def set_shape(self, input: str, min: Dims, opt: Dims, max: Dims) -> None:
        assert len(min) == len(opt) == len(max)
        assert all(low <= middle <= high for low, middle, high in zip(min, opt, max, strict=True))
        self.ranges[input] = (min, opt, max)


class TimingCache:
    """ITimingCache."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytearray:
        return bytearray(self.content or b"timings")


class BuilderConfig:
    """IBuilderConfig."""

    def __init__(self) -> None:
        self.flags = {BuilderFlag.TF32}
        self.workspace = 0
        self.profiles: list[OptimizationProfile] = []
        self.timing: TimingCache | None = None

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert pool is MemoryPoolType.WORKSPACE
        self.workspace = pool_size

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache:
        return TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if cache.content and not cache.content.startswith(b"timings"):
            return False
        self.timing = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self.timing

    def add_optimization_profile(self, profile: OptimizationProfile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class OnnxParser:
    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network, self._errors = network, list[ParserError]()

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 (ONNX Runtime's errors have no other base)
            self._errors.append(ParserError(f"In node 3 (importFoo): {str(error)[:20]}"))
            return False
        self._network.content = model
        return True

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class Engine:
    """ICudaEngine."""

    def __init__(self, gpu: FakeGpu, logger: ILogger, content: bytes, profiles: list[dict[str, list[Dims]]]) -> None:
        self.gpu, self.logger, self.profiles = gpu, logger, profiles
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self._inputs = {argument.name: argument for argument in self.session.get_inputs()}
        self._outputs = {argument.name: argument for argument in self.session.get_outputs()}
        self._names = [*self._inputs, *self._outputs]

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Dims:
        shape = (self._inputs | self._outputs)[name].shape
        return tuple(axis if isinstance(axis, int) else -1 for axis in shape)

    def get_tensor_dtype(self, name: str) -> str:
        return {"tensor(float)": "float32", "tensor(float16)": "float16"}[(self._inputs | self._outputs)[name].type]

    def create_execution_context(self) -> Context | None:
        if self.gpu.used_bytes + 1000 > self.gpu.memory_bytes:
            self.logger.log(Severity.ERROR, "OutOfMemory: Requested size was 1000 bytes.")
            return None
        return Context(self)


class Context:
    """IExecutionContext."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._profile = engine, 0
        self._shapes: dict[str, Dims] = {}
        self._addresses: dict[str, int] = {}
        self._changed = True  # work is due that cannot be captured
        self._captured = False

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        assert stream_handle in self._engine.gpu.streams
        self._profile = profile_index
        return profile_index < len(self._engine.profiles)

    def set_input_shape(self, name: str, shape: Dims) -> bool:
        low, _, high = self._engine.profiles[self._profile][name]
        if not all(a <= length <= b for a, length, b in zip(low, shape, high, strict=True)):
            return False
        assert not self._captured, "a context was changed after its graph was captured"
        self._changed |= self._shapes.get(name) != shape
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> Dims:
        zeros = {key: np.zeros(shape, np.float32) for key, shape in self._shapes.items()}
        return tuple(self._engine.session.run([name], zeros)[0].shape)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert not self._captured, "a context was changed after its graph was captured"
        self._addresses[name] = memory
        return memory in self._engine.gpu.buffers

    def execute_async_v3(self, stream_handle: int) -> bool:
        stream = self._engine.gpu.streams[stream_handle]
        if stream.captured is not None and (self._changed or not self._engine.gpu.allow_capture):
            self._engine.logger.log(Severity.ERROR, "operation not permitted when stream is capturing")
            return False
        self._changed = False
        self._captured |= stream.captured is not None
        shapes = dict(self._shapes)
        stream.enqueue(lambda: self._compute(shapes))
        return True

    def _compute(self, shapes: dict[str, Dims]) -> None:
        inputs = {name: _array(self._addresses[name], shape).copy() for name, shape in shapes.items()}
        names = [output.name for output in self._engine.session.get_outputs()]
        for name, found in zip(names, self._engine.session.run(names, inputs), strict=True):
            _array(self._addresses[name], found.shape)[...] = found


def _array(address: int, shape: Dims) -> npt.NDArray[np.float32]:
    flat = (ctypes.c_float * int(np.prod(shape))).from_address(address)
    return np.ctypeslib.as_array(flat).reshape(shape)


class Builder:
    fake: FakeTensorRt

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        self.fake.network_flags.append(flags)
        return Network()

    def create_builder_config(self) -> BuilderConfig:
        return BuilderConfig()

    def create_optimization_profile(self) -> OptimizationProfile:
        return OptimizationProfile()

    def build_serialized_network(self, network: Network, config: BuilderConfig) -> bytearray | None:
        assert self.fake.gpu.contexts > 0, "the builder runs without the context of the chosen GPU"
        if isinstance(self.fake.build_error, Exception):
            raise self.fake.build_error
        if self.fake.build_error:
            self._logger.log(Severity.ERROR, self.fake.build_error)
            return None
        self.fake.built.append(config)
        header = json.dumps([profile.ranges for profile in config.profiles]).encode()
        return bytearray(PLAN + header + b"\n" + network.content)


class Runtime:
    fake: FakeTensorRt

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        if self.fake.refuse_plans or not serialized_engine.startswith(PLAN):
            self._logger.log(Severity.ERROR, "Serialization assertion failed: version mismatch")
            return None
        header, _, content = serialized_engine[len(PLAN) :].partition(b"\n")
        return Engine(self.fake.gpu, self._logger, content, json.loads(header))


#: The fake of each real class.
CLASSES: dict[str, Any] = {
    "Builder": Builder,
    "Runtime": Runtime,
    "OnnxParser": OnnxParser,
    "ParserError": ParserError,
    "ILogger": ILogger,
    "INetworkDefinition": Network,
    "IOptimizationProfile": OptimizationProfile,
    "ITimingCache": TimingCache,
    "IBuilderConfig": BuilderConfig,
    "ICudaEngine": Engine,
    "IExecutionContext": Context,
}
#: The fake of each real enumeration.
ENUMERATIONS: dict[str, type[enum.IntEnum]] = {
    "NetworkDefinitionCreationFlag": NetworkDefinitionCreationFlag,
    "BuilderFlag": BuilderFlag,
    "MemoryPoolType": MemoryPoolType,
    "TensorIOMode": TensorIOMode,
}


class FakeTensorRt(ModuleType):
    """The module; attributes may be changed to make something fail, and what was built is kept."""

    def __init__(self, gpu: FakeGpu, version: str = "10.16.1.11") -> None:
        super().__init__("tensorrt")
        self.__version__ = version
        self.gpu = gpu
        self.built: list[BuilderConfig] = []
        self.network_flags: list[int] = []
        self.build_error: str | Exception = ""
        self.refuse_plans = False
        own = {name: type(name, (CLASSES[name],), {"fake": self}) for name in ("Builder", "Runtime")}
        self.__dict__.update(CLASSES | ENUMERATIONS | own | {"nptype": nptype})


def install() -> None:
    """Put a fake GPU and the fake package into this process, which a test has started."""
    gpu = FakeGpu()
    load = ctypes.CDLL
    ctypes.CDLL = lambda name, *rest, **others: gpu.library if "cuda" in str(name) else load(name, *rest, **others)  # type: ignore[misc,assignment]
    sys.modules["tensorrt"] = FakeTensorRt(gpu)
