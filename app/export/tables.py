"""The reviewed table (CSV, Parquet, JSON Lines), the notes and the agreement."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from app.export.job import ExportJob, LabelIndex, Progress
from app.review.agreement import Agreement, measure_agreement
from app.session.table import cells, column_names, parquet_from_csv
from app.session.text_tables import text_table
from engine.errors import OutputError
from engine.files import create_part
from engine.records import json_text

#: Columns after those of faces.csv.
_REVIEW_COLUMNS: Final = ("human_label", "excluded", "person")
#: Columns that hold several values joined by "|", lists in JSON.
_LISTS: Final = frozenset({"quality_reasons", "set"})


def _rows(job: ExportJob, report: Progress) -> Iterator[tuple[Any, ...]]:
    """All columns of faces.csv, the human label, whether the frame is excluded, and the name of the face."""
    labels, names = LabelIndex(job.notes), {name.face_id: name.name for name in job.notes.names}
    for frame in job.frames(report):
        for row in frame.rows:
            person = None if row.face_id is None else names.get(row.face_id)
            label = labels.label_at(row.face_id, row.time_s)
            yield (*cells(row, job.header, bool(job.baselines)), label, int(frame.excluded), person)


def _names(job: ExportJob) -> tuple[str, ...]:
    return (*column_names(job.header, bool(job.baselines)), *_REVIEW_COLUMNS)


def write_csv(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the table as text."""
    with text_table(path, excel=job.choice.excel) as writer:
        writer.writerow(_names(job))
        writer.writerows(_rows(job, report))


def write_parquet(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the table as Parquet, by way of a text file with unescaped cells."""
    names, source = _names(job), create_part(path.with_suffix(".csv"))
    try:
        with source.open("w", encoding="utf-8", errors="replace", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(_rows(job, report))
        parquet_from_csv(source, names, path)
    finally:
        source.unlink(missing_ok=True)


def write_jsonl(job: ExportJob, path: Path, report: Progress) -> None:
    """Write one JSON object per row; null = not computed, several values are lists."""
    names = _names(job)
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as handle:
        for row in _rows(job, report):
            values = dict(zip(names, row, strict=True))
            for name in _LISTS:
                values[name] = [] if values[name] is None else values[name].split("|")
            values["excluded"] = bool(values["excluded"])
            handle.write(json.dumps(values, separators=(",", ":"), allow_nan=False, ensure_ascii=False) + "\n")


def write_notes(job: ExportJob, path: Path, report: Progress) -> None:
    """Write one line per name, marker, event, excluded range, neutral range and label, ordered by time."""
    notes = job.notes
    rows: list[tuple[str, float, float | None, int | None, str]] = [
        *(("name", 0.0, None, name.face_id, name.name) for name in notes.names),
        *(("event", event.start_s, event.end_s, None, event.code) for event in notes.events),
        *(("marker", marker.time_s, None, None, marker.text) for marker in notes.markers),
        *(("exclusion", exclusion.start_s, exclusion.end_s, None, "") for exclusion in notes.exclusions),
        *(("neutral", each.start_s, each.end_s, each.face_id, "") for each in notes.neutral),
        *(("label", label.start_s, label.end_s, label.face_id, label.label) for label in notes.labels),
    ]
    with text_table(path, excel=job.choice.excel) as writer:
        writer.writerow(("kind", "start_s", "end_s", "face_id", "text", "coder"))
        writer.writerows((*row, notes.coder) for row in sorted(rows, key=lambda row: row[1]))


def write_agreement(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the values of `app.review.agreement`.

    Raises:
        OutputError: there are no labels.
    """
    agreement = measure_agreement(job.session, job.notes)
    if agreement is None:
        raise OutputError("There are no labels, so there is no agreement: label some faces first")
    path.write_text(json_text(_as_json(job, agreement)), encoding="utf-8")


def _as_json(job: ExportJob, agreement: Agreement) -> dict[str, object]:
    header = job.header
    return {
        "source_id": header.source_id,
        "app_version": header.app_version,
        "model_sha256": header.model_sha256,
        "coder": agreement.coder,
        "kappa": agreement.kappa,
        "kappa_missing": agreement.kappa_missing,
        "interval_95": agreement.interval,
        "interval_missing": agreement.interval_missing,
        "labels": header.expressions,
        "table_human_by_model": agreement.table.tolist(),
        "ranges": agreement.ranges,
        "frames_compared": agreement.compared,
        "frames_agreeing": agreement.agreeing,
        "frames_within_set": agreement.within_set,
        "frames_not_assessed": agreement.not_assessed,
        "frames_unclear": agreement.unclear,
        "frames_excluded": agreement.excluded,
    }
