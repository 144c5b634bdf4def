"""The formats of an export: one table for the command line, the export dialog and the documentation."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from app.export.job import ExportJob, Progress
from engine.errors import ConfigError


class Needs(Enum):
    """What a session must have for a format."""

    NOTHING = "nothing"
    LABELS = "labels"  # at least one label by a person
    CLEAN_VIDEO = "clean video"  # a video without overlay


@dataclass(frozen=True, slots=True)
class Library:
    """An optional package that writes a format."""

    module: str
    requirement: str  # pinned as in the extra "export"


class Writer(Protocol):
    """Writes one format."""

    def __call__(self, job: ExportJob, path: Path, report: Progress) -> None:
        """Write the file or folder ``path``, a temporary name unless `Format.names_own_file`."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format."""

    name: str  # of --format
    files: tuple[str, ...]  # names below the export folder
    title: str
    about: str  # one sentence
    writers: tuple[str, ...]  # "module:function" for each file, imported when used
    needs: Needs = Needs.NOTHING
    library: Library | None = None
    weight: float = 1.0  # time relative to the table's, roughly; for the progress
    names_own_file: bool = False  # the writer itself renames its file when it is complete

    def load(self) -> tuple[Writer, ...]:
        """Import the writers."""
        found = []
        for place in self.writers:
            module, name = place.split(":")
            found.append(getattr(importlib.import_module(f"app.export.{module}"), name))
        return tuple(found)

    @property
    def missing(self) -> str | None:
        """The pip command that installs what this format needs; None if it is installed."""
        if self.library is None or find_spec(self.library.module) is not None:
            return None
        return f'pip install "{self.library.requirement}"'


#: Cost of drawing and encoding a frame relative to writing its rows, roughly.
_VIDEO_WEIGHT: Final = 20.0
_PYMPI: Final = Library("pympi", "pympi-ling==1.71")
_OPENPYXL: Final = Library("openpyxl", "openpyxl==3.1.5")

FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "csv",
        ("reviewed_faces.csv",),
        "Reviewed table",
        "CSV: all columns of the model's table, your label, and whether the frame is excluded.",
        ("tables:write_csv",),
    ),
    Format(
        "parquet",
        ("reviewed_faces.parquet",),
        "Reviewed table, Parquet",
        "The same table, typed: for pandas, polars, DuckDB and R.",
        ("tables:write_parquet",),
        weight=2.0,
    ),
    Format(
        "jsonl",
        ("reviewed_faces.jsonl",),
        "Reviewed table, JSON Lines",
        "The same table: one JSON object per row.",
        ("tables:write_jsonl",),
    ),
    Format(
        "notes",
        ("reviewed_notes.csv",),
        "Notes",
        "CSV: markers, excluded ranges and your labels, one per line.",
        ("tables:write_notes",),
        weight=0.0,
    ),
    Format(
        "agreement",
        ("agreement.json",),
        "Agreement",
        "JSON: Cohen's kappa with its interval, all counts and the confusion matrix.",
        ("tables:write_agreement",),
        needs=Needs.LABELS,
        weight=0.0,
    ),
    Format(
        "openface",
        ("openface.csv",),
        "OpenFace CSV",
        "Columns of OpenFace 2: confidence, head pose, action units.",
        ("openface:write_openface",),
    ),
    Format(
        "pyfeat",
        ("pyfeat.csv",),
        "py-feat CSV",
        "Columns of py-feat 2 (Fex): box, head pose, action units, expressions.",
        ("pyfeat:write_pyfeat",),
    ),
    Format(
        "elan",
        ("elan.eaf",),
        "ELAN",
        "Tiers of expressions, decisions, action units and your labels, linked to the video.",
        ("elan:write_elan",),
        library=_PYMPI,
    ),
    Format(
        "boris",
        ("boris.xlsx", "boris_ethogram.boris"),
        "BORIS",
        "Events to import into an observation, and a project with the ethogram that names them.",
        ("boris:write_events", "boris:write_ethogram"),
        library=_OPENPYXL,
    ),
    Format(
        "webvtt",
        ("captions.vtt", "metadata.vtt"),
        "WebVTT",
        "Captions for people, and a metadata track with the same content as JSON.",
        ("captions:write_webvtt", "captions:write_metadata_track"),
        weight=2.0,
    ),
    Format(
        "srt",
        ("captions.srt",),
        "SubRip",
        "The captions for players that do not read WebVTT.",
        ("captions:write_srt",),
    ),
    Format(
        "bids",
        ("bids/",),
        "BIDS derivative",
        "A data set with events and, per face, values resampled to a fixed rate.",
        ("bids:write_bids",),
        weight=2.0,
    ),
    Format(
        "html",
        ("summary.html",),
        "Summary page",
        "One HTML page: shares, counts, episodes, plots, and the longest ambiguous stretches.",
        ("summary:write_summary",),
        weight=2.0,
    ),
    Format(
        "video",
        ("reviewed.mp4",),
        "Video with overlay",
        "MP4: the original video with boxes and labels drawn again. This takes a while.",
        ("videos:write_overlay",),
        needs=Needs.CLEAN_VIDEO,
        weight=_VIDEO_WEIGHT,
        names_own_file=True,
    ),
    Format(
        "blurred",
        ("blurred.mp4",),
        "Video with blurred faces",
        "MP4 without sound: every face found is made unrecognisable, and frames without a face are blurred whole.",
        ("videos:write_blurred",),
        needs=Needs.CLEAN_VIDEO,
        weight=_VIDEO_WEIGHT,
        names_own_file=True,
    ),
)
_BY_NAME: Final = {item.name: item for item in FORMATS}
#: Formats that need no review and no video, the meaning of ``--format all``.
PLAIN_FORMATS: Final = tuple(item.name for item in FORMATS if item.needs is Needs.NOTHING)


def chosen_formats(names: Iterable[str]) -> tuple[Format, ...]:
    """The formats with these names, in the order of the table; "all" stands for `PLAIN_FORMATS`.

    Raises:
        ConfigError: a name is unknown, or a package that it needs is missing.
    """
    wanted: set[str] = set()
    for name in names:
        wanted.update(PLAIN_FORMATS if name == "all" else (name,))
    unknown = sorted(wanted - set(_BY_NAME))
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is not a format: choose from {', '.join(_BY_NAME)} or all")
    chosen = tuple(item for item in FORMATS if item.name in wanted)
    for item in chosen:
        if item.missing is not None:
            raise ConfigError(f"the format {item.name} needs {_package(item)}: run {item.missing}")
    return chosen


def _package(item: Format) -> str:
    return "" if item.library is None else item.library.requirement.split("==")[0]
