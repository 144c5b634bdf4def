"""Agreement between two people who labelled the same session: Cohen's kappa over the frames labelled by both.

As `app.review.agreement`: frames within a range are not independent, so the interval is a bootstrap over the ranges of
the first person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from app.review.agreement import bootstrap_interval, kappas
from app.review.face_timeline import FaceTimeline, Int16
from app.review.notes import HUMAN_LABELS, UNCLEAR, Notes, read_other_notes
from app.review.session import Session
from app.session.folder import SessionFolder
from engine.errors import OutputError
from engine.types import Int64

#: Labels between which kappa is computed: all but "unclear".
CODED_LABELS: tuple[str, ...] = tuple(label for label in HUMAN_LABELS if label != UNCLEAR)
_NONE, _UNCLEAR = -1, -2


class CodersMissing(str, Enum):
    """Why there is no kappa; the value is the sentence to show."""

    NOTHING_COMPARED = "No frame of a face has a label from both."
    ONE_LABEL = "Both used a single label throughout: agreement beyond chance is not defined."


@dataclass(frozen=True, slots=True, eq=False)
class CoderAgreement:
    """Agreement of two people; counts are frames of one face each, without ranges that either excluded."""

    other: str  # name of the second person; empty if the notes name none
    kappa: float | None
    missing: CodersMissing | None
    interval: tuple[float, float] | None  # 95 % bootstrap interval; None with fewer than two ranges
    table: Int64  # (8, 8) confusion matrix; rows: first person, columns: second, order of CODED_LABELS
    ranges: int  # of the first person, with a frame in the table
    agreeing: int  # frames of the table with identical labels
    unclear: int  # labelled by both, but unclear to one of them
    one_only: int  # labelled by one of them only

    @property
    def compared(self) -> int:
        """Frames in the table."""
        return int(self.table.sum())


def measure_coders(session: Session, mine: Notes, theirs: Notes) -> CoderAgreement:
    """Compare the labels of two people on one session."""
    classes = len(CODED_LABELS)
    tables, unclear, one_only = [], 0, 0
    for face in session.faces:
        first, second = _codes(session, face, mine), _codes(session, face, theirs)
        times_s = session.times_s[face.positions]
        kept = ~(mine.excluded(times_s) | theirs.excluded(times_s))
        both = kept & (first != _NONE) & (second != _NONE)
        one_only += int((kept & ((first != _NONE) ^ (second != _NONE))).sum())
        clear = both & (first != _UNCLEAR) & (second != _UNCLEAR)
        unclear += int((both & ~clear).sum())
        for label in mine.labels:
            if label.face_id == face.face_id:
                inside = clear & (times_s >= label.start_s) & (times_s < label.end_s)
                table = np.zeros((classes, classes), np.int64)
                np.add.at(table, (first[inside], second[inside]), 1)
                if table.any():
                    tables.append(table)
    total = np.sum(tables, axis=0) if tables else np.zeros((classes, classes), np.int64)
    kappa = float(kappas(total.astype(np.float64))) if total.any() else float("nan")
    missing = None
    if np.isnan(kappa):
        missing = CodersMissing.ONE_LABEL if total.any() else CodersMissing.NOTHING_COMPARED
    interval = bootstrap_interval(np.stack(tables)) if len(tables) > 1 and missing is None else None
    return CoderAgreement(
        theirs.coder,
        None if missing else kappa,
        missing,
        interval,
        total,
        len(tables),
        int(np.trace(total)),
        unclear,
        one_only,
    )


def read_coder(path: Path, session: Session) -> Notes:
    """Read the notes of another person on the same run, from a copy of review.json or the session folder around it.

    Raises:
        OutputError: there are none, they cannot be read, have no labels, or belong to another run.
    """
    file = SessionFolder(path).notes if path.is_dir() else path
    if file.resolve() == session.folder.notes.resolve():
        raise OutputError(f"{file} holds your own labels: choose the file of another person")
    notes = read_other_notes(file, session.folder)
    if not notes.labels:
        raise OutputError(f"{file} has no labels: choose the file of a person who labelled this session")
    return notes


def _codes(session: Session, face: FaceTimeline, notes: Notes) -> Int16:
    """(R,) label of each frame of a face: index into CODED_LABELS, or one of the two codes below zero."""
    codes = np.full(len(face.positions), _NONE, np.int16)
    for label in notes.labels:
        if label.face_id == face.face_id:
            ends = np.searchsorted(session.times_s, (label.start_s, label.end_s))
            first, end = np.searchsorted(face.positions, ends)
            codes[first:end] = _UNCLEAR if label.label == UNCLEAR else CODED_LABELS.index(label.label)
    return codes
