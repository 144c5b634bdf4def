"""From the uncertainty of a face to a decision that holds still: averages before the rule, hysteresis after it.

The rule (UAR, SPEC 4.1), in this order: seen badly -> REJECT; epistemic above its limit -> REJECT; aleatoric above its
limit -> AMBIGUOUS; else ACCEPT.

Averaged before the rule, per track: the two uncertainties and the class probabilities, each by an exponential average
with one time constant that is exact for irregular time steps. Frames on which the face is seen badly add nothing, since
the calibration does not speak for them. Nothing is averaged after the rule: decisions are no numbers, and an average of
"ambiguous" and "not assessed" would be neither. There, only time counts: see `Router`.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.facs import EXPRESSIONS
from engine.types import Decision, ExpressionEstimate, FaceQuality, Float64, Reason, Route, Uncertainty

#: A choice that the rule has left is shown for no longer than this many hold times, whatever takes its place.
_LONGEST_HOLD: Final = 2.0

_ROUTES: Final = {
    Reason.CLEAR: Route.ACCEPT,
    Reason.COMPETING_LABELS: Route.AMBIGUOUS,
    Reason.UNLIKE_TRAINING_DATA: Route.REJECT,
    Reason.LOW_QUALITY: Route.REJECT,
}


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the rule says, without shares: the part of a decision that is held still."""

    reason: Reason
    classes: tuple[int, ...] = ()  # rising places in facs.EXPRESSIONS; order of likelihood is no change


@dataclass(slots=True)
class _Story:
    """What is remembered of one track."""

    time_s: float  # of the last frame
    seen_s: float = 0.0  # of the last frame that went into the average
    average: Float64 = field(
        default_factory=lambda: np.empty(0)
    )  # (2 + C,) aleatoric, epistemic, probabilities; or (0,)
    shown: _Choice | None = None  # None before the first decision
    waiting: _Choice | None = None  # what the rule said last, when it is not what is shown
    waiting_for_s: float = 0.0  # how long the rule has said `waiting`
    left_for_s: float = 0.0  # how long the rule has said anything but `shown`


class Router:
    """Routes faces, one decision per face and frame.

    The first decision of a track is shown at once. After that a changed choice (route, reason, labels) is shown once
    the rule has said it for ``hold_s``; when the rule has left what is shown but does not settle, the newest choice is
    shown after twice that time. A return to what is shown before that is a flicker and leaves no trace. Shares and
    their order follow the averaged probabilities in every frame.

    The uncertainty that a FaceResult carries beside this decision is the raw one of its frame: tables keep what was
    measured, the decision says what was shown.
    """

    def __init__(self, calibration: ExpressionCalibration, config: RoutingConfig, still: bool = False) -> None:
        """``still``: every frame is a picture of its own; nothing is averaged, held or remembered."""
        self.calibration = calibration
        self._config = config
        self._still = still
        self._stories: dict[int, _Story] = {}

    def route(
        self,
        track_id: int,
        estimate: ExpressionEstimate,
        uncertainty: Uncertainty,
        quality: FaceQuality,
        timestamp_s: float,
    ) -> Decision:
        """The decision for one face; call it once per frame and track, in order of time.

        A time that runs back counts as no time passed.

        Raises:
            ValueError: the estimate is not over facs.EXPRESSIONS, or holds a value that is not finite.
        """
        now = np.concatenate(
            [[uncertainty.aleatoric, uncertainty.epistemic], estimate.probabilities.astype(np.float64)]
        )
        if now.size != 2 + len(EXPRESSIONS) or not np.isfinite(now).all():
            raise ValueError(f"track {track_id}: cannot route uncertainties and probabilities {now.tolist()}")
        story = self._stories.get(track_id) or _Story(timestamp_s)
        if not self._still:
            self._stories[track_id] = story
        if not quality.reasons:
            self._average(story, now, timestamp_s)
        shown = self._hold(story, self._choose(story, quality), max(0.0, timestamp_s - story.time_s))
        story.time_s = timestamp_s
        return _decision(shown, story.average)

    def forget(self, now_s: float, unseen_s: float) -> None:
        """Drop the tracks that were last routed more than ``unseen_s`` ago, so that memory stays flat."""
        self._stories = {key: story for key, story in self._stories.items() if now_s - story.time_s <= unseen_s}

    def snapshot(self) -> str:
        """State of all tracks as JSON, exact to the last bit."""
        return json.dumps({str(track_id): _pack(story) for track_id, story in self._stories.items()})

    def restore(self, text: str) -> None:
        """Go on from a snapshot.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the text is not from `snapshot` of this version.
        """
        self._stories = {int(track_id): _unpack(raw) for track_id, raw in json.loads(text).items()}

    def _average(self, story: _Story, now: Float64, timestamp_s: float) -> None:
        """Average <- x + (average - x) exp(-dt / tau): exact for an input that was x for all of dt, however long."""
        if story.average.size:
            passed_s = max(0.0, timestamp_s - story.seen_s)
            kept = math.exp(-passed_s / self._config.smoothing_s) if self._config.smoothing_s > 0 else 0.0
            now = now + (story.average - now) * kept
        story.average = now
        story.seen_s = timestamp_s

    def _choose(self, story: _Story, quality: FaceQuality) -> _Choice:
        """The rule, on averages."""
        calibration = self.calibration  # read once: a window may put another in its place at any time
        if quality.reasons:
            return _Choice(Reason.LOW_QUALITY)
        aleatoric, epistemic = float(story.average[0]), float(story.average[1])
        if epistemic > calibration.epistemic_limit:
            return _Choice(Reason.UNLIKE_TRAINING_DATA)
        order = np.argsort(-story.average[2:], kind="stable")
        if aleatoric > calibration.aleatoric_limit:
            return _Choice(Reason.COMPETING_LABELS, self._competing(story.average[2:], order.tolist()))
        return _Choice(Reason.CLEAR, (int(order[0]),))

    def _competing(self, probabilities: Float64, order: list[int]) -> tuple[int, ...]:
        """Classes likely enough beside the top one: at least two, at most max_labels."""
        needed = self._config.competing_share * probabilities[order[0]]
        count = int((probabilities >= needed).sum())
        return tuple(sorted(order[: max(2, min(count, self._config.max_labels))]))

    def _hold(self, story: _Story, choice: _Choice, passed_s: float) -> _Choice:
        """Hysteresis: what is shown now that the rule says ``choice``."""
        if story.shown is None or choice == story.shown:
            story.shown, story.waiting = choice, None
            return choice
        story.left_for_s = story.left_for_s + passed_s if story.waiting is not None else 0.0
        story.waiting_for_s = story.waiting_for_s + passed_s if choice == story.waiting else 0.0
        story.waiting = choice
        hold_s = self._config.hold_s
        if story.waiting_for_s >= hold_s or story.left_for_s >= _LONGEST_HOLD * hold_s:
            story.shown, story.waiting = choice, None
        return story.shown


def _decision(choice: _Choice, average: Float64) -> Decision:
    likeliest = sorted(choice.classes, key=lambda index: -average[2 + index])
    return Decision(
        _ROUTES[choice.reason],
        choice.reason,
        tuple(EXPRESSIONS[index] for index in likeliest),
        tuple(float(average[2 + index]) for index in likeliest),
    )


def _pack(story: _Story) -> dict[str, Any]:
    return {
        "time_s": story.time_s,
        "seen_s": story.seen_s,
        "average": base64.b64encode(story.average.astype("<f8").tobytes()).decode(),
        "shown": _pack_choice(story.shown),
        "waiting": _pack_choice(story.waiting),
        "waiting_for_s": story.waiting_for_s,
        "left_for_s": story.left_for_s,
    }


def _unpack(raw: dict[str, Any]) -> _Story:
    return _Story(
        time_s=raw["time_s"],
        seen_s=raw["seen_s"],
        average=np.frombuffer(base64.b64decode(raw["average"]), "<f8"),
        shown=_unpack_choice(raw["shown"]),
        waiting=_unpack_choice(raw["waiting"]),
        waiting_for_s=raw["waiting_for_s"],
        left_for_s=raw["left_for_s"],
    )


def _pack_choice(choice: _Choice | None) -> list[Any] | None:
    return None if choice is None else [choice.reason.value, list(choice.classes)]


def _unpack_choice(raw: list[Any] | None) -> _Choice | None:
    return None if raw is None else _Choice(Reason(raw[0]), tuple(raw[1]))
