"""The tables of a finished run, faces.csv and faces.parquet: one row per face per analysed frame, from the journal.

Both are written with little memory whatever the length of the film, and appear under their names only when whole.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.session.journal import read_header, read_journal, write_failed
from app.session.rows import FaceRow, SessionHeader

#: Rows that are held in memory while the Parquet file is written: those that are read, and a group of the file.
_ROWS_AT_ONCE: Final = 8192
_ROWS_OF_GROUP: Final = 16384
_TEXTS: Final = frozenset(
    {"source_id", "quality_reasons", "decision", "label", "label2", "set", "model_sha256", "app_version"}
)
_WHOLE_NUMBERS: Final = frozenset({"frame", "face_id"})


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What the tables hold."""

    frames: int
    rows: int
    faces: int  # different face ids
    longest_step_s: float  # between two frames that follow each other in the source; 0 when there are none
    shortest_step_s: float


def column_names(header: SessionHeader) -> tuple[str, ...]:
    """Names of the columns in their order."""
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
    """The row in the order of `column_names`; None = not computed."""
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
        OutputError: a table cannot be written, or the journal is damaged; no half table is left.
    """
    header = read_header(journal)
    with written_whole(csv_path) as part:
        counts = _write_csv(journal, header, part)
    with written_whole(parquet_path) as part:
        _write_parquet(csv_path, header, part)
    return counts


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it takes the place of ``path`` only when all went well.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with replaced(path) as part:
            yield part
    except OSError as error:
        raise write_failed(path, error) from error


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """As `written_whole`, for those who tell the user of an error in words of their own.

    Raises:
        OSError: the file cannot be written; what was at ``path`` before stays.
    """
    part = part_name(path)
    try:
        yield part
        publish(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def part_name(path: Path) -> Path:
    """Name of a file while it is written: ``annotated.part.mp4`` for ``annotated.mp4``."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def publish(part: Path, path: Path) -> None:
    """Give a finished file its name: its bytes are on the disk before the name is.

    Raises:
        OSError: the disk refuses.
    """
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    part.replace(path)


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
    """The longest and the shortest time from a frame to the next."""

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


class _PatientFile:
    """A file whose write errors wait: the Parquet writer is native code that prints a crash report for them."""

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
        """Nothing waits here."""

    def close(self) -> None:
        """Left to the owner of the file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Only asked whether it is there."""
        return self._handle.seek(offset, whence)


def _write_parquet(csv_path: Path, header: SessionHeader, path: Path) -> None:
    """Turn the CSV file, which it must equal, into Parquet; empty cells become nulls."""
    from arro3.core import DataType, Field, Schema  # here, so that only the end of a run pays for them
    from arro3.io import read_csv, write_parquet

    def kind(name: str) -> DataType:
        if name in _TEXTS:
            return DataType.utf8()
        return DataType.int64() if name in _WHOLE_NUMBERS else DataType.float64()

    names = column_names(header)
    schema = Schema([Field(name, kind(name), nullable=True) for name in names])
    # hardly a measured value comes twice: without dictionaries the file is a quarter smaller and read in half the time
    measured = [name for name in names if name not in _TEXTS | _WHOLE_NUMBERS]
    with path.open("wb", buffering=0) as handle:
        patient: Any = _PatientFile(handle)
        reader = read_csv(csv_path, schema, has_header=True, batch_size=_ROWS_AT_ONCE)
        write_parquet(
            reader,
            patient,
            compression="zstd(3)",
            max_row_group_size=_ROWS_OF_GROUP,
            column_dictionary_enabled=dict.fromkeys(measured, False),
            column_encoding=dict.fromkeys(measured, "byte_stream_split"),
        )
        if patient.error is not None:
            raise patient.error
