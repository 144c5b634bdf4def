"""The journal of a session (JSON Lines): written frame by frame, read in order or at random, resumed after a crash.

The first line is the header. Then follow, in frame order, one line per frame with its rows and, about once per second
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
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from app.remedies import output_errors
from app.session.rows import FaceRow, SessionHeader, rows_of
from engine.errors import OutputError, Remedy
from engine.types import Frame, FrameResult

if TYPE_CHECKING:  # the networks are not needed to read a journal
    from engine.engine import StatefulPipeline

#: Stages of a frame, in the order of JournalEntry.stage_ms.
STAGES: Final = ("tracking", "alignment", "expression", "action_units", "routing")
#: Version of the journal; 2 lists the trusted action units.
JOURNAL_FORMAT: Final = 2
#: Fields of the header with another key in the journal; it names the limits like the columns of the tables.
_KEYS: Final = {"aleatoric_limit": "tau_accept", "ood_limit": "tau_ood"}
_FIELDS: Final = {key: name for name, key in _KEYS.items()}
#: Order of a row in the journal. What all rows of a frame share is part of the frame's line.
_SHARED_FIELDS: Final = ("file", "cut")
ROW_FIELDS: Final = tuple(item.name for item in fields(FaceRow) if item.name not in _SHARED_FIELDS)
#: Seconds of video between two states of the pipeline in the journal, and of wall time between two fsyncs.
SNAPSHOT_EVERY_S: Final = 1.0
SYNC_EVERY_S: Final = 1.0

#: Start of the lines that belong to a frame, in the form in which `JournalSink` writes them.
_FRAME_LINE: Final = re.compile(rb'\{"frame":(\d+),"(ms|snapshot)":')
_ROW_LINES: Final = re.compile(rb'^\{"frame":(\d+),"ms":[^\n]*\n', re.MULTILINE)
#: The binary search ends at a range of this length, which is read line by line.
_SCAN_BYTES: Final = 16384
#: Enough to hold the last frame and a state that follows it, even with dozens of faces.
_TAIL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One frame of a journal."""

    frame: int
    stage_ms: tuple[float, ...]  # in the order of STAGES
    rows: tuple[FaceRow, ...]
    left_out: int = 0  # faces beyond the limit of faces


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an interrupted session resumes."""

    frame: int  # the last frame that is kept
    snapshot: str  # state of the pipeline after it
    length: int  # bytes of the journal up to and including the state line
    frames: int = 0  # number of frames up to there


class JournaledPipeline:
    """A pipeline that attaches its state to a result about once per second of video.

    The state is taken on the inference thread directly after its frame, because the journal is written later.
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
        *earlier, last = self._pipeline.process_all(frames, self._tentative)
        if self._last_s is None:
            self._last_s = frames[0].timestamp_s
        now_s = last.frame.timestamp_s
        if now_s - self._last_s >= SNAPSHOT_EVERY_S:
            self._last_s = now_s
            last = dataclasses.replace(last, snapshot=self._pipeline.snapshot())
        return [*earlier, last]


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
                self._file = self._path.open("w", encoding="utf-8")
                self._put({"journal": JOURNAL_FORMAT, "header": _as_json(self._header), "fields": list(ROW_FIELDS)})
            else:
                os.truncate(self._path, self._resume.length)
                self._file = self._path.open("a", encoding="utf-8")
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
        line["rows"] = [[getattr(row, name) for name in ROW_FIELDS] for row in rows_of(result)]
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
    first = next((line for line, _ in _lines(path)), None)
    if first is None or first.get("journal") != JOURNAL_FORMAT or first.get("fields") != list(ROW_FIELDS):
        raise _not_a_journal(path)
    raw: Any = first.get("header")
    try:
        values = {_FIELDS.get(key, key): _frozen(value) for key, value in raw.items()}
        return SessionHeader(**values)
    except (AttributeError, TypeError) as error:
        raise _not_a_journal(path) from error


def read_journal(path: Path) -> Iterator[JournalEntry]:
    """Yield the frames of a journal in order; an incomplete last line is skipped.

    Raises:
        OutputError: the file cannot be read, or a line before the last is damaged.
    """
    for line, _ in _lines(path):
        if "rows" in line:
            yield _entry_of(line)


def resumed_frames(path: Path) -> list[int]:
    """Return the first frame of every resumed part of a journal."""
    return [line["resumed_at"] for line, _ in _lines(path) if "resumed_at" in line]


def find_resume_point(path: Path) -> ResumePoint | None:
    """Find the last state line of a journal; None if there is none and the session must start over.

    Raises:
        OutputError: the file cannot be read, or a line before the last is damaged.
    """
    last, frames = None, 0
    for line, length in _lines(path):
        frames += "rows" in line
        if "snapshot" in line:
            last = ResumePoint(line["frame"], line["snapshot"], length, frames)
    return last


class JournalReader:
    """A journal opened for random access: its lines are in frame order, so a binary search finds a frame.

    All methods may be called from any thread.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OutputError: it cannot be opened.
        """
        self._path = path
        self._lock = threading.Lock()  # the file has one position
        try:
            self._file: IO[bytes] = path.open("rb")
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
            return _entry_of(json.loads(line))
        except OSError as error:
            raise self._unreadable(error) from error
        except (KeyError, TypeError, ValueError) as error:  # ValueError also if the file was closed
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


def _not_a_journal(path: Path) -> OutputError:
    return OutputError(f"{path} is not a journal that this version can read", Remedy.ANNOTATE_AGAIN)


def _entry_of(line: dict[str, Any]) -> JournalEntry:
    """Make the record of a parsed line.

    Raises:
        KeyError, TypeError, ValueError: the line does not hold a frame.
    """
    file, cut = line.get("file"), bool(line.get("cut"))
    rows = tuple(_row_of(raw, file, cut) for raw in line["rows"])
    return JournalEntry(line["frame"], tuple(line["ms"]), rows, line.get("left_out", 0))


def _row_of(raw: list[Any], file: str | None, cut: bool) -> FaceRow:
    if len(raw) != len(ROW_FIELDS):
        raise ValueError(f"a row has {len(raw)} values, not {len(ROW_FIELDS)}")
    return FaceRow(*(*map(_frozen, raw), file, cut))


def _as_json(header: SessionHeader) -> dict[str, Any]:
    return {_KEYS.get(item.name, item.name): getattr(header, item.name) for item in fields(header)}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield complete lines, each with the length of the file up to and including it.

    Raises:
        OutputError: the file cannot be read, or a line before the last is damaged, a duplicate or out of order.
    """
    length, order = 0, _LineOrder(path)
    try:
        with path.open("rb") as handle:
            for raw in handle:
                length += len(raw)
                line = _parse(raw)
                if line is None:
                    if handle.read(1):
                        raise OutputError(f"{path} is damaged at byte {length - len(raw)}", Remedy.ANNOTATE_AGAIN)
                    return
                order.check(line)
                yield line, length
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror})", Remedy.ANNOTATE_AGAIN) from error


class _LineOrder:
    """Checks the order of lines: frames ascend, and a state follows its frame. Two writers at once break it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frame = -1  # the last one
        self._is_first = True
        self._is_state_due = False

    def check(self, line: dict[str, Any]) -> None:
        """Check the next line.

        Raises:
            OutputError: it is a duplicate or out of order.
        """
        first, self._is_first = self._is_first, False
        if ("header" in line or "journal" in line) and not first:
            raise self._damaged("a second header")
        if "resumed_at" in line:
            if line["resumed_at"] <= self._frame:
                raise self._damaged(f"resumed at frame {line['resumed_at']} after frame {self._frame}")
            self._is_state_due = False
        elif "snapshot" in line:
            if line.get("frame") != self._frame or not self._is_state_due:
                raise self._damaged(f"a state of frame {line.get('frame')} after frame {self._frame}")
            self._is_state_due = False
        elif "rows" in line:
            if not isinstance(line.get("frame"), int) or line["frame"] <= self._frame:
                raise self._damaged(f"frame {line.get('frame')} after frame {self._frame}")
            self._frame, self._is_state_due = line["frame"], True

    def _damaged(self, problem: str) -> OutputError:
        return OutputError(f"{self._path} is damaged ({problem})", Remedy.ANNOTATE_AGAIN)


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Parse a line; None if it is incomplete."""
    if not raw.endswith(b"\n"):
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None
