"""Settings of the engine: frozen records, read from TOML, where an unknown key is an error.

Thresholds of the models are not settings: they stand in the models' contracts, where they were fitted.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from engine.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Face networks: MediaPipe's on LiteRT, or those of the mediapipe package.
TrackerName = Literal["litert", "mediapipe"]


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """How faces are found and followed."""

    detect_every_s: float = 0.25  # detection while all known faces are still tracked
    min_detection_score: float = 0.6  # the published graph's own threshold
    min_presence: float = 0.5  # likewise, of the mesh network
    confirm_s: float = 0.15  # a face seen for this long is confirmed; 0 for pictures, which are seen once
    keep_lost_s: float = 1.0  # a lost face keeps its id for this long
    max_faces: int = 8
    find_small: bool = False  # videos: one tile more per frame, for faces under 32 px; stills are always searched so
    threads: int = 1  # of the face networks, which are too small to gain from more


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """Below these a face counts as not seen well."""

    min_eye_distance_px: float = 16.0
    max_yaw_deg: float = 45.0
    max_pitch_deg: float = 35.0
    min_sharpness: float = 0.35  # 1/pixel; a blur of 2 crop pixels, see engine/tracking/quality.py
    min_brightness: float = 35.0  # mean grey level 0-255 of the crop
    min_inside: float = 0.8  # share of mesh points inside the frame


@dataclass(frozen=True, slots=True)
class RoutingConfig:
    """How decisions are kept steady over time."""

    smoothing_s: float = 0.5  # time constant of the averages of the two uncertainties
    hold_s: float = 0.15  # a new route or label must last this long before it is shown
    competing_share: float = 0.4  # of the top label's probability; labels above it compete
    max_labels: int = 3


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Threads and queues."""

    file_queue: int = 4  # files: frames that wait for inference, and results that wait for a recorder
    sink_queue: int = 32  # live sources: results that wait for a recorder before they are dropped
    stop_s: float = 2.0  # a thread that takes longer to stop is an error


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All settings of the engine."""

    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    backends: tuple[str, ...] = ("openvino", "onnxruntime")  # order of preference
    threads: int = 1  # of the inference backend; small networks gain nothing from a second


_Record = TypeVar("_Record")


def load_config(path: Path | None) -> EngineConfig:
    """Settings of a TOML file laid over the defaults; the defaults when ``path`` is None.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    return EngineConfig() if path is None else read_toml(EngineConfig, path)


def read_toml(record: type[_Record], path: Path) -> _Record:
    """A config record from a TOML file laid over the record's defaults.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return read_record(record, raw, str(path))


def read_record(record: type[_Record], raw: dict[str, Any], where: str) -> _Record:
    """A config record from nested dicts; missing keys keep their defaults.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    hints = typing.get_type_hints(record)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(hints))}")
        values[key] = _read_value(hints[key], value, f"{where}: {key}")
    return record(**values)


def _read_value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a table, not {value!r}")
        return read_record(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list, not {value!r}")
        return tuple(_read_value(typing.get_args(hint)[0], item, where) for item in value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} must be {hint.__name__}, not {value!r}")
    return value
