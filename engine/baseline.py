"""The neutral baseline of a person: what a face's units show while it is neutral, subtracted from all of its frames.

A face has a look of its own: heavy brows raise AU4 while nothing moves. For each unit the person's neutral logit is the
median over neutral frames of the face, and every logit is shifted by its difference from the model's usual neutral
logit (`engine.backends.contract.AUCalibration.neutral`). The difference is shrunk towards 0 by n / (n + PRIOR_FRAMES),
so that few frames change little. The median intensity of the neutral frames, shrunk likewise, is subtracted too: a
neutral face has intensity 0. The same idea as the person-specific calibration of OpenFace (Baltrusaitis, Mahmoud
and Robinson, "Cross-dataset learning and person-specific normalisation for automatic Action Unit detection", FG 2015),
which subtracts a median of features over all frames.

Neutral frames are those that a person names, or those that the expression model accepts as neutral.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.facs import EXPRESSIONS, HIGHEST_INTENSITY
from engine.types import NO_BASELINE, AUEstimate, BaselineState, Decision, Float32, Route, UnitBaseline

#: Fewer neutral frames are no baseline: half a second of most videos.
MIN_FRAMES: Final = 15
#: Frames after which half of the difference counts.
PRIOR_FRAMES: Final = 30
#: Seconds that are collected when a person asks for it, and after which too few frames are given up.
COLLECT_S: Final = 3.0
GIVE_UP_S: Final = 10.0
#: Neighbouring frames are alike: so many count as one in the standard error.
_ALIKE_FRAMES: Final = 15
#: Frames in memory for one face at most; then every second one is dropped.
_MAX_FRAMES: Final = 1024
#: An automatic baseline is estimated again when its frames have become more by this share.
_GROWTH: Final = 0.1
#: Standard error of a median over that of a mean, and standard deviation over median deviation, of normal values.
_MEDIAN_ERROR, _DEVIATION = 1.2533, 1.4826
#: Occurrences are kept this far from 0 and 1, so that their logits are finite; they have six digits in sessions.
_EDGE: Final = 1e-6
#: Largest intensity that is subtracted: near the highest, what is left would be stretched beyond measure.
_MOST_SUBTRACTED: Final = 4.5
_NEUTRAL: Final = EXPRESSIONS[0]


class FrameSample:
    """Values of the frames of one face (`frame_values`), thinned evenly so that memory stays bounded."""

    def __init__(self) -> None:
        self.count = 0  # frames added
        self._stride = 1
        self._kept: list[Float32] = []

    def add(self, values: Float32) -> None:
        """Add a frame (V,)."""
        if self.count % self._stride == 0:
            self._kept.append(values)
            if len(self._kept) >= _MAX_FRAMES:
                self._kept = self._kept[::2]
                self._stride *= 2
        self.count += 1

    def values(self) -> Float32:
        """The frames kept (n, V)."""
        width = min(map(len, self._kept), default=0)  # states of earlier versions have logits only
        return np.array([values[:width] for values in self._kept], np.float32)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"count": self.count, "stride": self._stride, "kept": [each.tolist() for each in self._kept]}

    @classmethod
    def of_state(cls, raw: dict[str, Any]) -> FrameSample:
        """From `state`."""
        made = cls()
        made.count, made._stride = int(raw["count"]), int(raw["stride"])
        made._kept = [np.array(each, np.float32) for each in raw["kept"]]
        return made


def logits_of(occurrence: Float32) -> Float32:
    """Logits of occurrences 0-1, any shape; finite also for 0 and 1.

    >>> float(logits_of(np.array([0.5], np.float32))[0])
    0.0
    """
    p = np.clip(np.asarray(occurrence, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def frame_values(occurrence: Float32, intensity: Float32 | None) -> Float32:
    """What a `FrameSample` takes of frames: logits (..., K), followed by intensities (..., K) where there are any.

    ``intensity`` is None or (..., 0) where the model grades none.
    """
    logits = logits_of(occurrence)
    return logits if intensity is None else np.concatenate((logits, intensity), axis=-1, dtype=np.float32)


def estimate_baseline(sample: FrameSample, usual: Float32) -> UnitBaseline:
    """The baseline from the neutral frames of a face; ``usual`` (K,) are the model's neutral logits.

    The error of the shift is that of the median: _ALIKE_FRAMES neighbours count as one frame; times the shrinkage.
    """
    if sample.count < MIN_FRAMES:
        return UnitBaseline(BaselineState.UNKNOWN, sample.count)
    logits, graded = np.split(sample.values(), [len(usual)], axis=1)  # (n, K), and (n, K) or (n, 0)
    median = np.median(logits, axis=0)
    deviation = _DEVIATION * np.median(np.abs(logits - median), axis=0)
    weight = sample.count / (sample.count + PRIOR_FRAMES)
    intensity = np.clip(weight * np.median(graded, axis=0), 0, _MOST_SUBTRACTED) if graded.size else None
    error = weight * _MEDIAN_ERROR * deviation / np.sqrt(sample.count / _ALIKE_FRAMES)
    shift = weight * (median - usual)
    found = (None if each is None else each.astype(np.float32) for each in (shift, error, intensity))
    return UnitBaseline(BaselineState.KNOWN, sample.count, *found)


def subtract(occurrence: Float32, std: Float32, baseline: UnitBaseline) -> tuple[Float32, Float32]:
    """Occurrences and their standard deviations (..., K) after the shift of their logits.

    The deviation includes the error of the baseline: to first order sd = p (1 - p) sqrt(sd_logit^2 + error^2). Without
    a shift both are returned as they are.
    """
    if baseline.shift is None or baseline.error is None:
        return occurrence, std
    before = np.clip(np.asarray(occurrence, np.float64), _EDGE, 1 - _EDGE)
    after = 1 / (1 + np.exp(baseline.shift - np.log(before / (1 - before))))
    slope = after * (1 - after)
    spread = np.sqrt(np.square(std / (before * (1 - before))) + np.square(baseline.error))
    # no value from 0 to 1 deviates by more than that
    deviation = np.minimum(slope * spread, np.sqrt(slope))
    return after.astype(np.float32), deviation.astype(np.float32)


def above_neutral(intensity: Float32, neutral: Float32) -> Float32:
    """Intensities 0-5 (..., K) above those of the neutral face (K,): 5 max(0, i - m) / (5 - m).

    A face as neutral as that has 0, 5 stays 5, and order is kept. ``neutral`` counts as 4.5 at most.

    >>> above_neutral(np.array([0.5, 1, 3, 5], np.float32), np.float32(1)).tolist()
    [0.0, 0.0, 2.5, 5.0]
    """
    level = np.clip(np.asarray(neutral, np.float64), 0, _MOST_SUBTRACTED)
    return np.asarray(HIGHEST_INTENSITY * np.maximum(0, intensity - level) / (HIGHEST_INTENSITY - level), np.float32)


def corrected(units: AUEstimate, baseline: UnitBaseline) -> AUEstimate:
    """The estimate with the baseline subtracted; itself if there is none.

    Occurrence and deviation are those of `subtract`. The uncertainties follow from them: the total is the entropy of
    the occurrence, of which the epistemic part is sd^2 / (2 p (1 - p)), to second order, so the error of the baseline
    counts as epistemic. Intensities are those of `above_neutral`. Masks and links stay those of the model.
    """
    if baseline.shift is None:
        return units
    intensity = units.intensity
    if intensity is not None and baseline.intensity is not None:
        intensity = above_neutral(intensity, baseline.intensity)
    occurrence, std = subtract(units.occurrence, units.occurrence_std, baseline)
    p = np.clip(occurrence.astype(np.float64), _EDGE, 1 - _EDGE)
    total = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    epistemic = np.minimum(np.square(std) / (2 * p * (1 - p)), total)
    return AUEstimate(
        codes=units.codes,
        occurrence=occurrence,
        occurrence_std=std,
        aleatoric=(total - epistemic).astype(np.float32),
        epistemic=epistemic.astype(np.float32),
        mask_mean=units.mask_mean,
        mask_std=units.mask_std,
        adjacency=units.adjacency,
        intensity=intensity,
    )


def looks_neutral(decision: str, labels: tuple[str, ...]) -> bool:
    """Whether a steady decision (`engine.types.Route` as text) says that the face is neutral."""
    return decision == Route.ACCEPT.value and labels == (_NEUTRAL,)


@dataclass(slots=True)
class _Person:
    """What is known of one track."""

    now: UnitBaseline = NO_BASELINE
    before: UnitBaseline | None = None  # for `undo`; None: nothing was changed by hand
    by_hand: bool = False  # calibrated or cleared by a person: never replaced automatically
    was_by_hand: bool = False
    neutral: FrameSample = field(default_factory=FrameSample)  # for the automatic baseline
    estimated: int = 0  # frames of the automatic baseline
    collecting: FrameSample | None = None
    since_s: float | None = None  # time of the first frame since it was asked for
    seen_s: float = 0.0


class BaselineBook:
    """The baselines of the faces of one source, from the frames seen so far. Callable from any thread."""

    def __init__(self, usual: Float32, automatic: bool = False) -> None:
        """Nothing is known.

        Args:
            usual: (K,) neutral logits of the model.
            automatic: estimate a baseline for every face, from frames accepted as neutral.
        """
        self._usual = usual
        self._automatic = automatic
        self._people: dict[int, _Person] = {}
        self._lock = threading.Lock()

    @property
    def made_by_hand(self) -> bool:
        """Whether a baseline that a person asked for is subtracted from a face."""
        with self._lock:
            return any(person.by_hand and person.now.shift is not None for person in self._people.values())

    def collect(self, track_id: int) -> None:
        """Estimate the baseline of a face from its next COLLECT_S seconds, which show it neutral."""
        with self._lock:
            person = self._people.setdefault(track_id, _Person())
            person.collecting, person.since_s = FrameSample(), None

    def clear(self, track_id: int) -> None:
        """Subtract nothing from a face, and do not estimate a baseline for it."""
        with self._lock:
            person = self._people.setdefault(track_id, _Person())
            person.collecting = None
            _replace(person, NO_BASELINE)

    def undo(self, track_id: int) -> None:
        """Take back the last `collect` or `clear` of a face; again: do it again. Nothing without one."""
        with self._lock:
            person = self._people.get(track_id)
            if person is None:
                return
            if person.collecting is not None:
                person.collecting = None
            elif person.before is not None:
                person.now, person.before = person.before, person.now
                person.by_hand, person.was_by_hand = person.was_by_hand, person.by_hand

    def observe(self, track_id: int, units: AUEstimate, decision: Decision, time_s: float) -> UnitBaseline:
        """Take a frame of a face into account; return the baseline for this frame."""
        with self._lock:
            person = self._people.get(track_id)
            if person is None:
                if not self._automatic:
                    return NO_BASELINE
                person = self._people[track_id] = _Person()
            person.seen_s = time_s
            if person.collecting is not None:
                return self._collected(person, person.collecting, units, decision, time_s)
            if self._automatic and not person.by_hand:
                self._learn(person, units, decision)
            return person.now

    def _collected(
        self, person: _Person, sample: FrameSample, units: AUEstimate, decision: Decision, time_s: float
    ) -> UnitBaseline:
        if person.since_s is None:
            person.since_s = time_s
        if decision.route is not Route.REJECT:
            sample.add(frame_values(units.occurrence, units.intensity))
        passed_s = time_s - person.since_s
        if passed_s < COLLECT_S or (sample.count < MIN_FRAMES and passed_s < GIVE_UP_S):
            return dataclasses.replace(person.now, state=BaselineState.COLLECTING, frames=sample.count)
        person.collecting = None
        _replace(person, estimate_baseline(sample, self._usual))
        return person.now

    def _learn(self, person: _Person, units: AUEstimate, decision: Decision) -> None:
        sample = person.neutral
        if looks_neutral(decision.route.value, decision.labels):
            sample.add(frame_values(units.occurrence, units.intensity))
        if sample.count < MIN_FRAMES:
            person.now = UnitBaseline(BaselineState.COLLECTING, sample.count)
        elif sample.count >= person.estimated * (1 + _GROWTH):
            person.now, person.estimated = estimate_baseline(sample, self._usual), sample.count

    def forget(self, now_s: float, unseen_s: float, kept: Collection[int] = ()) -> None:
        """Forget faces last seen more than ``unseen_s`` ago: their tracks have ended. Those ``kept`` are seen now."""
        with self._lock:
            for track_id in self._people.keys() & set(kept):  # in view under load, but not analysed
                self._people[track_id].seen_s = now_s
            self._people = {
                track_id: person
                for track_id, person in self._people.items()
                if now_s - person.seen_s <= unseen_s or _is_awaited(person)
            }

    def snapshot(self) -> str:
        """The state between two frames as JSON."""
        with self._lock:
            return json.dumps({str(track_id): _person_state(person) for track_id, person in self._people.items()})

    def restore(self, text: str) -> None:
        """Continue from a snapshot.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the text is not a snapshot of this version.
        """
        people = {int(track_id): _person_of(raw) for track_id, raw in json.loads(text).items()}
        with self._lock:
            self._people = people


def _is_awaited(person: _Person) -> bool:
    """Whether a baseline was asked for and no frame has come since."""
    return person.collecting is not None and person.since_s is None


def _replace(person: _Person, baseline: UnitBaseline) -> None:
    """Change a baseline by hand."""
    person.before, person.was_by_hand = person.now, person.by_hand
    person.now, person.by_hand = baseline, True


def _person_state(person: _Person) -> dict[str, Any]:
    return {
        "now": _baseline_state(person.now),
        "before": None if person.before is None else _baseline_state(person.before),
        "by_hand": [person.by_hand, person.was_by_hand],
        "neutral": person.neutral.state(),
        "estimated": person.estimated,
        "collecting": None if person.collecting is None else person.collecting.state(),
        "times_s": [person.since_s, person.seen_s],
    }


def _person_of(raw: dict[str, Any]) -> _Person:
    before, collecting = raw["before"], raw["collecting"]
    (by_hand, was_by_hand), (since_s, seen_s) = raw["by_hand"], raw["times_s"]
    return _Person(
        now=_baseline_of(raw["now"]),
        before=None if before is None else _baseline_of(before),
        by_hand=bool(by_hand),
        was_by_hand=bool(was_by_hand),
        neutral=FrameSample.of_state(raw["neutral"]),
        estimated=int(raw["estimated"]),
        collecting=None if collecting is None else FrameSample.of_state(collecting),
        since_s=None if since_s is None else float(since_s),
        seen_s=float(seen_s),
    )


def _baseline_state(baseline: UnitBaseline) -> list[Any]:
    arrays = (baseline.shift, baseline.error, baseline.intensity)
    return [baseline.state.value, baseline.frames, *(None if each is None else each.tolist() for each in arrays)]


def _baseline_of(raw: list[Any]) -> UnitBaseline:
    state, frames, *arrays = raw  # those of earlier versions have no intensity
    return UnitBaseline(
        BaselineState(state), int(frames), *(None if each is None else np.array(each, np.float32) for each in arrays)
    )
