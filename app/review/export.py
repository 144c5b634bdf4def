"""What leaves a review: the table with the person's labels, the notes, the agreement, the video drawn again.

Each file is written whole or not at all, under a name that no run uses: what the model said stays as it was.
"""

from __future__ import annotations

import bisect
import contextlib
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.review.agreement import Agreement, measure_agreement
from app.review.files import save_failed, saved_whole
from app.review.notes import HumanLabel, Notes
from app.review.session import Session
from app.session.journal import read_journal
from app.session.table import cells, column_names
from app.session.video import VideoSink
from engine.errors import OutputError
from engine.types import Frame

TABLE_NAME: Final = "reviewed_faces.csv"
NOTES_NAME: Final = "reviewed_notes.csv"
AGREEMENT_NAME: Final = "agreement.json"
VIDEO_NAME: Final = "reviewed.mp4"
#: How much longer drawing and encoding a frame takes than writing its rows, about; for the share that is reported.
_VIDEO_WEIGHT: Final = 20.0
_REPORT_EVERY: Final = 25


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What to write."""

    table: bool = True
    notes: bool = True
    agreement: bool = False
    video: bool = False  # with the overlay; needs a video without it
    without_excluded: bool = False  # leave frames in excluded ranges out of table and video
    replace: bool = False  # write over files of an earlier export


class _StoppedError(Exception):
    """The user broke off."""


def export(
    session: Session,
    notes: Notes,
    choice: ExportChoice,
    folder: Path,
    report: Callable[[float], None],
    stopped: Callable[[], bool],
) -> tuple[Path, ...]:
    """Write what was chosen into ``folder``; the files that are whole, also when it was stopped between them.

    Args:
        session: stays open meanwhile.
        notes: what the person noted.
        choice: which files.
        folder: is made if it is not there.
        report: told the share that is done, 0-1, from the thread that this runs on.
        stopped: asked between frames.

    Raises:
        OutputError: a file is in the way, cannot be written, or has nothing to be made of; the journal is damaged.
        SourceError: the video cannot be read.
    """
    work = _Work(session, notes, choice, stopped)
    jobs = [
        (choice.table, folder / TABLE_NAME, 1.0, work.write_table),
        (choice.notes, folder / NOTES_NAME, 0.0, work.write_notes),
        (choice.agreement, folder / AGREEMENT_NAME, 0.0, work.write_agreement),
        (choice.video, folder / VIDEO_NAME, _VIDEO_WEIGHT, work.write_video),
    ]
    chosen = [job[1:] for job in jobs if job[0]]
    _check(session, notes, choice, [path for path, _, _ in chosen])
    _make(folder)
    total = sum(weight for _, weight, _ in chosen) or 1.0
    done, written = 0.0, []
    for path, weight, write in chosen:
        try:
            write(path, _part_of(report, done / total, weight / total))
        except _StoppedError:
            break
        done += weight
        written.append(path)
    else:
        report(1.0)
    return tuple(written)


class _Work:
    """The writers of an export."""

    def __init__(self, session: Session, notes: Notes, choice: ExportChoice, stopped: Callable[[], bool]) -> None:
        self._session = session
        self._notes = notes
        self._choice = choice
        self._stopped = stopped
        self._excluded: npt.NDArray[np.bool_] = notes.excluded(session.times_s)

    def write_table(self, path: Path, report: Callable[[float], None]) -> None:
        """All columns of faces.csv, then the person's label and whether the frame is excluded; row by row."""
        session, names = self._session, _LabelFinder(self._notes)
        header = session.header
        with saved_whole(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow((*column_names(header), "human_label", "excluded"))
            # a run that still goes on has frames that the session, as opened, does not know
            entries = read_journal(session.folder.journal)
            for position in self._positions(report):
                entry = next(entries, None)
                if entry is None or entry.frame != session.frames[position]:
                    raise OutputError(f"{session.folder.journal} has changed: open the session again")
                excluded = bool(self._excluded[position])
                if excluded and self._choice.without_excluded:
                    continue
                writer.writerows(
                    (*cells(row, header), names.label_at(row.face_id, row.time_s), int(excluded)) for row in entry.rows
                )

    def write_notes(self, path: Path, report: Callable[[float], None]) -> None:
        """One line per marker, excluded range and label."""
        notes = self._notes
        rows: list[tuple[str, float, float | None, int | None, str]] = [
            *(("marker", each.time_s, None, None, each.text) for each in notes.markers),
            *(("exclusion", each.start_s, each.end_s, None, "") for each in notes.exclusions),
            *(("label", each.start_s, each.end_s, each.face_id, each.label) for each in notes.labels),
        ]
        # what a keyboard cannot give, such as half a character, must not cost the rest
        with saved_whole(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("kind", "start_s", "end_s", "face_id", "text", "coder"))
            writer.writerows((*row, notes.coder) for row in sorted(rows, key=lambda row: row[1]))

    def write_agreement(self, path: Path, report: Callable[[float], None]) -> None:
        """The figures of app.review.agreement."""
        found = measure_agreement(self._session, self._notes)
        if found is None:
            raise _no_labels()
        with saved_whole(path) as part:
            part.write_text(json.dumps(_as_json(self._session, found), indent=1) + "\n", encoding="utf-8")

    def write_video(self, path: Path, report: Callable[[float], None]) -> None:
        """The clean pictures with the overlay drawn from the journal; over a range left out, the last one stays."""
        from app.review.clip import ClipReader  # here, so that only a video pays for av

        session = self._session
        if session.video is None or session.video.annotated:
            raise _no_clean_video(session)
        sink = VideoSink(path, session.header)
        with contextlib.closing(ClipReader(session.video.path)) as clip:
            try:
                with _saving(path):
                    sink.open()
                for position in self._positions(report):
                    if self._excluded[position] and self._choice.without_excluded:
                        continue
                    image, rows = clip.image_at(session.video_time_at(position)), session.rows_at(position)
                    frame = Frame(
                        image, int(session.frames[position]), float(session.times_s[position]), session.header.source_id
                    )
                    with _saving(path):
                        sink.write_rows(frame, rows)
                with _saving(path):
                    sink.close(completed=True)
                    sink.publish()
            finally:
                sink.discard()  # what has been published is not touched

    def _positions(self, report: Callable[[float], None]) -> Iterator[int]:
        """All positions, with a look now and then at whether to go on.

        Raises:
            _StoppedError: the user broke off.
        """
        count = len(self._session.frames)
        for position in range(count):
            if position % _REPORT_EVERY == 0:
                report(position / count)
                if self._stopped():
                    raise _StoppedError
            yield position


class _LabelFinder:
    """The person's label of a face at a time, among thousands."""

    def __init__(self, notes: Notes) -> None:
        self._labels: dict[int, list[HumanLabel]] = defaultdict(list)
        for label in notes.labels:  # in the order of time
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
        OutputError: naming what is in the way or missing.
    """
    if choice.agreement and not notes.labels:
        raise _no_labels()
    if choice.video and (session.video is None or session.video.annotated):
        raise _no_clean_video(session)
    for path in paths:
        try:
            is_video = session.video is not None and path.resolve() == session.video.path.resolve()
            is_there = path.exists()
        except OSError as error:
            raise save_failed(path, error) from error
        if is_video:
            raise OutputError(f"{path} is the video of this session: choose another folder")
        if is_there and not choice.replace:
            raise OutputError(f"{path} exists: choose another folder, or let it be replaced")


def _part_of(report: Callable[[float], None], begin: float, length: float) -> Callable[[float], None]:
    """Turns the share of one file that is done into that of the whole."""
    return lambda share: report(begin + length * share)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise save_failed(folder, error) from error


def _no_labels() -> OutputError:
    return OutputError("Nothing is labelled yet, so there is no agreement: label some faces, or leave it out")


def _no_clean_video(session: Session) -> OutputError:
    return OutputError(
        f"A video without the overlay is needed to draw it again: put {session.header.source_id} into "
        f"{session.folder.path} and open the session again, or leave the video out"
    )


@contextlib.contextmanager
def _saving(path: Path) -> Iterator[None]:
    """Say what to do at a window where the video writer speaks of the command line.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        yield
    except OutputError as error:
        if isinstance(error.__cause__, OSError):
            raise save_failed(path, error.__cause__) from error
        raise


def _as_json(session: Session, found: Agreement) -> dict[str, object]:
    header = session.header
    return {
        "source_id": header.source_id,
        "app_version": header.app_version,
        "model_sha256": header.model_sha256,
        "coder": found.coder,
        "kappa": found.kappa,
        "kappa_missing": found.kappa_missing,
        "interval_95": found.interval,
        "interval_missing": found.interval_missing,
        "labels": header.expressions,
        "table_human_by_model": found.table.tolist(),
        "ranges": found.ranges,
        "frames_compared": found.compared,
        "frames_agreeing": found.agreeing,
        "frames_within_set": found.within_set,
        "frames_not_assessed": found.not_assessed,
        "frames_unclear": found.unclear,
        "frames_excluded": found.excluded,
    }
