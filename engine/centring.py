"""Centred averages: in a file, what comes later is known, so averages need not lag behind the face.

Live, the steady estimate of a face is the average of its past, which lags by about the time constant. Here it is the
mean of that average and of its mirror image, the same average over what follows, so its kernel exp(-|dt| / tau) is
symmetric and labels change when the face does. The mirror image ends three time constants later, beyond which 5 % of
its weight would lie. The rule and the hysteresis are those of `engine.routing.Router`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

import numpy as np

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.routing import Router, sample_of
from engine.types import FaceResult, Float64, FrameResult

#: What follows a frame counts for this many time constants.
REACH: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What one frame shows of its faces, where it shows them well enough."""

    time_s: float
    values: dict[int, Float64]  # of `engine.routing.sample_of`, by track


class CentredRouter:
    """Decides on the faces of a frame again, once the frames after it are known."""

    def __init__(self, calibration: ExpressionCalibration, config: RoutingConfig, keep_lost_s: float) -> None:
        """Nothing is known.

        Args:
            calibration: of the expression model.
            config: of the router whose decisions are replaced; ``smoothing_s`` is the time constant of both sides.
            keep_lost_s: see `engine.config.TrackingConfig`.
        """
        self._router = Router(calibration, config)
        self._smoothing_s = config.smoothing_s
        self._keep_lost_s = keep_lost_s

    @property
    def reach_s(self) -> float:
        """Seconds after a frame of which the frames must be known."""
        return REACH * self._smoothing_s

    def decide(self, result: FrameResult, samples: Iterable[Samples]) -> FrameResult:
        """Replace the decisions of a frame; call it once per frame, in order.

        Args:
            result: the frame with the causal decisions of the pipeline.
            samples: of this frame and those after it, in order; those out of reach do not count.
        """
        now_s = result.frame.timestamp_s
        near = list(takewhile(lambda each: each.time_s <= now_s + self.reach_s, samples))
        faces = tuple(self._decided(face, near, now_s) for face in result.faces)
        self._router.forget(now_s, self._keep_lost_s)
        return replace(result, faces=faces)

    def snapshot(self) -> str:
        """Serialise the state after the last frame decided on as JSON, exact to the last bit."""
        return self._router.snapshot()

    def restore(self, text: str) -> None:
        """Continue from a snapshot.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the text is not a snapshot of this version.
        """
        self._router.restore(text)

    def _decided(self, face: FaceResult, near: list[Samples], now_s: float) -> FaceResult:
        track_id = face.track.track_id
        seen = [(each.time_s, each.values[track_id]) for each in near if track_id in each.values]
        sides = [side for side in (_past(face), self._future(seen)) if side is not None]
        average = np.mean(sides, axis=0) if sides else np.empty(0)
        return replace(face, decision=self._router.route_average(track_id, average, face.aligned.quality, now_s))

    def _future(self, seen: list[tuple[float, Float64]]) -> Float64 | None:
        """The average of `Router`, run backwards from the last sample to the first."""
        if not seen:
            return None
        if self._smoothing_s <= 0:
            return seen[0][1]
        times_s = np.array([time_s for time_s, _ in seen])
        kept = np.exp(-(times_s - times_s[0]) / self._smoothing_s)  # of the weight after each sample
        weights = kept - np.append(kept[1:], 0.0)
        values = np.array([sample for _, sample in seen])
        return np.asarray((weights[:, np.newaxis] * values).sum(axis=0))


def samples_of(result: FrameResult) -> Samples:
    """What a frame shows of its faces."""
    good = (face for face in result.faces if not face.aligned.quality.reasons)
    return Samples(result.frame.timestamp_s, {face.track.track_id: _values(face) for face in good})


def _values(face: FaceResult) -> Float64:
    return sample_of(face.uncertainty, face.expression.probabilities, face.expression.covered)


def _past(face: FaceResult) -> Float64 | None:
    """The average of the pipeline's own decision."""
    steady = face.decision.steady
    if steady is None:
        return None
    return sample_of(steady.uncertainty, steady.probabilities, steady.covered)
