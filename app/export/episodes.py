"""Episodes: stretches of consecutive frames in which a face keeps a value.

ELAN, BORIS, captions, BIDS events and the summary page are all made from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.export.job import ExportFrame, ExportJob, Progress
from app.session.rows import NO_FACE, FaceRow
from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from engine.types import Route

#: Separates competing labels, as in the column ``set`` of the table.
SEPARATOR: Final = "|"
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))


class Kind(Enum):
    """What an episode is about."""

    EXPRESSION = "expression"  # value: the label, or competing labels in the order of the model, joined by "|"
    DECISION = "decision"  # value: accept, ambiguous, reject or low_quality
    UNIT = "unit"  # value: AU12 or alike, while it is present


@dataclass(frozen=True, slots=True)
class Episode:
    """One value of one face over consecutive frames."""

    face_id: int
    kind: Kind
    value: str
    first: int  # positions of its first and last frame
    last: int
    start_s: float
    end_s: float  # when the frame after the last one starts
    frames: int
    mean: float | None  # confidence of an expression, occurrence of a unit, 0-1; None for decisions

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of an expression; several if it is ambiguous."""
        return tuple(self.value.split(SEPARATOR)) if self.kind is Kind.EXPRESSION else ()


def unit_value(code: int) -> str:
    """Name of a unit in exports, with two digits so that names sort: ``unit_value(4) == "AU04"``."""
    return f"AU{code:02d}"


def adjectives(labels: Iterable[str]) -> str:
    """Competing labels in plain words.

    >>> adjectives(["happiness", "surprise"])
    'happy or surprised'
    """
    return " or ".join(_ADJECTIVES.get(label, label) for label in labels)


def episodes_of(job: ExportJob, report: Progress, min_frames: int | None = None) -> list[Episode]:
    """All episodes of a session, ordered by start, face and kind.

    A face that is missing for a frame starts new episodes, as does a frame that is left out.

    Args:
        job: the export.
        report: receives the fraction of frames read.
        min_frames: shorter episodes are dropped; None = as chosen for the export.

    Raises:
        CancelledError: the user cancelled.
        OutputError: the journal is damaged or has changed.
    """
    collector = _Collector(job)
    for frame in job.frames(report):
        collector.add(frame)
    shortest = job.choice.min_frames if min_frames is None else min_frames
    kept = [episode for episode in collector.finished() if episode.frames >= shortest]
    return sorted(kept, key=lambda episode: (episode.first, episode.face_id, episode.kind.value, episode.value))


@dataclass(slots=True)
class _Run:
    """An episode that may still grow."""

    face_id: int
    kind: Kind
    value: str
    first: int
    last: int
    frames: int = 0
    total: float = 0.0  # of the values that are averaged
    measured: int = 0


class _Collector:
    def __init__(self, job: ExportJob) -> None:
        self._job = job
        self._order = {name: place for place, name in enumerate(job.header.expressions)}
        self._open: dict[tuple[int, Kind, str], _Run] = {}
        self._closed: list[_Run] = []

    def add(self, frame: ExportFrame) -> None:
        """Extend the runs that continue in this frame, close the others, start new ones."""
        continued: dict[tuple[int, Kind, str], _Run] = {}
        for row in frame.rows:
            if row.face_id is None or row.decision == NO_FACE:
                continue
            if row.carried:
                self._carry(row.face_id, frame.position, continued)
            for kind, value, measured in self._values(row):
                key = (row.face_id, kind, value)
                run = self._open.get(key)
                if run is None or run.last != frame.position - 1:
                    run = _Run(row.face_id, kind, value, frame.position, frame.position)
                else:
                    del self._open[key]
                run.last, run.frames = frame.position, run.frames + 1
                if measured is not None:
                    run.total, run.measured = run.total + measured, run.measured + 1
                continued[key] = run
        self._closed.extend(self._open.values())
        self._open = continued

    def _carry(self, face_id: int, position: int, continued: dict[tuple[int, Kind, str], _Run]) -> None:
        """Extend the runs of units: of a face that was not analysed, nothing else is known."""
        for key, run in list(self._open.items()):
            if key[:2] == (face_id, Kind.UNIT) and run.last == position - 1:
                run.last, run.frames = position, run.frames + 1
                continued[key] = self._open.pop(key)

    def finished(self) -> list[Episode]:
        """All episodes so far."""
        session = self._job.session
        return [
            Episode(
                run.face_id,
                run.kind,
                run.value,
                run.first,
                run.last,
                float(session.times_s[run.first]),
                session.end_of(run.last),
                run.frames,
                run.total / run.measured if run.measured else None,
            )
            for run in (*self._closed, *self._open.values())
        ]

    def _values(self, row: FaceRow) -> Iterable[tuple[Kind, str, float | None]]:
        yield Kind.DECISION, row.decision, None
        if row.labels and row.decision in (Route.ACCEPT.value, Route.AMBIGUOUS.value):
            labels = sorted(row.labels, key=lambda label: self._order.get(label, len(self._order)))
            yield Kind.EXPRESSION, SEPARATOR.join(labels), row.shares[0] if row.shares and not row.carried else None
        for code, occurrence in self._job.unit_values(row).items():
            if occurrence > self._job.thresholds[code]:
                yield Kind.UNIT, unit_value(code), occurrence
