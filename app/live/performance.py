"""Performance of a live run: frame rates in and out, dropped frames, stage times."""

from __future__ import annotations

import operator
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.session.journal_lines import STAGES
from engine.runtime import RuntimeCounters
from engine.types import StageTimes

_of_stages: Final = operator.attrgetter(*(f"{name}_ms" for name in STAGES))
#: Averaging time of the rates, in seconds.
_RATE_OVER_S: Final = 3.0
#: Number of frames in the statistics of stage times.
_TIMES: Final = 300


@dataclass(frozen=True, slots=True)
class StageTiming:
    """Times of one stage over the last frames."""

    name: str  # one of STAGES
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Performance:
    """Frame rates over the last three seconds, counts since the start of the run."""

    fps_in: float
    fps_out: float
    captured: int
    processed: int
    dropped: int
    stages: tuple[StageTiming, ...]  # empty before the first frame


class PerformanceMeter:
    """Collects counters and stage times. Times are in seconds of any clock."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque()  # time, captured, processed
        self._times: deque[tuple[float, ...]] = deque(maxlen=_TIMES)  # of the stages, in their order
        self._counters = RuntimeCounters(0, 0, 0, ())

    def sample(self, now_s: float, counters: RuntimeCounters) -> None:
        """Add the counters; call a few times per second."""
        self._counters = counters
        self._marks.append((now_s, counters.captured, counters.processed))
        while now_s - self._marks[0][0] > _RATE_OVER_S and len(self._marks) > 2:
            self._marks.popleft()

    def add(self, times: StageTimes) -> None:
        """Add the stage times of one frame."""
        self._times.append(_of_stages(times))

    def figures(self) -> Performance:
        """Compute the current figures."""
        passed_s = self._marks[-1][0] - self._marks[0][0] if self._marks else 0.0
        rates = (0.0, 0.0)
        if passed_s > 0:
            (_, first_in, first_out), (_, last_in, last_out) = self._marks[0], self._marks[-1]
            rates = ((last_in - first_in) / passed_s, (last_out - first_out) / passed_s)
        counters = self._counters
        return Performance(*rates, counters.captured, counters.processed, counters.dropped, self._stages())

    def _stages(self) -> tuple[StageTiming, ...]:
        if not self._times:
            return ()
        p50, p95 = np.percentile(np.array(self._times), (50, 95), axis=0).tolist()
        return tuple(map(StageTiming, STAGES, p50, p95))
