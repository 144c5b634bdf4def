"""Open engines: kept between sources, and opened ahead on a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.engine_cache import EngineCache
from engine.config import EngineConfig, TrackerName
from engine.engine import Engine
from engine.errors import FaceModelError
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine


class Opened:
    """Opens engines on fake pipelines."""

    def __init__(self, error: Callable[[], Exception] | None = None) -> None:
        self.pipelines: list[FakePipeline] = []
        self.threads: list[str] = []
        self._error = error

    def __call__(self, config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
        self.threads.append(threading.current_thread().name)
        if self._error is not None:
            raise self._error()
        self.pipelines.append(FakePipeline())
        return fake_engine(self.pipelines[-1])


def test_a_prepared_engine_is_opened_once_on_a_thread_and_closed_with_the_cache() -> None:
    opened = Opened()
    with EngineCache(open_engine=opened) as cache:
        cache.prepare()
        engine = cache.engine_for(FakeSource())
        assert cache.engine_for(FakeSource()) is engine
        assert opened.threads == ["mien-open-engine"]
        assert opened.pipelines[0].closed == 0
    assert [pipeline.closed for pipeline in opened.pipelines] == [1]


def test_a_prepared_engine_that_is_not_needed_is_closed() -> None:
    opened = Opened()
    with EngineCache(open_engine=opened) as cache:
        cache.prepare()
    assert [pipeline.closed for pipeline in opened.pipelines] == [1]


def test_the_error_of_a_prepared_engine_is_raised_where_it_is_needed() -> None:
    with EngineCache(open_engine=Opened(lambda: FaceModelError("missing"))) as cache:
        cache.prepare()
        with pytest.raises(FaceModelError, match="missing"):
            cache.engine_for(FakeSource())
    with EngineCache(open_engine=Opened(lambda: FaceModelError("missing"))) as cache:
        cache.prepare()  # never needed


def test_other_settings_close_what_was_prepared() -> None:
    opened = Opened()
    with EngineCache(open_engine=opened) as cache:
        cache.prepare()
        cache.configure(EngineConfig(threads=2), "litert")
        cache.engine_for(FakeSource())
        assert [pipeline.closed for pipeline in opened.pipelines] == [1, 0]
