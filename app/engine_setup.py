"""Opening the engine once for all sources of a command."""

from __future__ import annotations

from types import TracebackType

from app.annotate import Engine
from app.output import ModelRecord
from engine.assembly import TrackerName, build_pipeline
from engine.backends.base import InferenceBackend
from engine.capture.source import FrameSource, SourceKind
from engine.config import EngineConfig
from engine.pipeline import Pipeline


class EngineShelf:
    """Keeps one engine for moving pictures and one for stills, each opened when it is first asked for."""

    def __init__(self, config: EngineConfig, tracker: TrackerName) -> None:
        self._config = config
        self._tracker = tracker
        self._opened: dict[bool, tuple[Engine, Pipeline]] = {}

    def engine_for(self, source: FrameSource) -> Engine:
        """The engine that fits a source.

        Raises:
            FaceModelError, ModelError, BackendError: see engine/assembly.py.
        """
        still = source.info.kind is SourceKind.PICTURES
        if still not in self._opened:
            self._opened[still] = self._open(still)
        return self._opened[still][0]

    def _open(self, still: bool) -> tuple[Engine, Pipeline]:
        assembly = build_pipeline(self._config, tracker=self._tracker, still=still)
        engine = Engine(
            pipeline=assembly.pipeline,
            fresh=assembly.pipeline.snapshot(),
            expression=assembly.expression.contract,
            action_units=assembly.action_units.contract,
            models=(_record(assembly.expression), _record(assembly.action_units)),
            tracker=self._tracker,
            config=self._config,
        )
        return engine, assembly.pipeline

    def __enter__(self) -> EngineShelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, pipeline in self._opened.values():
            pipeline.close()


def _record(backend: InferenceBackend) -> ModelRecord:
    contract = backend.contract
    return ModelRecord(contract.name, contract.task, contract.sha256, backend.name, backend.device)
