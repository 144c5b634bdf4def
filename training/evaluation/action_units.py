"""Figures of action-unit labels against sampled logits, each with its size and a 95 % interval over people.

Occurrence is decided at probability 0.5, the published protocol (SPEC 3.5), and at the calibrated threshold of each
unit. Unknown labels are never counted. A unit whose known labels are all the same has no F1, balanced accuracy or
AUROC: all its figures are NaN, and the means exclude it and name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.action_units import sigmoid
from engine.facs import BP4D_UNITS, unit_code
from engine.types import Float32, Float64, Int64
from engine.uncertainty import binary_decomposition
from training.data.action_unit_faces import UnitFaces
from training.metrics.bootstrap import Draws, Figure, draw, figure_of, ratio
from training.metrics.calibration import Bin, calibration_error, equal_width
from training.metrics.decisions import Flags, drawn_accuracy_by_bin, sums_of, tally
from training.metrics.ranking import drawn_auroc, drawn_average_precision, spearman

RESAMPLES: Final = 1000
#: Resamples of the figures that need every face of each resample: ranks and bins.
RANK_RESAMPLES: Final = 200
#: Equal-mass bins of the paper's plot.
BINS: Final = 20
DECILES: Final = 10
#: Equal-width bins of the reliability diagram.
_RELIABILITY_BINS: Final = 10
_HALF: Final = 0.5
_FACES_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions from sampled logits, each (N, K): mean occurrence 0-1 and its uncertainty in nats (SPEC 3.3)."""

    occurrence: Float32
    total: Float32
    aleatoric: Float32
    epistemic: Float32


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement with the labels; "half" is at probability 0.5, without it at the calibrated threshold."""

    f1_half: Figure
    accuracy_half: Figure
    balanced_accuracy_half: Figure
    f1: Figure
    accuracy: Figure
    balanced_accuracy: Figure
    auroc: Figure
    average_precision: Figure
    ece: float  # 15 equal-width bins; biased upwards by sampling noise, so it has no interval
    f1_always: float  # of always predicting "present"


@dataclass(frozen=True, slots=True)
class UnitScores:
    """One unit."""

    unit: str
    n: int  # faces with a known label
    rate: float  # share of them where it occurs
    threshold: float
    scores: Scores


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Means over units."""

    units: tuple[str, ...]
    left_out: tuple[str, ...]  # units with one label only
    scores: Scores


@dataclass(frozen=True, slots=True)
class UnitBins:
    """Accuracy at probability 0.5 in 20 equal-mass bins of one unit, the most certain first."""

    unit: str
    accuracy: tuple[float, ...]
    rho: float  # Spearman's correlation of a bin's number with its accuracy


@dataclass(frozen=True, slots=True)
class UncertaintyFigures:
    """How well a kind of uncertainty separates correct decisions from wrong ones."""

    kind: str  # "epistemic", "aleatoric" or "total"
    mean_nats: float  # over faces and units with a known label
    units: tuple[UnitBins, ...]
    deciles: tuple[float, ...]  # accuracy in ten bins per unit, mean over units, the most certain first
    gap_points: Figure  # first minus last, percentage points


@dataclass(frozen=True, slots=True)
class UnitReport:
    """All figures of one set of faces."""

    faces: int
    people: int
    units: tuple[UnitScores, ...]
    mean: MeanScores
    mean_bp4d: MeanScores | None  # over the 12 units of the paper; None where the faces lack one of them
    uncertainty: tuple[UncertaintyFigures, ...]
    reliability: tuple[Bin, ...]  # occurrence against rate over all units, in equal-width bins


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """The resamples: of people for counts, of their faces for ranks."""

    people: Draws  # (1 + B, P)
    owner: Int64  # (N,) number of the person
    faces: Draws  # (1 + B', N)


#: Names of the fields of Scores that have an interval.
_DRAWN: Final = tuple(field.name for field in fields(Scores) if field.type == "Figure")


def judge(logits: Float32, temperature: float) -> Judged:
    """Occurrence and uncertainty of sampled logits (N, S, K) divided by a temperature."""
    parts = []
    for start in range(0, len(logits), _FACES_AT_ONCE):
        samples = sigmoid(logits[start : start + _FACES_AT_ONCE], temperature)
        found = binary_decomposition(samples)
        parts.append((samples.mean(1), found.total, found.aleatoric, found.epistemic))
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def unit_report(
    faces: UnitFaces, logits: Float32, temperature: float, thresholds: Sequence[float], resamples: int = RESAMPLES
) -> UnitReport:
    """All figures of faces whose sampled logits are (N, S, K), K in the order of ``faces.units``.

    Raises:
        ValueError: there is no face, or the shapes do not match.
    """
    if not len(faces.people):
        raise ValueError("no faces to measure: choose another fold or data set")
    if (len(logits), logits.shape[-1]) != faces.occurs.shape:
        raise ValueError(f"logits {logits.shape} do not match labels {faces.occurs.shape}: expected (N, S, K)")
    judged = judge(logits, temperature)
    people, owner = np.unique(faces.people, return_inverse=True)
    drawn_people = draw(len(people), resamples)
    ranked = min(resamples, RANK_RESAMPLES)
    drawn = _Drawn(drawn_people, owner, Draws(drawn_people.counts[: 1 + ranked, owner]))
    values = _drawn_scores(faces, judged, np.array(thresholds, np.float32), drawn)
    fixed = _fixed_scores(faces, judged)
    names = [unit_code(unit) for unit in faces.units]
    measured = both_labels(faces)
    bp4d = [faces.units.index(unit) for unit in BP4D_UNITS if unit in faces.units]
    every = list(range(len(names)))
    return UnitReport(
        faces=len(faces.people),
        people=len(people),
        units=_unit_scores(faces, thresholds, values, fixed),
        mean=_mean_scores(faces, values, fixed, every),
        mean_bp4d=_mean_scores(faces, values, fixed, bp4d) if len(bp4d) == len(BP4D_UNITS) else None,
        uncertainty=tuple(
            _uncertainty(faces, judged, kind, drawn, measured) for kind in ("epistemic", "aleatoric", "total")
        ),
        reliability=_reliability(faces, judged, drawn),
    )


def f1_half(faces: UnitFaces, judged: Judged, resamples: int = RESAMPLES) -> Figure:
    """Mean over units of F1 at probability 0.5, alone."""
    people, owner = np.unique(faces.people, return_inverse=True)
    predicted = judged.occurrence >= np.float32(_HALF)
    scores = tally(draw(len(people), resamples), owner, faces.known, faces.occurs, predicted).f1()
    return figure_of(mean_defined(scores[:, both_labels(faces)]), len(faces.people))


def both_labels(faces: UnitFaces) -> Flags:
    """Whether each unit (K,) has known faces with it and without it."""
    positives = (faces.occurs & faces.known).sum(0)
    return np.asarray((positives > 0) & (positives < faces.known.sum(0)))


def _drawn_scores(faces: UnitFaces, judged: Judged, thresholds: Float32, drawn: _Drawn) -> dict[str, Float64]:
    """Each figure of _DRAWN as (1 + B, K), NaN for units with one label."""
    found: dict[str, Float64] = {}
    for ending, limit in (("_half", np.float32(_HALF)), ("", thresholds)):
        counted = tally(drawn.people, drawn.owner, faces.known, faces.occurs, judged.occurrence >= limit)
        found[f"f1{ending}"] = counted.f1()
        found[f"accuracy{ending}"] = counted.accuracy()
        found[f"balanced_accuracy{ending}"] = counted.balanced_accuracy()
    shape = (len(drawn.faces.counts), len(faces.units))
    found["auroc"], found["average_precision"] = np.full(shape, np.nan), np.full(shape, np.nan)
    measured = both_labels(faces)
    for place in np.flatnonzero(measured):
        known = faces.known[:, place]
        labels, scores = faces.occurs[known, place], judged.occurrence[known, place].astype(np.float64)
        draws = drawn.faces.of(known)
        found["auroc"][:, place] = drawn_auroc(draws.of(~labels), scores[~labels], draws.of(labels), scores[labels])
        found["average_precision"][:, place] = drawn_average_precision(draws, labels, scores)
    for values in found.values():
        values[:, ~measured] = np.nan
    return found


def _fixed_scores(faces: UnitFaces, judged: Judged) -> dict[str, Float64]:
    """ECE and the F1 of always predicting "present" (K,), NaN for units with one label."""
    ece, always = np.full(len(faces.units), np.nan), np.full(len(faces.units), np.nan)
    for place in np.flatnonzero(both_labels(faces)):
        known = faces.known[:, place]
        labels = faces.occurs[known, place]
        ece[place] = calibration_error(judged.occurrence[known, place], labels)
        always[place] = 2 * labels.mean() / (1 + labels.mean())
    return {"ece": ece, "f1_always": always}


def _unit_scores(
    faces: UnitFaces, thresholds: Sequence[float], values: dict[str, Float64], fixed: dict[str, Float64]
) -> tuple[UnitScores, ...]:
    found = []
    for place, unit in enumerate(faces.units):
        n = int(faces.known[:, place].sum())
        rate = float(faces.occurs[faces.known[:, place], place].mean()) if n else float("nan")
        figures = {name: figure_of(values[name][:, place], n) for name in _DRAWN}
        scores = Scores(**figures, ece=float(fixed["ece"][place]), f1_always=float(fixed["f1_always"][place]))
        found.append(UnitScores(unit_code(unit), n, rate, float(thresholds[place]), scores))
    return tuple(found)


def _mean_scores(
    faces: UnitFaces, values: dict[str, Float64], fixed: dict[str, Float64], places: Sequence[int]
) -> MeanScores:
    measured = both_labels(faces)
    n = int(faces.known[:, places].any(1).sum())
    figures = {name: figure_of(mean_defined(values[name][:, places]), n) for name in _DRAWN}
    scores = Scores(
        **figures,
        ece=float(mean_defined(fixed["ece"][np.newaxis, places])[0]),
        f1_always=float(mean_defined(fixed["f1_always"][np.newaxis, places])[0]),
    )
    names = {place: unit_code(faces.units[place]) for place in places}
    return MeanScores(
        units=tuple(name for place, name in names.items() if measured[place]),
        left_out=tuple(name for place, name in names.items() if not measured[place]),
        scores=scores,
    )


def mean_defined(values: Float64) -> Float64:
    """Means (...) over the last axis of what is not NaN; NaN where nothing is.

    >>> mean_defined(np.array([[1.0, np.nan, 3.0]]))
    array([2.])
    """
    there = ~np.isnan(values)
    return ratio(np.asarray(np.where(there, values, 0.0).sum(-1)), np.asarray(there.sum(-1), np.float64))


def _uncertainty(faces: UnitFaces, judged: Judged, kind: str, drawn: _Drawn, measured: Flags) -> UncertaintyFigures:
    values: Float32 = getattr(judged, kind)
    right = faces.occurs == (judged.occurrence >= np.float32(_HALF))
    itself = Draws(drawn.faces.counts[:1])
    bins, deciles = [], []
    for place in np.flatnonzero(measured):
        known = faces.known[:, place]
        chosen = (values[known, place], right[known, place])
        accuracy = drawn_accuracy_by_bin(itself.of(known), *chosen, BINS)[0]
        rho = spearman(np.arange(BINS, dtype=np.float64), accuracy.round(9))  # rounding errors must not rank
        bins.append(UnitBins(unit_code(faces.units[place]), tuple(accuracy.tolist()), rho))
        deciles.append(drawn_accuracy_by_bin(drawn.faces.of(known), *chosen, DECILES))
    mean = mean_defined(np.stack(deciles, -1)) if deciles else np.full((1, DECILES), np.nan)  # (1 + B', 10)
    return UncertaintyFigures(
        kind=kind,
        mean_nats=float(values[faces.known].mean()) if faces.known.any() else float("nan"),
        units=tuple(bins),
        deciles=tuple(mean[0].tolist()),
        gap_points=figure_of(100 * (mean[:, 0] - mean[:, -1]), len(faces.people)),
    )


def _reliability(faces: UnitFaces, judged: Judged, drawn: _Drawn) -> tuple[Bin, ...]:
    """Bins of all known labels; the standard error is that over resamples of people."""
    place = equal_width(judged.occurrence.astype(np.float64), _RELIABILITY_BINS)
    found = []
    for number in range(_RELIABILITY_BINS):
        inside = faces.known & (place == number)
        n = int(inside.sum())
        if not n:
            continue
        people = drawn.people.counts.shape[1]
        sums = sums_of(drawn.owner, np.stack([(inside & faces.occurs).sum(1), inside.sum(1)], 1), people)
        hits, seen = np.moveaxis(drawn.people.counts @ sums, -1, 0)
        rate = ratio(hits, seen)
        resampled: npt.NDArray[np.float64] = rate[1:][~np.isnan(rate[1:])]
        error = float(resampled.std()) if len(resampled) else 0.0
        found.append(Bin(float(judged.occurrence[inside].mean()), float(rate[0]), error, n))
    return tuple(found)
