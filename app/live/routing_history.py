"""The decisions of the last half minute: their shares, examples, and what they would be with other limits."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.routing import Router
from engine.types import Decision, FaceResult, FrameResult, Reason, UInt8

#: Length of the history in seconds.
HISTORY_S: Final = 30.0
#: Most frames per second in the history: rerouting must be fast enough to follow a slider.
_FRAMES_PER_S: Final = 10.0
#: Seconds for which the same examples stay, so that only their decisions change while a slider moves.
_EXAMPLES_S: Final = 5.0


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


@dataclass(frozen=True, slots=True, eq=False)
class ExampleFace:
    """A face of the last half minute."""

    picture: UInt8  # (S, S, 3) RGB
    decision: Decision  # at the present limits


@dataclass(slots=True, eq=False)
class _Entry:
    """A frame of the history."""

    time_s: float
    faces: tuple[FaceResult, ...]
    pictures: Mapping[int, UInt8] = field(default_factory=dict)  # by track id; empty if they are those before


class RoutingHistory:
    """Keeps faces with their estimates in memory, and reroutes them when the limits change.

    Rerouting uses the engine's `Router`, so averages and holding times work as they do live; only skipped frames are
    missing.
    """

    def __init__(self, config: RoutingConfig) -> None:
        self._config = config
        self._entries: deque[_Entry] = deque()
        self._pictures: Mapping[int, UInt8] = {}  # added last
        self._chosen: list[tuple[float, int]] = []  # examples: time and track id
        self._chosen_s = 0.0

    def add(self, result: FrameResult, pictures: Mapping[int, UInt8] | None = None) -> None:
        """Add a frame, with small pictures of its faces by track id.

        Frames above the maximum rate are skipped; a time before the previous one clears the history.
        """
        now_s = result.frame.timestamp_s
        if self._entries and now_s < self._entries[-1].time_s:
            self.clear()
        if self._entries and now_s - self._entries[-1].time_s < 0.9 / _FRAMES_PER_S:
            return
        known = pictures is None or pictures is self._pictures
        self._entries.append(_Entry(now_s, result.faces, {} if known else dict(pictures or {})))
        self._pictures = pictures or {}
        while now_s - self._entries[0].time_s > HISTORY_S:
            self._entries.popleft()

    def clear(self) -> None:
        """Discard all frames."""
        self._entries.clear()
        self._chosen.clear()
        self._pictures = {}

    def forget_pictures(self) -> None:
        """Discard all pictures, as when faces are to be blurred."""
        self._pictures = {}
        for entry in self._entries:
            entry.pictures = {}

    def reroute(self, calibration: ExpressionCalibration) -> None:
        """Replace all decisions by those with the limits of a calibration."""
        router = Router(calibration, self._config)
        last: dict[int, FaceResult] = {}
        for entry in self._entries:
            faces = entry.faces
            routed = tuple(_routed(router, face, entry.time_s, last.get(face.track.track_id)) for face in faces)
            last.update((face.track.track_id, face) for face in routed)
            entry.faces = routed

    def decisions(self) -> dict[int, Decision]:
        """Return the decisions of the newest frame, by track id."""
        return {face.track.track_id: face.decision for face in self._entries[-1].faces} if self._entries else {}

    def shares(self) -> RouteShares:
        """Compute the shares of the decisions."""
        reasons = [face.decision.reason for entry in self._entries for face in entry.faces]
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

    def examples(self, most: int) -> tuple[ExampleFace, ...]:
        """Faces with a picture, spread evenly from clear to unclear; the same ones for a few seconds."""
        found = {
            (entry.time_s, face.track.track_id): (entry.pictures[face.track.track_id], face)
            for entry in self._entries
            for face in entry.faces
            if face.track.track_id in entry.pictures
        }
        self._chosen = [key for key in self._chosen if key in found]
        now_s = self._entries[-1].time_s if self._entries else 0.0
        if len(self._chosen) < min(most, len(found)) or now_s - self._chosen_s >= _EXAMPLES_S:
            ranked = sorted(found, key=lambda key: _unclearness(found[key][1]))
            count = min(most, len(ranked))
            self._chosen = [ranked[place * (len(ranked) - 1) // max(count - 1, 1)] for place in range(count)]
            self._chosen_s = now_s
        chosen = [found[key] for key in self._chosen]
        return tuple(ExampleFace(picture, face.decision) for picture, face in chosen)


def with_decisions(result: FrameResult, decisions: dict[int, Decision]) -> FrameResult:
    """Replace decisions of a frame, by track id; other faces keep theirs."""
    faces = tuple(
        dataclasses.replace(face, decision=decisions.get(face.track.track_id, face.decision)) for face in result.faces
    )
    return dataclasses.replace(result, faces=faces)


def _unclearness(face: FaceResult) -> tuple[float, float]:
    """How much people would disagree about a face, then how unusual it is."""
    steady = face.decision.steady
    uncertainty = face.uncertainty if steady is None else steady.uncertainty
    return uncertainty.aleatoric, uncertainty.epistemic


def _routed(router: Router, face: FaceResult, time_s: float, last: FaceResult | None) -> FaceResult:
    if last is not None and face.carried and face.expression is last.expression:  # an estimate is averaged once
        return dataclasses.replace(face, decision=last.decision)
    decision = router.route(face.track.track_id, face.expression, face.uncertainty, face.aligned.quality, time_s)
    return dataclasses.replace(face, decision=decision)
