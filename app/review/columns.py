"""Per-row columns of a session, from faces.parquet or from the journal.

The table is read whole, because its reader cannot select columns (0.15 s for a session of two hours), but only the
needed columns are kept. The journal takes ten times as long and more; it is read where no matching table exists.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from app.review.face_timeline import FaceState, Int16, RowColumns
from app.session.journal import read_journal
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, SessionHeader
from app.session.table import column_names
from engine.errors import OutputError, Remedy
from engine.types import Float32, Float64, Int64, Route, UInt8

#: State of a row for each decision.
FACE_STATES: Final[dict[str, FaceState]] = {
    NO_FACE: FaceState.ABSENT,
    Route.ACCEPT.value: FaceState.ACCEPT,
    Route.AMBIGUOUS.value: FaceState.AMBIGUOUS,
    Route.REJECT.value: FaceState.REJECT,
    LOW_QUALITY: FaceState.LOW_QUALITY,
}
_ROWS_AT_ONCE: Final = 32768
_NO_FACE_ID: Final = -1
#: Columns of RowColumns.uncertainties and RowColumns.pose.
_UNCERTAINTIES: Final = ("aleatoric", "epistemic", "ood_score")
_POSE: Final = ("yaw", "pitch", "roll")
_PARQUET_MAGIC: Final = b"PAR1"


class UnreadableTableError(Exception):
    """faces.parquet is missing, damaged or does not match; the journal is read instead."""


@dataclass(frozen=True, slots=True)
class SessionColumns:
    """The frames (N) of a session and their rows."""

    frames: Int64  # (N,) frame index in the source, ascending
    times_s: Float64  # (N,) FaceRow.time_s
    pts_s: Float64  # (N,) FaceRow.pts_s; NaN = none
    rows: RowColumns


def read_table(path: Path, header: SessionHeader) -> SessionColumns:
    """Read the columns from faces.parquet.

    Raises:
        UnreadableTableError: it cannot be read, or does not belong to this header.
    """
    from arro3.io import read_parquet  # imported here: only review needs it

    parts = _Parts(header)
    try:
        with path.open("rb") as handle:
            handle.seek(-len(_PARQUET_MAGIC), 2)
            if handle.read() != _PARQUET_MAGIC:  # on which the reader would print a crash report
                raise UnreadableTableError(f"{path} is truncated")
        with _native_errors(path):
            for batch in read_parquet(path, batch_size=_ROWS_AT_ONCE):
                names = tuple(batch.column_names)
                # columns are only ever added at the end, after app_version
                if names != column_names(header, baselines=True)[: len(names)] or "app_version" not in names:
                    raise UnreadableTableError(f"{path} has other columns than the journal")
                parts.add_batch(batch)
    except (OSError, KeyError, ValueError) as error:
        raise UnreadableTableError(f"{path}: {error}") from error
    return parts.joined()


def read_rows(journal: Path, header: SessionHeader) -> SessionColumns:
    """Read the columns from a journal, complete or not.

    Raises:
        OutputError: it cannot be read, or is damaged before its last line.
    """
    parts = _Parts(header)
    waiting: list[FaceRow] = []
    try:
        for entry in read_journal(journal):
            waiting.extend(entry.rows)
            if len(waiting) >= _ROWS_AT_ONCE:
                parts.add_rows(waiting)
                waiting.clear()
        parts.add_rows(waiting)
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{journal} is damaged ({error!r})", Remedy.ANNOTATE_AGAIN) from error
    return parts.joined()


class _Parts:
    """Collects columns part by part; label sets are stored as indices into a list of all distinct sets."""

    def __init__(self, header: SessionHeader) -> None:
        self._units = len(header.au_codes)
        self._unit_names = [f"au_{code:02d}" for code in header.au_codes]
        self._graded_names = [f"{name}_i" for name in self._unit_names] if header.au_intensity else []
        self._expressions = {name: place for place, name in enumerate(header.expressions)}
        self._sets: dict[tuple[int, ...], int] = {}
        self._numbers: list[Float64] = []  # (R, 3) frame, time, presentation time
        self._face_ids: list[Int64] = []
        self._states: list[UInt8] = []
        self._label_sets: list[Int16] = []
        self._occurrences: list[Float32] = []  # (R, K)
        self._probabilities: list[Float32] = []  # (R, C)
        self._uncertainties: list[Float32] = []  # (R, 3)
        self._poses: list[Float32] = []  # (R, 3)
        self._intensities: list[Float32] = []  # (R, K), or (R, 0)

    def add_batch(self, batch: Any) -> None:
        """Add an arro3 RecordBatch; its columns convert to numpy only without nulls."""
        count = batch.num_rows
        decisions, decision = _encoded(batch.column("decision"))
        state = np.array([FACE_STATES[name] for name in decisions], np.uint8)[decision]
        some = _Rows(batch, state != FaceState.ABSENT)
        measured = _Rows(batch, (state != FaceState.ABSENT) & (state != FaceState.LOW_QUALITY))
        assessed = _Rows(batch, (state == FaceState.ACCEPT) | (state == FaceState.AMBIGUOUS))
        face_id = np.full(count, _NO_FACE_ID, np.int64)
        face_id[some.rows] = some.column("face_id").to_numpy()
        label_set = np.full(count, -1, np.int16)
        if assessed.count:
            texts, codes = _encoded(assessed.column("set"))
            label_set[assessed.rows] = np.array([self._set_of(text.split("|")) for text in texts], np.int16)[codes]
        steady = "q_" if "q_aleatoric" in batch.column_names else ""  # sessions before the steady estimate have none
        numbers = (
            batch.column("frame").to_numpy(),
            batch.column("time_s").to_numpy(),
            _with_gaps(batch.column("pts_s")),
        )
        self._add(np.stack(numbers, axis=1), face_id, state, label_set)
        self._add_measures(
            assessed.table(self._unit_names),  # carried rows have none
            assessed.table([f"{steady or 'p_'}{name}" for name in self._expressions]),
            measured.table([f"{steady}{name}" for name in _UNCERTAINTIES]),
            some.table(_POSE),
            assessed.table(self._graded_names),
        )

    def add_rows(self, rows: list[FaceRow]) -> None:
        """Add rows of a journal."""
        rows = [row.shown() for row in rows]
        numbers = [(row.frame, row.time_s, row.pts_s) for row in rows]
        self._add(
            np.array(numbers, np.float64).reshape(-1, 3),  # None becomes NaN
            np.array([_NO_FACE_ID if row.face_id is None else row.face_id for row in rows], np.int64),
            np.array([FACE_STATES[row.decision] for row in rows], np.uint8),
            np.array([self._set_of(row.labels) if row.labels else -1 for row in rows], np.int16),
        )
        self._add_measures(
            _table([row.occurrence for row in rows], self._units),
            _table([row.probabilities for row in rows], len(self._expressions)),
            _table([(row.aleatoric, row.epistemic, row.ood_score) for row in rows], 3),
            _table([(row.yaw, row.pitch, row.roll) for row in rows], 3),
            _table([row.intensity for row in rows], len(self._graded_names)),
        )

    def joined(self) -> SessionColumns:
        """Concatenate all parts."""
        numbers = np.concatenate(self._numbers) if self._numbers else np.zeros((0, 3))
        frame = numbers[:, 0].astype(np.int64)
        begins = np.ones(len(frame), np.bool_)  # the first row of each frame
        begins[1:] = frame[1:] != frame[:-1]
        rows = RowColumns(
            position=(np.cumsum(begins) - 1).astype(np.int32),
            face_id=_joined(self._face_ids, np.int64),
            state=_joined(self._states, np.uint8),
            label_set=_joined(self._label_sets, np.int16),
            occurrence=_stacked(self._occurrences, self._units),
            probabilities=_stacked(self._probabilities, len(self._expressions)),
            uncertainties=_stacked(self._uncertainties, 3),
            pose=_stacked(self._poses, 3),
            intensity=_stacked(self._intensities, len(self._graded_names)),
            label_sets=tuple(self._sets),
        )
        return SessionColumns(frame[begins], numbers[begins, 1], numbers[begins, 2], rows)

    def _add(self, numbers: Float64, face_id: Int64, state: UInt8, label_set: Int16) -> None:
        self._numbers.append(numbers)
        self._face_ids.append(face_id)
        self._states.append(state)
        self._label_sets.append(label_set)

    def _add_measures(
        self,
        occurrence: Float32,
        probabilities: Float32,
        uncertainties: Float32,
        pose: Float32,
        intensity: Float32,
    ) -> None:
        self._occurrences.append(occurrence)
        self._probabilities.append(probabilities)
        self._uncertainties.append(uncertainties)
        self._poses.append(pose)
        self._intensities.append(intensity)

    def _set_of(self, names: Iterable[str]) -> int:
        places = tuple(self._expressions[name] for name in names)
        return self._sets.setdefault(places, len(self._sets))


def _encoded(column: Any) -> tuple[list[str], Int64]:
    """A text column without nulls, as its distinct texts and each row's index among them."""
    from arro3.core import DataType, dictionary_dictionary, dictionary_indices

    encoded = column.cast(DataType.dictionary(DataType.int64(), DataType.utf8()))
    return dictionary_dictionary(encoded).to_pylist(), dictionary_indices(encoded).to_numpy()


def _table(values: Sequence[tuple[float | None, ...]], columns: int) -> Float32:
    """(rows, columns); NaN for None, and for a row that is empty."""
    nothing = (None,) * columns
    return np.array([row or nothing for row in values], np.float32).reshape(len(values), columns)


class _Rows:
    """Some rows of an arro3 RecordBatch: its columns convert to numpy only without nulls, so these go first."""

    def __init__(self, batch: Any, chosen: npt.NDArray[np.bool_]) -> None:
        """Choose the rows in which ``chosen`` (R,) is true."""
        self._batch = batch
        self._size = len(chosen)
        places = np.flatnonzero(chosen)
        self.count = len(places)
        self.rows: Int64 | slice = places if self.count < self._size else slice(None)  # all need no copy
        self._places = places

    def column(self, name: str) -> Any:
        """The chosen rows of a column, an arro3 Array."""
        from arro3.core import Array

        column = self._batch.column(name)
        return column if self.count == self._size else column.take(Array.from_numpy(self._places))

    def table(self, names: Sequence[str]) -> Float32:
        """(R, columns), column after column in memory; NaN in rows that are not chosen."""
        columns = np.full((len(names), self._size), np.nan, np.float32)
        if self.count:
            for values, name in zip(columns, names, strict=True):
                values[self.rows] = _with_gaps(self.column(name))
        table: Float32 = columns.T
        return table


def _with_gaps(column: Any) -> Float64:
    """A column of floats; NaN for null."""
    if column.null_count == 0:
        return np.asarray(column.to_numpy(), np.float64)
    return np.array(column.to_pylist(), np.float64)


_Scalar = TypeVar("_Scalar", bound=np.generic)


def _joined(parts: list[npt.NDArray[_Scalar]], kind: type[_Scalar]) -> npt.NDArray[_Scalar]:
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def _stacked(parts: list[Float32], columns: int) -> Float32:
    """(R, columns), in the memory order of the parts."""
    return np.concatenate(parts) if parts else np.zeros((0, columns), np.float32)


@contextlib.contextmanager
def _native_errors(path: Path) -> Iterator[None]:
    """Convert the reader's errors for a damaged table: bare Exception, or Rust's panic, which is not an Exception.

    Raises:
        UnreadableTableError: for both.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise UnreadableTableError(f"{path}: {error}") from error
        raise
