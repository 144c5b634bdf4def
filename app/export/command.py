"""Export of finished sessions from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.annotate import ProgressListener
from app.export.export import export, reason_against
from app.export.formats import FORMATS, chosen_formats
from app.export.job import ExportChoice
from app.review.notes import read_notes
from app.review.session import open_session
from app.session.folder import is_session
from engine.errors import OutputError

#: Folder of an export inside its session, unless another one is named.
EXPORT_FOLDER: Final = "export"


def format_names(given: Iterable[str]) -> tuple[str, ...]:
    """Names from options, each of which may hold several separated by commas.

    Raises:
        ConfigError: a format is unknown, or its package is missing.
    """
    names = tuple(name.strip() for text in given for name in text.split(",") if name.strip())
    return tuple(item.name for item in chosen_formats(names))


def format_lines() -> list[str]:
    """One line per format: name, description, files, and what must be installed."""
    width = max(len(item.name) for item in FORMATS)
    lines = []
    for item in FORMATS:
        missing = "" if item.missing is None else f" (first: {item.missing})"
        lines.append(f"{item.name:{width}}  {item.about} {', '.join(item.files)}{missing}")
    return lines


def session_folders_in(paths: Iterable[Path]) -> list[Path]:
    """Sessions among folders: each one itself, or the sessions directly inside it.

    Raises:
        OutputError: a folder is not a session and holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = [path] if is_session(path) else sorted(filter(is_session, path.glob("*/")))
        if not inside:
            raise OutputError(f"{path} is not a session and holds none: name a folder that annotate wrote")
        found += [folder for folder in inside if folder not in found]
    return found


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export of one session gave."""

    written: tuple[Path, ...]
    remarks: tuple[str, ...]  # sentences for the user: what the session lacks, which formats were left out


def export_session(
    folder: Path,
    choice: ExportChoice,
    target: Path | None,
    cancelled: Callable[[], bool],
    listener: ProgressListener,
    *,
    skip_impossible: bool = False,
) -> Exported:
    """Export one session with its review notes.

    Args:
        folder: of the session.
        choice: which formats and how.
        target: folder to write to; None = `EXPORT_FOLDER` inside the session.
        cancelled: checked between frames.
        listener: receives the progress, as a number of frames.
        skip_impossible: leave out formats that need labels or a video that the session has not, instead of refusing.

    Raises:
        ConfigError, OutputError, SourceError: see `app.export.export.export`.
    """
    with open_session(folder) as session:
        notes, remarks = read_notes(session.folder), list(session.warnings)
        if skip_impossible:
            against = {item.name: reason_against(item, session, notes) for item in chosen_formats(choice.formats)}
            remarks += [str(reason) for reason in against.values() if reason is not None]
            possible = tuple(name for name, reason in against.items() if reason is None)
            choice = dataclasses.replace(choice, formats=possible)
        frames = len(session.frames)
        listener.begin(f"export of {folder.name}", frames, 0)
        try:
            written = export(
                session,
                notes,
                choice,
                target or folder / EXPORT_FOLDER,
                lambda share: listener.update(round(share * frames)),
                cancelled,
            )
        finally:
            listener.end()
        return Exported(written, tuple(remarks))
