"""Scan dropped paths for sources, and assign each an output folder. Accesses disks, so it may block."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.remedies import window_text
from app.session.naming import new_session_folders
from app.settings.presets import PRESETS
from app.sources import find_sources
from engine.capture.opening import is_live_spec
from engine.capture.redaction import redact_url
from engine.capture.source import FrameSource, SourceInfo
from engine.capture.synthetic import DEMO
from engine.errors import SourceError

SourceOpener = Callable[[str], FrameSource]
#: Spec of the generated demo clip.
DEMO_SPEC: Final = DEMO


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
    left_out: tuple[str, ...] = ()  # a sentence for whatever is not read on purpose


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a folder."""

    free_bytes: int
    writable: bool


def scan_sources(specs: Sequence[str], out: Path, taken: Iterable[str], open_source: SourceOpener) -> ScanResult:
    """Scan files and folders.

    Args:
        specs: files, folders, or ``demo``. The pictures in a folder are one source, and so is each video in it.
        out: folder for the results; each source gets a new folder inside.
        taken: names inside ``out`` reserved for other jobs.
        open_source: as in engine/capture/opening.py; each source is opened once and closed.
    """
    found: list[tuple[str, dict[str, int | None]]] = []
    live = [spec for spec in specs if is_live_spec(spec)]
    sources = find_sources(spec for spec in specs if not is_live_spec(spec))
    faults = [fault.problem for fault in sources.faults]
    for source in sources.found:
        try:
            with open_source(source.spec) as opened:
                found.append((source.spec, _totals_of(opened.info)))
        except SourceError as error:
            faults.append(window_text(error))
    folders = new_session_folders(out, taken, [spec for spec, _ in found])
    sources_found = (FoundSource(spec, folder, totals) for (spec, totals), folder in zip(found, folders, strict=True))
    shown = (redact_url(spec) if "://" in spec else spec for spec in live)
    return ScanResult(tuple(sources_found), tuple(shown), sources.empty, tuple(faults), sources.left_out)


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
