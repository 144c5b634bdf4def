"""The last half minute of decisions: what shares of the faces went where, and where they had gone at other limits."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Final

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.routing import Router
from engine.types import Decision, FaceResult, FrameResult, Reason

#: Seconds that are remembered.
HISTORY_S: Final = 30.0
#: At most so many frames per second are remembered: routing them anew must be quick enough to follow a slider.
_FRAMES_PER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class RouteShares:
    """Shares 0-1 of the faces of the last half minute; they sum to 1 unless there was no face."""

    accepted: float
    ambiguous: float
    not_assessed: float  # unlike the training data
    seen_badly: float
    faces: int  # faces times frames that the shares rest on

    @property
    def known(self) -> bool:
        """Whether there was any face."""
        return self.faces > 0


class RoutingHistory:
    """Remembers faces with their estimates, and routes them anew when the limits change.

    Routing anew goes through the engine's own `Router`, so that averages and holding times count as they do live; only
    the frames between those remembered are missing.
    """

    def __init__(self, config: RoutingConfig) -> None:
        self._config = config
        self._entries: deque[tuple[float, tuple[FaceResult, ...]]] = deque()

    def add(self, result: FrameResult) -> None:
        """Remember a frame; frames that come too thick are left out, a time that runs back starts anew."""
        now_s = result.frame.timestamp_s
        if self._entries and now_s < self._entries[-1][0]:
            self._entries.clear()
        if self._entries and now_s - self._entries[-1][0] < 0.9 / _FRAMES_PER_S:
            return
        self._entries.append((now_s, result.faces))
        while now_s - self._entries[0][0] > HISTORY_S:
            self._entries.popleft()

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def reroute(self, calibration: ExpressionCalibration) -> None:
        """Put the decisions of these limits in the place of those remembered."""
        router = Router(calibration, self._config)
        for place, (time_s, faces) in enumerate(self._entries):
            self._entries[place] = (time_s, tuple(_routed(router, face, time_s) for face in faces))

    def decisions(self) -> dict[int, Decision]:
        """Of the newest frame remembered, by track id."""
        return {face.track.track_id: face.decision for face in self._entries[-1][1]} if self._entries else {}

    def shares(self) -> RouteShares:
        """What went where."""
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


def redecided(result: FrameResult, decisions: dict[int, Decision]) -> FrameResult:
    """The same frame with other decisions, by track id; faces that are not named keep theirs."""
    faces = tuple(
        dataclasses.replace(face, decision=decisions.get(face.track.track_id, face.decision)) for face in result.faces
    )
    return dataclasses.replace(result, faces=faces)


def _routed(router: Router, face: FaceResult, time_s: float) -> FaceResult:
    decision = router.route(face.track.track_id, face.expression, face.uncertainty, face.aligned.quality, time_s)
    return dataclasses.replace(face, decision=decision)
