"""State and figures of the service: what its status messages and metrics are made from."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from app.live.performance import Performance, PerformanceMeter
from app.overlay.disclaimer import DISCLAIMER
from app.serve.messages import STATUS_SCHEMA, LiveFrame
from engine.runtime import RuntimeCounters

#: Faces in the shares of decisions.
_RECENT_FACES: Final = 900
#: Without a new result for so long, the service is not ready.
READY_S: Final = 2.0


class ServiceState(str, Enum):
    """State of the source."""

    STARTING = "starting"  # source or engine are being opened
    RUNNING = "running"
    LOST = "lost"  # the source failed or stopped sending; it is opened again after a pause
    ENDED = "ended"  # a file was played to its end
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What a subscriber receives when it connects and whenever the state changes."""

    t: float  # seconds since 1970-01-01 UTC
    camera: str
    source: str  # without passwords
    state: ServiceState
    problem: str | None  # why the source is lost
    reconnects: int  # successful attempts after a loss
    stalls: int  # runs that were ended because nothing arrived
    labels: tuple[str, ...] = ()  # of the expression model; empty until it is open
    au: tuple[str, ...] = ()  # action units in the messages
    model: str | None = None
    au_model: str | None = None
    note: str = DISCLAIMER

    def json(self) -> str:
        """One line of JSON."""
        values: dict[str, Any] = {"schema": STATUS_SCHEMA, **dataclasses.asdict(self)}
        return json.dumps(values, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class OutputCounters:
    """Messages of one output so far."""

    sent: int = 0
    dropped: int = 0  # because a subscriber or the broker was too slow, or not connected
    subscribers: int = 0


class LiveOutput(Protocol):
    """Publishes messages. No method blocks for longer than its own time limit; `send` never waits at all."""

    name: str

    @property
    def address(self) -> str:
        """Where subscribers find it, for the log; without secrets."""

    def open(self) -> None:
        """Start; called once."""

    def send(self, frame: LiveFrame) -> None:
        """Publish a frame; called on the thread of the sink."""

    def report(self, status: ServiceStatus) -> None:
        """Publish a change of state; called on the thread of the service."""

    def counters(self) -> OutputCounters:
        """Messages so far; callable from any thread."""

    def close(self) -> None:
        """Announce the end and stop; called once."""


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Figures of the service at one moment."""

    performance: Performance  # counts since the start of the run
    decisions: dict[str, int]  # faces by decision, since the start of the service
    recent: dict[str, float]  # share of each decision among the last faces; empty without faces
    late_results: int  # results that the outputs were too slow for, since the start of the service
    result_age_s: float | None  # since the newest result; None before the first
    uptime_s: float


class LiveStatistics:
    """Collects the figures; callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._meter = PerformanceMeter()
        self._decisions: Counter[str] = Counter()
        self._recent: deque[str] = deque(maxlen=_RECENT_FACES)
        self._result_at_s: float | None = None
        self._started_s = time.monotonic()
        self._late_before = self._late = 0  # in earlier runs, and in this one

    def add(self, frame: LiveFrame) -> None:
        """Add the messages of a frame."""
        with self._lock:
            self._meter.add(frame.result.times)
            self._result_at_s = time.monotonic()
            for message in frame.faces:
                self._decisions[message.decision] += 1
                self._recent.append(message.decision)

    def sample(self, counters: RuntimeCounters, late: int) -> None:
        """Add the counters of the run, and the results that its sink dropped; call a few times per second."""
        with self._lock:
            self._meter.sample(time.monotonic(), counters)
            self._late = late

    def begin_run(self) -> None:
        """Forget the rates of the previous run."""
        with self._lock:
            self._meter = PerformanceMeter()
            self._late_before, self._late = self._late_before + self._late, 0

    def figures(self) -> LiveFigures:
        """The figures now."""
        with self._lock:
            now_s = time.monotonic()
            recent = Counter(self._recent)
            return LiveFigures(
                self._meter.figures(),
                dict(self._decisions),
                {name: count / len(self._recent) for name, count in recent.items()},
                self._late_before + self._late,
                None if self._result_at_s is None else now_s - self._result_at_s,
                now_s - self._started_s,
            )


def not_ready(status: ServiceStatus, figures: LiveFigures) -> str | None:
    """Why the service is not ready, as one line; None if it is."""
    if status.state is not ServiceState.RUNNING:
        return f"the source is {status.state.value}"
    age_s = figures.result_age_s
    if age_s is None or age_s > READY_S:
        return "no result yet" if age_s is None else f"the newest result is {age_s:.0f} s old"
    return None
