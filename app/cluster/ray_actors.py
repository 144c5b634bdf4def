"""Workers as actors of a Ray cluster: each holds the models and annotates one source at a time.

Every machine of the cluster needs this program, its models and the face networks. Sources and results are on a file
system that all machines have under the same path, or at addresses that fsspec reads.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Sequence
from typing import Any, Final

from app.annotate import JobControl
from app.cluster.dispatch import Event
from app.cluster.records import Ended, Item, Lost, Progressed, Report, WorkerSetup, from_json, to_json
from app.cluster.work import ItemWorker
from engine.errors import ConfigError

#: Seconds between two questions for the progress of a worker, for up to so many workers; more are asked less often.
_PROGRESS_S: Final = 1.0
_ASKED_PER_ROUND: Final = 100
#: Bytes of shared memory of a Ray that is started here: only short texts travel.
_STORE_BYTES: Final = 80 << 20


class RayCrew:
    """A Crew of Ray actors, each created when it gets its first source."""

    def __init__(self, size: int | None, setup: WorkerSetup, address: str | None, gpus: float) -> None:
        """Connect to a cluster.

        Args:
            size: number of workers at most; None for as many as the cluster has room for, one CPU each.
            setup: of every worker.
            address: of the cluster; None for the one of RAY_ADDRESS or of this machine, else a new one here.
            gpus: share of a GPU that each worker reserves; 0 for none.

        Raises:
            ConfigError: Ray is missing, or the cluster cannot be reached or has no room for a worker.
        """
        self._ray = _ray()
        self._is_ours = _connect(self._ray, address)
        room = _room(self._ray.cluster_resources(), gpus)
        self.size = min(size or room, room)  # an actor without room would keep its source and never start
        self._setup = to_json(setup)
        groups = {"work": 1, "control": 1}  # a stop must not wait for the source to end
        remote = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, concurrency_groups=groups)
        self._actor_class = remote(_actor_class(self._ray))
        self._actors: dict[int, Any] = {}
        self._work: dict[Any, int] = {}  # worker of each source that is running
        self._questions: dict[Any, int] = {}  # worker of each question for progress
        self._asked_s = time.monotonic()

    def start(self, worker: int, item: Item) -> None:
        """Give a source to an actor; see Crew."""
        if worker not in self._actors:
            self._actors[worker] = self._actor_class.remote(self._setup)
        self._work[self._actors[worker].annotate.remote(to_json(item))] = worker

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Ended sources, lost actors and progress; see Crew."""
        self._ask()
        references = [*self._work, *self._questions]
        ready, _ = self._ray.wait(references, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        events = [self._result(reference) for reference in ready if reference in self._work]
        for reference in ready:
            worker = self._questions.pop(reference, None)
            if worker is not None:
                with contextlib.suppress(self._ray.exceptions.RayError):  # lost, which its source shows
                    events.append(Progressed(worker, *self._ray.get(reference)))
        return events

    def stop(self) -> None:
        """Ask all actors to stop; see Crew."""
        for worker in self._work.values():
            self._actors[worker].stop.remote()

    def close(self) -> None:
        """End all actors, and Ray if it was started here; see Crew."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        if self._is_ours:
            self._ray.shutdown()

    def _ask(self) -> None:
        if time.monotonic() - self._asked_s >= _PROGRESS_S * max(self.size / _ASKED_PER_ROUND, 1.0):
            self._asked_s = time.monotonic()
            asked = set(self._questions.values())
            for worker in set(self._work.values()) - asked:
                self._questions[self._actors[worker].progress.remote()] = worker

    def _result(self, reference: Any) -> Event:
        worker = self._work.pop(reference)
        try:
            return Ended(worker, from_json(Report, self._ray.get(reference)))
        except self._ray.exceptions.RayError as error:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(self._actors[worker])
            del self._actors[worker]
            return Lost(worker, type(error).__name__, str(error))


def _room(resources: dict[str, float], gpus: float) -> int:
    """How many workers fit, each with one CPU and a share of a GPU.

    Raises:
        ConfigError: none.
    """
    room = max(int(resources.get("CPU", 1)), 1)
    if gpus > 0:
        installed = int(resources.get("GPU", 0))
        room = min(room, installed * int(1 / gpus) if gpus <= 1 else int(installed / gpus))
    if room < 1:
        raise ConfigError(f"the cluster has no GPU for workers that need {gpus:g} each: lower --gpus-per-worker")
    return room


def _ray() -> Any:
    """The module, with its usage reports switched off.

    Raises:
        ConfigError: it is missing.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ConfigError("--on ray needs the package ray: install the extra cluster") from None


def _connect(ray: Any, address: str | None) -> bool:
    """Connect; returns whether Ray was started or connected here, so that it must be ended here too.

    Raises:
        ConfigError: the cluster cannot be reached.
    """
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        ray.init(address=address or "auto", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address is not None or "RAY_ADDRESS" in os.environ:
            where = address or os.environ["RAY_ADDRESS"]
            raise ConfigError(f"the Ray cluster at {where} cannot be reached ({error}): check the address") from None
        ray.init(address="local", include_dashboard=False, object_store_memory=_STORE_BYTES, **options)
    return True


def _actor_class(ray: Any) -> type:
    """The class of the actors; made here because its methods are marked with Ray's decorators."""

    class AnnotateActor:
        """Holds an engine, and annotates one source at a time."""

        def __init__(self, setup: str) -> None:
            self._worker = ItemWorker(from_json(WorkerSetup, setup))
            self._control = JobControl()
            self._listener = _Counter()

        @ray.method(concurrency_group="work")  # type: ignore[untyped-decorator]
        def annotate(self, item: str) -> str:
            """Annotate an Item; returns a Report."""
            return to_json(self._worker.run(from_json(Item, item), self._listener, self._control))

        @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
        def progress(self) -> tuple[int, int | None]:
            """Frames done, and their total."""
            return self._listener.done, self._listener.total

        @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
        def stop(self) -> None:
            """Interrupt the source."""
            self._control.stop()

    return AnnotateActor


class _Counter:
    """A ProgressListener that keeps the newest numbers."""

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Keep the total."""
        self.done, self.total = done, total

    def update(self, done: int, file: str | None = None) -> None:
        """Keep the number of frames."""
        self.done = done

    def end(self) -> None:
        """Nothing."""
