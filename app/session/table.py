"""The tables of a finished session, faces.csv and faces.parquet: one row per face and analysed frame.

Both are made from the journal in constant memory, and get their names only when they are complete.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.remedies import output_errors
from app.session.baselines import with_baselines
from app.session.journal import read_header, read_journal
from app.session.rows import FaceRow, SessionHeader
from app.session.text_tables import safe_cell
from engine.files import atomic_write
from engine.types import BaselineState, UnitBaseline

#: Rows in memory while the Parquet file is written: those read at once, and those of a row group. As many as a video of
#: two minutes has, so that a longer one needs no more memory.
_ROWS_AT_ONCE: Final = 1024
_ROWS_OF_GROUP: Final = 4096
_STRINGS: Final = frozenset(
    {"source_id", "quality_reasons", "decision", "label", "label2", "set", "model_sha256", "app_version", "file"}
    | {"human_label", "person", "au_baseline"}
)
_INTEGERS: Final = frozenset({"frame", "face_id", "cut", "carried", "excluded", "au_baseline_frames"})


@dataclass(frozen=True, slots=True)
class TableCounts:
    """Statistics of the tables."""

    frames: int
    rows: int
    faces: int  # distinct face ids
    longest_step_s: float  # between consecutive frames of the source; 0 if there are none
    shortest_step_s: float
    crowded: int = 0  # frames with more faces than the limit
    left_out: int = 0  # most faces beyond it in one frame


def column_names(header: SessionHeader, baselines: bool = False) -> tuple[str, ...]:
    """Names of the columns, in order; ``baselines``: with those of the baselines."""
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
        *("yaw", "pitch", "roll", "latency_ms", "model_sha256", "app_version", "file", "cut", "carried"),
        *(f"q_{name}" for name in header.expressions),
        *("q_ood_score", "q_aleatoric", "q_epistemic"),
        *(f"au_{code:02d}_i" for code in header.au_codes if header.au_intensity),
        *(baseline_names(header) if baselines else ()),
    )


def baseline_names(header: SessionHeader) -> tuple[str, ...]:
    """Names of the columns of the baselines, which are the last ones of a table that has them."""
    ends = ("", "_sd", "_i") if header.au_intensity else ("", "_sd")
    corrected = (f"au_{code:02d}_b{end}" for end in ends for code in header.au_codes)
    return ("au_baseline", "au_baseline_frames", *corrected)


def cells(row: FaceRow, header: SessionHeader, baselines: bool = False) -> tuple[str | int | float | None, ...]:
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
        *(
            row.yaw,
            row.pitch,
            row.roll,
            row.latency_ms,
            header.model_sha256,
            header.app_version,
            row.file,
            int(row.cut),
            row.carried,
        ),
        *(row.steady_probabilities or (None,) * len(header.expressions)),
        *(row.steady_ood_score, row.steady_aleatoric, row.steady_epistemic),
        *(row.intensity or (None,) * (len(header.au_codes) if header.au_intensity else 0)),
        *(_baseline_cells(row, header) if baselines else ()),
    )


def _baseline_cells(row: FaceRow, header: SessionHeader) -> tuple[str | int | float | None, ...]:
    """Values of `baseline_names`; of a row without units all are None, which is not the same as no baseline."""
    if not row.occurrence:
        return (None,) * len(baseline_names(header))
    nothing = (None,) * len(header.au_codes)
    return (
        row.baseline,
        None if row.baseline == BaselineState.NONE.value else row.baseline_frames,
        *(row.corrected or nothing),
        *(row.corrected_std or nothing),
        *((row.corrected_intensity or nothing) if header.au_intensity else ()),
    )


def write_tables(
    journal: Path,
    csv_path: Path,
    parquet_path: Path,
    *,
    excel: bool = False,
    baselines: Mapping[int, UnitBaseline] | None = None,
) -> TableCounts:
    """Write both tables from a journal.

    Args:
        journal: of the session.
        csv_path: of the text table.
        parquet_path: of the other.
        excel: start the text table with a byte order mark, from which Excel recognises UTF-8.
        baselines: of the faces; None: the tables have no columns for them.

    Raises:
        OutputError: a table cannot be written, or the journal is damaged; no partial table is left behind.
    """
    header = read_header(journal)
    names = column_names(header, baselines is not None)
    with output_errors(csv_path), atomic_write(csv_path) as part:
        counts, has_formula = _write_csv(journal, header, part, "utf-8-sig" if excel else "utf-8", safe_cell, baselines)
    with output_errors(parquet_path), atomic_write(parquet_path) as part:
        if not excel and not has_formula:
            parquet_from_csv(csv_path, names, part)
        else:  # Parquet has the texts as they are
            plain = part.with_suffix(".csv")
            try:
                _write_csv(journal, header, plain, "utf-8", None, baselines)
                parquet_from_csv(plain, names, part)
            finally:
                plain.unlink(missing_ok=True)
    return counts


def _write_csv(
    journal: Path,
    header: SessionHeader,
    path: Path,
    encoding: str,
    convert: Callable[[object], object] | None,
    baselines: Mapping[int, UnitBaseline] | None,
) -> tuple[TableCounts, bool]:
    """Write the text table; returns its counts, and whether it has a text that `safe_cell` changes."""
    frames = rows = crowded = left_out = 0
    faces: set[int] = set()
    steps = _Steps()
    has_formula = safe_cell(header.source_id) != header.source_id
    with path.open("w", encoding=encoding, newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        with_columns = baselines is not None
        writer.writerow(column_names(header, with_columns))
        for entry in read_journal(journal):
            made = (cells(row, header, with_columns) for row in with_baselines(entry.rows, baselines or {}))
            writer.writerows(made if convert is None else (map(convert, each) for each in made))
            file = entry.rows[0].file or ""
            has_formula = has_formula or safe_cell(file) != file
            frames += 1
            crowded += entry.left_out > 0
            left_out = max(left_out, entry.left_out)
            rows += len(entry.rows)
            faces.update(row.face_id for row in entry.rows if row.face_id is not None)
            steps.add(entry.frame, entry.rows[0].time_s)
    longest_s = steps.longest_s
    shortest_s = min(steps.shortest_s, longest_s)
    return TableCounts(frames, rows, len(faces), longest_s, shortest_s, crowded, left_out), has_formula


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
            compression="snappy",  # a session opens in half the time that zstd takes, for a tenth more bytes
            max_row_group_size=_ROWS_OF_GROUP,
            column_dictionary_enabled=dict.fromkeys(measured, False),
            # not byte_stream_split, which makes the file smaller but which fastparquet and older readers do not know
            column_encoding=dict.fromkeys(measured, "plain"),
        )
        if file.error is not None:
            raise file.error
