"""A whole run without networks: a source and a pipeline whose results depend on the frame and on what came before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.engine_cache import EngineCache
from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import (
    CONTRACTS,
    SCHEMA,
    AUCalibration,
    CropSpec,
    ExpressionCalibration,
    ModelContract,
)
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.config import EngineConfig, TrackerName
from engine.engine import Engine
from engine.facs import BP4D_UNITS, EXPRESSIONS, unit_code
from engine.types import (
    MESH_POINTS,
    AlignedFace,
    AUEstimate,
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
    TrackState,
    Uncertainty,
)

UNITS = len(BP4D_UNITS)
#: Those of BP4D_UNITS that the made model may be trusted with.
TRUSTED_UNITS = (1, 2, 12)


def make_face(
    route: Route = Route.ACCEPT,
    reason: Reason = Reason.CLEAR,
    labels: tuple[str, ...] = ("happiness",),
    shares: tuple[float, ...] = (0.82,),
    track_id: int = 1,
    box: tuple[float, float, float, float] = (40.0, 30.0, 100.0, 100.0),
    quality: FaceQuality | None = None,
    level: float = 0.25,
    units: tuple[int, ...] = BP4D_UNITS,
    occurrence: tuple[float, ...] | None = None,
) -> FaceResult:
    """One face; every number that matters follows from ``level``, or from ``occurrence`` (K,) where it is given."""
    mesh = np.zeros((MESH_POINTS, 3), np.float32)
    track = FaceTrack(
        track_id, TrackState.CONFIRMED, np.array(box, np.float32), mesh, HeadPose(10.0, -5.0, 1.5), 0.9, 1.0
    )
    probabilities = np.full(8, (1.0 - 0.5) / 7, np.float32)
    probabilities[1] = 0.5
    count = len(units)
    means = np.linspace(0.0, level, count, dtype=np.float32) if occurrence is None else np.array(occurrence, np.float32)
    square = np.zeros((count, count), np.float32)
    return FaceResult(
        track,
        AlignedFace(
            track_id,
            np.zeros((96, 96), np.uint8),
            np.zeros((MESH_POINTS, 2), np.float32),
            np.eye(2, 3),
            quality or FaceQuality(0.75),
        ),
        ExpressionEstimate(np.tile(probabilities, (5, 1)), probabilities),
        AUEstimate(np.array(units, np.int64), means, means / 10, means, means, square, square, square),
        Uncertainty(0.5, 0.4, 0.1, level),
        Decision(route, reason, labels, shares),
    )


def make_result(frame: Frame, *faces: FaceResult, snapshot: str | None = None) -> FrameResult:
    """A result with round times."""
    return FrameResult(frame, faces, StageTimes(1.0, 0.5, 2.0, 1.25, 0.25), snapshot)


def make_frame(index: int = 0, width: int = 160, height: int = 120, fps: float = 10.0) -> Frame:
    """A grey frame whose level tells its index."""
    image = np.full((height, width, 3), index % 200, np.uint8)
    return Frame(image, index, index / fps, "made.mp4", index / fps + 1.0)


class MadeSource(FrameSource):
    """``count`` frames at 10 per second, 160 x 120."""

    def __init__(self, count: int = 35, live: bool = False, source_id: str = "made.mp4") -> None:
        kind = SourceKind.CAMERA if live else SourceKind.VIDEO
        super().__init__()
        self.info = SourceInfo(source_id, kind, 160, 120, None if live else count, count / 10, 10.0, live)
        self._count = count
        self._next = 0
        self.closed = False

    def read(self) -> Frame | None:
        if self._interrupted.is_set() or self._next >= self._count:
            return None
        self._next += 1
        return make_frame(self._next - 1)

    def skip_to(self, frame_index: int) -> None:
        self._next = frame_index

    def close(self) -> None:
        self.closed = True


@dataclass
class MadePipeline:
    """Goes through all routes; every result also depends on how many frames came before, as a tracker's does."""

    fail_at: int | None = None
    error: Callable[[], Exception] = field(default=lambda: RuntimeError("made to fail"))
    on_frame: Callable[[int], None] = field(default=lambda index: None)
    seen: int = 0
    processed: list[int] = field(default_factory=list)
    calibration: ExpressionCalibration | None = None  # the last that it was given
    closed: int = 0  # how often

    def process(self, frame: Frame) -> FrameResult:
        if frame.index == self.fail_at:
            raise self.error()
        self.on_frame(frame.index)
        self.seen += 1
        self.processed.append(frame.index)
        level = self.seen % 100 / 100
        turn = frame.index % 5
        if turn == 0:
            return make_result(frame)
        if turn == 1:
            return make_result(
                frame, make_face(level=level), make_face(track_id=2, box=(100.0, 30.0, 150.0, 90.0), level=level)
            )
        if turn == 2:
            labels, shares = ("happiness", "surprise"), (0.5, 0.4)
            return make_result(frame, make_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, labels, shares, level=level))
        if turn == 3:
            return make_result(frame, make_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), level=level))
        bad = FaceQuality(0.2, (QualityReason.DARK, QualityReason.CUT_OFF))
        return make_result(frame, make_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=bad, level=level))

    def snapshot(self) -> str:
        return json.dumps(self.seen)

    def restore(self, text: str) -> None:
        self.seen = json.loads(text)

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        self.calibration = calibration

    def close(self) -> None:
        self.closed += 1


def make_contract(task: str, labels: tuple[str, ...], calibration: Any, sha256: str) -> ModelContract:
    crop = CropSpec(CROP_TEMPLATE, 48, "grey", 0.5, 0.25)
    return CONTRACTS[task](SCHEMA, f"made {task}", task, sha256, (), (), crop, labels, calibration, (), "MIT", "never")


def make_engine(
    pipeline: MadePipeline,
    sha256: str = "e" * 64,
    trusted: tuple[int, ...] = TRUSTED_UNITS,
    config: EngineConfig | None = None,
) -> Engine:
    expression = make_contract(
        "expression", EXPRESSIONS, ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.2), "made"), sha256
    )
    units = make_contract(
        "action_units",
        tuple(map(unit_code, BP4D_UNITS)),
        AUCalibration(1.0, (0.1,) * UNITS, tuple(unit in trusted for unit in BP4D_UNITS), 20, 7, "made"),
        "a" * 64,
    )
    models = tuple(ModelRecord(c.name, c.task, c.sha256, "made", "CPU") for c in (expression, units))
    return Engine(pipeline, expression, units, models, "litert", config or EngineConfig())


class FakeEngines(EngineCache):
    """Opens engines on one fake pipeline, and records the settings and the sources."""

    def __init__(self, pipeline: MadePipeline) -> None:
        super().__init__(open_engine=self._open_fake)
        self.pipeline = pipeline
        self.fault: Exception | None = None  # raised instead of opening an engine
        self.opened: list[tuple[EngineConfig, TrackerName]] = []
        self.sources: list[str] = []

    def engine_for(self, source: FrameSource) -> Engine:
        self.sources.append(source.info.source_id)
        return super().engine_for(source)

    def _open_fake(self, config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
        if self.fault is not None:
            raise self.fault
        self.opened.append((config, tracker))
        return make_engine(self.pipeline, config=config)


class SilentListener:
    """Remembers the last count."""

    def __init__(self) -> None:
        self.done = 0

    def begin(self, name: str, total: int | None, done: int) -> None:
        self.done = done

    def update(self, done: int) -> None:
        self.done = done

    def end(self) -> None:
        pass
