"""Opening everything that a pipeline runs on: the one place where stages meet backends and model files."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from engine.action_units import ActionUnitEstimator
from engine.backends.base import InferenceBackend
from engine.backends.contract import ExpressionCalibration
from engine.backends.registry import open_backend
from engine.config import EngineConfig, TrackingConfig
from engine.errors import ConfigError
from engine.expression import ExpressionEstimator
from engine.model_files import model_path
from engine.pipeline import Pipeline
from engine.routing import Router
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker, Tracker

TrackerName = Literal["litert", "mediapipe"]


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A pipeline and the two networks in it, for reports: their contracts, and where they really run."""

    pipeline: Pipeline  # closes the networks
    expression: InferenceBackend
    action_units: InferenceBackend


def build_pipeline(
    config: EngineConfig,
    models_folder: Path | None = None,
    tracker: TrackerName = "litert",
    still: bool = False,
) -> Assembly:
    """Open the networks and put the pipeline together.

    Args:
        config: all settings.
        models_folder: where the two models stand; None = those that come with the program.
        tracker: MediaPipe's networks on LiteRT, or the mediapipe package.
        still: for pictures that do not follow each other; each frame then stands alone.

    Raises:
        FaceModelError: a face network is not on this machine.
        ModelError, ContractError: a model is missing or not what its contract says.
        BackendError: no backend of the settings can run a model here.
        ConfigError: the tracker cannot read pictures that do not follow each other.
    """
    with contextlib.ExitStack() as undo:
        expression = _open("expression", config, models_folder, undo)
        action_units = _open("action_units", config, models_folder, undo)
        faces = _open_tracker(tracker, config.tracking, still)
        undo.callback(faces.close)
        estimator = ExpressionEstimator(expression)
        # The estimator refuses a model of another task, so that the calibration is that of expression.
        calibration = cast(ExpressionCalibration, expression.contract.calibration)
        pipeline = Pipeline(
            faces,
            estimator,
            ActionUnitEstimator(action_units),
            Router(calibration, config.routing, still),
            config,
            resources=(expression, action_units),
        )
        undo.pop_all()
    return Assembly(pipeline, expression, action_units)


def _open(task: str, config: EngineConfig, folder: Path | None, undo: contextlib.ExitStack) -> InferenceBackend:
    backend = open_backend(model_path(task, folder), config.backends, config.threads)
    undo.callback(backend.close)
    return backend


def _open_tracker(name: TrackerName, config: TrackingConfig, still: bool) -> Tracker:
    if name == "litert":
        if still:
            return StillTracker(FaceTracker(dataclasses.replace(config, confirm_s=0.0)))
        return FaceTracker(config)
    if still:
        raise ConfigError("the mediapipe tracker expects pictures that follow each other: use the litert tracker")
    # Here, since the package is an extra, and slow to import.
    from engine.tracking.mediapipe_tasks import MediaPipeTracker

    return MediaPipeTracker(config)
