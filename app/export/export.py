"""Export of a session: checks the choice, then writes one file after another.

Every file is written atomically under a name that annotating never uses, so the model's results stay untouched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from app.export.formats import Format, Needs, Writer, chosen_formats
from app.export.job import CancelledError, ExportChoice, ExportJob, Progress
from app.remedies import output_errors
from app.review.notes import Notes
from app.review.session import Session
from engine.errors import OutputError, Remedy
from engine.files import atomic_write, part_path


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
        ConfigError: a format is unknown, or its package is missing.
        OutputError: a file exists, cannot be written, or has no content; the journal is damaged.
        SourceError: the video cannot be read.
    """
    formats = chosen_formats(choice.formats)
    job = ExportJob(session, notes, choice, cancelled)
    _check(job, formats, folder)
    parts = [
        (folder / name, item, write) for item in formats for name, write in zip(item.files, item.load(), strict=True)
    ]
    with _export_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    total = sum(item.weight for item in formats) or 1.0
    done, written = 0.0, []
    for path, item, write in parts:
        weight = item.weight / len(item.files)
        try:
            _write(job, path, item, write, _part_of(report, done / total, weight / total))
        except CancelledError:
            break
        done += weight
        written.append(path)
    else:
        report(1.0)
    return tuple(written)


def reason_against(item: Format, session: Session, notes: Notes) -> OutputError | None:
    """Why a session has nothing to write in a format; None if it has."""
    if item.needs is Needs.LABELS and not notes.labels:
        return OutputError(
            "There are no labels, so there is no agreement: label some faces, or leave the agreement out"
        )
    if item.needs is Needs.CLEAN_VIDEO and (session.video is None or session.video.annotated):
        return OutputError(
            f"{item.title} needs the original video: put {session.header.source_id} into {session.folder.path} "
            "and open the session again, or leave it out"
        )
    return None


def _check(job: ExportJob, formats: tuple[Format, ...], folder: Path) -> None:
    """Refuse before anything is written.

    Raises:
        OutputError: a file exists, or its content is missing.
    """
    for item in formats:
        against = reason_against(item, job.session, job.notes)
        if against is not None:
            raise against
    video = job.session.video
    for path in (folder / name for item in formats for name in item.files):
        with _export_errors(path):
            is_video = video is not None and path.resolve() == video.path.resolve()
            exists = path.exists()
        if is_video:
            raise OutputError(f"{path} is the video of this session: choose another folder")
        if exists and not job.choice.replace:
            raise OutputError(f"{path} exists", Remedy.REPLACE_OR_OTHER_FOLDER)


def _write(job: ExportJob, path: Path, item: Format, write: Writer, report: Progress) -> None:
    """Write one file, or a folder of files, which gets its name when it is complete.

    Raises:
        CancelledError: the user cancelled.
        OutputError: it cannot be written; an earlier export under this name is kept.
    """
    with _export_errors(path):
        if item.names_own_file:
            write(job, path, report)
        elif f"{path.name}/" in item.files:
            _write_folder(job, path, write, report)
        else:
            with atomic_write(path) as part:
                write(job, part, report)


def _write_folder(job: ExportJob, path: Path, write: Writer, report: Progress) -> None:
    part = part_path(path)
    try:
        shutil.rmtree(part, ignore_errors=True)
        write(job, part, report)
        _publish_folder(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish_folder(part: Path, path: Path) -> None:
    """Rename a complete folder to ``path``; an earlier one is kept until then.

    Raises:
        OSError: the disk is full or failing; an earlier folder is still there.
    """
    for item in part.rglob("*"):
        if item.is_file():
            with item.open("rb+") as handle:
                os.fsync(handle.fileno())
    old = path.with_name(f"{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    try:
        part.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _part_of(report: Progress, start: float, length: float) -> Progress:
    """Map the fraction done of one file to the fraction done of the whole export."""
    return lambda fraction: report(start + length * fraction)


@contextlib.contextmanager
def _export_errors(path: Path) -> Iterator[None]:
    """Turn OSError into OutputError, and word the remedy for exports.

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
