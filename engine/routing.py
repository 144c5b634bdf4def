"""From the uncertainty of a face to a stable decision: smoothing before the rule, hysteresis after it.

The rule (UAR, SPEC 4.1), in this order: low quality -> REJECT; epistemic above its limit -> REJECT; aleatoric above its
limit -> AMBIGUOUS; else ACCEPT.

Before the rule, the two uncertainties and the class probabilities are averaged per track, by an exponential average
with one time constant that is exact for irregular time steps: the steady estimate. Frames of low quality are left out,
because the calibration does not cover them. After the rule, decisions are categories and cannot be averaged: a change
is shown once it has persisted, but what is shown never contradicts the steady estimate, see `Router`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.facs import EXPRESSIONS
from engine.records import read_value
from engine.types import (
    COVERED_PARTS,
    Decision,
    ExpressionEstimate,
    FaceQuality,
    Float32,
    Float64,
    QualityReason,
    Reason,
    Route,
    SteadyEstimate,
    Uncertainty,
)
from engine.uncertainty import ood_score

#: The shown choice is replaced after this many hold times without it, even if the rule keeps changing.
_LONGEST_HOLD: Final = 2.0

#: Fields of _TrackState in seconds.
_TIMES: Final = ("time_s", "seen_s", "waiting_for_s", "left_for_s")
_ROUTES: Final = {
    Reason.CLEAR: Route.ACCEPT,
    Reason.COMPETING_LABELS: Route.AMBIGUOUS,
    Reason.UNLIKE_TRAINING_DATA: Route.REJECT,
    Reason.LOW_QUALITY: Route.REJECT,
}
#: Where the probabilities are in an average, and its length without and with covered parts.
_PROBABILITIES: Final = slice(2, 2 + len(EXPRESSIONS))
_SIZES: Final = (_PROBABILITIES.stop, _PROBABILITIES.stop + len(COVERED_PARTS))


def sample_of(uncertainty: Uncertainty, probabilities: Float32 | Float64, covered: Float32 | Float64 | None) -> Float64:
    """What is averaged over time: aleatoric, epistemic, probabilities, and covered parts if there are any."""
    parts = [np.array([uncertainty.aleatoric, uncertainty.epistemic]), probabilities.astype(np.float64)]
    return np.concatenate(parts if covered is None else [*parts, covered.astype(np.float64)])


@dataclass(frozen=True, slots=True)
class _Choice:
    """Result of the rule without shares: the part of a decision that is subject to hysteresis."""

    reason: Reason
    classes: tuple[int, ...] = ()  # rising indices into facs.EXPRESSIONS: a change of their order is no new choice


@dataclass(slots=True)
class _TrackState:
    """State of one track between frames."""

    time_s: float  # of the last frame
    seen_s: float = 0.0  # of the last frame in the average
    #: (2 + C,) or (2 + C + 3,), see `sample_of`; empty before the first frame of sufficient quality
    average: Float64 = field(default_factory=lambda: np.empty(0))
    shown: _Choice | None = None  # None before the first decision
    waiting: _Choice | None = None  # last result of the rule, where it differs from `shown`
    waiting_for_s: float = 0.0  # how long the rule has given `waiting`
    left_for_s: float = 0.0  # how long the rule has not given `shown`


class Router:
    """Routes faces, one decision per face and frame.

    The first decision of a track is shown at once. A later change of route, reason or labels is shown once the rule has
    given it for ``hold_s``, or, if the rule keeps changing, after twice that time without the shown choice. A return to
    the shown choice before that has no effect. Shares and their order follow the averaged probabilities in every frame.

    Meanwhile the shown choice may say less than the rule, never more, and never something else:

    - it always contains the label with the largest averaged probability: where another label takes the lead, both are
      shown as ambiguous until the new one has persisted;
    - a face is ambiguous, or not assessed, in the very frame in which its average passes the limit.

    So an accepted face has the steady top label, and both its steady uncertainties are within their limits.
    """

    def __init__(self, calibration: ExpressionCalibration, config: RoutingConfig, still: bool = False) -> None:
        """``still``: frames are unrelated images; nothing is averaged, held or remembered."""
        self.calibration = calibration
        self._config = config
        self._still = still
        self._tracks: dict[int, _TrackState] = {}

    def route(
        self,
        track_id: int,
        estimate: ExpressionEstimate,
        uncertainty: Uncertainty,
        quality: FaceQuality,
        timestamp_s: float,
    ) -> Decision:
        """Decide on one face; call it once per frame and track, in order of time.

        A time before the previous one counts as the previous one.

        Raises:
            ValueError: the estimate is not over facs.EXPRESSIONS, or a value is not finite.
        """
        now = sample_of(uncertainty, estimate.probabilities, estimate.covered)
        if now.size not in _SIZES or not np.isfinite(now).all():
            raise ValueError(f"track {track_id}: cannot route uncertainties and probabilities {now.tolist()}")
        track = self._track(track_id, timestamp_s)
        if not quality.reasons:
            self._average(track, now, timestamp_s)
        return self._decide(track, quality, timestamp_s)

    def route_average(self, track_id: int, average: Float64, quality: FaceQuality, timestamp_s: float) -> Decision:
        """Decide on one face whose average is known (engine/centring.py), likewise once per frame and track, in order.

        Args:
            track_id: of the face.
            average: of what `sample_of` gives; empty if no frame was of sufficient quality.
            quality: of the face in this frame, sufficient only with an average.
            timestamp_s: of this frame.
        """
        track = self._track(track_id, timestamp_s)
        track.average = average
        return self._decide(track, quality, timestamp_s)

    def forget(self, now_s: float, unseen_s: float, kept: Collection[int] = ()) -> None:
        """Drop the tracks last routed more than ``unseen_s`` ago, except those ``kept``, to bound memory."""
        self._tracks = {
            key: track for key, track in self._tracks.items() if now_s - track.time_s <= unseen_s or key in kept
        }

    def snapshot(self) -> str:
        """Serialise the state of all tracks as JSON, exact to the last bit."""
        return json.dumps({str(track_id): _pack(track) for track_id, track in self._tracks.items()})

    def restore(self, text: str) -> None:
        """Continue from a snapshot.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the text is not a snapshot of this version.
        """
        self._tracks = {int(track_id): _unpack(raw) for track_id, raw in json.loads(text).items()}

    def _track(self, track_id: int, timestamp_s: float) -> _TrackState:
        track = self._tracks.get(track_id) or _TrackState(timestamp_s)
        if not self._still:
            self._tracks[track_id] = track
        return track

    def _decide(self, track: _TrackState, quality: FaceQuality, timestamp_s: float) -> Decision:
        calibration = self.calibration  # read once: another thread may replace it
        choice = self._choose(track.average, quality, calibration)
        shown = self._hold(track, choice, max(0.0, timestamp_s - track.time_s), calibration)
        track.time_s = timestamp_s
        return _decision(shown, track.average, calibration)

    def _average(self, track: _TrackState, now: Float64, timestamp_s: float) -> None:
        """Average <- x + (average - x) exp(-dt / tau): exact for an input that was x for all of dt, however long."""
        if track.average.size:
            passed_s = max(0.0, timestamp_s - track.seen_s)
            kept = math.exp(-passed_s / self._config.smoothing_s) if self._config.smoothing_s > 0 else 0.0
            now = now + (track.average - now) * kept
        track.average = now
        track.seen_s = timestamp_s

    def _choose(self, average: Float64, quality: FaceQuality, calibration: ExpressionCalibration) -> _Choice:
        """Apply the rule to the averages."""
        if quality.reasons:
            return _Choice(Reason.LOW_QUALITY)
        aleatoric, epistemic = float(average[0]), float(average[1])
        if epistemic > calibration.epistemic_limit:
            return _Choice(Reason.UNLIKE_TRAINING_DATA)
        probabilities = average[_PROBABILITIES]
        order = np.argsort(-probabilities, kind="stable")
        if aleatoric > calibration.aleatoric_limit:
            return _Choice(Reason.COMPETING_LABELS, self._competing(probabilities, order.tolist()))
        return _Choice(Reason.CLEAR, (int(order[0]),))

    def _competing(self, probabilities: Float64, order: list[int]) -> tuple[int, ...]:
        """Classes whose probability competes with the top one: at least two, at most max_labels."""
        needed = self._config.competing_share * probabilities[order[0]]
        count = int((probabilities >= needed).sum())
        return tuple(sorted(order[: max(2, min(count, self._config.max_labels))]))

    def _hold(
        self, track: _TrackState, choice: _Choice, passed_s: float, calibration: ExpressionCalibration
    ) -> _Choice:
        """Apply hysteresis: return the choice to show when the rule gives ``choice``."""
        if track.shown is None or choice == track.shown:
            track.shown, track.waiting = choice, None
            return choice
        track.left_for_s = track.left_for_s + passed_s if track.waiting is not None else 0.0
        track.waiting_for_s = track.waiting_for_s + passed_s if choice == track.waiting else 0.0
        track.waiting = choice
        hold_s = self._config.hold_s
        # Of two labels that keep taking the lead from each other, both are shown.
        narrows = choice.reason is Reason.CLEAR and choice.classes[0] in track.shown.classes
        if track.waiting_for_s >= hold_s or (track.left_for_s >= _LONGEST_HOLD * hold_s and not narrows):
            track.shown = choice
        else:
            track.shown = _held(track.shown, choice, track.average, calibration)
        if track.shown == choice:
            track.waiting = None
        return track.shown


def _held(shown: _Choice, choice: _Choice, average: Float64, calibration: ExpressionCalibration) -> _Choice:
    """What of ``shown`` can be kept while the rule gives ``choice``: nothing that the averages contradict."""
    if not shown.classes:
        return shown
    aleatoric, epistemic = float(average[0]), float(average[1])
    is_accepted = shown.reason is Reason.CLEAR
    if epistemic > calibration.epistemic_limit or (is_accepted and aleatoric > calibration.aleatoric_limit):
        return choice
    top = int(np.argmax(average[_PROBABILITIES]))
    if top in shown.classes:
        return shown
    if choice.reason is not Reason.CLEAR:
        return choice
    before = max(shown.classes, key=lambda index: average[2 + index])
    return _Choice(Reason.COMPETING_LABELS, tuple(sorted((top, before))))


def _decision(choice: _Choice, average: Float64, calibration: ExpressionCalibration) -> Decision:
    likeliest = sorted(choice.classes, key=lambda index: -average[2 + index])
    return Decision(
        _ROUTES[choice.reason],
        choice.reason,
        tuple(EXPRESSIONS[index] for index in likeliest),
        tuple(float(average[2 + index]) for index in likeliest),
        _steady(average, calibration) if average.size else None,
        _covered(average) if choice.reason is Reason.UNLIKE_TRAINING_DATA else (),
    )


def _steady(average: Float64, calibration: ExpressionCalibration) -> SteadyEstimate:
    aleatoric, epistemic = float(average[0]), float(average[1])
    score = ood_score(epistemic, calibration.epistemic_quantiles)
    uncertainty = Uncertainty(aleatoric + epistemic, aleatoric, epistemic, score)
    covered = average[_PROBABILITIES.stop :]
    return SteadyEstimate(average[_PROBABILITIES], uncertainty, covered if covered.size else None)


def _covered(average: Float64) -> tuple[QualityReason, ...]:
    """The parts that are covered more likely than not; empty where the model does not say."""
    return tuple(
        part for part, share in zip(COVERED_PARTS, average[_PROBABILITIES.stop :], strict=False) if share > 0.5
    )


def _pack(track: _TrackState) -> dict[str, Any]:
    return {
        "time_s": track.time_s,
        "seen_s": track.seen_s,
        "average": base64.b64encode(track.average.astype("<f8").tobytes()).decode(),
        "shown": _pack_choice(track.shown),
        "waiting": _pack_choice(track.waiting),
        "waiting_for_s": track.waiting_for_s,
        "left_for_s": track.left_for_s,
    }


def _unpack(raw: dict[str, Any]) -> _TrackState:
    """Make a state from its JSON values.

    Raises:
        KeyError, TypeError, ValueError: a value is missing, of the wrong type or out of range.
    """
    average = np.frombuffer(base64.b64decode(raw["average"], validate=True), "<f8")
    if average.size not in (0, *_SIZES) or not np.isfinite(average).all():
        raise ValueError(f"an average of {average.size} values, or one that is not finite")
    times = {name: read_value(float, raw[name], field=name) for name in _TIMES}
    return _TrackState(
        average=average, shown=_unpack_choice(raw["shown"]), waiting=_unpack_choice(raw["waiting"]), **times
    )


def _pack_choice(choice: _Choice | None) -> list[Any] | None:
    return None if choice is None else [choice.reason.value, list(choice.classes)]


def _unpack_choice(raw: object) -> _Choice | None:
    if raw is None:
        return None
    reason, classes = read_value(tuple[Reason, tuple[int, ...]], raw, field="choice")
    needs_classes = _ROUTES[reason] is not Route.REJECT
    if bool(classes) != needs_classes or not all(0 <= index < len(EXPRESSIONS) for index in classes):
        raise ValueError(f"a choice of the classes {classes}")
    return _Choice(reason, classes)
