"""The path of one frame, one line per stage. No window; the only clock times the stages."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from engine.alignment import align_face
from engine.analysis_rate import AnalysisRate
from engine.backends.contract import ExpressionCalibration
from engine.baseline import BaselineBook
from engine.config import EngineConfig
from engine.errors import OutputError, Remedy
from engine.overlap import SideThread
from engine.routing import Router
from engine.tracking.quality import assess_quality
from engine.tracking.tracker import Tracker
from engine.types import (
    NO_BASELINE,
    AlignedFace,
    Analysis,
    AUEstimate,
    Decision,
    ExpressionEstimate,
    FaceResult,
    FaceTrack,
    Frame,
    FrameResult,
    StageTimes,
    TrackState,
    UnitBaseline,
)
from engine.uncertainty import assess_uncertainty


class ExpressionStage(Protocol):
    """Estimates expressions."""

    def estimate(self, faces: Sequence[AlignedFace]) -> Sequence[ExpressionEstimate]:
        """One estimate per face, in order."""


class ActionUnitStage(Protocol):
    """Estimates action units."""

    def estimate(self, faces: Sequence[AlignedFace]) -> Sequence[AUEstimate]:
        """One estimate per face, in order."""


class Closeable(Protocol):
    """A resource such as an open network."""

    def close(self) -> None:
        """Release it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame after tracking and alignment."""

    frame: Frame
    tracks: list[FaceTrack]
    faces: list[AlignedFace]  # of the tracks, in their order
    tracking_ms: float
    alignment_ms: float
    left_out: int  # see FrameResult
    cut: bool  # likewise


class Pipeline:
    """From a frame to its faces with expression, action units, uncertainty and decision. Not thread-safe."""

    def __init__(
        self,
        tracker: Tracker,
        expression: ExpressionStage,
        action_units: ActionUnitStage,
        router: Router,
        config: EngineConfig,
        resources: Sequence[Closeable] = (),
        clock: Callable[[], float] = time.perf_counter,
        baselines: BaselineBook | None = None,
    ) -> None:
        """Put the stages together.

        Args:
            tracker: finds and follows the faces.
            expression: estimates expressions.
            action_units: estimates action units.
            router: decides.
            config: all settings.
            resources: the networks of the stages; closed with the pipeline, like the tracker.
            clock: seconds, of which the times of the stages are made.
            baselines: of the faces; None: there are none.
        """
        self._baselines = baselines
        self._tracker = tracker
        self._expression = expression
        self._action_units = action_units
        self._router = router
        self._config = config
        self._resources = resources
        self._clock = clock
        self._rate = AnalysisRate(config.runtime.latency_target_ms)
        self._shown: dict[int, FaceResult] = {}  # faces of the last live frame, by track
        self._side = SideThread[Sequence[AUEstimate]]("mien-action-units")

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        """Process a frame; returns its confirmed faces, largest first. Frames of a stream must come in order.

        With ``tentative``, faces that are not confirmed yet are processed and returned too (engine/hindsight.py).
        """
        return self.process_all((frame,), tentative)[0]

    def process_all(self, frames: Sequence[Frame], tentative: bool = False) -> list[FrameResult]:
        """Process frames of a stream in order, with one run of each network for all their faces.

        The results are those of `process` up to rounding. The time of the networks is divided among the frames.
        """
        return self.track_all(frames, tentative)()

    def track_all(self, frames: Sequence[Frame], tentative: bool = False, snapshot: bool = False) -> Analysis:
        """Begin `process_all`: track the frames and return the analysis, whose results are the same.

        The analysis may run on another thread while the next frames are tracked, which depend on nothing in it. Run
        every analysis once, in order, and none while anything but `track_all` runs.

        Args:
            frames: one or more, in order.
            tentative: as for `process`.
            snapshot: give the last result the state after its frame.
        """
        seen = [self._see(frame, tentative) for frame in frames]
        tracked = self._tracker.snapshot() if snapshot else None

        def analyse() -> list[FrameResult]:
            results = self._analyse(seen)
            if tracked is not None:
                results[-1] = dataclasses.replace(results[-1], snapshot=self._state(tracked))
            return results

        return analyse

    def _analyse(self, seen: Sequence[_Seen]) -> list[FrameResult]:
        faces = [face for each in seen for face in each.faces]
        watch = _Stopwatch(self._clock)
        expressions = self._expression.estimate(faces)
        expression_ms = watch.lap_ms() / len(seen)
        units = self._action_units.estimate(faces)
        networks_ms = expression_ms, watch.lap_ms() / len(seen)
        results, first = [], 0
        for each in seen:
            own = slice(first, first + len(each.faces))
            results.append(self._decide(each, expressions[own], units[own], networks_ms))
            first = own.stop
        return results

    def process_live(self, frame: Frame) -> FrameResult:
        """Process a frame within `RuntimeConfig.latency_target_ms`; returns its confirmed faces, largest first.

        All faces are tracked. Those whose analysis does not fit have the estimates and the decision of the frame in
        which they were analysed last, and ``carried``; they do not enter the averages again. A new face is analysed.
        """
        seen = self._see(frame, tentative=False)
        ids = [face.track_id for face in seen.faces]
        chosen = self._rate.choose(ids, seen.tracking_ms + seen.alignment_ms)
        chosen |= {track_id for track_id in ids if track_id not in self._shown}  # after a frame that failed
        places = [place for place, track_id in enumerate(ids) if track_id in chosen]
        part = dataclasses.replace(
            seen, tracks=[seen.tracks[place] for place in places], faces=[seen.faces[place] for place in places]
        )
        expressions, units, networks_ms = self._estimate_together(part.faces)
        self._rate.measured(chosen, sum(networks_ms))
        result = self._decide(part, expressions, units, networks_ms, ids)
        analysed = {face.track.track_id: face for face in result.faces}
        faces = [
            analysed[face.track_id] if face.track_id in analysed else self._carry(track, face)
            for track, face in zip(seen.tracks, seen.faces, strict=True)
        ]
        self._shown = dict(zip(ids, faces, strict=True))
        return dataclasses.replace(result, faces=tuple(faces))

    def _estimate_together(
        self, faces: Sequence[AlignedFace]
    ) -> tuple[Sequence[ExpressionEstimate], Sequence[AUEstimate], tuple[float, float]]:
        """Run both networks at once; the time of the second is how much longer it takes."""
        if not faces:
            return (), (), (0.0, 0.0)
        watch = _Stopwatch(self._clock)
        pending = self._side.start(partial(self._action_units.estimate, faces))
        expressions = self._expression.estimate(faces)
        expression_ms = watch.lap_ms()
        units = pending.result()
        return expressions, units, (expression_ms, watch.lap_ms())

    def _carry(self, track: FaceTrack, aligned: AlignedFace) -> FaceResult:
        last = self._shown[track.track_id]
        return dataclasses.replace(last, track=track, aligned=aligned, carried=last.carried + 1)

    def snapshot(self) -> str:
        """Serialise the state between frames as JSON; a pipeline restored from it gives the same results."""
        return self._state(self._tracker.snapshot())

    def _state(self, tracked: str) -> str:
        state = {"tracker": tracked, "router": self._router.snapshot()}
        if self._baselines is not None:
            state["baselines"] = self._baselines.snapshot()
        return json.dumps(state)

    def restore(self, text: str) -> None:
        """Continue from a snapshot.

        Raises:
            OutputError: it is damaged or was written by another version.
        """
        try:
            raw = json.loads(text)
            self._tracker.restore(raw["tracker"])
            self._router.restore(raw["router"])
            if self._baselines is not None:
                self._baselines.restore(raw.get("baselines", "{}"))
            self._rate.clear()
            self._shown = {}
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise OutputError(f"saved state cannot be read ({error!r})", Remedy.RESTART) from error

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        """Route with other limits from the next frame on; averages are kept. Callable from any thread."""
        self._router.calibration = calibration

    def close(self) -> None:
        """Release all networks; the pipeline cannot run afterwards."""
        self._side.end()
        for resource in (self._tracker, *self._resources):
            resource.close()

    def _see(self, frame: Frame, tentative: bool) -> _Seen:
        """Track and align."""
        watch = _Stopwatch(self._clock)
        tracks = _in_view(self._tracker.track(frame), tentative)
        tracking_ms = watch.lap_ms()
        faces = [self._align(frame, track) for track in tracks]
        return _Seen(frame, tracks, faces, tracking_ms, watch.lap_ms(), self._tracker.left_out, self._tracker.cut)

    def _decide(
        self,
        seen: _Seen,
        expressions: Sequence[ExpressionEstimate],
        units: Sequence[AUEstimate],
        networks_ms: tuple[float, float],
        kept: Collection[int] = (),
    ) -> FrameResult:
        """Uncertainties and decisions of one frame; ``kept``: tracks in it that are not routed now."""
        watch, frame = _Stopwatch(self._clock), seen.frame
        calibration = self._router.calibration  # the same for the whole frame: another thread may replace it
        uncertainties = [assess_uncertainty(estimate, calibration) for estimate in expressions]
        decisions = [
            self._router.route(face.track_id, estimate, uncertainty, face.quality, frame.timestamp_s)
            for face, estimate, uncertainty in zip(seen.faces, expressions, uncertainties, strict=True)
        ]
        self._router.forget(frame.timestamp_s, self._config.tracking.keep_lost_s, kept)
        baselines = self._observe(seen, units, decisions, kept)
        now = [0] * len(seen.faces)  # carried
        results = zip(
            seen.tracks, seen.faces, expressions, units, uncertainties, decisions, now, baselines, strict=True
        )
        shown = tuple(FaceResult(*parts) for parts in results)
        times = StageTimes(seen.tracking_ms, seen.alignment_ms, *networks_ms, watch.lap_ms())
        return FrameResult(frame, shown, times, left_out=seen.left_out, cut=seen.cut)

    def _observe(
        self, seen: _Seen, units: Sequence[AUEstimate], decisions: Sequence[Decision], kept: Collection[int]
    ) -> list[UnitBaseline]:
        """The baseline of each face of a frame, which counts for it."""
        book, now_s = self._baselines, seen.frame.timestamp_s
        if book is None:
            return [NO_BASELINE] * len(seen.faces)
        faces = zip(seen.faces, units, decisions, strict=True)
        found = [book.observe(face.track_id, estimate, decision, now_s) for face, estimate, decision in faces]
        book.forget(now_s, self._config.tracking.keep_lost_s, kept)
        return found

    def _align(self, frame: Frame, track: FaceTrack) -> AlignedFace:
        crop, landmarks, frame_from_crop = align_face(frame.image, track.mesh)
        quality = assess_quality(frame, track, crop, self._config.quality)
        return AlignedFace(track.track_id, crop, landmarks, np.asarray(frame_from_crop, np.float64), quality)


class _Stopwatch:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_s = clock()

    def lap_ms(self) -> float:
        """Milliseconds since the previous lap."""
        before, self._last_s = self._last_s, self._clock()
        return (self._last_s - before) * 1000.0


def _in_view(tracks: Sequence[FaceTrack], tentative: bool) -> list[FaceTrack]:
    """Confirmed and, if wanted, tentative tracks, largest box first, older first among equals."""
    wanted = (TrackState.CONFIRMED, TrackState.TENTATIVE) if tentative else (TrackState.CONFIRMED,)
    chosen = [track for track in tracks if track.state in wanted]
    return sorted(chosen, key=lambda track: (-float(np.prod(track.box[2:] - track.box[:2])), track.track_id))
