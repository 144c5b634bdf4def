"""Throughput and ETA, rounded to their precision."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.jobs.job_queue import ACTIVE, Job, JobState

#: Seconds over which the throughput is averaged.
_WINDOW_S: Final = 10.0
#: Seconds needed before there is a throughput.
_AT_LEAST_S: Final = 2.0


class Throughput:
    """Frames per second over the last seconds. The caller passes the times, in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def clear(self) -> None:
        """Start again, for another job or after a pause."""
        self._points.clear()

    def add(self, now_s: float, done: int) -> None:
        """Record that ``done`` frames are done; if the count decreases, start again."""
        points = self._points
        if points and done < points[-1][1]:
            points.clear()
        points.append((now_s, done))
        # one point older than the window is kept, so that slow jobs have a throughput too
        while len(points) > 2 and points[1][0] <= now_s - _WINDOW_S:
            points.popleft()

    def fps(self, now_s: float) -> float | None:
        """Frames per second; None while unknown. It decreases with ``now_s`` while a job hangs."""
        if not self._points:
            return None
        (start_s, first), (_, last) = self._points[0], self._points[-1]
        seconds = now_s - start_s
        return (last - first) / seconds if seconds >= _AT_LEAST_S and last > first else None


@dataclass(frozen=True, slots=True)
class QueueEta:
    """Time left for all queued jobs."""

    seconds: float | None  # None = unknown
    unknown: int  # queued jobs left out because their number of frames is unknown


def job_eta_s(job: Job, fps: float | None) -> float | None:
    """Seconds left for a job at this throughput; None if unknown."""
    if not fps or job.total is None or job.done > job.total:
        return None  # the source has more frames than it reported
    return (job.total - job.done) / fps


def queue_eta(jobs: tuple[Job, ...], fps: float | None, fps_of_presets: Mapping[str, float]) -> QueueEta:
    """Time left for the running job and all waiting jobs.

    Args:
        jobs: all jobs.
        fps: throughput of the running job, also used for presets that have not run yet.
        fps_of_presets: latest throughput of each preset.
    """
    etas = [
        job_eta_s(job, fps if job.state in ACTIVE else fps_of_presets.get(job.preset, fps))
        for job in jobs
        if job.state in (*ACTIVE, JobState.WAITING)
    ]
    known = [eta for eta in etas if eta is not None]
    return QueueEta(math.fsum(known) if known else None, len(etas) - len(known))


@dataclass(frozen=True, slots=True)
class RoundedTime:
    """A rounded duration: seconds below a minute, otherwise hours and minutes."""

    hours: int
    minutes: int
    seconds: int


def rounded_eta(seconds: float) -> RoundedTime:
    """Round up: to 10 s below a minute, to 1 minute below ten, to 5 minutes below an hour, then to 10 minutes.

    >>> rounded_eta(3), rounded_eta(200)
    (RoundedTime(hours=0, minutes=0, seconds=10), RoundedTime(hours=0, minutes=4, seconds=0))
    """
    if seconds <= 50:
        return RoundedTime(0, 0, 10 * max(1, math.ceil(seconds / 10)))
    minutes = math.ceil(seconds / 60)
    step = 1 if minutes <= 10 else 5 if minutes <= 60 else 10
    minutes = step * math.ceil(minutes / step)
    return RoundedTime(minutes // 60, minutes % 60, 0)
