"""How far a person and the model agree: Cohen's kappa over the frames that both gave a label.

J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20(1), 1960.
Frames of one labelled range are not independent, so the interval comes from resampling whole ranges (percentiles of
1,000 resamples), not frames. The model's label of an ambiguous frame is the first of its set.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from app.review.face_timeline import FaceLane, LaneState
from app.review.notes import UNCLEAR, HumanLabel, Notes
from app.review.session import Session
from engine.types import Float64, Int64

_RESAMPLES: Final = 1000
_SEED: Final = 5
#: Central share of the resamples that the interval holds, in percent.
_INTERVAL_PERCENT: Final = 95.0
#: Resamples that are held in memory at once.
_AT_ONCE: Final = 100


class NoKappa(str, Enum):
    """Why there is no kappa, or no interval; the value is the sentence to show."""

    NOTHING_COMPARED = "No frame has both a label of yours and one of the model."
    ONE_LABEL = "You and the model gave one and the same label everywhere: agreement beyond chance is not defined."
    TOO_FEW_RANGES = "An interval needs at least two labelled ranges."


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What was found; all counts are of frames of one face, frames in excluded ranges left out."""

    coder: str
    kappa: float | None
    kappa_missing: NoKappa | None
    interval: tuple[float, float] | None  # 95 % of the resamples lie within
    interval_missing: NoKappa | None
    table: Int64  # (C, C) rows: the person, columns: the model, order of SessionHeader.expressions
    ranges: int  # labelled ranges with a frame in the table
    agreeing: int  # frames of the table on which both say the same
    within_set: int  # frames of the table whose label of the person is the model's, or one of those that compete
    not_assessed: int  # labelled by the person, not by the model
    unclear: int  # called unclear by the person, assessed or not
    excluded: int  # labelled, in an excluded range

    @property
    def compared(self) -> int:
        """Frames in the table."""
        return int(self.table.sum())


def agree(session: Session, notes: Notes) -> Agreement | None:
    """Agreement between the person's labels and the model's; None where nobody labelled anything."""
    if not notes.labels:
        return None
    classes = len(session.header.expressions)
    lanes = {lane.face_id: lane for lane in session.lanes}
    counts: Counter[str] = Counter()
    tables = []
    for label in notes.labels:
        if label.face_id in lanes:
            table = np.zeros((classes, classes), np.int64)
            counts.update(_compare(session, notes, lanes[label.face_id], label, table))
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
    """Cohen's kappa of each table (..., C, C) of counts; NaN where chance alone agrees always, or nothing was counted.

    >>> kappas(np.array([[20.0, 5.0], [10.0, 15.0]])).round(3).item()
    0.4
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / tables.sum(axis=(-2, -1), keepdims=True)
        observed = np.trace(shares, axis1=-2, axis2=-1)
        by_chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
        found: Float64 = np.where(by_chance < 1.0 - 1e-12, (observed - by_chance) / (1.0 - by_chance), np.nan)
    return found


def _compare(session: Session, notes: Notes, lane: FaceLane, label: HumanLabel, table: Int64) -> dict[str, int]:
    """Add the frames of one labelled range to ``table``; count what is left out of it."""
    first, end = np.searchsorted(session.times_s, (label.start_s, label.end_s))
    rows = slice(*np.searchsorted(lane.positions, (first, end)).tolist())
    times_s, states, sets = session.times_s[lane.positions[rows]], lane.states[rows], lane.sets[rows]
    excluded = notes.excluded(times_s)
    states, sets = states[~excluded], sets[~excluded]
    counts = {"excluded": int(excluded.sum())}
    if label.label == UNCLEAR:
        return counts | {"unclear": len(states)}
    human = session.header.expressions.index(label.label)
    assessed = (states == LaneState.ACCEPT) | (states == LaneState.AMBIGUOUS)
    within = 0
    for place, frames in zip(*np.unique(sets[assessed], return_counts=True), strict=True):
        competing = session.label_sets[place]
        table[human, competing[0]] += frames
        within += int(frames) * (human in competing)
    return counts | {"not_assessed": int((~assessed).sum()), "within_set": within}


def _checked_kappa(table: Int64) -> tuple[float | None, NoKappa | None]:
    if not table.any():
        return None, NoKappa.NOTHING_COMPARED
    kappa = float(kappas(table.astype(np.float64)))
    return (None, NoKappa.ONE_LABEL) if np.isnan(kappa) else (kappa, None)


def _interval(tables: Int64) -> tuple[tuple[float, float] | None, NoKappa | None]:
    """Percentiles of kappa over resamples of the ranges, tables (R, C, C); resamples without a kappa say nothing."""
    ranges = len(tables)
    if ranges < 2:
        return None, NoKappa.TOO_FEW_RANGES
    rng = np.random.default_rng(_SEED)
    flat = tables.reshape(ranges, -1).astype(np.float64)
    found = []
    for _ in range(_RESAMPLES // _AT_ONCE):
        drawn = rng.multinomial(ranges, np.full(ranges, 1.0 / ranges), size=_AT_ONCE)  # how often each range, (100, R)
        found.append(kappas((drawn @ flat).reshape(_AT_ONCE, *tables.shape[1:])))
    outside = (100.0 - _INTERVAL_PERCENT) / 2.0
    low, high = np.nanpercentile(np.concatenate(found), (outside, 100.0 - outside))
    return (float(low), float(high)), None
