"""Open engines, kept from one source to the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import TypeAlias

from engine.capture.source import FrameSource, SourceKind
from engine.config import EngineConfig, TrackerName
from engine.engine import Engine
from engine.overlap import SideThread

#: Opens an engine for a config and a tracker; the flag is set for unrelated images (`Engine.open`).
OpenEngine: TypeAlias = Callable[[EngineConfig, TrackerName, bool], Engine]


def _open(config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
    return Engine.open(config, tracker=tracker, still=still)


class EngineCache:
    """At most one engine for video and one for still images, opened when first needed, all with the same settings.

    `configure` may be called from any thread, everything else from one.
    """

    def __init__(
        self, config: EngineConfig | None = None, tracker: TrackerName = "litert", open_engine: OpenEngine = _open
    ) -> None:
        """Nothing is opened yet. ``open_engine`` is replaced in tests and benchmarks."""
        self._wanted: tuple[EngineConfig, TrackerName] = (config or EngineConfig(), tracker)
        self._opened_with = self._wanted
        self._open_engine = open_engine
        self._engines: dict[bool, Engine] = {}  # by whether it is for still images
        self._side = SideThread[Engine]("mien-open-engine")
        self._prepared: Future[Engine] | None = None  # for video

    def configure(self, config: EngineConfig, tracker: TrackerName) -> None:
        """Use other settings from the next `engine_for` on."""
        self._wanted = (config, tracker)

    def prepare(self) -> None:
        """Begin to open the engine for video on a thread, while the caller opens the source; for a new cache.

        An error is raised by the `engine_for` that needs the engine.
        """
        self._prepared = self._side.start(partial(self._open_engine, *self._opened_with, False))

    def engine_for(self, source: FrameSource) -> Engine:
        """Return the engine for a source, opening it if needed; engines with other settings are closed first.

        Raises:
            FaceModelError, ModelError, BackendError, ConfigError: see `Engine.open`.
        """
        wanted = self._wanted
        if wanted != self._opened_with:
            self.close()
            self._opened_with = wanted
        still = source.info.kind is SourceKind.PICTURES
        prepared = None if still else self._take_prepared()
        if still not in self._engines:
            self._engines[still] = prepared.result() if prepared else self._open_engine(*wanted, still)
        return self._engines[still]

    def reopen(self, source: FrameSource) -> Engine:
        """Open the engine for a source anew, because a thread is stuck in the open one, which is never closed.

        Raises:
            FaceModelError, ModelError, BackendError, ConfigError: see `Engine.open`.
        """
        self.abandon()
        return self.engine_for(source)

    def abandon(self) -> None:
        """Drop the open engines without closing them, because a stuck thread still uses one."""
        self._engines = {}

    def close(self) -> None:
        """Close the open engines. No thread may be using one."""
        engines, self._engines = list(self._engines.values()), {}
        self._side.end()
        prepared = self._take_prepared()
        if prepared is not None and prepared.exception() is None:
            engines.append(prepared.result())
        for engine in engines:
            engine.close()

    def _take_prepared(self) -> Future[Engine] | None:
        prepared, self._prepared = self._prepared, None
        return prepared

    def __enter__(self) -> EngineCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
