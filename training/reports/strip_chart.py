"""What an expression model says of a clip, over time: shares, both uncertainties, and the route that is shown.

The clip runs through the program's own stages (engine/pipeline.py), so that the chart shows what a user would see. The
face that is in view for the most frames is drawn.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from engine.backends.contract import ExpressionCalibration
from engine.backends.registry import open_backend
from engine.capture.opening import open_source
from engine.config import EngineConfig
from engine.errors import SourceError
from engine.expression import ExpressionEstimator
from engine.pipeline import Pipeline
from engine.routing import Router
from engine.tracking.tracker import FaceTracker
from engine.types import AlignedFace, AUEstimate, Decision, FaceResult, Float64, UInt8

#: Seconds between two pictures that are kept of a face.
_PICTURE_EVERY_S: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class FacePicture:
    """A face at one time."""

    time_s: float
    crop: UInt8  # (S, S) grey


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One face of a clip, frame by frame (F,); frames without it are left out."""

    clip: str  # file name
    model: str
    frames: int  # of the clip
    faces: int  # different faces of the clip
    time_s: Float64  # (F,)
    shares: Float64  # (F, C) calibrated probabilities of the frame alone
    aleatoric: Float64  # (F,) nats
    epistemic: Float64  # (F,) nats
    seen_well: npt.NDArray[np.bool_]  # (F,)
    decisions: tuple[Decision, ...]  # as shown
    pictures: tuple[FacePicture, ...]
    max_aleatoric: float  # nats
    max_epistemic: float  # nats
    smoothing_s: float  # time constant of the averages that decide

    def averaged(self, values: Float64) -> Float64:
        """Values (F, ...) as the router averages them: frames on which the face is seen badly add nothing."""
        average = np.array(values, np.float64)
        last: int | None = None  # the last frame that counted
        for row, now_s in enumerate(self.time_s):
            if self.seen_well[row]:
                if last is not None:
                    passed_s = float(now_s - self.time_s[last])
                    kept = math.exp(-passed_s / self.smoothing_s) if self.smoothing_s > 0 else 0.0
                    average[row] += (average[last] - average[row]) * kept
                last = row
            elif last is not None:
                average[row] = average[last]
        return average


def read_strip(clip: Path, model: Path, config: EngineConfig | None = None) -> Strip:
    """Run a clip through the pipeline with an expression model; action units are left out.

    Raises:
        SourceError: the clip cannot be read, or shows no face.
        ContractError: the model is not for expression.
    """
    settings = config or EngineConfig()
    stories: dict[int, _Story] = {}
    frames = 0
    with _pipeline(model, settings) as opened, open_source(str(clip)) as source:
        while (frame := source.read()) is not None:
            frames += 1
            for face in opened.pipeline.process(frame).faces:
                stories.setdefault(face.track.track_id, _Story()).add(frame.timestamp_s, face)
    if not stories:
        raise SourceError(f"{clip} shows no face in {frames} frames: choose a clip with a face")
    story = max(stories.values(), key=lambda told: len(told.results))
    rows = story.results
    return Strip(
        clip=clip.name,
        model=opened.name,
        frames=frames,
        faces=len(stories),
        time_s=np.array([row.time_s for row in rows]),
        shares=np.stack([row.shares for row in rows]),
        aleatoric=np.array([row.aleatoric for row in rows]),
        epistemic=np.array([row.epistemic for row in rows]),
        seen_well=np.array([row.seen_well for row in rows]),
        decisions=tuple(row.decision for row in rows),
        pictures=tuple(story.pictures),
        max_aleatoric=opened.calibration.max_aleatoric,
        max_epistemic=opened.calibration.max_epistemic,
        smoothing_s=settings.routing.smoothing_s,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    time_s: float
    shares: Float64
    aleatoric: float
    epistemic: float
    seen_well: bool
    decision: Decision


@dataclass(slots=True)
class _Story:
    """What is kept of one face."""

    results: list[_Row] = field(default_factory=list)
    pictures: list[FacePicture] = field(default_factory=list)

    def add(self, time_s: float, face: FaceResult) -> None:
        parts = face.uncertainty
        shares = face.expression.probabilities.astype(np.float64)
        well = not face.aligned.quality.reasons
        self.results.append(_Row(time_s, shares, parts.aleatoric, parts.epistemic, well, face.decision))
        if not self.pictures or time_s - self.pictures[-1].time_s >= _PICTURE_EVERY_S:
            self.pictures.append(FacePicture(time_s, face.aligned.crop.copy()))


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    pipeline: Pipeline
    calibration: ExpressionCalibration
    name: str


@contextlib.contextmanager
def _pipeline(model: Path, config: EngineConfig) -> Iterator[_Opened]:
    """The pipeline of engine/engine.py with any expression model, and without a model of action units."""
    with contextlib.ExitStack() as undo:
        backend = open_backend(model, config.backends, config.threads)
        undo.callback(backend.close)
        estimator = ExpressionEstimator(backend)
        # The estimator refuses a model of another task, so that the calibration is that of expression.
        calibration = cast(ExpressionCalibration, backend.contract.calibration)
        tracker = FaceTracker(config.tracking)
        undo.callback(tracker.close)
        router = Router(calibration, config.routing)
        yield _Opened(Pipeline(tracker, estimator, _NoUnits(), router, config), calibration, backend.contract.name)


class _NoUnits:
    """Stands where the action units are estimated, and estimates none."""

    def estimate(self, faces: Sequence[AlignedFace]) -> list[AUEstimate]:
        """An estimate of no unit for each face."""
        none = np.empty(0, np.float32)
        square = np.empty((0, 0), np.float32)
        return [AUEstimate(np.empty(0, np.int64), none, none, none, none, square, square, square) for _ in faces]
