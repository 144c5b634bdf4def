"""What the writers of an export share: the session, its notes, the choices, and its frames in order."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.review.face_baselines import session_baselines
from app.review.notes import HumanLabel, Notes
from app.review.session import Session
from app.session.baselines import with_baselines
from app.session.journal import read_journal
from app.session.rows import FaceRow
from engine.errors import OutputError
from engine.facs import HIGHEST_INTENSITY

#: Receives the fraction done, 0-1.
Progress = Callable[[float], None]
#: Frames between two progress reports.
_REPORT_EVERY: Final = 25


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What to export."""

    formats: tuple[str, ...] = ("csv", "notes")  # names in app.export.formats.FORMATS
    without_excluded: bool = False  # leave out frames in excluded ranges
    replace: bool = False  # overwrite files of an earlier export
    excel: bool = False  # CSV with a byte order mark
    all_units: bool = False  # also action units that are not trusted
    min_frames: int = 2  # shorter episodes are left out of ELAN, BORIS, captions and BIDS events
    pictures: bool = True  # thumbnails in the summary page


class CancelledError(Exception):
    """The user cancelled the export."""


@dataclass(frozen=True, slots=True)
class ExportFrame:
    """One frame of an export."""

    position: int  # index into Session.frames
    time_s: float  # since the first frame
    excluded: bool  # in a range that the coder excluded
    rows: tuple[FaceRow, ...]


class ExportJob:
    """One export of an open session."""

    def __init__(self, session: Session, notes: Notes, choice: ExportChoice, cancelled: Callable[[], bool]) -> None:
        """``cancelled`` is called between frames."""
        self.session = session
        self.notes = notes
        self.choice = choice
        self.header = session.header
        #: Indices into `SessionHeader.au_codes` of the units that are exported.
        self.unit_places = tuple(
            place
            for place, code in enumerate(session.header.au_codes)
            if choice.all_units or code in session.header.au_trusted
        )
        #: Occurrence by FACS number above which a unit counts as present.
        self.thresholds = dict(zip(session.header.au_codes, session.header.au_thresholds, strict=True))
        #: Of the faces that have one, by face id; subtracted from occurrence and intensity wherever these are exported.
        self.baselines = session_baselines(session, notes)
        self._cancelled = cancelled
        self._excluded: npt.NDArray[np.bool_] = notes.excluded(session.times_s)

    def unit_values(self, row: FaceRow) -> dict[int, float]:
        """Occurrence by FACS number of the exported units, less the baseline; empty if the face was not assessed."""
        values = row.corrected or row.occurrence
        return {self.header.au_codes[place]: values[place] for place in self.unit_places} if values else {}

    def unit_intensities(self, row: FaceRow) -> dict[int, float]:
        """Intensity 0-5 by FACS number of the exported units, less the baseline; empty if the face was not assessed.

        Five times the occurrence where the model does not grade intensity.
        """
        if self.header.au_intensity:
            values = row.corrected_intensity or row.intensity
            return {self.header.au_codes[place]: values[place] for place in self.unit_places} if values else {}
        return {code: HIGHEST_INTENSITY * occurrence for code, occurrence in self.unit_values(row).items()}

    @property
    def baseline_text(self) -> str:
        """What the occurrences of units in an export are, as a sentence for its reader."""
        known = sorted(filter(self.is_corrected, self.baselines))
        if not known:
            return "Action units are as the model gave them: no neutral baseline is subtracted."
        faces = ", ".join(map(str, known))
        return f"The neutral baseline is subtracted from the action units of face {faces}; of other faces none is."

    def is_corrected(self, face_id: int) -> bool:
        """Whether a neutral baseline is subtracted from the occurrences of a face."""
        return face_id in self.baselines and self.baselines[face_id].shift is not None

    def rows_shown_at(self, position: int) -> tuple[FaceRow, ...]:
        """The rows of a frame as they are drawn, with known baselines subtracted.

        Raises:
            OutputError: the journal cannot be read any more.
        """
        rows = with_baselines(self.session.measured_rows_at(position), self.baselines)
        return tuple(row.units_shown() for row in rows)

    def positions(self, report: Progress) -> Iterator[int]:
        """Positions of all frames that are exported, with progress and a check for cancellation every few frames.

        Raises:
            CancelledError: the user cancelled.
        """
        count = len(self.session.frames)
        for position in range(count):
            if position % _REPORT_EVERY == 0:
                report(position / count)
                if self._cancelled():
                    raise CancelledError
            if not (self.choice.without_excluded and self._excluded[position]):
                yield position

    def frames(self, report: Progress) -> Iterator[ExportFrame]:
        """All frames that are exported, in order, in constant memory.

        Raises:
            CancelledError: the user cancelled.
            OutputError: the journal is damaged or has changed since the session was opened.
        """
        session = self.session
        # the journal of a run in progress has more frames than the open session
        entries, place, entry = read_journal(session.folder.journal), -1, None
        for position in self.positions(report):
            while place < position:
                entry, place = next(entries, None), place + 1
            if entry is None or entry.frame != session.frames[position]:
                raise OutputError(f"{session.folder.journal} has changed: open the session again")
            rows = with_baselines(entry.rows, self.baselines)
            yield ExportFrame(position, rows[0].time_s, bool(self._excluded[position]), rows)


class LabelIndex:
    """Finds the label that a person gave a face at a time, by binary search."""

    def __init__(self, notes: Notes) -> None:
        self._labels: dict[int, list[HumanLabel]] = defaultdict(list)
        for label in notes.labels:  # ordered by time
            self._labels[label.face_id].append(label)
        self._starts = {face: [label.start_s for label in labels] for face, labels in self._labels.items()}

    def label_at(self, face_id: int | None, time_s: float) -> str | None:
        """The label, or None."""
        if face_id is None or face_id not in self._starts:
            return None
        place = bisect.bisect_right(self._starts[face_id], time_s) - 1
        if place < 0 or time_s >= self._labels[face_id][place].end_s:
            return None
        return self._labels[face_id][place].label
