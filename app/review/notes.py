"""The coder's notes on a session: markers, excluded ranges, labels, names of faces and events, in review.json.

They are kept apart from the model's results. Ranges are half open, ``start_s <= time < end_s``, on the clock of
``FaceRow.time_s``, so that adjacent ranges share no frame.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from engine.errors import OutputError
from engine.facs import EXPRESSIONS
from engine.files import atomic_write
from engine.records import json_text, load_json, read_record
from engine.types import Float64

#: Label for a face whose expression the coder cannot tell.
UNCLEAR: Final = "unclear"
#: Labels that a coder can use.
HUMAN_LABELS: Final[tuple[str, ...]] = (*EXPRESSIONS, UNCLEAR)
#: Version of review.json.
NOTES_FORMAT: Final = 1
_HEAD_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Marker:
    """A moment of interest. ValueError if the time is negative or not finite."""

    time_s: float
    text: str

    def __post_init__(self) -> None:
        _check_range(self.time_s, self.time_s + 1.0)


@dataclass(frozen=True, slots=True, order=True)
class Exclusion:
    """A range left out of agreement and, if chosen, of exports. ValueError for an empty range."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """The coder's label for one face over a range. ValueError for an empty range or an unknown label."""

    face_id: int
    start_s: float
    end_s: float
    label: str  # one of HUMAN_LABELS

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)
        if self.label not in HUMAN_LABELS:
            raise ValueError(f"label {self.label!r} is none of {', '.join(HUMAN_LABELS)}")


@dataclass(frozen=True, slots=True, order=True)
class NeutralRange:
    """A range in which the coder saw a face neutral, for its baseline. ValueError for an empty range."""

    face_id: int
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)


@dataclass(frozen=True, slots=True, order=True)
class FaceName:
    """The name that the coder gave a face; faces of one name are one person. ValueError for a blank name."""

    face_id: int
    name: str

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a name is blank")


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A stretch with one of the coder's codes, such as a stimulus. ValueError for an empty stretch or a blank code.

    An event without length is a `Marker` with the code as its text.
    """

    start_s: float
    end_s: float
    code: str

    def __post_init__(self) -> None:
        _check_range(self.start_s, self.end_s)
        if not self.code.strip():
            raise ValueError("a code is blank")


@dataclass(frozen=True, slots=True)
class Notes:
    """All notes on one session, each kind ordered by time. Immutable: every change returns new notes.

    ValueError if labels of one face overlap, or a face has two names or two neutral ranges.
    """

    coder: str = ""
    markers: tuple[Marker, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()  # disjoint
    labels: tuple[HumanLabel, ...] = ()  # disjoint per face
    names: tuple[FaceName, ...] = ()  # one per face at most
    events: tuple[Event, ...] = ()  # disjoint per code
    neutral: tuple[NeutralRange, ...] = ()  # one per face at most, by face

    def __post_init__(self) -> None:
        if len({each.face_id for each in self.neutral}) < len(self.neutral):
            raise ValueError("a face has two neutral ranges")
        if len({name.face_id for name in self.names}) < len(self.names):
            raise ValueError("a face has two names")
        ends: dict[int, float] = {}
        for label in self.labels:
            if label.start_s < ends.get(label.face_id, 0.0):
                raise ValueError(f"face {label.face_id} has two labels at {label.start_s} s")
            ends[label.face_id] = label.end_s

    def with_coder(self, coder: str) -> Notes:
        """Change the coder's name."""
        return dataclasses.replace(self, coder=coder)

    def with_marker(self, marker: Marker) -> Notes:
        """Add a marker; an equal one is not added twice."""
        return dataclasses.replace(self, markers=tuple(sorted({*self.markers, marker})))

    def without_marker(self, marker: Marker) -> Notes:
        """Remove a marker."""
        return dataclasses.replace(self, markers=_without(self.markers, marker))

    def with_exclusion(self, exclusion: Exclusion) -> Notes:
        """Add an excluded range, merged with those that it overlaps or touches."""
        start_s, end_s = exclusion.start_s, exclusion.end_s
        apart = []
        for other in self.exclusions:
            if other.end_s < exclusion.start_s or exclusion.end_s < other.start_s:
                apart.append(other)
            else:
                start_s, end_s = min(start_s, other.start_s), max(end_s, other.end_s)
        return dataclasses.replace(self, exclusions=tuple(sorted((*apart, Exclusion(start_s, end_s)))))

    def without_exclusion(self, exclusion: Exclusion) -> Notes:
        """Remove an excluded range."""
        return dataclasses.replace(self, exclusions=_without(self.exclusions, exclusion))

    def with_label(self, label: HumanLabel) -> Notes:
        """Add a label, which replaces what it overlaps of this face's earlier labels."""
        kept = [part for other in self.labels for part in _cut(other, label)]
        return dataclasses.replace(self, labels=_by_time((*kept, label)))

    def _with_label_beside(self, label: HumanLabel) -> Notes:
        """Add a label where this face has none."""
        pieces = [label]
        for other in self.labels:
            pieces = [part for piece in pieces for part in _cut(piece, other)]
        return dataclasses.replace(self, labels=_by_time((*self.labels, *pieces)))

    def without_label(self, label: HumanLabel) -> Notes:
        """Remove a label."""
        return dataclasses.replace(self, labels=_without(self.labels, label))

    def with_name(self, face_id: int, name: str) -> Notes:
        """Name a face; a blank name removes the one it has."""
        others = tuple(other for other in self.names if other.face_id != face_id)
        named = (FaceName(face_id, name.strip()),) if name.strip() else ()
        return dataclasses.replace(self, names=tuple(sorted((*others, *named))))

    def name_of(self, face_id: int | None) -> str:
        """The name of a face; empty if it has none."""
        return next((name.name for name in self.names if name.face_id == face_id), "")

    def with_neutral(self, chosen: NeutralRange) -> Notes:
        """Make a range the neutral one of its face, instead of the one before."""
        others = (other for other in self.neutral if other.face_id != chosen.face_id)
        return dataclasses.replace(self, neutral=tuple(sorted((*others, chosen))))

    def without_neutral(self, chosen: NeutralRange) -> Notes:
        """Remove a neutral range."""
        return dataclasses.replace(self, neutral=_without(self.neutral, chosen))

    def with_event(self, event: Event) -> Notes:
        """Add an event, merged with those of its code that it overlaps.

        One that begins where another ends stays apart: coders count stretches and their lengths (BORIS, ELAN), and
        two presentations of a stimulus without a pause are two.
        """
        start_s, end_s, apart = event.start_s, event.end_s, []
        for other in self.events:
            if other.code != event.code or other.end_s <= event.start_s or event.end_s <= other.start_s:
                apart.append(other)
            else:
                start_s, end_s = min(start_s, other.start_s), max(end_s, other.end_s)
        return dataclasses.replace(self, events=tuple(sorted((*apart, Event(start_s, end_s, event.code)))))

    def without_event(self, event: Event) -> Notes:
        """Remove an event."""
        return dataclasses.replace(self, events=_without(self.events, event))

    def label_at(self, face_id: int, time_s: float) -> HumanLabel | None:
        """The label of a face at a time."""
        for label in self.labels:
            if label.face_id == face_id and label.start_s <= time_s < label.end_s:
                return label
        return None

    def is_excluded(self, time_s: float) -> bool:
        """Whether a time lies in an excluded range."""
        return bool(self.excluded(np.array([time_s]))[0])

    def excluded(self, times_s: Float64) -> npt.NDArray[np.bool_]:
        """Mask (N,) of the times (N,) that lie in an excluded range."""
        mask = np.zeros(len(times_s), np.bool_)
        for exclusion in self.exclusions:
            mask |= (exclusion.start_s <= times_s) & (times_s < exclusion.end_s)
        return mask


def merge_notes(base: Notes, mine: Notes, theirs: Notes) -> Notes:
    """Apply to ``theirs`` what changed from ``base`` to ``mine``, so that neither side loses what it added.

    Where both sides labelled the same face at the same time, the label of ``theirs`` stays, and the one of ``mine``
    covers the rest of its range. Of two names, or two neutral ranges, of one face that of ``mine`` stays.
    """
    merged = Notes(
        theirs.coder if mine.coder == base.coder else mine.coder,
        tuple(sorted({*_kept(base.markers, mine.markers, theirs.markers), *({*mine.markers} - {*base.markers})})),
        _kept(base.exclusions, mine.exclusions, theirs.exclusions),
        _kept(base.labels, mine.labels, theirs.labels),
        _kept(base.names, mine.names, theirs.names),
        _kept(base.events, mine.events, theirs.events),
        _kept(base.neutral, mine.neutral, theirs.neutral),
    )
    for event in mine.events:
        if event not in base.events:
            merged = merged.with_event(event)
    for name in mine.names:
        if name not in base.names:
            merged = merged.with_name(name.face_id, name.name)
    for exclusion in mine.exclusions:
        if exclusion not in base.exclusions:
            merged = merged.with_exclusion(exclusion)
    for label in mine.labels:
        if label not in base.labels:
            merged = merged._with_label_beside(label)
    return _with_ranges(merged, (chosen for chosen in mine.neutral if chosen not in base.neutral))


def _with_ranges(notes: Notes, added: Iterable[NeutralRange]) -> Notes:
    for chosen in added:
        notes = notes.with_neutral(chosen)
    return notes


@dataclass(frozen=True, slots=True)
class _NotesFile:
    """Content of review.json."""

    review: int  # NOTES_FORMAT
    coder: str
    markers: tuple[Marker, ...]
    exclusions: tuple[Exclusion, ...]
    labels: tuple[HumanLabel, ...]
    run: str | None = None  # `run_mark` of the session
    names: tuple[FaceName, ...] = ()
    events: tuple[Event, ...] = ()
    neutral: tuple[NeutralRange, ...] = ()

    def notes(self) -> Notes:
        """The notes, ordered even if the file was edited by hand."""
        notes = Notes(
            self.coder,
            tuple(sorted(set(self.markers))),
            labels=_by_time(self.labels),
            names=tuple(sorted(set(self.names))),
            neutral=tuple(sorted(set(self.neutral))),
        )
        for event in self.events:
            notes = notes.with_event(event)
        for exclusion in self.exclusions:
            notes = notes.with_exclusion(exclusion)
        return notes


def read_notes(folder: SessionFolder) -> Notes:
    """Read the notes of a session; empty if there are none yet.

    Raises:
        OutputError: review.json cannot be read or is damaged; it must not be overwritten then.
    """
    content = _read(folder.notes)
    if content is None:
        return Notes()
    try:
        return content.notes()
    except ValueError as error:
        raise _damaged(folder.notes, str(error)) from error


def read_other_notes(path: Path, folder: SessionFolder) -> Notes:
    """Read notes that another person made on the run in a folder.

    Raises:
        OutputError: there are none, they cannot be read, or belong to another run.
    """
    content = _read(path)
    if content is None:
        raise OutputError(f"{path} does not exist: choose the review.json of the other person")
    if content.run not in (None, run_mark(folder)):
        raise OutputError(f"{path} belongs to another run: both must label the same results of this source")
    try:
        return content.notes()
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def write_notes(folder: SessionFolder, notes: Notes) -> None:
    """Write review.json atomically.

    Raises:
        OutputError: it cannot be written; its previous content is unchanged.
    """
    path = folder.notes
    text = json_text({"review": NOTES_FORMAT, "run": run_mark(folder), **dataclasses.asdict(notes)})
    try:
        with atomic_write(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}): free space on its disk") from error


def notes_match_run(folder: SessionFolder) -> bool:
    """Whether the notes, if any, were made on the run that the folder holds now.

    After another run (``mien annotate --force``) the same face id may be another face.
    """
    try:
        content = _read(folder.notes)
    except OutputError:
        return True  # read_notes reports the error
    return content is None or content.run in (None, run_mark(folder))


def run_mark(folder: SessionFolder) -> str:
    """Hash that identifies the run in a folder, from the journal's header and, for live sources, the start time."""
    try:
        with folder.journal.open("rb") as handle:
            head = handle.readline(_HEAD_BYTES)
    except OSError:
        return ""
    if b'"source file":""' in head:  # live: the header is the same for every run
        try:
            head += read_metadata(folder.metadata).start.encode()
        except OutputError:
            return ""
    return hashlib.sha256(head).hexdigest()[:16]


def _read(path: Path) -> _NotesFile | None:
    """Read review.json; None if there is none.

    Raises:
        OutputError: it cannot be read or is damaged.
    """

    def damaged(reason: str) -> OutputError:
        return _damaged(path, reason)

    try:
        raw = load_json(path, lambda problem: OutputError(f"{problem}: repair it, or move it away to start new notes"))
    except FileNotFoundError:
        return None
    if isinstance(raw, dict) and raw.get("review") != NOTES_FORMAT:
        raise OutputError(f"{path} has a format that this version does not read: update the program")
    return read_record(_NotesFile, raw, damaged, ignore_unknown=True)


def _damaged(path: Path, reason: str) -> OutputError:
    return OutputError(f"{path} is damaged ({reason}): repair it, or move it away to start new notes")


def _check_range(start_s: float, end_s: float) -> None:
    if not 0.0 <= start_s < end_s < math.inf:
        raise ValueError(f"{start_s} to {end_s} s is not a time range")


_Item = TypeVar("_Item")


def _kept(base: tuple[_Item, ...], mine: tuple[_Item, ...], theirs: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """``theirs`` without what was removed from ``base`` to ``mine``."""
    return tuple(item for item in theirs if item in mine or item not in base)


def _without(items: tuple[_Item, ...], removed: _Item) -> tuple[_Item, ...]:
    return tuple(item for item in items if item != removed)


def _by_time(labels: Iterable[HumanLabel]) -> tuple[HumanLabel, ...]:
    return tuple(sorted(labels, key=lambda label: (label.start_s, label.face_id)))


def _cut(old: HumanLabel, new: HumanLabel) -> list[HumanLabel]:
    """The parts of an old label that a new one leaves: all, none, one or two."""
    if old.face_id != new.face_id or old.end_s <= new.start_s or new.end_s <= old.start_s:
        return [old]
    pieces = ((old.start_s, new.start_s), (new.end_s, old.end_s))
    return [HumanLabel(old.face_id, start_s, end_s, old.label) for start_s, end_s in pieces if start_s < end_s]
