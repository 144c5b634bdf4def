"""The decisions of the last half minute: their shares, and what they would be with other limits."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Final

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.routing import Router
from engine.types import Decision, FaceResult, FrameResult, Reason

#: Length of the history in seconds.
HISTORY_S: Final = 30.0
#: Most frames per second in the history: rerouting must be fast enough to follow a slider.
_FRAMES_PER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class RouteShares:
    """Shares 0-1 of the decisions in the last half minute; they sum to 1 unless there was no face."""

    accepted: float
    ambiguous: float
    not_assessed: float  # unlike the training data
    low_quality: float
    faces: int  # number of faces, summed over frames

    @property
    def known(self) -> bool:
        """Whether there was any face."""
        return self.faces > 0


class RoutingHistory:
    """Keeps faces with their estimates, and reroutes them when the limits change.

    Rerouting uses the engine's `Router`, so averages and holding times work as they do live; only skipped frames are
    missing.
    """

    def __init__(self, config: RoutingConfig) -> None:
        self._config = config
        self._entries: deque[tuple[float, tuple[FaceResult, ...]]] = deque()

    def add(self, result: FrameResult) -> None:
        """Add a frame. Frames above the maximum rate are skipped; a time before the previous one clears the history."""
        now_s = result.frame.timestamp_s
        if self._entries and now_s < self._entries[-1][0]:
            self._entries.clear()
        if self._entries and now_s - self._entries[-1][0] < 0.9 / _FRAMES_PER_S:
            return
        self._entries.append((now_s, result.faces))
        while now_s - self._entries[0][0] > HISTORY_S:
            self._entries.popleft()

    def clear(self) -> None:
        """Discard all frames."""
        self._entries.clear()

    def reroute(self, calibration: ExpressionCalibration) -> None:
        """Replace all decisions by those with the limits of a calibration."""
        router = Router(calibration, self._config)
        last: dict[int, FaceResult] = {}
        for place, (time_s, faces) in enumerate(self._entries):
            routed = tuple(_routed(router, face, time_s, last.get(face.track.track_id)) for face in faces)
            last.update((face.track.track_id, face) for face in routed)
            self._entries[place] = (time_s, routed)

    def decisions(self) -> dict[int, Decision]:
        """Return the decisions of the newest frame, by track id."""
        return {face.track.track_id: face.decision for face in self._entries[-1][1]} if self._entries else {}

    def shares(self) -> RouteShares:
        """Compute the shares of the decisions."""
        reasons = [face.decision.reason for _, faces in self._entries for face in faces]
        total = len(reasons)

        def share(reason: Reason) -> float:
            return reasons.count(reason) / max(total, 1)

        return RouteShares(
            share(Reason.CLEAR),
            share(Reason.COMPETING_LABELS),
            share(Reason.UNLIKE_TRAINING_DATA),
            share(Reason.LOW_QUALITY),
            total,
        )


def with_decisions(result: FrameResult, decisions: dict[int, Decision]) -> FrameResult:
    """Replace decisions of a frame, by track id; other faces keep theirs."""
    faces = tuple(
        dataclasses.replace(face, decision=decisions.get(face.track.track_id, face.decision)) for face in result.faces
    )
    return dataclasses.replace(result, faces=faces)


def _routed(router: Router, face: FaceResult, time_s: float, last: FaceResult | None) -> FaceResult:
    if last is not None and face.carried and face.expression is last.expression:  # an estimate is averaged once
        return dataclasses.replace(face, decision=last.decision)
    decision = router.route(face.track.track_id, face.expression, face.uncertainty, face.aligned.quality, time_s)
    return dataclasses.replace(face, decision=decision)
