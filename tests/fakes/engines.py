"""Sources and engines without networks, whose results depend on the frame and on the frames before it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import (
    CONTRACTS,
    SCHEMA,
    AUCalibration,
    CropSpec,
    ExpressionCalibration,
    ModelContract,
    TensorSpec,
)
from engine.baseline import BaselineBook
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.config import EngineConfig
from engine.engine import Engine
from engine.facs import BP4D_UNITS, EXPRESSIONS, unit_code
from engine.types import Analysis, FaceQuality, Frame, FrameResult, ModelRecord, QualityReason, Reason, Route
from tests.fakes.faces import UNITS, fake_face, fake_frame, fake_result

#: Subset of BP4D_UNITS that the fake model is trusted with.
TRUSTED_UNITS: Final = (1, 2, 12)
#: Of every unit of the fake model.
NEUTRAL_LOGIT: Final = -3.0


class FakeSource(FrameSource):
    """``count`` frames of 160 x 120 at 10 per second."""

    def __init__(
        self, count: int = 35, live: bool = False, source_id: str = "clip.mp4", files: tuple[Path, ...] = ()
    ) -> None:
        kind = SourceKind.CAMERA if live else SourceKind.VIDEO
        super().__init__()
        self.files = files
        self.info = SourceInfo(source_id, kind, 160, 120, None if live else count, count / 10, 10.0, live)
        self._count = count
        self._next = 0
        self.closed = False

    def read(self) -> Frame | None:
        if self._interrupted.is_set() or self._next >= self._count:
            return None
        self._next += 1
        return fake_frame(self._next - 1)

    def skip_to(self, frame_index: int) -> None:
        self._next = frame_index

    def skip_to_time(self, time_s: float) -> None:
        self._next = max(self._next, math.ceil(round(time_s * 10, 3)))

    def close(self) -> None:
        self.closed = True


@dataclass
class FakePipeline:
    """Cycles through ``turns``; the levels count the frames so far, as a tracker's state would."""

    fail_at: int | None = None
    error: Callable[[], Exception] = field(default=lambda: RuntimeError("made to fail"))
    on_frame: Callable[[int], None] = field(default=lambda index: None)
    turns: tuple[int, ...] = (0, 1, 2, 3, 4)  # no face, accepted, ambiguous, unlike the training data, low quality
    seen: int = 0
    processed: list[int] = field(default_factory=list)
    calibration: ExpressionCalibration | None = None  # the last one passed to `recalibrate`
    closed: int = 0  # number of calls
    graded: bool = False  # whether its faces have intensities

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        if frame.index == self.fail_at:
            raise self.error()
        self.on_frame(frame.index)
        self.seen += 1
        self.processed.append(frame.index)
        level = self.seen % 100 / 100
        turn = self.turns[frame.index % len(self.turns)]
        if turn == 0:
            return fake_result(frame)
        if turn == 1:
            second = fake_face(track_id=2, box=(100.0, 30.0, 150.0, 90.0), level=level)
            return fake_result(frame, fake_face(level=level), second)
        if turn == 2:
            labels, shares = ("happiness", "surprise"), (0.5, 0.4)
            return fake_result(frame, fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, labels, shares, level=level))
        if turn == 3:
            return fake_result(frame, fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), level=level))
        bad = FaceQuality(0.2, (QualityReason.DARK, QualityReason.CUT_OFF))
        return fake_result(frame, fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=bad, level=level))

    def process_all(self, frames: Sequence[Frame], tentative: bool = False) -> list[FrameResult]:
        return [self.process(frame, tentative) for frame in frames]

    def track_all(self, frames: Sequence[Frame], tentative: bool = False, snapshot: bool = False) -> Analysis:
        results = self.process_all(frames, tentative)
        if snapshot:
            results[-1] = dataclasses.replace(results[-1], snapshot=self.snapshot())
        return lambda: results

    def process_live(self, frame: Frame) -> FrameResult:
        return self.process(frame)

    def snapshot(self) -> str:
        return json.dumps(self.seen)

    def restore(self, text: str) -> None:
        self.seen = json.loads(text)

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        self.calibration = calibration

    def close(self) -> None:
        self.closed += 1


def fake_contract(task: str, labels: tuple[str, ...], calibration: Any, sha256: str) -> ModelContract:
    crop = CropSpec(CROP_TEMPLATE, 48, "grey", 0.5, 0.25)
    return CONTRACTS[task](SCHEMA, f"fake {task}", task, sha256, (), (), crop, labels, calibration, (), "MIT", "never")


def fake_engine(
    pipeline: FakePipeline,
    sha256: str = "e" * 64,
    trusted: tuple[int, ...] = TRUSTED_UNITS,
    config: EngineConfig | None = None,
) -> Engine:
    """An engine on a fake pipeline; ``sha256`` of its expression model."""
    expression = fake_contract(
        "expression", EXPRESSIONS, ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.2), "fake"), sha256
    )
    units = fake_contract(
        "action_units",
        tuple(map(unit_code, BP4D_UNITS)),
        AUCalibration(
            1.0, (0.1,) * UNITS, tuple(unit in trusted for unit in BP4D_UNITS), 20, 7, "fake", (NEUTRAL_LOGIT,) * UNITS
        ),
        "a" * 64,
    )
    if pipeline.graded:
        units = dataclasses.replace(units, outputs=(TensorSpec("intensity", ("N", UNITS)),))
    models = tuple(ModelRecord(c.name, c.task, c.sha256, "fake", "CPU") for c in (expression, units))
    book = BaselineBook(np.full(UNITS, NEUTRAL_LOGIT, np.float32))
    return Engine(pipeline, expression, units, models, "litert", config or EngineConfig(), book)
