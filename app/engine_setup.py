"""Opening the engine once for all sources of a command."""

from __future__ import annotations

from types import TracebackType

from app.session.folder import ModelRecord
from app.session.metadata import Engine
from engine.backends.base import InferenceBackend
from engine.capture.source import FrameSource, SourceKind
from engine.config import EngineConfig
from engine.engine import TrackerName, build_pipeline
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
            FaceModelError, ModelError, BackendError: see engine/engine.py.
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
        self.close()

    def close(self) -> None:
        """Close all engines; nothing may run on them any more."""
        for _, pipeline in self._opened.values():
            pipeline.close()
        self._opened.clear()


class EngineKeeper:
    """Keeps the engines of the settings open between runs. `configure` may come from any thread, the rest from one."""

    def __init__(self, config: EngineConfig, tracker: TrackerName) -> None:
        self._wanted = (config, tracker)
        self._opened: tuple[EngineConfig, TrackerName] | None = None
        self._shelf: EngineShelf | None = None

    def configure(self, config: EngineConfig, tracker: TrackerName) -> None:
        """Other settings, from the next run on."""
        self._wanted = (config, tracker)

    def engine_for(self, source: FrameSource) -> Engine:
        """The engine that fits a source and the settings; one of other settings is closed before.

        Raises:
            FaceModelError, ModelError, BackendError: see engine/engine.py.
        """
        wanted = self._wanted
        if self._shelf is None or self._opened != wanted:
            self.close()
            self._opened, self._shelf = wanted, EngineShelf(*wanted)
        return self._shelf.engine_for(source)

    def abandon(self) -> None:
        """Never use what is open again, without closing it: a thread that is stuck still holds it."""
        self._shelf = None

    def close(self) -> None:
        """Close what is open."""
        shelf, self._shelf = self._shelf, None
        if shelf is not None:
            shelf.close()


def _record(backend: InferenceBackend) -> ModelRecord:
    contract = backend.contract
    return ModelRecord(contract.name, contract.task, contract.sha256, backend.name, backend.device)
