"""A session opened for review: per-frame columns in memory, single frames from the journal.

The columns come from faces.parquet if it matches the journal, otherwise from the journal, which is authoritative.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from app.review.columns import SessionColumns, UnreadableTableError, read_rows, read_table
from app.review.face_timeline import FaceTimeline, face_timelines
from app.review.notes import notes_match_run
from app.session.baselines import fits, with_baselines
from app.session.folder import SessionFolder, source_mark
from app.session.journal import JournalReader, read_header
from app.session.journal_lines import JOURNAL_FORMAT
from app.session.metadata import Metadata, read_metadata
from app.session.rows import FaceRow, SessionHeader
from engine.capture.source import SourceKind
from engine.errors import OutputError, Remedy
from engine.types import NO_BASELINE, Float64, Int64, UnitBaseline

#: Frame steps whose median is the duration of the last frame, and the duration of an only frame.
_LAST_STEPS: Final = 25
_ONLY_FRAME_S: Final = 0.04


@dataclass(frozen=True, slots=True)
class SessionVideo:
    """The video of a session."""

    path: Path
    annotated: bool  # the overlay is part of the image


class Session:
    """An open session. Reads may come from any thread; close it after use."""

    def __init__(
        self, folder: SessionFolder, header: SessionHeader, columns: SessionColumns, warnings: list[str]
    ) -> None:
        """Take what `open_session` read.

        Raises:
            OutputError: the journal cannot be opened.
        """
        self.folder = folder
        self.header = header
        self.frames: Int64 = columns.frames  # (N,) frame index in the source, ascending
        self.times_s: Float64 = columns.times_s  # (N,) seconds since the first frame
        self.label_sets = columns.rows.label_sets  # indices into header.expressions, most probable first
        self.faces: tuple[FaceTimeline, ...] = face_timelines(columns.rows, len(header.expressions))
        self.metadata: Metadata | None = _metadata(folder, warnings)
        self.recorded_baselines = _baselines(self.metadata, header)  # by face; see app/review/face_baselines.py
        self.baselines: dict[int, UnitBaseline] = {}  # in use
        self.use_baselines(self.recorded_baselines)
        self.video, self._has_own_times = _video(folder, header, self.metadata, warnings)
        if not notes_match_run(folder):
            warnings.append(
                f"{folder.notes.name} belongs to another run: check that its labels are still on the right faces."
            )
        self.warnings = tuple(warnings)  # sentences for the user: what is missing or incomplete
        self._pts_s = columns.pts_s
        is_annotated = self.video is not None and self.video.annotated
        # an annotated video begins at the start of the range that was analysed
        self._starts_s = float(header.settings.get("start_s", 0)) if is_annotated else 0.0
        self._journal = JournalReader(folder.journal)

    @property
    def duration_s(self) -> float:
        """End of the last frame in seconds."""
        return self.end_of(len(self.frames) - 1)

    def rows_at(self, position: int) -> tuple[FaceRow, ...]:
        """Read the rows of the frame at this position, 0 to N - 1, with the baselines in use subtracted.

        Raises:
            OutputError: the journal cannot be read any more.
        """
        return tuple(row.units_shown() for row in with_baselines(self.measured_rows_at(position), self.baselines))

    def measured_rows_at(self, position: int) -> tuple[FaceRow, ...]:
        """As `rows_at`, with the values of the model."""
        return self._journal.entry_at(int(self.frames[position])).rows

    def use_baselines(self, baselines: Mapping[int, UnitBaseline]) -> bool:
        """Subtract other baselines from what is shown, by face id; returns whether that changes anything."""
        before, self.baselines = self.baselines, dict(baselines)
        changed = [face for face in self.faces if before.get(face.face_id) is not self.baselines.get(face.face_id)]
        for face in changed:
            face.use_baseline(self.baselines.get(face.face_id, NO_BASELINE))
        return bool(changed)

    def position_at(self, time_s: float) -> int:
        """Position of the frame shown at this time; 0 before the first frame."""
        return max(int(np.searchsorted(self.times_s, time_s, side="right")) - 1, 0)

    def end_of(self, position: int) -> float:
        """Time in seconds at which the frame at this position is replaced by the next."""
        if position + 1 < len(self.times_s):
            return float(self.times_s[position + 1])
        steps = np.diff(self.times_s[-_LAST_STEPS:])
        return float(self.times_s[-1]) + (float(np.median(steps)) if len(steps) else _ONLY_FRAME_S)

    def video_time_at(self, position: int) -> float:
        """Seconds on the clock of `video` at which it shows the frame at this position."""
        pts_s = float(self._pts_s[position])
        if self._has_own_times and not np.isnan(pts_s):
            return pts_s
        return float(self.times_s[position]) - self._starts_s

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_session(path: Path) -> Session:
    """Open the session in a folder, complete or not.

    Raises:
        OutputError: it holds no journal that this version reads, or one without a frame.
    """
    folder = SessionFolder(path)
    warnings: list[str] = []
    header = _header(folder)
    columns = _columns(folder, header, warnings)
    if not len(columns.frames):
        raise OutputError(f"{path} has no analysed frame yet: annotate or record longer")
    return Session(folder, header, columns, warnings)


def _header(folder: SessionFolder) -> SessionHeader:
    """Read the header of the journal.

    Raises:
        OutputError: there is no journal, or another version wrote it.
    """
    path = folder.path
    if not folder.journal.is_file():
        raise OutputError(f"{path} is not a session (it has no {folder.journal.name}): choose a folder that has one")
    try:
        return read_header(folder.journal)
    except (OutputError, KeyError, TypeError) as error:
        with contextlib.suppress(OSError, ValueError, AttributeError), folder.journal.open("rb") as handle:
            version = json.loads(handle.readline()).get("journal")
            if isinstance(version, int) and version != JOURNAL_FORMAT:
                raise OutputError(
                    f"{path} was written by another version of this program (journal {version}, this one reads "
                    f"{JOURNAL_FORMAT})",
                    Remedy.ANNOTATE_AGAIN,
                ) from error
        raise OutputError(f"The header of {folder.journal} is damaged", Remedy.ANNOTATE_AGAIN) from error


def _columns(folder: SessionFolder, header: SessionHeader, warnings: list[str]) -> SessionColumns:
    """Read the table if it matches the journal, otherwise the journal.

    Raises:
        OutputError: the journal cannot be read.
    """
    if folder.parquet.is_file():
        try:
            columns = read_table(folder.parquet, header)
            with contextlib.closing(JournalReader(folder.journal)) as journal:
                if len(columns.frames) and journal.last_frame() == columns.frames[-1]:
                    return columns
        except UnreadableTableError:
            pass
        warnings.append(f"{folder.parquet.name} is damaged or belongs to another run: the journal was read instead.")
    return read_rows(folder.journal, header)


def _metadata(folder: SessionFolder, warnings: list[str]) -> Metadata | None:
    """Read metadata.json; add a warning if it cannot be read or the session is incomplete."""
    try:
        metadata = read_metadata(folder.metadata)
    except OutputError:
        warnings.append(f"{folder.metadata.name} is missing or damaged: settings and models are only partly known.")
        return None
    if not metadata.completed:
        warnings.append("This session is incomplete: the frames analysed so far are shown.")
    if metadata.fault is not None:
        warnings.append(f"Part of the source was lost: {metadata.fault}.")
    return metadata


def _baselines(metadata: Metadata | None, header: SessionHeader) -> dict[int, UnitBaseline]:
    """The baselines recorded with a session; none if they do not fit its units."""
    recorded = None if metadata is None else metadata.au_baselines
    found = {} if recorded is None else recorded.by_face()
    return found if fits(found, header) else {}


def _video(
    folder: SessionFolder, header: SessionHeader, metadata: Metadata | None, warnings: list[str]
) -> tuple[SessionVideo | None, bool]:
    """The best video available, and whether it runs on the source's own clock (FaceRow.pts_s)."""
    if folder.recording.is_file():
        return SessionVideo(folder.recording, annotated=False), False
    original = _original(folder, header, metadata)
    if original is not None:
        return SessionVideo(original, annotated=False), True
    if folder.video.is_file():
        warnings.append(f"{header.source_id} was not found or has changed: {folder.video.name} is shown instead.")
        return SessionVideo(folder.video, annotated=True), False
    if not header.settings.get("source file"):  # a camera or stream: there is no file to look for
        warnings.append("This session has no video: its results are shown without images.")
        return None, False
    warnings.append(f"No video was found: put {header.source_id} into {folder.path} and open the session again.")
    return None, False


def _original(folder: SessionFolder, header: SessionHeader, metadata: Metadata | None) -> Path | None:
    """The source file, at its old place or next to the session, if its content is unchanged."""
    mark = header.settings.get("source file", "")
    if not mark or (metadata is not None and metadata.source.kind != SourceKind.VIDEO.value):
        return None
    name = Path(header.source_id).name
    places = [folder.path / name, folder.path.parent / name]
    if metadata is not None:
        recorded = (metadata.source.path, metadata.source.source)  # absolute; as the user named it
        places[:0] = [Path(place) for place in recorded if place]
    for place in places:
        with contextlib.suppress(OSError, ValueError):
            if source_mark(place) == mark:
                return place
    return None
