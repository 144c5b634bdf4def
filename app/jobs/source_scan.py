"""Scan dropped paths for sources, and assign each an output folder. Accesses disks, so it may block."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.remedies import window_text
from app.session.folder import session_folders
from app.settings.presets import PRESETS
from engine.capture.opening import is_live_spec, source_stem
from engine.capture.pictures import PICTURE_SUFFIXES
from engine.capture.source import FrameSource, SourceInfo
from engine.capture.stream import redact_url
from engine.capture.synthetic import DEMO
from engine.errors import SourceError

SourceOpener = Callable[[str], FrameSource]
#: Spec of the generated demo clip.
DEMO_SPEC: Final = DEMO

#: Suffixes of videos inside a folder; a file given by itself may have any suffix.
VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".flv", ".ogv"}
    | {".3gp", ".gif"}
)


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A source that can be opened, and its output folder."""

    spec: str
    folder: Path
    totals: dict[str, int | None]  # frames to analyse by preset; None = unknown


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The sources found, and everything that was refused."""

    found: tuple[FoundSource, ...] = ()
    live: tuple[str, ...] = ()  # cameras and stream addresses
    empty: tuple[str, ...] = ()  # folders without pictures or videos
    faults: tuple[str, ...] = ()  # a sentence for each source that cannot be opened


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a folder."""

    free_bytes: int
    writable: bool


def scan_sources(specs: Iterable[str], out: Path, taken: Iterable[str], open_source: SourceOpener) -> ScanResult:
    """Scan files and folders.

    Args:
        specs: files, folders, or ``demo``. The pictures in a folder are one source, and so is each video in it.
        out: folder for the results; each source gets a new folder inside.
        taken: names inside ``out`` reserved for other jobs.
        open_source: as in engine/capture/opening.py; each source is opened once and closed.
    """
    found: list[tuple[str, dict[str, int | None]]] = []
    live, empty, faults = [], [], []
    for given in specs:
        if is_live_spec(given):
            live.append(redact_url(given) if "://" in given else given)
            continue
        try:
            sources = _sources_of(given)
            if not sources:
                empty.append(given)
            for spec in sources:
                with open_source(spec) as source:
                    found.append((spec, _totals_of(source.info)))
        except SourceError as error:
            faults.append(window_text(error))
    folders = _new_folders(out, taken, [source_stem(spec) for spec, _ in found])
    sources_found = (FoundSource(spec, folder, totals) for (spec, totals), folder in zip(found, folders, strict=True))
    return ScanResult(tuple(sources_found), tuple(live), tuple(empty), tuple(faults))


def check_disk(out: Path) -> Disk | None:
    """The disk of a folder, which need not exist yet; None if unknown."""
    try:
        existing = next((path for path in (out, *out.absolute().parents) if path.exists()), None)
        if existing is None:
            return None
        return Disk(shutil.disk_usage(existing).free, existing.is_dir() and os.access(existing, os.W_OK))
    except OSError:
        return None


def _totals_of(info: SourceInfo) -> dict[str, int | None]:
    count = info.frame_count
    return {preset.name: None if count is None else -(-count // preset.every_n_of(info)) for preset in PRESETS}


def _sources_of(given: str) -> list[str]:
    """The sources that a path contains.

    Raises:
        SourceError: a folder cannot be read.
    """
    path = Path(given)
    try:
        if given == DEMO or not path.is_dir():
            return [given]
        suffixes = {item.name: item.suffix.lower() for item in path.iterdir()}
    except OSError as error:
        raise SourceError(f"{given} cannot be read ({error.strerror}): check its permissions") from error
    pictures = [given] if not PICTURE_SUFFIXES.isdisjoint(suffixes.values()) else []
    return pictures + [str(path / name) for name, suffix in sorted(suffixes.items()) if suffix in VIDEO_SUFFIXES]


def _new_folders(out: Path, taken: Iterable[str], stems: list[str]) -> list[Path]:
    try:
        existing = [item.name for item in out.iterdir()]
    except OSError:
        existing = []  # missing or unreadable, which the job reports
    before = sorted({*existing, *taken})
    return [folder.path for folder in session_folders(out, [*before, *stems])[len(before) :]]
