"""How fast jobs go and how long they will still take, told no finer than it is known."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.jobs.job_queue import ACTIVE, Job, JobState

#: Seconds that a rate looks back.
_WINDOW_S: Final = 10.0
#: A rate of less time than this is not told.
_AT_LEAST_S: Final = 2.0


class Throughput:
    """Frames per second over the last seconds. Times come from the caller, in seconds of one clock."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def clear(self) -> None:
        """Begin anew: another job, or after a pause."""
        self._points.clear()

    def add(self, now_s: float, done: int) -> None:
        """``done`` frames are done now; a count below the one before begins anew."""
        points = self._points
        if points and done < points[-1][1]:
            points.clear()
        points.append((now_s, done))
        # one point older than the window stays, so that slow jobs have a rate too
        while len(points) > 2 and points[1][0] <= now_s - _WINDOW_S:
            points.popleft()

    def fps(self, now_s: float) -> float | None:
        """The rate; None while it is not known. A job that hangs gets slower with ``now_s``."""
        if not self._points:
            return None
        (begun_s, first), (_, last) = self._points[0], self._points[-1]
        seconds = now_s - begun_s
        return (last - first) / seconds if seconds >= _AT_LEAST_S and last > first else None


@dataclass(frozen=True, slots=True)
class QueueEta:
    """How long all jobs in line will take."""

    seconds: float | None  # None = not known
    unknown: int  # jobs in line that are not part of it: nobody knows how many frames they have


def job_eta_s(job: Job, fps: float | None) -> float | None:
    """Seconds that a job needs at this rate; None while that is not known."""
    if not fps or job.total is None or job.done > job.total:
        return None  # the source told fewer frames than it has
    return (job.total - job.done) / fps


def queue_eta(jobs: tuple[Job, ...], fps: float | None, fps_of_presets: Mapping[str, float]) -> QueueEta:
    """Time left of the running job and of those in line.

    Args:
        jobs: all jobs.
        fps: rate of the running job; it also stands in for presets that did not run yet.
        fps_of_presets: last rate of each preset.
    """
    lefts = [
        job_eta_s(job, fps if job.state in ACTIVE else fps_of_presets.get(job.preset, fps))
        for job in jobs
        if job.state in (*ACTIVE, JobState.WAITING)
    ]
    known = [left for left in lefts if left is not None]
    return QueueEta(math.fsum(known) if known else None, len(lefts) - len(known))


@dataclass(frozen=True, slots=True)
class RoundedTime:
    """A time as one says it: seconds alone below a minute, else hours and minutes."""

    hours: int
    minutes: int
    seconds: int


def rounded_eta(seconds: float) -> RoundedTime:
    """Round up: to 10 s below a minute, to a minute below ten, to 5 minutes below an hour, else to 10 minutes.

    >>> rounded_eta(3), rounded_eta(200)
    (RoundedTime(hours=0, minutes=0, seconds=10), RoundedTime(hours=0, minutes=4, seconds=0))
    """
    if seconds <= 50:
        return RoundedTime(0, 0, 10 * max(1, math.ceil(seconds / 10)))
    minutes = math.ceil(seconds / 60)
    step = 1 if minutes <= 10 else 5 if minutes <= 60 else 10
    minutes = step * math.ceil(minutes / step)
    return RoundedTime(minutes // 60, minutes % 60, 0)
