"""What a person notes while reviewing a session: kept in review.json, apart from everything that the model said.

All ranges are half open, ``start_s <= time < end_s``, on the clock of ``FaceRow.time_s``, so that ranges that touch
share no frame.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from app.review.files import saved_whole
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from engine.errors import OutputError
from engine.facs import EXPRESSIONS
from engine.types import Float64

#: Label of a person who cannot tell either.
UNCLEAR: Final = "unclear"
#: What a person may call a face.
HUMAN_LABELS: Final[tuple[str, ...]] = (*EXPRESSIONS, UNCLEAR)
#: Version of review.json's form.
NOTES_FORMAT: Final = 1
_HEAD_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Marker:
    """A moment worth coming back to. ValueError for a time that is no time."""

    time_s: float
    text: str

    def __post_init__(self) -> None:
        _check_range(self.time_s, self.time_s + 1.0)


@dataclass(frozen=True, slots=True, order=True)
class Exclusion:
    """A range that counts for nothing: neither agreement nor export. ValueError for an empty range."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """What a person calls one face over a range. ValueError for an empty range or a label not of `HUMAN_LABELS`."""

    face_id: int
    start_s: float
    end_s: float
    label: str

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)
        if self.label not in HUMAN_LABELS:
            raise ValueError(f"label {self.label!r} is none of {', '.join(HUMAN_LABELS)}")


@dataclass(frozen=True, slots=True)
class Notes:
    """All notes on one session, each kind in the order of time; every change gives new notes.

    ValueError when labels of one face overlap.
    """

    coder: str = ""  # who labels
    markers: tuple[Marker, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()  # none touches another
    labels: tuple[HumanLabel, ...] = ()  # of one face, none overlaps another

    def __post_init__(self) -> None:
        ends: dict[int, float] = {}
        for label in self.labels:
            if label.start_s < ends.get(label.face_id, 0.0):
                raise ValueError(f"face {label.face_id} has two labels at {label.start_s} s")
            ends[label.face_id] = label.end_s

    def with_coder(self, coder: str) -> Notes:
        """The notes under another name."""
        return dataclasses.replace(self, coder=coder)

    def with_marker(self, marker: Marker) -> Notes:
        """One marker more; one that is there already stays one."""
        return dataclasses.replace(self, markers=tuple(sorted({*self.markers, marker})))

    def without_marker(self, marker: Marker) -> Notes:
        """The notes less this marker."""
        return dataclasses.replace(self, markers=_less(self.markers, marker))

    def with_exclusion(self, exclusion: Exclusion) -> Notes:
        """One excluded range more; what it touches or overlaps becomes one range with it."""
        start_s, end_s = exclusion.start_s, exclusion.end_s
        apart = []
        for other in self.exclusions:
            if other.end_s < exclusion.start_s or exclusion.end_s < other.start_s:
                apart.append(other)
            else:
                start_s, end_s = min(start_s, other.start_s), max(end_s, other.end_s)
        return dataclasses.replace(self, exclusions=tuple(sorted((*apart, Exclusion(start_s, end_s)))))

    def without_exclusion(self, exclusion: Exclusion) -> Notes:
        """The notes less this excluded range."""
        return dataclasses.replace(self, exclusions=_less(self.exclusions, exclusion))

    def with_label(self, label: HumanLabel) -> Notes:
        """One label more; it cuts away what it overlaps of this face's earlier labels."""
        kept = [part for other in self.labels for part in _cut(other, label)]
        return dataclasses.replace(self, labels=_in_order((*kept, label)))

    def without_label(self, label: HumanLabel) -> Notes:
        """The notes less this label."""
        return dataclasses.replace(self, labels=_less(self.labels, label))

    def label_at(self, face_id: int, time_s: float) -> HumanLabel | None:
        """What a person called this face at this time."""
        for label in self.labels:
            if label.face_id == face_id and label.start_s <= time_s < label.end_s:
                return label
        return None

    def is_excluded(self, time_s: float) -> bool:
        """Whether this time lies in an excluded range."""
        return bool(self.excluded(np.array([time_s]))[0])

    def excluded(self, times_s: Float64) -> npt.NDArray[np.bool_]:
        """Which of these times (N,) lie in an excluded range."""
        found = np.zeros(len(times_s), np.bool_)
        for each in self.exclusions:
            found |= (each.start_s <= times_s) & (times_s < each.end_s)
        return found


def read_notes(folder: SessionFolder) -> Notes:
    """The notes of a session; empty ones where nobody noted anything yet.

    Raises:
        OutputError: review.json cannot be read or is damaged; do not write over it then.
    """
    raw = _read(folder.notes)
    if raw is None:
        return Notes()
    if raw.get("review") != NOTES_FORMAT:
        raise OutputError(f"{folder.notes} is of a version that this program does not read: update the program")
    try:
        return _as_notes(raw)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise _damaged(folder.notes, str(error)) from error


def write_notes(folder: SessionFolder, notes: Notes) -> None:
    """Write review.json whole or not at all.

    Raises:
        OutputError: it cannot be written; the notes written before stay.
    """
    raw = {"review": NOTES_FORMAT, "run": session_mark(folder), **dataclasses.asdict(notes)}
    with saved_whole(folder.notes) as part:
        part.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def notes_match_session(folder: SessionFolder) -> bool:
    """Whether the notes, if there are any, were made on the run that lies in the folder now.

    After another run (``mien annotate --force``) the number of a face may mean another face.
    """
    try:
        raw = _read(folder.notes)
    except OutputError:
        return True  # read_notes tells what is wrong
    return raw is None or raw.get("run") in (None, session_mark(folder))


def session_mark(folder: SessionFolder) -> str:
    """Short mark of the run in a folder: of its header and, where that names no file, of its start."""
    try:
        with folder.journal.open("rb") as handle:
            head = handle.readline(_HEAD_BYTES)
    except OSError:
        return ""
    if b'"source file":""' in head:  # live: the header alone is the same for every run
        try:
            head += read_metadata(folder.metadata).start.encode()
        except OutputError:
            return ""
    return hashlib.sha256(head).hexdigest()[:16]


def _as_notes(raw: dict[str, Any]) -> Notes:
    """Notes from JSON. ValueError, KeyError, OverflowError or TypeError when it is none."""
    coder = raw["coder"]
    if not isinstance(coder, str):
        raise ValueError("coder is no text")
    markers = {Marker(float(item["time_s"]), str(item["text"])) for item in raw["markers"]}
    labels = [
        HumanLabel(int(item["face_id"]), float(item["start_s"]), float(item["end_s"]), item["label"])
        for item in raw["labels"]
    ]
    notes = Notes(coder, tuple(sorted(markers)), labels=_in_order(labels))
    for item in raw["exclusions"]:
        notes = notes.with_exclusion(Exclusion(float(item["start_s"]), float(item["end_s"])))
    return notes


def _read(path: Path) -> dict[str, Any] | None:
    """The file as JSON; None when there is none.

    Raises:
        OutputError: it cannot be read or is damaged.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "no JSON") from error
    if not isinstance(raw, dict):
        raise _damaged(path, "no record")
    return raw


def _damaged(path: Path, reason: str) -> OutputError:
    return OutputError(f"{path} is damaged ({reason}): mend it, or move it away to begin new notes")


def _check_range(start_s: float, end_s: float) -> None:
    if not 0.0 <= start_s < end_s < math.inf:
        raise ValueError(f"{start_s} to {end_s} s is no range of time")


_Item = TypeVar("_Item")


def _less(items: tuple[_Item, ...], gone: _Item) -> tuple[_Item, ...]:
    return tuple(item for item in items if item != gone)


def _in_order(labels: Iterable[HumanLabel]) -> tuple[HumanLabel, ...]:
    return tuple(sorted(labels, key=lambda label: (label.start_s, label.face_id)))


def _cut(old: HumanLabel, new: HumanLabel) -> list[HumanLabel]:
    """What stays of an old label beside a new one: all, nothing, one piece or two."""
    if old.face_id != new.face_id or old.end_s <= new.start_s or new.end_s <= old.start_s:
        return [old]
    pieces = ((old.start_s, new.start_s), (new.end_s, old.end_s))
    return [HumanLabel(old.face_id, start_s, end_s, old.label) for start_s, end_s in pieces if start_s < end_s]
