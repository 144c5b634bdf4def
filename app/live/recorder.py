"""Record a live run as a session: journal and video while it runs, tables and metadata at the end.

The video is `SessionFolder.recording` instead of `SessionFolder.video`: it has no overlay, which can be drawn from the
journal later, or left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from app.session.baselines import LIVE, record_of
from app.session.folder import SessionFolder
from app.session.journal import JournalSink
from app.session.lock import SessionLock
from app.session.metadata import Metadata, last_metadata, write_metadata
from app.session.rows import SessionHeader
from app.session.table import write_tables
from app.session.video import VideoSink
from engine.capture.opening import source_stem
from engine.errors import OutputError, Remedy
from engine.types import BaselineState, FrameResult, UnitBaseline

#: Faces whose baselines a recording keeps, those seen last: one of days must not fill the memory.
_MAX_BASELINES: Final = 10_000


class Recorder:
    """A `FrameSink` for one recording. `written` and `duration_s` may be read from any thread.

    Indices and times are relative to the first frame. Gaps are frames that were dropped or that arrived while the run
    was paused.

    If the disk fills up, `write` raises, and the frames before are kept: in the journal all of them, in the video those
    up to about two seconds earlier. A recording without frames leaves no folder.
    """

    def __init__(
        self,
        folder: SessionFolder,
        header: SessionHeader,
        metadata: Metadata,
        damaged: Callable[[], int] = int,
    ) -> None:
        """Nothing is written yet.

        Args:
            folder: of this recording only, see `recording_folder`.
            header: of the run; its limits must not change during the recording.
            metadata: see `app.session.metadata.first_metadata`.
            damaged: returns the number of packets that the source could not decode so far.
        """
        self._folder = folder
        self._metadata = metadata
        self._damaged = damaged
        self._damaged_before = 0
        self._lock = SessionLock(folder)
        self._journal = JournalSink(folder.journal, header)
        self._video = VideoSink(folder.recording, None)
        self._first_index = self._last_index = 0
        self._first_s = self._last_s = 0.0
        self._written = 0
        self._failed = False
        self._baselines: dict[int, UnitBaseline] = {}  # the newest of each face; the face seen last is last

    @property
    def folder(self) -> SessionFolder:
        """Folder of the recording."""
        return self._folder

    @property
    def written(self) -> int:
        """Number of frames so far."""
        return self._written

    @property
    def duration_s(self) -> float:
        """Time from the first frame to the last, in seconds."""
        return self._last_s - self._first_s

    def open(self) -> None:
        """Create the folder, journal and video.

        Raises:
            OutputError: they cannot be written; nothing is left behind.
        """
        self._damaged_before = self._damaged()
        with self._noting_failure():
            self._lock.acquire()
        try:
            with self._noting_failure():
                self._folder.make()
                write_metadata(self._folder.metadata, self._metadata)
                self._journal.open()
                self._video.open()
        except OutputError:
            self._remove()
            raise

    def write(self, result: FrameResult) -> None:
        """Append a frame.

        Raises:
            OutputError: the disk is full or gone.
        """
        frame = result.frame
        if not self._written:
            self._first_index, self._first_s = frame.index, frame.timestamp_s
        index, time_s = frame.index - self._first_index, frame.timestamp_s - self._first_s
        own = dataclasses.replace(frame, index=index, timestamp_s=time_s, pts_s=None)
        recorded = dataclasses.replace(result, frame=own, snapshot=None)
        with self._noting_failure():
            self._video.write(recorded)  # before the journal, so that every row has its frame in the video
            self._journal.write(recorded)
        self._last_index, self._last_s = frame.index, frame.timestamp_s
        self._note_baselines(result)
        self._written += 1

    def _note_baselines(self, result: FrameResult) -> None:
        """Keep the newest baseline of each face, which counts for all of its frames in the recording."""
        for face in result.faces:
            own, track_id = face.baseline, face.track.track_id
            earlier = self._baselines.pop(track_id, UnitBaseline(BaselineState.UNKNOWN))
            if own.state is BaselineState.COLLECTING:  # an earlier one stays; the recording may end here
                self._baselines[track_id] = earlier
            elif own.state is not BaselineState.NONE:
                self._baselines[track_id] = own
        while len(self._baselines) > _MAX_BASELINES:
            del self._baselines[next(iter(self._baselines))]

    def close(self, completed: bool) -> None:
        """Finish journal and video, then write tables and metadata, which takes some seconds per hour of video.

        Raises:
            OutputError: the disk is full or gone; the journal is kept. Not raised again if `write` has raised it.
        """
        with contextlib.ExitStack() as at_end:
            at_end.callback(self._lock.release)
            if not self._written:
                self._remove()
            elif self._failed:
                self._rescue()
            else:
                self._finish_or_rescue(completed)

    def _finish_or_rescue(self, completed: bool) -> None:
        try:
            with self._noting_failure():
                self._finish(completed)
        except OutputError:
            self._rescue()
            raise

    def _finish(self, completed: bool) -> None:
        folder = self._folder
        try:
            self._journal.close(completed)
        finally:
            self._video.close(completed)
        self._video.publish()
        record = record_of(LIVE, self._baselines) if self._baselines else None
        by_face = None if record is None else record.by_face()  # as Review and exports read them
        counts = write_tables(folder.journal, folder.csv, folder.parquet, baselines=by_face)
        dropped = self._last_index - self._first_index + 1 - counts.frames
        damaged = self._damaged() - self._damaged_before
        fault = None if completed else "the run ended before the recording was stopped: the frames before are kept"
        ended = last_metadata(self._metadata, counts, dropped, damaged, fault=fault, baselines=record)
        write_metadata(folder.metadata, ended)

    def _rescue(self) -> None:
        """Make the written files readable after a failure, ignoring further errors."""
        steps: tuple[Callable[[], None], ...] = (
            partial(self._journal.close, False),
            partial(self._video.close, False),
            self._video.publish,
        )
        for step in steps:
            with contextlib.suppress(OutputError):
                step()

    def _remove(self) -> None:
        with contextlib.suppress(OutputError, OSError):
            self._journal.close(False)
        self._video.discard()
        with contextlib.suppress(OutputError, OSError):
            self._folder.clear()
        self._lock.release()
        with contextlib.suppress(OSError):
            self._folder.path.rmdir()

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Record a failure to write; a recording cannot be resumed, so its remedy differs from that of a file."""
        try:
            yield
        except OutputError as error:
            self._failed = True
            kept = "; the frames before are kept" if self._written else ""
            remedy = Remedy.FREE_SPACE_OR_OTHER_FOLDER if error.remedy is Remedy.FREE_SPACE else error.remedy
            raise OutputError(f"{error.problem}{kept}", remedy) from error


def recording_folder(root: Path, spec: str, now: datetime) -> SessionFolder:
    """Name a new recording after its source and the time; the folder is not created yet.

    >>> recording_folder(Path("Mien"), "0", datetime(2026, 3, 1, 9, 5, 7)).path.name
    'camera-0-20260301-090507'
    """
    name = f"{source_stem(spec)}-{now:%Y%m%d-%H%M%S}"
    path, number = root / name, 1
    with contextlib.suppress(OSError):  # an unreadable folder is reported when the recording starts
        while path.exists():
            number += 1
            path = root / f"{name}-{number}"
    return SessionFolder(path)
