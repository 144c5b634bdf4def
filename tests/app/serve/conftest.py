"""A service on fake frames, and its messages checked against the schema."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.engine_cache import EngineCache
from app.serve.config import ServeConfig
from app.serve.messages import LiveFrame, MessageMaker
from app.serve.service import LiveService
from app.serve.state import LiveOutput, OutputCounters, ServiceStatus
from app.session.rows import SessionHeader
from engine.errors import error_of
from engine.types import Frame, FrameResult
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 20.0


@pytest.fixture(scope="session")
def check_message() -> Callable[[str], dict[str, Any]]:
    """Validates the text of a message and returns it parsed."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    schema = json.loads((ROOT / "docs" / "schemas" / "mien.face-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    def check(text: str) -> dict[str, Any]:
        message = json.loads(text)
        kind = "status" if message["schema"].startswith("mien.status") else "face"
        validator.evolve(schema=schema["$defs"][kind]).validate(message)  # a clearer error than that of oneOf
        validator.validate(message)
        return message

    return check


class LiveFakeSource(FakeSource):
    """A camera at about 100 frames per second, without end unless ``count`` is given."""

    def __init__(self, count: int = 1_000_000) -> None:
        super().__init__(count, live=True, source_id="camera:0")

    def read(self) -> Frame | None:
        self._interrupted.wait(0.01)
        frame = super().read()
        if frame is None:
            return None
        self._first_s = getattr(self, "_first_s", time.monotonic())
        return dataclasses.replace(frame, timestamp_s=time.monotonic() - self._first_s)


class Collector:
    """An output that keeps what it is given."""

    name = "collector"
    address = "here"

    def __init__(self) -> None:
        self.frames: list[LiveFrame] = []
        self.states: list[str] = []
        self.statuses: list[ServiceStatus] = []
        self.changed = threading.Condition()
        self.closed = False

    def open(self) -> None:
        pass

    def send(self, frame: LiveFrame) -> None:
        with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()

    def report(self, status: ServiceStatus) -> None:
        with self.changed:
            self.states.append(status.state.value)
            self.statuses.append(status)
            self.changed.notify_all()

    def counters(self) -> OutputCounters:
        return OutputCounters(len(self.frames))

    def close(self) -> None:
        self.closed = True

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_S), (self.states, len(self.frames))


def fake_service(
    config: ServeConfig | None = None, opener: Any = None, pipeline: Any = None, **more: Any
) -> LiveService:
    def open_engine(*_: Any) -> Any:
        return fake_engine(pipeline or FakePipeline())

    return LiveService(
        config or ServeConfig(),
        EngineCache(open_engine=open_engine),
        opener or (lambda spec: LiveFakeSource()),
        "1",
        **more,
    )


@contextmanager
def running(service: LiveService, *outputs: LiveOutput) -> Iterator[Collector]:
    """Run a service on a thread, with a collector as its first output."""
    collector = Collector()
    errors: list[Exception | None] = []

    def work() -> None:
        errors.append(error_of(lambda: service.run([collector, *outputs])))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield collector
    finally:
        service.stop()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    if errors[0] is not None:
        raise errors[0]


def maker(header: SessionHeader, **options: Any) -> MessageMaker:
    now_s = time.monotonic()
    return MessageMaker("cam0", header, "a" * 64, lambda frame: now_s - 0.02, **options)


def live_frame(header: SessionHeader, result: FrameResult) -> LiveFrame:
    return maker(header).frame(result)
