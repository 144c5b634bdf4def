"""Single frames of a journal, without reading it: its lines stand in the order of the frames, so halving finds one."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import IO, Any, Final

from app.session.journal import FaceRow
from engine.errors import OutputError

#: Beginning of the lines that name a frame, as app.session.journal.JournalSink writes them.
_FRAME_LINE: Final = re.compile(rb'\{"frame":(\d+),"(ms|snapshot)":')
_LAST_ROWS: Final = re.compile(rb'^\{"frame":(\d+),"ms":[^\n]*\n', re.MULTILINE)
#: A stretch so short is read line by line.
_SHORT_BYTES: Final = 16384
#: Holds the last frame and the state that may follow it, also with dozens of faces.
_TAIL_BYTES: Final = 1 << 20


class JournalFrames:
    """A journal opened for reading at random; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OutputError: it cannot be opened.
        """
        self._path = path
        self._lock = threading.Lock()  # one position in the file for all
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def rows_of(self, frame: int) -> tuple[FaceRow, ...]:
        """The rows of a frame, by its index in the source.

        Raises:
            OutputError: it is not there (the file was changed meanwhile), or cannot be read.
        """
        try:
            with self._lock:
                line = self._find(frame)
            if line is None:
                raise OutputError(f"{self._path} holds frame {frame} no more: open the session again")
            return tuple(map(_as_row, json.loads(line)["rows"]))
        except OSError as error:
            raise self._unreadable(error) from error
        except (KeyError, TypeError, ValueError) as error:  # a closed file is one too
            raise OutputError(f"{self._path} cannot be read at frame {frame}: open the session again") from error

    def last_frame(self) -> int | None:
        """Index of the last frame that was written whole; None when the end of the file shows none.

        Raises:
            OutputError: the file cannot be read.
        """
        try:
            with self._lock:
                size = self._file.seek(0, 2)
                self._file.seek(max(size - _TAIL_BYTES, 0))
                found = _LAST_ROWS.findall(self._file.read())
        except OSError as error:
            raise self._unreadable(error) from error
        return int(found[-1]) if found else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _find(self, frame: int) -> bytes | None:
        """The line with the rows of a frame; between ``low`` and ``high`` it begins, if anywhere."""
        low, high = 0, self._file.seek(0, 2)
        while high - low > _SHORT_BYTES:
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
        """Start, beginning and text of the next line that names a frame; without a match at the end of the file."""
        while True:
            start = self._file.tell()
            line = self._file.readline()
            found = _FRAME_LINE.match(line)
            if found is not None or not line:
                return start, found, line

    def _unreadable(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path} cannot be read ({error.strerror}): check that its disk is there")


def _as_row(raw: list[Any]) -> FaceRow:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in raw]
    return FaceRow(*values)
