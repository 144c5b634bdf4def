"""The journal of a session (JSON Lines): written frame by frame, read in order or at random, resumed after a crash.

The first line is the header. Then follow, in frame order, one line per frame with its rows and, about twice per second
of video, one line with the state of the pipeline. A session that was interrupted resumes after the last state line and
gives the same tables as one that was not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from app.remedies import output_errors
from app.session.journal_lines import (
    ROW_FIELDS,
    STAGES,
    JournalEntry,
    ResumedLine,
    StateLine,
    header_json,
    parsed_frame,
    read_lines,
    steady_values,
)
from app.session.rows import SessionHeader, rows_of
from engine.errors import OutputError, Remedy
from engine.files import open_regular
from engine.types import Analysis, Frame, FrameResult

if TYPE_CHECKING:  # the networks are not needed to read a journal
    from engine.engine import StatefulPipeline

#: Seconds of video between two states of the pipeline in the journal, rounded up to a group of frames: what is analysed
#: again after a kill, besides the frames that were on their way. And seconds of wall time between two fsyncs.
SNAPSHOT_EVERY_S: Final = 0.5
SYNC_EVERY_S: Final = 1.0

#: Start of the lines that belong to a frame, in the form in which `JournalSink` writes them.
_FRAME_LINE: Final = re.compile(rb'\{"frame":(\d{1,16}),"(ms|snapshot)":')
_ROW_LINES: Final = re.compile(rb'^\{"frame":(\d{1,16}),"ms":[^\n]*\n', re.MULTILINE)
#: The binary search ends at a range of this length, which is read line by line.
_SCAN_BYTES: Final = 16384
#: Enough to hold the last frame and a state that follows it, even with dozens of faces.
_TAIL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an interrupted session resumes."""

    frame: int  # the last frame that is kept
    snapshot: str  # state of the pipeline after it
    length: int  # bytes of the journal up to and including the state line
    frames: int = 0  # number of frames up to there


class JournaledPipeline:
    """A pipeline that attaches its state to a result about twice per second of video.

    The state is taken directly after its frame, because the journal is written later.
    """

    def __init__(self, pipeline: StatefulPipeline, tentative: bool = False) -> None:
        """``tentative``: see `Engine.process`."""
        self._pipeline = pipeline
        self._tentative = tentative
        self._last_s: float | None = None  # time of the last frame with a state

    def process(self, frame: Frame) -> FrameResult:
        """Return the pipeline's result, with its state when one is due."""
        return self.process_all((frame,))[0]

    def process_all(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Return the pipeline's results, the last with its state when one is due.

        A session that resumes there forms the same groups of frames as one that was not interrupted.
        """
        return self.track_all(frames)()

    def track_all(self, frames: Sequence[Frame]) -> Analysis:
        """Begin `process_all`; see `Engine.track_all`."""
        is_due = self._is_due(frames[0].timestamp_s, frames[-1].timestamp_s)
        return self._pipeline.track_all(frames, self._tentative, is_due)

    def process_live(self, frame: Frame) -> FrameResult:
        """As `process`, for a live source; see `Engine.process_live`."""
        result = self._pipeline.process_live(frame)
        if not self._is_due(frame.timestamp_s, frame.timestamp_s):
            return result
        return dataclasses.replace(result, snapshot=self._pipeline.snapshot())

    def _is_due(self, first_s: float, now_s: float) -> bool:
        """Whether the state is due after a group of frames; given the times of its first and last frame."""
        if self._last_s is None:
            self._last_s = first_s
        if now_s - self._last_s < SNAPSHOT_EVERY_S:
            return False
        self._last_s = now_s
        return True


class JournalSink:
    """Writes the journal; flushes after every frame and syncs to disk once per second."""

    def __init__(self, path: Path, header: SessionHeader, resume: ResumePoint | None = None) -> None:
        self._path = path
        self._header = header
        self._resume = resume
        self._file: IO[str] | None = None
        self._synced = 0.0

    def open(self) -> None:
        """Start the journal, or truncate it after the resume point and append.

        Raises:
            OutputError: the file cannot be written.
        """
        with output_errors(self._path):
            if self._resume is None:
                self._file = self._opened(os.O_CREAT | os.O_TRUNC)
                self._put(header_json(self._header))
            else:
                self._file = self._opened(os.O_APPEND)
                self._file.truncate(self._resume.length)
                self._put({"resumed_at": self._resume.frame + 1})
            self._file.flush()

    def write(self, result: FrameResult) -> None:
        """Append a frame.

        Raises:
            OutputError: the disk is full or gone; all earlier frames stay readable.
        """
        frame = result.frame
        line: dict[str, Any] = {
            "frame": frame.index,
            "ms": [round(getattr(result.times, f"{stage}_ms"), 3) for stage in STAGES],
        }
        if frame.file is not None:
            line["file"] = frame.file
        if result.cut:
            line["cut"] = True
        if result.left_out:
            line["left_out"] = result.left_out
        rows = rows_of(result)
        if any(row.carried for row in rows):
            line["carried"] = [row.carried for row in rows]
        if any(row.steady_aleatoric is not None for row in rows):
            line["steady"] = [steady_values(row) for row in rows]
        if any(row.intensity for row in rows):
            line["intensity"] = [row.intensity for row in rows]
        line["rows"] = [[getattr(row, name) for name in ROW_FIELDS] for row in rows]
        with output_errors(self._path):
            self._put(line)
            if result.snapshot is not None:
                self._put({"frame": result.frame.index, "snapshot": result.snapshot})
            self._flush()

    def close(self, completed: bool) -> None:
        """Sync everything to disk; a session that is not completed can be resumed from here.

        Raises:
            OutputError: the last frames cannot be written.
        """
        handle, self._file = self._file, None
        if handle is None:
            return
        with output_errors(self._path), handle:
            handle.flush()
            os.fsync(handle.fileno())

    def _opened(self, flags: int) -> IO[str]:
        """The file opened for writing; a link in its place is not followed, a pipe not waited for."""
        flags |= os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.fdopen(os.open(self._path, flags, 0o666), "w", encoding="utf-8", newline="\n")

    def _put(self, line: dict[str, Any]) -> None:
        if self._file is None:
            raise OutputError(f"{self._path} is not open: call open() before write()")
        self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")

    def _flush(self) -> None:
        if self._file is None:
            return
        self._file.flush()
        now = time.monotonic()
        if now - self._synced >= SYNC_EVERY_S:
            os.fsync(self._file.fileno())
            self._synced = now


def read_header(path: Path) -> SessionHeader:
    """Read the header of a journal.

    Raises:
        OutputError: the file cannot be read, or is not a journal of this version.
    """
    item = next((item for item, _ in read_lines(path)), None)
    if not isinstance(item, SessionHeader):
        raise OutputError(f"{path} is not a journal that this version can read (it is empty)", Remedy.ANNOTATE_AGAIN)
    return item


def read_journal(path: Path) -> Iterator[JournalEntry]:
    """Yield the frames of a journal in order; an incomplete last line is skipped.

    Raises:
        OutputError: the file cannot be read, or a line before the last is damaged.
    """
    return (item for item, _ in read_lines(path) if isinstance(item, JournalEntry))


def resumed_frames(path: Path) -> list[int]:
    """Return the first frame of every resumed part of a journal.

    Raises:
        OutputError: as `read_journal`.
    """
    return [item.frame for item, _ in read_lines(path) if isinstance(item, ResumedLine)]


def find_resume_point(path: Path) -> ResumePoint | None:
    """Find the last state line of a journal; None if there is none and the session must start over.

    Raises:
        OutputError: the file cannot be read, or a line before the last is damaged.
    """
    last, frames = None, 0
    for item, length in read_lines(path):
        frames += isinstance(item, JournalEntry)
        if isinstance(item, StateLine):
            last = ResumePoint(item.frame, item.snapshot, length, frames)
    return last


class JournalReader:
    """A journal opened for random access: its lines are in frame order, so a binary search finds a frame.

    All methods may be called from any thread.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OutputError: it cannot be opened, or is not a journal of this version.
        """
        self._path = path
        self._header = read_header(path)
        self._lock = threading.Lock()  # the file has one position
        try:
            self._file: IO[bytes] = open_regular(path)
        except OSError as error:
            raise self._unreadable(error) from error

    def entry_at(self, frame: int) -> JournalEntry:
        """Read one frame, by its index in the source.

        Raises:
            OutputError: the frame is missing (the file was changed meanwhile), or cannot be read.
        """
        try:
            with self._lock:
                line = self._find(frame)
            if line is None:
                raise OutputError(f"{self._path} no longer holds frame {frame}: open the session again")
            return parsed_frame(line, self._header)
        except OSError as error:
            raise self._unreadable(error) from error
        except ValueError as error:  # also if the file was closed
            raise OutputError(f"{self._path} cannot be read at frame {frame}: open the session again") from error

    def last_frame(self) -> int | None:
        """Return the index of the last complete frame; None if the end of the file holds none.

        Raises:
            OutputError: the file cannot be read.
        """
        try:
            with self._lock:
                size = self._file.seek(0, 2)
                self._file.seek(max(size - _TAIL_BYTES, 0))
                found = _ROW_LINES.findall(self._file.read())
        except OSError as error:
            raise self._unreadable(error) from error
        return int(found[-1]) if found else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _find(self, frame: int) -> bytes | None:
        """Return the line with the rows of a frame. It starts in ``low`` to ``high``, if it exists."""
        low, high = 0, self._file.seek(0, 2)
        while high - low > _SCAN_BYTES:
            middle = (low + high) // 2
            self._file.seek(middle)
            self._file.readline()
            start, found, line = self._next_frame()
            if found is None or int(found[1]) > frame:
                high = middle
            elif int(found[1]) < frame:
                low = start
            elif found[2] == b"ms":
                return line
            else:  # the state after the frame
                high = middle
        self._file.seek(low)
        while True:
            _, found, line = self._next_frame()
            if found is None or int(found[1]) > frame:
                return None
            if int(found[1]) == frame and found[2] == b"ms":
                return line

    def _next_frame(self) -> tuple[int, re.Match[bytes] | None, bytes]:
        """Read to the next line that belongs to a frame: its offset, the match of its start (None at EOF), the line."""
        while True:
            start = self._file.tell()
            line = self._file.readline()
            found = _FRAME_LINE.match(line)
            if found is not None or not line:
                return start, found, line

    def _unreadable(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path} cannot be read ({error.strerror}): check that its disk is connected")
