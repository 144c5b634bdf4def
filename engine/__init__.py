"""The engine: faces, expressions and action units in video, with calibrated uncertainty.

The public API is what this package exports; names load on first use, so that importing the package is quick:

    from engine import Engine, open_source

    with Engine.open() as engine, open_source("clip.mp4") as source:
        for frame in source:
            for face in engine.process(frame).faces:
                print(frame.timestamp_s, face.track.track_id, face.decision.route.value, face.decision.labels)

Needs numpy, OpenCV, a face tracker (LiteRT or mediapipe) and an inference backend; never torch or Qt.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Final

from engine.telemetry import disable_telemetry

disable_telemetry()
# OpenCV reads it when it is imported: it decodes no image of more pixels, however small the file (8192 x 8192, as
# engine/capture/source.py has it for the sides).
os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(8192 * 8192)

if TYPE_CHECKING:
    from engine.capture.opening import open_source
    from engine.capture.source import FrameSource, SourceInfo, SourceKind
    from engine.config import EngineConfig, load_config
    from engine.engine import Engine
    from engine.errors import (
        BackendError,
        ConfigError,
        ContractError,
        EngineError,
        FaceModelError,
        ModelError,
        OutputError,
        Remedy,
        RuntimeStateError,
        SourceError,
        ThreadStuckError,
    )
    from engine.types import (
        AlignedFace,
        AUEstimate,
        BaselineState,
        Decision,
        ExpressionEstimate,
        FaceQuality,
        FaceResult,
        FaceTrack,
        Frame,
        FrameResult,
        HeadPose,
        ModelRecord,
        QualityReason,
        Reason,
        Route,
        StageTimes,
        SteadyEstimate,
        TrackState,
        Uncertainty,
        UnitBaseline,
    )

__all__ = [
    "AUEstimate",
    "AlignedFace",
    "BackendError",
    "BaselineState",
    "ConfigError",
    "ContractError",
    "Decision",
    "Engine",
    "EngineConfig",
    "EngineError",
    "ExpressionEstimate",
    "FaceModelError",
    "FaceQuality",
    "FaceResult",
    "FaceTrack",
    "Frame",
    "FrameResult",
    "FrameSource",
    "HeadPose",
    "ModelError",
    "ModelRecord",
    "OutputError",
    "QualityReason",
    "Reason",
    "Remedy",
    "Route",
    "RuntimeStateError",
    "SourceError",
    "SourceInfo",
    "SourceKind",
    "StageTimes",
    "SteadyEstimate",
    "ThreadStuckError",
    "TrackState",
    "Uncertainty",
    "UnitBaseline",
    "load_config",
    "open_source",
]

#: The modules of the public names, quickest import first.
_MODULES: Final = (
    "engine.errors",
    "engine.config",
    "engine.types",
    "engine.capture.source",
    "engine.capture.opening",
    "engine.engine",
)


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name in __all__:
        for module in map(importlib.import_module, _MODULES):
            if hasattr(module, name):
                globals()[name] = value = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
