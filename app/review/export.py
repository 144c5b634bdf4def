"""Export of a review: the table with human labels, the notes, the agreement, and the video with the overlay.

Every file is written atomically under a name that annotating never uses, so the model's results stay untouched.
"""

from __future__ import annotations

import bisect
import contextlib
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.remedies import output_errors
from app.review.agreement import Agreement, measure_agreement
from app.review.notes import HumanLabel, Notes
from app.review.session import Session
from app.session.journal import read_journal
from app.session.table import cells, column_names
from app.session.video import VideoSink
from engine.errors import OutputError, Remedy
from engine.files import atomic_write
from engine.records import json_text
from engine.types import Frame

TABLE_NAME: Final = "reviewed_faces.csv"
NOTES_NAME: Final = "reviewed_notes.csv"
AGREEMENT_NAME: Final = "agreement.json"
VIDEO_NAME: Final = "reviewed.mp4"
#: Cost of drawing and encoding a frame relative to writing its rows, roughly; for the progress.
_VIDEO_WEIGHT: Final = 20.0
#: Frames between two progress reports.
_REPORT_EVERY: Final = 25

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What to export."""

    table: bool = True
    notes: bool = True
    agreement: bool = False
    video: bool = False  # needs a video without overlay
    without_excluded: bool = False  # leave frames in excluded ranges out of table and video
    replace: bool = False  # overwrite files of an earlier export


class _CancelledError(Exception):
    """The user cancelled the export."""


def export(
    session: Session,
    notes: Notes,
    choice: ExportChoice,
    folder: Path,
    report: Progress,
    cancelled: Callable[[], bool],
) -> tuple[Path, ...]:
    """Write the chosen files; return those that are complete, which are not all if it was cancelled.

    Args:
        session: must stay open meanwhile.
        notes: the coder's notes.
        choice: which files.
        folder: is created if necessary.
        report: called with the fraction done, 0-1, on the calling thread.
        cancelled: checked between frames.

    Raises:
        OutputError: a file exists, cannot be written, or has no content; the journal is damaged.
        SourceError: the video cannot be read.
    """
    writers = _Writers(session, notes, choice, cancelled)
    parts = [
        (choice.table, folder / TABLE_NAME, 1.0, writers.write_table),
        (choice.notes, folder / NOTES_NAME, 0.0, writers.write_notes),
        (choice.agreement, folder / AGREEMENT_NAME, 0.0, writers.write_agreement),
        (choice.video, folder / VIDEO_NAME, _VIDEO_WEIGHT, writers.write_video),
    ]
    chosen = [part[1:] for part in parts if part[0]]
    _check(session, notes, choice, [path for path, _, _ in chosen])
    with _export_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    total = sum(weight for _, weight, _ in chosen) or 1.0
    done, written = 0.0, []
    for path, weight, write in chosen:
        try:
            write(path, _part_of(report, done / total, weight / total))
        except _CancelledError:
            break
        done += weight
        written.append(path)
    else:
        report(1.0)
    return tuple(written)


class _Writers:
    """The writer of each file."""

    def __init__(self, session: Session, notes: Notes, choice: ExportChoice, cancelled: Callable[[], bool]) -> None:
        self._session = session
        self._notes = notes
        self._choice = choice
        self._cancelled = cancelled
        self._excluded: npt.NDArray[np.bool_] = notes.excluded(session.times_s)

    def write_table(self, path: Path, report: Progress) -> None:
        """Write all columns of faces.csv, the human label, and whether the frame is excluded."""
        session, labels = self._session, _LabelIndex(self._notes)
        header = session.header
        with _new_file(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow((*column_names(header), "human_label", "excluded"))
            # the journal of a run in progress has more frames than the open session
            entries = read_journal(session.folder.journal)
            for position in self._positions(report):
                entry = next(entries, None)
                if entry is None or entry.frame != session.frames[position]:
                    raise OutputError(f"{session.folder.journal} has changed: open the session again")
                excluded = bool(self._excluded[position])
                if excluded and self._choice.without_excluded:
                    continue
                writer.writerows(
                    (*cells(row, header), labels.label_at(row.face_id, row.time_s), int(excluded)) for row in entry.rows
                )

    def write_notes(self, path: Path, report: Progress) -> None:
        """Write one line per marker, excluded range and label, ordered by time."""
        notes = self._notes
        rows: list[tuple[str, float, float | None, int | None, str]] = [
            *(("marker", marker.time_s, None, None, marker.text) for marker in notes.markers),
            *(("exclusion", exclusion.start_s, exclusion.end_s, None, "") for exclusion in notes.exclusions),
            *(("label", label.start_s, label.end_s, label.face_id, label.label) for label in notes.labels),
        ]
        # "replace": a lone surrogate in a text must not fail the whole file
        with _new_file(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("kind", "start_s", "end_s", "face_id", "text", "coder"))
            writer.writerows((*row, notes.coder) for row in sorted(rows, key=lambda row: row[1]))

    def write_agreement(self, path: Path, report: Progress) -> None:
        """Write the values of `app.review.agreement`."""
        agreement = measure_agreement(self._session, self._notes)
        if agreement is None:
            raise _no_labels()
        with _new_file(path) as part:
            part.write_text(json_text(_as_json(self._session, agreement)), encoding="utf-8")

    def write_video(self, path: Path, report: Progress) -> None:
        """Draw the overlay on the original video; over a range left out, its last frame before stays."""
        from app.review.clip import ClipReader  # imported here: only this needs av

        session = self._session
        if session.video is None or session.video.annotated:
            raise _no_clean_video(session)
        sink = VideoSink(path, session.header)
        with contextlib.closing(ClipReader(session.video.path)) as clip:
            try:
                with _export_errors(path):
                    sink.open()
                for position in self._positions(report):
                    if self._excluded[position] and self._choice.without_excluded:
                        continue
                    image, rows = clip.image_at(session.video_time_at(position)), session.rows_at(position)
                    frame = Frame(
                        image, int(session.frames[position]), float(session.times_s[position]), session.header.source_id
                    )
                    with _export_errors(path):
                        sink.write_rows(frame, rows)
                with _export_errors(path):
                    sink.close(completed=True)
                    sink.publish()
            finally:
                sink.discard()  # does not affect a published file

    def _positions(self, report: Progress) -> Iterator[int]:
        """All positions, with progress and a check for cancellation every few frames.

        Raises:
            _CancelledError: the user cancelled.
        """
        count = len(self._session.frames)
        for position in range(count):
            if position % _REPORT_EVERY == 0:
                report(position / count)
                if self._cancelled():
                    raise _CancelledError
            yield position


class _LabelIndex:
    """Finds the label of a face at a time by binary search."""

    def __init__(self, notes: Notes) -> None:
        self._labels: dict[int, list[HumanLabel]] = defaultdict(list)
        for label in notes.labels:  # ordered by time
            self._labels[label.face_id].append(label)
        self._starts = {face: [label.start_s for label in labels] for face, labels in self._labels.items()}

    def label_at(self, face_id: int | None, time_s: float) -> str | None:
        if face_id is None or face_id not in self._starts:
            return None
        place = bisect.bisect_right(self._starts[face_id], time_s) - 1
        if place < 0 or time_s >= self._labels[face_id][place].end_s:
            return None
        return self._labels[face_id][place].label


def _check(session: Session, notes: Notes, choice: ExportChoice, paths: list[Path]) -> None:
    """Refuse before anything is written.

    Raises:
        OutputError: a file exists, or its content is missing.
    """
    if choice.agreement and not notes.labels:
        raise _no_labels()
    if choice.video and (session.video is None or session.video.annotated):
        raise _no_clean_video(session)
    for path in paths:
        with _export_errors(path):
            is_video = session.video is not None and path.resolve() == session.video.path.resolve()
            exists = path.exists()
        if is_video:
            raise OutputError(f"{path} is the video of this session: choose another folder")
        if exists and not choice.replace:
            raise OutputError(f"{path} exists: choose another folder, or allow replacing files")


def _part_of(report: Progress, start: float, length: float) -> Progress:
    """Map the fraction done of one file to the fraction done of the whole export."""
    return lambda fraction: report(start + length * fraction)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """As `atomic_write`, with OutputError for OSError."""
    with _export_errors(path), atomic_write(path) as part:
        yield part


@contextlib.contextmanager
def _export_errors(path: Path) -> Iterator[None]:
    """Turn OSError into OutputError, and word the remedy for the export dialog.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with output_errors(path):
            yield
    except OutputError as error:
        if error.remedy is not Remedy.FREE_SPACE:
            raise
        raise OutputError(f"{error.problem}: free space or choose another folder") from error


def _no_labels() -> OutputError:
    return OutputError("There are no labels, so there is no agreement: label some faces, or leave the agreement out")


def _no_clean_video(session: Session) -> OutputError:
    return OutputError(
        f"The overlay needs a video without one: put {session.header.source_id} into {session.folder.path} "
        "and open the session again, or leave the video out"
    )


def _as_json(session: Session, agreement: Agreement) -> dict[str, object]:
    header = session.header
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
