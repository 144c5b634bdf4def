"""Settings of the engine: frozen records read from TOML, where an unknown key is an error.

The routing limits are no settings: they are fitted with each model and belong to its contract.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

from engine.errors import ConfigError
from engine.facs import EXPRESSIONS
from engine.files import read_bytes
from engine.records import read_record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Face networks: MediaPipe's on LiteRT, or those of the mediapipe package.
TrackerName = Literal["litert", "mediapipe"]
#: Arithmetic of a model on a GPU; fp16 and int8 are files of their own beside the model (docs/gpu.md).
Precision = Literal["fp32", "fp16", "int8"]

#: No network runs faster with more threads.
MAX_THREADS: Final = 64
#: Faces in one frame.
MAX_FACES: Final = 1000
#: Longest time constant or interval in seconds.
_MAX_S: Final = 3600
#: Settings are about 1 KiB.
_MAX_TOML_BYTES: Final = 2**20


def _check_ranges(record: object, **ranges: tuple[float, float]) -> None:
    """Check fields of a record; both ends are allowed.

    Raises:
        ConfigError: naming the field, its value and what is allowed.
    """
    section = type(record).__name__.removesuffix("Config").lower()
    for name, (low, high) in ranges.items():
        value = getattr(record, name)
        if not low <= value <= high:  # also false for NaN
            where = name if section == "engine" else f"{section}.{name}"
            raise ConfigError(f"{where} is {value}: set it from {low} to {high}")


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """Face detection and tracking."""

    detect_every_s: float = 0.25  # detection interval while every known face is tracked
    min_presence: float = 0.5  # of the mesh network; the published graph's threshold
    confirm_s: float = 0.15  # a face tracked for this long is confirmed; 0 for unrelated images
    keep_lost_s: float = 1.0  # a lost face keeps its id for this long
    max_faces: int = 8
    face_crops: bool = False  # images only: each shows one face, which is as large as the image; nothing is detected
    find_small: bool = False  # videos: search every part of the image twice a second, for small faces, at more cost
    threads: int = 1  # of the face networks, which are too small to gain from more

    def __post_init__(self) -> None:
        _check_ranges(
            self,
            detect_every_s=(0, _MAX_S),
            min_presence=(0, 1),
            confirm_s=(0, _MAX_S),
            keep_lost_s=(0, _MAX_S),
            max_faces=(1, MAX_FACES),
            threads=(1, MAX_THREADS),
        )


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """Limits of image quality; a face beyond one of them is rejected as LOW_QUALITY."""

    min_eye_distance_px: float = 16.0
    max_yaw_deg: float = 45.0
    max_pitch_deg: float = 35.0
    min_sharpness: float = 0.35  # 1/pixel; a blur of 1.8 crop pixels, see engine/tracking/quality.py
    min_brightness: float = 35.0  # mean grey level of the crop, 0-255
    min_inside: float = 0.8  # share of mesh points inside the frame, 0-1

    def __post_init__(self) -> None:
        _check_ranges(
            self,
            min_eye_distance_px=(0, 10_000),
            max_yaw_deg=(0, 180),
            max_pitch_deg=(0, 180),
            min_sharpness=(0, 100),
            min_brightness=(0, 255),
            min_inside=(0, 1),
        )


@dataclass(frozen=True, slots=True)
class RoutingConfig:
    """Temporal smoothing of decisions, and which labels compete."""

    smoothing_s: float = 0.5  # time constant of the averages of the two uncertainties
    hold_s: float = 0.15  # a new route or label must persist this long before it is shown
    competing_share: float = 0.4  # of the top label's probability; labels above it compete
    max_labels: int = 3

    def __post_init__(self) -> None:
        _check_ranges(
            self, smoothing_s=(0, _MAX_S), hold_s=(0, _MAX_S), competing_share=(0, 1), max_labels=(1, len(EXPRESSIONS))
        )


@dataclass(frozen=True, slots=True)
class ActionUnitsConfig:
    """Action units."""

    # "auto": subtract the neutral baseline of each face, estimated from frames accepted as neutral (engine/baseline.py)
    baseline: Literal["off", "auto"] = "off"


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """Limits of what is read from files, and when a camera counts as frozen."""

    max_megapixels: float = 40.0  # of a picture of a video; 8K has 33
    max_duration_h: float = 24.0  # that a video states
    max_frames: int = 10_000_000  # of a video; 24 h at 100 per second are 8.6 million
    decode_memory_mb: int = 3072  # address space of the process that decodes a video; Linux
    no_picture_s: float = 20.0  # a video that gives no picture for so long is given up
    frozen_s: float = 1.5  # a camera that repeats one picture for so long is lost; 0: never
    give_up_s: float = 60.0  # a lost camera or stream is opened again for so long; 0: not at all

    def __post_init__(self) -> None:
        _check_ranges(
            self,
            max_megapixels=(0.01, 67.2),  # 8192 x 8192
            max_duration_h=(0.0001, 10_000),
            max_frames=(1, 10**9),
            decode_memory_mb=(256, 2**20),
            no_picture_s=(1, _MAX_S),
            frozen_s=(0, _MAX_S),
            give_up_s=(0, _MAX_S),
        )


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Threads and queues."""

    # Files: frames waiting for inference, and results waiting for a recorder; two groups (engine/hindsight.py).
    file_queue: int = 16
    sink_queue: int = 32  # live sources: results waiting for a recorder; more are dropped
    # Live: milliseconds of a frame for tracking and analysis. If they are not enough for every face, the faces are
    # analysed in turn (engine/analysis_rate.py); 0 = every face of every frame, however long it takes.
    latency_target_ms: float = 33.0
    stop_s: float = 2.0  # a thread that takes longer to stop is an error
    stuck_s: float = 10.0  # inference of one frame that takes longer is given up

    def __post_init__(self) -> None:
        _check_ranges(
            self,
            file_queue=(1, 1024),
            sink_queue=(1, 1024),
            latency_target_ms=(0, 10_000),
            stop_s=(0, _MAX_S),
            stuck_s=(0.01, 8 * _MAX_S),  # of groups too, see app/annotate.py
        )


@dataclass(frozen=True, slots=True)
class GpuConfig:
    """The backends tensorrt, onnxruntime-cuda and onnxruntime-tensorrt; the others ignore it."""

    device: int = 0  # number of the GPU
    precision: Precision = "fp16"
    max_faces: int = 8  # of one run; more are split into several
    cuda_graphs: bool = True  # replay a run as one launch
    workspace_mb: int = 1024  # scratch memory that TensorRT may use while it builds
    # "cached": run an engine that 'mien engines build' made, or another backend; results never change during a session.
    # "background": as "cached", and build a missing engine meanwhile; the network moves to it between two frames.
    build: Literal["cached", "background"] = "cached"

    def __post_init__(self) -> None:
        _check_ranges(self, device=(0, 1023), max_faces=(1, MAX_FACES), workspace_mb=(1, 2**20))


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All settings of the engine."""

    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    action_units: ActionUnitsConfig = field(default_factory=ActionUnitsConfig)
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    # Order of preference; those whose package or GPU is missing are passed over. 'mien tune' measures a better one.
    backends: tuple[str, ...] = ("tensorrt", "onnxruntime-cuda", "onnxruntime")
    threads: int = 1  # of the inference backend; small networks gain nothing from a second
    gpu: GpuConfig = field(default_factory=GpuConfig)

    def __post_init__(self) -> None:
        _check_ranges(self, threads=(1, MAX_THREADS))


_Config = TypeVar("_Config")


def for_files(config: EngineConfig) -> EngineConfig:
    """The settings for a session on file: its backend never changes, so neither do its numbers.

    Baselines are estimated at the end, over the whole file (app/session/baselines.py).
    """
    gpu = replace(config.gpu, build="cached")
    return replace(config, gpu=gpu, action_units=replace(config.action_units, baseline="off"))


def for_live(config: EngineConfig) -> EngineConfig:
    """The settings for a live source: missing GPU engines are built meanwhile, and a GPU that fails is replaced."""
    return replace(config, gpu=replace(config.gpu, build="background"))


def load_config(path: Path | None) -> EngineConfig:
    """Settings of a TOML file over the defaults; the defaults alone when ``path`` is None.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    return EngineConfig() if path is None else read_toml(EngineConfig, path)


def read_toml(record: type[_Config], path: Path) -> _Config:
    """Read a config record from a TOML file; missing keys keep the record's defaults.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type or is out of range.
    """
    try:
        raw = tomllib.loads(read_bytes(path, _MAX_TOML_BYTES).decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also of text that is not UTF-8, and of numbers too long to convert
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    try:
        return read_record(record, raw)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
