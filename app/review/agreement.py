"""Agreement between a human coder and the model: Cohen's kappa over the frames labelled by both.

J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20(1), 1960.
Frames within one labelled range are not independent, so the interval is a bootstrap over whole ranges (percentiles of
1,000 resamples). For an ambiguous frame, the first label of the model's set counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from app.review.face_timeline import FaceState, FaceTimeline
from app.review.notes import UNCLEAR, HumanLabel, Notes
from app.review.session import Session
from engine.types import Float64, Int64

_RESAMPLES: Final = 1000
_SEED: Final = 5
#: Confidence level of the interval in percent.
_INTERVAL_PERCENT: Final = 95.0
#: Resamples held in memory at once.
_AT_ONCE: Final = 100


class KappaMissing(str, Enum):
    """Why there is no kappa or no interval; the value is the sentence to show."""

    NOTHING_COMPARED = "No frame has both a label of yours and one of the model's."
    ONE_LABEL = "You and the model used a single label throughout: agreement beyond chance is not defined."
    TOO_FEW_RANGES = "An interval needs at least two labelled ranges."


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Agreement over the labelled frames; counts are frames of one face each, without those in excluded ranges."""

    coder: str
    kappa: float | None
    kappa_missing: KappaMissing | None
    interval: tuple[float, float] | None  # 95 % bootstrap interval
    interval_missing: KappaMissing | None
    table: Int64  # (C, C) confusion matrix; rows: human, columns: model, order of SessionHeader.expressions
    ranges: int  # labelled ranges with a frame in the table
    agreeing: int  # frames of the table with identical labels
    within_set: int  # frames of the table whose human label is in the model's label set
    not_assessed: int  # labelled by the coder, not assessed by the model
    unclear: int  # labelled unclear by the coder, assessed by the model or not
    excluded: int  # labelled, but in an excluded range

    @property
    def compared(self) -> int:
        """Frames in the table."""
        return int(self.table.sum())


def measure_agreement(session: Session, notes: Notes) -> Agreement | None:
    """Compare the human labels with the model's; None if there are none."""
    if not notes.labels:
        return None
    classes = len(session.header.expressions)
    faces = {face.face_id: face for face in session.faces}
    counts: Counter[str] = Counter()
    tables = []
    for label in notes.labels:
        if label.face_id in faces:
            table = np.zeros((classes, classes), np.int64)
            counts.update(_compare(session, notes, faces[label.face_id], label, table))
            if table.any():
                tables.append(table)
    total = np.sum(tables, axis=0) if tables else np.zeros((classes, classes), np.int64)
    kappa, kappa_missing = _checked_kappa(total)
    interval, interval_missing = (None, kappa_missing) if kappa is None else _interval(np.stack(tables))
    return Agreement(
        notes.coder,
        kappa,
        kappa_missing,
        interval,
        interval_missing,
        total,
        len(tables),
        int(np.trace(total)),
        counts["within_set"],
        counts["not_assessed"],
        counts["unclear"],
        counts["excluded"],
    )


def kappas(tables: Float64) -> Float64:
    """Cohen's kappa of each table (..., C, C) of counts; NaN if chance agreement is 1 or the table is empty.

    >>> kappas(np.array([[20.0, 5.0], [10.0, 15.0]])).round(3).item()
    0.4
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / tables.sum(axis=(-2, -1), keepdims=True)
        observed = np.trace(shares, axis1=-2, axis2=-1)
        by_chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
        found: Float64 = np.where(by_chance < 1.0 - 1e-12, (observed - by_chance) / (1.0 - by_chance), np.nan)
    return found


def _compare(session: Session, notes: Notes, face: FaceTimeline, label: HumanLabel, table: Int64) -> dict[str, int]:
    """Add the frames of one labelled range to ``table``; return the counts of frames left out of it."""
    first, end = np.searchsorted(session.times_s, (label.start_s, label.end_s))
    rows = slice(*np.searchsorted(face.positions, (first, end)).tolist())
    times_s, states, sets = session.times_s[face.positions[rows]], face.states[rows], face.sets[rows]
    excluded = notes.excluded(times_s)
    states, sets = states[~excluded], sets[~excluded]
    counts = {"excluded": int(excluded.sum())}
    if label.label == UNCLEAR:
        return counts | {"unclear": len(states)}
    human = session.header.expressions.index(label.label)
    assessed = (states == FaceState.ACCEPT) | (states == FaceState.AMBIGUOUS)
    within = 0
    for place, frames in zip(*np.unique(sets[assessed], return_counts=True), strict=True):
        competing = session.label_sets[place]
        table[human, competing[0]] += frames
        within += int(frames) * (human in competing)
    return counts | {"not_assessed": int((~assessed).sum()), "within_set": within}


def _checked_kappa(table: Int64) -> tuple[float | None, KappaMissing | None]:
    if not table.any():
        return None, KappaMissing.NOTHING_COMPARED
    kappa = float(kappas(table.astype(np.float64)))
    return (None, KappaMissing.ONE_LABEL) if np.isnan(kappa) else (kappa, None)


def _interval(tables: Int64) -> tuple[tuple[float, float] | None, KappaMissing | None]:
    """Interval of kappa over ranges, tables (R, C, C); it needs at least two."""
    return (None, KappaMissing.TOO_FEW_RANGES) if len(tables) < 2 else (bootstrap_interval(tables), None)


def bootstrap_interval(tables: Int64) -> tuple[float, float]:
    """95 % interval of kappa over resamples of R ranges, tables (R, C, C); resamples without a kappa are ignored."""
    ranges = len(tables)
    rng = np.random.default_rng(_SEED)
    flat = tables.reshape(ranges, -1).astype(np.float64)
    found = []
    for _ in range(_RESAMPLES // _AT_ONCE):
        drawn = rng.multinomial(ranges, np.full(ranges, 1.0 / ranges), size=_AT_ONCE)  # draws per range, (100, R)
        found.append(kappas((drawn @ flat).reshape(_AT_ONCE, *tables.shape[1:])))
    outside = (100.0 - _INTERVAL_PERCENT) / 2.0
    low, high = np.nanpercentile(np.concatenate(found), (outside, 100.0 - outside))
    return float(low), float(high)
