"""The open engine: the one place where the stages meet their backends and model files."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, TypeVar

import numpy as np

from engine.action_units import ActionUnitEstimator
from engine.backends.base import InferenceBackend
from engine.backends.contract import ActionUnitContract, ExpressionCalibration, ExpressionContract
from engine.backends.model_file import model_path
from engine.backends.registry import open_backend
from engine.baseline import BaselineBook
from engine.config import EngineConfig, TrackerName, TrackingConfig
from engine.errors import ConfigError
from engine.expression import ExpressionEstimator
from engine.pipeline import Pipeline
from engine.routing import Router
from engine.tracking.crops import CropTracker
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker, Tracker
from engine.types import Analysis, Frame, FrameResult, ModelRecord

_DEFAULTS: Final = EngineConfig()
_Resource = TypeVar("_Resource", InferenceBackend, Tracker)


class StatefulPipeline(Protocol):
    """The interface of `engine.pipeline.Pipeline` that an engine needs."""

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        """Process one frame; ``tentative``: return faces that are not confirmed yet too."""

    def process_all(self, frames: Sequence[Frame], tentative: bool = False) -> Sequence[FrameResult]:
        """Process frames in order, with one run of each network for all of them."""

    def track_all(self, frames: Sequence[Frame], tentative: bool = False, snapshot: bool = False) -> Analysis:
        """Track frames in order; the analysis that is returned is the rest of `process_all`."""

    def process_live(self, frame: Frame) -> FrameResult:
        """Process one frame of a live source."""

    def snapshot(self) -> str:
        """Serialise the state between frames."""

    def restore(self, text: str) -> None:
        """Continue from a snapshot."""

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        """Route with other limits from the next frame on; callable from any thread."""

    def close(self) -> None:
        """Release the networks."""


class Engine:
    """Faces, expressions, action units and decisions for the frames of one source.

    Not thread-safe, except for `recalibrate` and `baselines`. Between two sources call `reset`.

    Attributes:
        expression: contract of the expression model.
        action_units: contract of the action-unit model.
        tracker: the face networks in use.
        config: the settings in use.
        baselines: neutral baselines of the faces; None for unrelated images, and where the model has no usual one.
    """

    def __init__(
        self,
        pipeline: StatefulPipeline,
        expression: ExpressionContract,
        action_units: ActionUnitContract,
        models: tuple[ModelRecord, ...],
        tracker: TrackerName = "litert",
        config: EngineConfig = _DEFAULTS,
        baselines: BaselineBook | None = None,
    ) -> None:
        """Use `Engine.open`; this is for tests and for pipelines put together by hand. Closes ``pipeline``."""
        self.expression = expression
        self.action_units = action_units
        self._models = models
        self._backends: tuple[InferenceBackend, ...] = ()
        self.tracker: TrackerName = tracker
        self.config = config
        self.baselines = baselines
        self._pipeline = pipeline
        self._initial = pipeline.snapshot()

    @classmethod
    def open(
        cls,
        config: EngineConfig = _DEFAULTS,
        *,
        models_folder: Path | None = None,
        tracker: TrackerName = "litert",
        still: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Engine:
        """Open the face networks and both models; takes a second or two.

        Args:
            config: all settings.
            models_folder: folder of ``expression.onnx`` and ``action_units.onnx``; None = those of the program.
            tracker: MediaPipe's face networks on LiteRT, or the mediapipe package.
            still: for unrelated images: every frame is processed on its own, without tracking or averaging.
            clock: seconds, of which the times of the stages are made; ``time.process_time`` leaves waiting out.

        Raises:
            FaceModelError: a face network is missing or cannot be fetched.
            ModelError, ContractError: a model is missing or does not match its contract.
            BackendError: none of the configured backends can run a model here.
            ConfigError: ``still`` with the mediapipe tracker, or baselines with a model that has no usual one.
        """
        with contextlib.ExitStack() as undo:
            backends = [
                _closing(
                    undo, open_backend(model_path(task, models_folder), config.backends, config.threads, config.gpu)
                )
                for task in ("expression", "action_units")
            ]
            faces = _closing(undo, _open_tracker(tracker, config.tracking, still))
            expression, action_units = ExpressionEstimator(backends[0]), ActionUnitEstimator(backends[1])
            router = Router(expression.contract.calibration, config.routing, still)
            baselines = None if still else _baseline_book(action_units.contract, config)
            parts = (faces, expression, action_units, router, config, backends, clock, baselines)
            pipeline = Pipeline(*parts)
            undo.pop_all()
        opened = cls(pipeline, expression.contract, action_units.contract, (), tracker, config, baselines)
        opened._backends = tuple(backends)
        return opened

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """Both models with the backend and device that they run on now; live, a GPU may take over while running."""
        if not self._backends:
            return self._models
        return tuple(
            ModelRecord(each.contract.name, each.contract.task, each.contract.sha256, each.name, each.device)
            for each in self._backends
        )

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        """Process the next frame of the source; frames must come in order.

        Args:
            frame: of the source.
            tentative: return faces that are not confirmed yet too; for `engine.hindsight.Hindsight`.

        Returns:
            Every confirmed face, largest first, and the milliseconds of each stage.

        Raises:
            BackendError, ModelError: a network cannot run, or returns values that are not finite.
        """
        return self._pipeline.process(frame, tentative)

    def process_all(self, frames: Sequence[Frame], tentative: bool = False) -> Sequence[FrameResult]:
        """Process the next frames of the source with one run of each network for all their faces, which is faster.

        The results are those of `process` up to rounding. The time of the networks is divided among the frames.

        Args:
            frames: one or more, in order.
            tentative: as for `process`.

        Raises:
            BackendError, ModelError: a network cannot run, or returns values that are not finite.
        """
        return self._pipeline.process_all(frames, tentative)

    def track_all(self, frames: Sequence[Frame], tentative: bool = False, snapshot: bool = False) -> Analysis:
        """Begin `process_all`: track the next frames and return the analysis, whose results are the same.

        The analysis may run on another thread while the next frames are tracked. Run every analysis once, in order,
        and none while another method of the engine than this one and `recalibrate` runs.

        Args:
            frames: one or more, in order.
            tentative: as for `process`.
            snapshot: give the last result the state after its frame (`FrameResult.snapshot`).

        Raises:
            BackendError, ModelError: of the analysis: a network cannot run, or returns values that are not finite.
        """
        return self._pipeline.track_all(frames, tentative, snapshot)

    def process_live(self, frame: Frame) -> FrameResult:
        """Process the next frame of a live source within `engine.config.RuntimeConfig.latency_target_ms`.

        Under load some faces keep their last estimates: `engine.types.FaceResult.carried`.

        Raises:
            BackendError, ModelError: a network cannot run, or returns values that are not finite.
        """
        return self._pipeline.process_live(frame)

    def snapshot(self) -> str:
        """Serialise tracks and averages as JSON; an engine restored from it gives the same results."""
        return self._pipeline.snapshot()

    def restore(self, text: str) -> None:
        """Continue from a snapshot.

        Raises:
            OutputError: it is damaged or was written by another version.
        """
        self._pipeline.restore(text)

    def reset(self) -> None:
        """Forget all tracks and averages, as before the first frame."""
        self._pipeline.restore(self._initial)

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        """Route with other limits from the next frame on; averages are kept. Callable from any thread."""
        self._pipeline.recalibrate(calibration)

    def close(self) -> None:
        """Release all networks. The engine cannot run afterwards."""
        self._pipeline.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _closing(undo: contextlib.ExitStack, resource: _Resource) -> _Resource:
    """Close the resource if opening fails later."""
    undo.callback(resource.close)
    return resource


def _baseline_book(contract: ActionUnitContract, config: EngineConfig) -> BaselineBook | None:
    """Baselines of the faces of a source; None if the model does not say what is usual.

    Raises:
        ConfigError: the settings ask for them.
    """
    usual, automatic = contract.calibration.neutral, config.action_units.baseline == "auto"
    if usual:
        return BaselineBook(np.array(usual, np.float32), automatic)
    if automatic:
        raise ConfigError(f"action_units.baseline is auto, but {contract.name!r} has no neutral logits: set it to off")
    return None


def _open_tracker(name: TrackerName, config: TrackingConfig, still: bool) -> Tracker:
    if name == "litert":
        if still and config.face_crops:
            return StillTracker(CropTracker(config))
        if still:
            return StillTracker(FaceTracker(dataclasses.replace(config, confirm_s=0.0), still=True))
        return FaceTracker(config)
    if still:
        raise ConfigError("the mediapipe tracker needs consecutive frames: use the litert tracker for unrelated images")
    # The package is an extra, and slow to import.
    from engine.tracking.mediapipe_tasks import MediaPipeTracker

    return MediaPipeTracker(config)
