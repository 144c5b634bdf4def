"""The crew of actors against a Ray that runs them in this process; test_ray.py runs a real one if installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster import ray_actors, work
from app.cluster.dispatch import dispatch
from app.cluster.ray_actors import RayCrew
from app.cluster.work import ItemWorker
from engine.capture.source import FrameSource
from engine.config import CaptureConfig
from engine.errors import ConfigError
from tests.app.cluster.conftest import Recorder, items_of, setup_of
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines


class RayError(Exception):
    """Base of the errors of Ray."""


class ActorDiedError(RayError):
    """The process of an actor has ended."""


class FakeRay:
    """What the crew uses of Ray: results are there at once; an actor on a dying node is lost with its source."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, cpus: float = 4.0) -> None:
        self.cpus = cpus
        self.running = False
        self.inits: list[dict[str, Any]] = []
        self.actors: list[Any] = []
        self.killed: list[Any] = []
        self.resources: dict[str, Any] = {}
        self.dying: set[int] = set()  # numbers of sources during which an actor dies
        self.sources = 0
        self.cluster = False

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **options: Any) -> None:
        self.inits.append(options)
        if options["address"] != "local" and not self.cluster:
            raise ConnectionError("nobody is there")
        self.running = True

    def shutdown(self) -> None:
        self.running = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": 2.0}

    def remote(self, **resources: Any) -> Callable[[type], Any]:
        self.resources = resources
        return lambda kind: SimpleNamespace(remote=lambda *given: self._actor(kind(*given)))

    def method(self, concurrency_group: str) -> Callable[[Any], Any]:
        assert concurrency_group in ("work", "control")
        return lambda function: function

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)

    def wait(self, references: Sequence[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return list(references[:num_returns]), list(references[num_returns:])

    def get(self, reference: Any) -> Any:
        return reference()

    def _actor(self, real: Any) -> Any:
        def annotate(item: str) -> Any:
            self.sources += 1
            number = self.sources

            def result() -> str:
                if number in self.dying:
                    raise ActorDiedError("Traceback of the actor")
                return str(real.annotate(item))

            return result

        actor = SimpleNamespace(
            annotate=SimpleNamespace(remote=annotate),
            progress=SimpleNamespace(remote=lambda: lambda: real.progress()),
            stop=SimpleNamespace(remote=real.stop),
        )
        self.actors.append(actor)
        return actor


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    fake = FakeRay()
    monkeypatch.setattr(ray_actors.importlib, "import_module", lambda name: {"ray": fake}[name])
    monkeypatch.setattr(ray_actors, "ItemWorker", lambda setup: ItemWorker(setup, FakeEngines(FakePipeline())))
    monkeypatch.setattr(ray_actors, "_PROGRESS_S", 0.0)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def open_given(spec: str, file: str | None, recursive: bool, limits: CaptureConfig) -> FrameSource:
        return FakeSource(5, files=(Path(spec),))

    monkeypatch.setattr(work, "open_given", open_given)
    yield fake
    assert not fake.running


def clips(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_actors_are_kept_from_one_source_to_the_next(ray: FakeRay, tmp_path: Path) -> None:
    crew = RayCrew(2, setup_of(), None, 0.5)
    recorder = Recorder()
    reports = dispatch(items_of(clips(tmp_path / "in", 6), tmp_path / "out"), crew, JobControl(), recorder)
    crew.close()
    assert [report.state for report in reports] == [ItemState.DONE] * 6
    assert len(ray.actors) == 2
    assert ray.killed == ray.actors
    assert (ray.resources["num_cpus"], ray.resources["num_gpus"], ray.resources["max_restarts"]) == (1, 0.5, 0)
    assert [options["address"] for options in ray.inits] == ["auto", "local"]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_lost_actor_is_replaced_and_its_source_taken_up_again(ray: FakeRay, tmp_path: Path) -> None:
    ray.dying = {3}
    crew = RayCrew(2, setup_of(), None, 0.0)
    recorder = Recorder()
    reports = dispatch(items_of(clips(tmp_path / "in", 6), tmp_path / "out"), crew, JobControl(), recorder)
    crew.close()
    assert [report.state for report in reports] == [ItemState.DONE] * 6
    assert len(recorder.losses) == 1
    assert len(ray.actors) == 3


def test_what_ray_reports_of_a_lost_actor_is_kept(ray: FakeRay, tmp_path: Path) -> None:
    ray.dying = {1, 2}
    crew = RayCrew(1, setup_of(), None, 0.0)
    (report,) = dispatch(items_of(clips(tmp_path / "in", 1), tmp_path / "out"), crew, JobControl(), Recorder())
    crew.close()
    assert report.problem.endswith("its worker ended (ActorDiedError)")
    assert report.traceback == "Traceback of the actor"


def test_without_a_number_there_is_a_worker_for_each_cpu(ray: FakeRay) -> None:
    crew = RayCrew(None, setup_of(), None, 0.0)
    assert crew.size == 4
    crew.close()


def test_a_cluster_that_was_named_and_does_not_answer_is_an_error(ray: FakeRay) -> None:
    with pytest.raises(ConfigError, match=r"the Ray cluster at 10\.0\.0\.1:6379 cannot be reached"):
        RayCrew(2, setup_of(), "10.0.0.1:6379", 0.0)


def test_a_stop_reaches_the_actors(ray: FakeRay, tmp_path: Path) -> None:
    crew = RayCrew(1, setup_of(), None, 0.0)
    item = items_of(clips(tmp_path / "in", 1), tmp_path / "out")[0]
    crew.start(0, item)
    crew.stop()
    events = list(crew.wait(0.0))
    crew.close()
    assert [event.report.state for event in events if hasattr(event, "report")] == [ItemState.INTERRUPTED]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match="install the extra cluster"):
        RayCrew(2, setup_of(), None, 0.0)
