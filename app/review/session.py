"""One session, opened for review: what is needed of all frames at once in memory, the rest on the disk.

The journal is the truth. Its tables are read in its place where they are finished; single frames are read from the
journal itself, whose lines are found by halving, since they stand in the order of the frames.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from app.review.columns import SessionColumns, UnreadableTableError, read_rows, read_table
from app.review.face_timeline import FaceLane, face_lanes
from app.review.notes import notes_fit
from app.session.folder import SessionFolder, source_mark
from app.session.journal import JOURNAL_FORMAT, JournalReader, read_header
from app.session.metadata import Metadata, read_metadata
from app.session.rows import FaceRow, SessionHeader
from engine.capture.source import SourceKind
from engine.errors import OutputError
from engine.types import Float64, Int64

#: Steps between frames from which the length of the last one is taken, and that of an only frame.
_LAST_STEPS: Final = 25
_ONLY_FRAME_S: Final = 0.04


@dataclass(frozen=True, slots=True)
class SessionVideo:
    """The pictures of a session."""

    path: Path
    annotated: bool  # the overlay is already in the picture


class Session:
    """An opened session. Its reads may come from any thread; close it when done."""

    def __init__(self, folder: SessionFolder, header: SessionHeader, columns: SessionColumns, told: list[str]) -> None:
        """Take what `open_session` read.

        Raises:
            OutputError: the journal cannot be opened.
        """
        self.folder = folder
        self.header = header
        self.frames: Int64 = columns.frames  # (N,) index in the source, rising
        self.times_s: Float64 = columns.times_s  # (N,) seconds since the first frame of the run
        self.label_sets = columns.rows.label_sets  # of FaceLane.sets: places in header.expressions, likeliest first
        self.lanes: tuple[FaceLane, ...] = face_lanes(columns.rows, len(header.expressions))
        self.metadata: Metadata | None = _metadata(folder, told)
        self.video, self._has_own_times = _video(folder, header, self.metadata, told)
        if not notes_fit(folder):
            told.append(
                f"{folder.notes.name} was made on another run: check that its labels are still on the right faces."
            )
        self.told = tuple(told)  # sentences that a person should read: what is missing, what was not finished
        self._pts_s = columns.pts_s
        self._journal = JournalReader(folder.journal)

    @property
    def duration_s(self) -> float:
        """When the last frame stops being shown."""
        return self.end_of(len(self.frames) - 1)

    def rows_at(self, position: int) -> tuple[FaceRow, ...]:
        """The rows of the frame at this position, 0 to N - 1.

        Raises:
            OutputError: the journal cannot be read any more.
        """
        return self._journal.entry_at(int(self.frames[position])).rows

    def position_at(self, time_s: float) -> int:
        """Position of the frame that is shown at this time: the last that began by then, or the first of all."""
        return max(int(np.searchsorted(self.times_s, time_s, side="right")) - 1, 0)

    def end_of(self, position: int) -> float:
        """When the frame at this position makes room for the next: the end of a range that holds it as its last."""
        if position + 1 < len(self.times_s):
            return float(self.times_s[position + 1])
        steps = np.diff(self.times_s[-_LAST_STEPS:])
        return float(self.times_s[-1]) + (float(np.median(steps)) if len(steps) else _ONLY_FRAME_S)

    def video_time_at(self, position: int) -> float:
        """Seconds on the clock of `video` at which its picture of this frame is shown."""
        pts_s = float(self._pts_s[position])
        return pts_s if self._has_own_times and not np.isnan(pts_s) else float(self.times_s[position])

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
    """Open the folder of an annotated source or of a recording, finished or not.

    Raises:
        OutputError: it holds no journal that this version reads, or one without a frame.
    """
    folder = SessionFolder(path)
    told: list[str] = []
    header = _header(folder)
    columns = _columns(folder, header, told)
    if not len(columns.frames):
        raise OutputError(f"{path} holds no analysed frame yet: annotate or record longer")
    return Session(folder, header, columns, told)


def _header(folder: SessionFolder) -> SessionHeader:
    """The journal's header.

    Raises:
        OutputError: there is no journal, or another version wrote it.
    """
    path = folder.path
    if not folder.journal.is_file():
        raise OutputError(f"{path} is no session (it has no {folder.journal.name}): choose a folder that has one")
    try:
        return read_header(folder.journal)
    except (OutputError, KeyError, TypeError) as error:
        with contextlib.suppress(OSError, ValueError, AttributeError), folder.journal.open("rb") as handle:
            version = json.loads(handle.readline()).get("journal")
            if isinstance(version, int) and version != JOURNAL_FORMAT:
                raise OutputError(
                    f"{path} was written by another version of this program (journal {version}, this one reads "
                    f"{JOURNAL_FORMAT}): annotate the source again"
                ) from error
        raise OutputError(f"{folder.journal} is damaged at its beginning: annotate the source again") from error


def _columns(folder: SessionFolder, header: SessionHeader, told: list[str]) -> SessionColumns:
    """From the table where it is there and fits the journal, else from the journal.

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
        told.append(f"{folder.parquet.name} is damaged or of another run: the journal was read in its place.")
    return read_rows(folder.journal, header)


def _metadata(folder: SessionFolder, told: list[str]) -> Metadata | None:
    """metadata.json; what it tells of an end that was not reached, or that it cannot be read, goes to ``told``."""
    try:
        metadata = read_metadata(folder.metadata)
    except OutputError:
        told.append(f"{folder.metadata.name} is missing or damaged: what was run on what is known in part only.")
        return None
    if not metadata.completed:
        told.append("This session was not finished: what was analysed until then is shown.")
    if metadata.fault is not None:
        told.append(f"Part of the source was lost: {metadata.fault}.")
    return metadata


def _video(
    folder: SessionFolder, header: SessionHeader, metadata: Metadata | None, told: list[str]
) -> tuple[SessionVideo | None, bool]:
    """The best pictures there are, and whether they run on the source's own clock (FaceRow.pts_s)."""
    if folder.recording.is_file():
        return SessionVideo(folder.recording, annotated=False), False
    original = _original(folder, header, metadata)
    if original is not None:
        return SessionVideo(original, annotated=False), True
    if folder.video.is_file():
        told.append(f"{header.source_id} was not found or has changed: {folder.video.name} is shown in its place.")
        return SessionVideo(folder.video, annotated=True), False
    if not header.settings.get("source file"):  # a camera, a stream: nowhere else to look
        told.append("No pictures of this session were kept: its results are shown without them.")
        return None, False
    told.append(f"No pictures were found: put {header.source_id} into {folder.path} and open the session again.")
    return None, False


def _original(folder: SessionFolder, header: SessionHeader, metadata: Metadata | None) -> Path | None:
    """The source file, where it was or beside the session, if it is still the file that was annotated."""
    mark = header.settings.get("source file", "")
    if not mark or (metadata is not None and metadata.source.kind != SourceKind.VIDEO.value):
        return None
    name = Path(header.source_id).name
    places = [folder.path / name, folder.path.parent / name]
    if metadata is not None:
        places.insert(0, Path(metadata.source.source))
    for place in places:
        with contextlib.suppress(OSError, ValueError):
            if source_mark(place) == mark:
                return place
    return None
