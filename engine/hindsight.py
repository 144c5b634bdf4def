"""Results of a file wait for what comes later: faces are confirmed backwards, and averages are centred.

A new face is tentative until it has been tracked for ``confirm_s`` (engine/tracking). Live, its first frames are shown
without it. Here the results of these frames are held until it is confirmed, or until they are too old to wait for it.
All results are held until what follows no longer counts for their averages (engine/centring.py).

Nor do files need each result at once: the networks run once for a group of frames, which takes less time, on a thread
of their own, while the next group is tracked.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from engine.backends.contract import ExpressionCalibration
from engine.centring import CentredRouter, Samples, samples_of
from engine.config import EngineConfig
from engine.errors import OutputError, Remedy
from engine.overlap import SideThread
from engine.types import Analysis, FaceResult, Frame, FrameResult, TrackState

#: A frame is held for this many confirmation times, which a small face needs (engine/tracking/track_book.py), ...
_HOLD_FACTOR: Final = 2.0
#: ... or, in slow videos, for this many frames including itself; as many as a small face must be detected in.
_HOLD_FRAMES: Final = 5
#: Images in memory at most, if the frames are so large that this is reached first: 1.4 s of 1080p at 30 frames per
#: second. Averages of larger or faster videos reach less far ahead.
_MAX_BYTES: Final = 256 << 20
#: Frames of a group. One run of both networks for eight faces takes half the time of eight runs.
GROUP_FRAMES: Final = 8
#: Images of a group in memory at most; it is smaller if the frames are large.
_GROUP_BYTES: Final = 64 << 20
#: Times of frames are sums of steps.
_SAME_TIME_S: Final = 1e-6


@dataclass(slots=True)
class _Held:
    """A result that waits for its tentative faces."""

    result: FrameResult  # with tentative faces
    number: int  # of frames before it in this run
    pending: set[int]  # ids of its tentative faces
    samples: Samples  # of its faces, for the averages of the results before it
    confirmed: set[int] = field(default_factory=set)


class Hindsight:
    """Delays results until the faces in them are confirmed or given up; a `engine.runtime.DelayedPipeline`.

    A tentative face of a frame is part of its result if it is confirmed in a later frame at most
    ``2 * confirm_s`` or four frames later. This depends on that frame and those after it only, and its decision also on
    the state that is part of the snapshot, so a run that resumes after the last frame of a group gives the same
    results; after another frame, up to rounding. The results of a group come when the next one has been tracked.
    """

    def __init__(
        self,
        track_all: Callable[[Sequence[Frame]], Analysis],
        confirm_s: float,
        group_frames: int = GROUP_FRAMES,
        centring: CentredRouter | None = None,
    ) -> None:
        """Nothing is held.

        Args:
            track_all: tracks frames; the analysis returns their confirmed and tentative faces, as
                ``Engine.track_all(frames, tentative=True)``.
            confirm_s: see `engine.config.TrackingConfig`.
            group_frames: frames that are processed together.
            centring: decides again on each face; None = the decisions of the analysis are final.
        """
        self._track_all = track_all
        self._group_frames = group_frames
        self._hold_s = _HOLD_FACTOR * confirm_s + _SAME_TIME_S
        self._centring = centring
        self._group: list[Frame] = []
        self._held: deque[_Held] = deque()
        self._number = 0
        self._analyses = SideThread[Sequence[FrameResult]]("mien-analysis")
        self._running: Future[Sequence[FrameResult]] | None = None  # analysis of the last group

    def feed(self, frame: Frame) -> Sequence[FrameResult]:
        """Take a frame; process the group when it is complete; return the results that are final, in frame order.

        Raises:
            Exception: the error of tracking, or that of the analysis of an earlier frame.
        """
        self._group.append(frame)
        full = len(self._group) >= self._group_frames or len(self._group) * frame.image.nbytes >= _GROUP_BYTES
        return self._process_group() if full else ()

    def _process_group(self) -> list[FrameResult]:
        group, self._group = self._group, []
        analysis = self._track_all(group)
        ready = self._analysed()
        self._running = self._analyses.start(analysis)
        return ready

    def _analysed(self) -> list[FrameResult]:
        """Wait for the analysis that is running; return the results that are final now."""
        running, self._running = self._running, None
        return [] if running is None else [final for result in running.result() for final in self._hold(result)]

    def _hold(self, result: FrameResult) -> list[FrameResult]:
        """Hold a result; return those that are final now."""
        frame = result.frame
        pending = {face.track.track_id for face in result.faces if face.track.state is TrackState.TENTATIVE}
        self._held.append(_Held(result, self._number, pending, samples_of(result)))
        now_confirmed = {face.track.track_id for face in result.faces} - pending
        for held in self._held:
            if held.pending and self._may_wait(held, frame):
                held.confirmed |= held.pending & now_confirmed
                held.pending -= now_confirmed
        self._number += 1
        ready = []
        while self._held and not self._must_wait(self._held[0], frame):
            ready.append(self._pop())
        return ready

    def flush(self) -> Sequence[FrameResult]:
        """Return the results that are still held, without their tentative faces; the source has ended."""
        ready = self._process_group() if self._group else []
        ready += self._analysed()
        while self._held:
            ready.append(self._pop())
        return ready

    def end(self) -> Sequence[FrameResult]:
        """End the thread; return the results of the analysis that was running that are final.

        Raises:
            Exception: the error of that analysis.
        """
        self._analyses.end()
        return self._analysed()

    def restore(self, snapshot: str) -> str:
        """Continue after the frame of a snapshot; returns the part of it that is the state of the pipeline.

        Raises:
            OutputError: it is damaged or was written by another version.
        """
        if self._centring is None:
            return snapshot
        try:
            raw = json.loads(snapshot)
            self._centring.restore(raw["centring"])
            return str(raw["pipeline"])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise OutputError(f"saved state cannot be read ({error!r})", Remedy.RESTART) from error

    def _pop(self) -> FrameResult:
        """The result that was held longest, in its final form."""
        first = self._held.popleft()
        result = _confirmed(first)
        if self._centring is None:
            return result
        result = self._centring.decide(result, (held.samples for held in (first, *self._held)))
        if result.snapshot is None:
            return result
        state = json.dumps({"pipeline": result.snapshot, "centring": self._centring.snapshot()})
        return dataclasses.replace(result, snapshot=state)

    def _must_wait(self, held: _Held, now: Frame) -> bool:
        """Whether a held frame is not final yet after the frame ``now``, the last one."""
        if held.pending and self._may_wait(held, now):
            return True
        if self._centring is None or self._is_full(held):
            return False
        return now.timestamp_s <= held.result.frame.timestamp_s + self._centring.reach_s

    def _may_wait(self, held: _Held, now: Frame) -> bool:
        """Whether a face of a held frame counts if it is confirmed in the frame ``now``."""
        if self._is_full(held):
            return False
        passed_s = now.timestamp_s - held.result.frame.timestamp_s
        return self._number - held.number < _HOLD_FRAMES or passed_s <= self._hold_s

    def _is_full(self, held: _Held) -> bool:
        """Whether the images since a held frame are as many as memory allows."""
        passed = self._number - held.number
        return passed > 0 and passed >= max(_MAX_BYTES // max(held.result.frame.image.nbytes, 1), 1)


def centring_of(config: EngineConfig, calibration: ExpressionCalibration) -> CentredRouter | None:
    """The centring for a file; None if nothing is averaged."""
    if config.routing.smoothing_s <= 0:
        return None
    return CentredRouter(calibration, config.routing, config.tracking.keep_lost_s)


def _confirmed(held: _Held) -> FrameResult:
    faces = []
    for face in held.result.faces:
        if face.track.state is not TrackState.TENTATIVE:
            faces.append(face)
        elif face.track.track_id in held.confirmed:
            faces.append(_as_confirmed(face))
    return dataclasses.replace(held.result, faces=tuple(faces))


def _as_confirmed(face: FaceResult) -> FaceResult:
    return dataclasses.replace(face, track=dataclasses.replace(face.track, state=TrackState.CONFIRMED))
