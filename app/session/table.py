"""The tables of a finished session, faces.csv and faces.parquet: one row per face and analysed frame.

Both are made from the journal in constant memory, and get their names only when they are complete.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.remedies import output_errors
from app.session.journal import read_header, read_journal
from app.session.rows import FaceRow, SessionHeader
from engine.files import atomic_write

#: Rows in memory while the Parquet file is written: those read at once, and those of a row group.
_ROWS_AT_ONCE: Final = 8192
_ROWS_OF_GROUP: Final = 16384
_STRINGS: Final = frozenset(
    {"source_id", "quality_reasons", "decision", "label", "label2", "set", "model_sha256", "app_version"}
    | {"human_label"}
)
_INTEGERS: Final = frozenset({"frame", "face_id", "excluded"})


@dataclass(frozen=True, slots=True)
class TableCounts:
    """Statistics of the tables."""

    frames: int
    rows: int
    faces: int  # distinct face ids
    longest_step_s: float  # between consecutive frames of the source; 0 if there are none
    shortest_step_s: float


def column_names(header: SessionHeader) -> tuple[str, ...]:
    """Names of the columns, in order."""
    return (
        *(
            "source_id",
            "frame",
            "pts_s",
            "time_s",
            "face_id",
            "x",
            "y",
            "w",
            "h",
            "det_score",
            "quality",
            "quality_reasons",
        ),
        *("decision", "label", "label2"),
        *(f"p_{name}" for name in header.expressions),
        *("set", "confidence", "ood_score", "tau_accept", "tau_ood", "aleatoric", "epistemic"),
        *(f"au_{code:02d}" for code in header.au_codes),
        *(f"au_{code:02d}_sd" for code in header.au_codes),
        *("yaw", "pitch", "roll", "latency_ms", "model_sha256", "app_version"),
    )


def cells(row: FaceRow, header: SessionHeader) -> tuple[str | int | float | None, ...]:
    """Values of a row in the order of `column_names`; None = not computed."""
    shown = row.labels
    return (
        *(header.source_id, row.frame, row.pts_s, row.time_s, row.face_id, row.x, row.y, row.w, row.h, row.det_score),
        *(row.quality, "|".join(row.quality_reasons) or None, row.decision),
        *(shown[0] if shown else None, shown[1] if len(shown) > 1 else None),
        *(row.probabilities or (None,) * len(header.expressions)),
        *("|".join(shown) or None, row.shares[0] if shown else None, row.ood_score),
        *(header.aleatoric_limit, header.ood_limit, row.aleatoric, row.epistemic),
        *(row.occurrence or (None,) * len(header.au_codes)),
        *(row.occurrence_std or (None,) * len(header.au_codes)),
        *(row.yaw, row.pitch, row.roll, row.latency_ms, header.model_sha256, header.app_version),
    )


def write_tables(journal: Path, csv_path: Path, parquet_path: Path) -> TableCounts:
    """Write both tables from a journal.

    Raises:
        OutputError: a table cannot be written, or the journal is damaged; no partial table is left behind.
    """
    header = read_header(journal)
    with output_errors(csv_path), atomic_write(csv_path) as part:
        counts = _write_csv(journal, header, part)
    with output_errors(parquet_path), atomic_write(parquet_path) as part:
        parquet_from_csv(csv_path, column_names(header), part)
    return counts


def _write_csv(journal: Path, header: SessionHeader, path: Path) -> TableCounts:
    frames = rows = 0
    faces: set[int] = set()
    steps = _Steps()
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(column_names(header))
        for entry in read_journal(journal):
            writer.writerows(cells(row, header) for row in entry.rows)
            frames += 1
            rows += len(entry.rows)
            faces.update(row.face_id for row in entry.rows if row.face_id is not None)
            steps.add(entry.frame, entry.rows[0].time_s)
    return TableCounts(frames, rows, len(faces), steps.longest_s, min(steps.shortest_s, steps.longest_s))


class _Steps:
    """Longest and shortest time between consecutive frames."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.shortest_s = float("inf")
        self._last = (-2, 0.0)

    def add(self, frame: int, time_s: float) -> None:
        last_frame, last_s = self._last
        self._last = (frame, time_s)
        if frame == last_frame + 1:
            self.longest_s = max(self.longest_s, time_s - last_s)
            self.shortest_s = min(self.shortest_s, time_s - last_s)


class _DeferredErrors:
    """A file that keeps its write errors: the Parquet writer is native code and would print a crash report."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._handle.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """The owner of the file closes it."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Required by the writer, which does not call it."""
        return self._handle.seek(offset, whence)


def parquet_from_csv(csv_path: Path, names: tuple[str, ...], path: Path) -> None:
    """Convert a CSV file, so that both are equal; empty cells become nulls.

    Args:
        csv_path: with a header line.
        names: of its columns, which select their types.
        path: is overwritten.

    Raises:
        OSError: it cannot be written.
    """
    from arro3.core import DataType, Field, Schema  # slow to import, and only needed at the end of a session
    from arro3.io import read_csv, write_parquet

    def kind(name: str) -> DataType:
        if name in _STRINGS:
            return DataType.utf8()
        return DataType.int64() if name in _INTEGERS else DataType.float64()

    schema = Schema([Field(name, kind(name), nullable=True) for name in names])
    # measured values rarely repeat: without dictionaries the file is a quarter smaller and loads twice as fast
    measured = [name for name in names if name not in _STRINGS | _INTEGERS]
    with path.open("wb", buffering=0) as handle:
        file: Any = _DeferredErrors(handle)
        reader = read_csv(csv_path, schema, has_header=True, batch_size=_ROWS_AT_ONCE)
        write_parquet(
            reader,
            file,
            compression="zstd(3)",
            max_row_group_size=_ROWS_OF_GROUP,
            column_dictionary_enabled=dict.fromkeys(measured, False),
            column_encoding=dict.fromkeys(measured, "byte_stream_split"),
        )
        if file.error is not None:
            raise file.error
