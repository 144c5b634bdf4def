"""TensorRT plans from ONNX files: the package, optimisation profiles, the key of a plan, and the builder.

Works with TensorRT 10 and 11. The networks are strongly typed, the only mode of version 11: every layer has the type
that the ONNX file states, so fp16 and int8 are files of their own (`engine.backends.precision`), and the precision
flags of version 10 are not used.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from engine.backends.contract import ModelContract, TensorSpec, faces_axis, mask_samples
from engine.backends.cuda import CudaDriver, CudaError, GpuFacts, open_driver
from engine.backends.model_file import ModelFile
from engine.backends.plans import PlanKey, system_name
from engine.config import GpuConfig
from engine.errors import BackendError

_log = logging.getLogger(__name__)

#: Versions whose API this file and `engine.backends.tensorrt` use; packaging/check_tensorrt_api.py checks it.
SUPPORTED: Final = (10, 11)
#: Number of faces that a profile for several is tuned for.
_USUAL_FACES: Final = 4

#: Errors that the bindings of TensorRT raise.
TENSORRT_ERRORS: Final = (RuntimeError, ValueError, TypeError, MemoryError)


@dataclass(frozen=True, slots=True)
class AxisRange:
    """Lengths of an input that a plan supports, as the smallest, the tuned and the largest shape."""

    smallest: tuple[int, ...]
    tuned: tuple[int, ...]
    largest: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join("x".join(map(str, shape)) for shape in (self.smallest, self.tuned, self.largest))


#: One optimisation profile: ranges by input name.
Profile = dict[str, AxisRange]


@dataclass(frozen=True, slots=True, eq=False)
class TensorRt:
    """The imported package on a GPU that was found before the import."""

    module: Any
    driver: CudaDriver
    gpu: GpuFacts

    @property
    def version(self) -> str:
        """Version of the package."""
        return str(self.module.__version__)


def open_package(device: int) -> TensorRt:
    """Find the GPU, then import TensorRT.

    Raises:
        BackendError: there is no driver, no such GPU or no TensorRT, or its version is not supported.
    """
    try:
        driver = open_driver()
        gpu = driver.facts(device)
    except CudaError as error:
        raise BackendError(f"tensorrt cannot run: {error}") from None
    try:
        import tensorrt
    except (ImportError, OSError) as error:  # OSError: a library that it loads is missing
        raise BackendError(
            f"tensorrt cannot be imported ({error}): install it from JetPack or NVIDIA's package index (docs/gpu.md)"
        ) from None
    version = str(getattr(tensorrt, "__version__", "0"))
    if version.split(".")[0] not in map(str, SUPPORTED):
        raise BackendError(f"tensorrt {version} is not supported: install version 10 or 11")
    return TensorRt(tensorrt, driver, gpu)


def profiles_of(contract: ModelContract, max_faces: int) -> tuple[Profile, ...]:
    """Optimisation profiles for one face and for two to ``max_faces``; they have kernels and graphs of their own."""
    counts = [(1, 1, 1)]
    if max_faces > 1:
        counts.append((2, min(_USUAL_FACES, max_faces), max_faces))
    return tuple({spec.name: _range(spec, contract, faces) for spec in contract.inputs} for faces in counts)


def _range(spec: TensorSpec, contract: ModelContract, faces: tuple[int, int, int]) -> AxisRange:
    samples = mask_samples(contract)
    lengths = [
        (axis,) * 3 if isinstance(axis, int) else faces if axis == faces_axis(contract) else (1, samples, samples)
        for axis in spec.shape
    ]
    smallest, tuned, largest = zip(*lengths, strict=True)
    return AxisRange(smallest, tuned, largest)


def plan_key(package: TensorRt, model: ModelFile, config: GpuConfig) -> PlanKey:
    """The key of the plan of a model's file, which has the precision of ``config``."""
    contract = model.contract
    ranges = [f"{name} {span}" for profile in profiles_of(contract, config.max_faces) for name, span in profile.items()]
    tf32 = () if config.precision == "fp32" else ("tf32",)
    return PlanKey(
        task=contract.task,
        model_sha256=contract.sha256,
        tensorrt=package.version,
        gpu=package.gpu.name,
        capability=package.gpu.capability,
        system=system_name(),
        precision=config.precision,
        shapes=tuple(sorted(ranges)),
        flags=("strongly typed", *tf32, f"workspace {config.workspace_mb} MB"),
    )


def make_logger(trt: Any) -> Any:
    """A logger for TensorRT that passes its messages to ours and keeps the last error in ``last_error``."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # the package is untyped
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = ""

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.last_error = " ".join(msg.split())
                _log.debug("tensorrt: %s", msg)
            elif severity == trt.ILogger.WARNING:
                _log.debug("tensorrt: %s", msg)

    return Logger()


def build_plan(trt: Any, model: ModelFile, config: GpuConfig, timing: bytes) -> tuple[bytes, bytes]:
    """Build a plan; returns it and the timing cache, which makes the next build shorter.

    Raises:
        BackendError: TensorRT cannot parse or build the network, or has too little memory.
    """
    logger = make_logger(trt)
    try:
        builder = trt.Builder(logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse(model.content):
            problems = [parser.get_error(index).desc() for index in range(parser.num_errors)]
            raise BackendError(f"tensorrt cannot parse {model.path}: {'; '.join(problems) or 'no reason given'}")
        settings = _settings(trt, builder, model.contract, config, timing)
        plan = builder.build_serialized_network(network, settings)
        if plan is None:
            raise BackendError(f"tensorrt cannot build {model.path}: {logger.last_error or 'no reason given'}")
        return bytes(memoryview(plan)), _timing_of(settings)
    except TENSORRT_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BackendError(f"tensorrt cannot build {model.path}: {reason}") from None


def _settings(trt: Any, builder: Any, contract: ModelContract, config: GpuConfig, timing: bytes) -> Any:
    """A builder configuration with profiles, workspace and timing cache."""
    settings = builder.create_builder_config()
    settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_mb << 20)
    if config.precision == "fp32":
        settings.clear_flag(trt.BuilderFlag.TF32)  # on by default; has 10 bits of mantissa
    for cached in (timing, b""):  # a cache that TensorRT refuses is replaced by an empty one
        if settings.set_timing_cache(settings.create_timing_cache(cached), False):
            break
    for ranges in profiles_of(contract, config.max_faces):
        profile = builder.create_optimization_profile()
        for name, span in ranges.items():
            profile.set_shape(name, span.smallest, span.tuned, span.largest)
        if settings.add_optimization_profile(profile) < 0:
            raise BackendError(f"tensorrt refuses the shapes {', '.join(map(str, ranges.values()))}")
    return settings


def _timing_of(settings: Any) -> bytes:
    cache = settings.get_timing_cache()
    return b"" if cache is None else bytes(memoryview(cache.serialize()))
