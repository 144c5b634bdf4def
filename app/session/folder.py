"""The folder of one annotated source: its files, whether it is finished, and what stands in metadata.json."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from app.overlay.overlay import STANDING_LINE
from app.session.journal import RunHeader, write_failed
from app.session.table import part_name, written_whole
from engine.errors import OutputError
from engine.facs import unit_code

#: Bytes at the start of a file that tell it from another of the same length.
_HEAD_BYTES: Final = 1 << 20
_CHUNK_BYTES: Final = 1 << 20


class OutputState(str, Enum):
    """What a folder holds."""

    EMPTY = "empty"  # nothing of ours
    UNFINISHED = "unfinished"  # a journal that can go on
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """Where the files of one source stand."""

    path: Path

    @property
    def journal(self) -> Path:
        """Written while the run goes on."""
        return self.path / "journal.jsonl"

    @property
    def csv(self) -> Path:
        """Table as text."""
        return self.path / "faces.csv"

    @property
    def parquet(self) -> Path:
        """The same table as Parquet."""
        return self.path / "faces.parquet"

    @property
    def video(self) -> Path:
        """The source with the overlay."""
        return self.path / "annotated.mp4"

    @property
    def recording(self) -> Path:
        """The clean pictures of a live recording; a folder with them has no `video`."""
        return self.path / "video.mp4"

    @property
    def notes(self) -> Path:
        """What people noted in review: their work, which no run ever touches."""
        return self.path / "review.json"

    @property
    def metadata(self) -> Path:
        """What was run on what; written at the start and, with ``completed`` true, as the last file of all."""
        return self.path / "metadata.json"

    def state(self) -> OutputState:
        """What the folder holds.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            if _is_completed(self.metadata):
                return OutputState.FINISHED
            if self.journal.exists():
                return OutputState.UNFINISHED
            results = (self.csv, self.parquet, self.video, self.recording)
            return OutputState.FINISHED if any(path.exists() for path in results) else OutputState.EMPTY
        except OSError as error:
            raise write_failed(self.path, error) from error

    def make(self) -> None:
        """Make the folder.

        Raises:
            OutputError: it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_failed(self.path, error) from error

    def clear(self) -> None:
        """Delete the files that a run writes, and nothing else.

        The notes of a review stay: people made them. They name the run that they were made on (app/review/notes.py),
        so that a review of the next run says so where it is another.

        Raises:
            OutputError: one cannot be deleted.
        """
        # metadata first: a folder that was cleared in part never counts as finished
        for path in (self.metadata, self.csv, self.parquet, self.video, self.recording, self.journal):
            try:
                path.unlink(missing_ok=True)
                part_name(path).unlink(missing_ok=True)
            except OSError as error:
                raise write_failed(path, error) from error


def _is_completed(path: Path) -> bool:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and raw.get("completed") is True


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model of a run."""

    name: str
    task: str
    sha256: str
    backend: str
    device: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The source of a run."""

    source: str  # as the user gave it, without passwords
    kind: str
    sha256: str | None  # of a file
    width: int
    height: int
    fps: float | None  # mean rate that the source states
    fps_mode: str | None  # "cfr" or "vfr", as found; None before the end


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What became of the frames; read = analysed + dropped."""

    read: int
    analysed: int
    dropped: int
    damaged: int  # packets or pictures that could not be decoded; not part of read


@dataclass(frozen=True, slots=True)
class Metadata:
    """What stands in metadata.json."""

    source: SourceRecord
    app_version: str
    models: tuple[ModelRecord, ...]
    thresholds: dict[str, float]
    calibration: dict[str, Any]
    labels: tuple[str, ...]
    au_codes: tuple[int, ...]  # order of the columns au_NN
    au_trusted: tuple[int, ...]  # those of au_codes that may be built on
    tracker: str
    config: dict[str, Any]
    start: str  # ISO 8601, UTC
    end: str | None = None
    frames: FrameCounts | None = None
    faces: int | None = None  # different face ids
    resumed_at: tuple[int, ...] = ()  # first frame of every resumed part
    fault: str | None = None  # what of the source was lost
    completed: bool = False
    note: str = STANDING_LINE


def write_metadata(path: Path, metadata: Metadata) -> None:
    """Write metadata.json whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(dataclasses.asdict(metadata), indent=1) + "\n"
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def read_metadata(path: Path) -> Metadata:
    """What `write_metadata` wrote; keys that this version does not know are passed over.

    Raises:
        OutputError: the file is missing, cannot be read, or holds something else.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror}): copy the folder again") from error
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{path} is damaged (no JSON): copy the folder again") from error
    try:
        metadata: Metadata = _typed(raw, Metadata, "metadata")
    except ValueError as error:
        raise OutputError(f"{path} is damaged ({error}): copy the folder again") from error
    return metadata


def _typed(raw: Any, kind: Any, name: str) -> Any:
    """The JSON value as the type of a record's field.

    Raises:
        ValueError: it is of another type; the message names the field.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return raw
    if dataclasses.is_dataclass(kind) and isinstance(raw, dict):
        record: Any = kind
        kinds = get_type_hints(record)
        try:
            return record(**{key: _typed(raw[key], kinds[key], f"{name}.{key}") for key in kinds.keys() & raw.keys()})
        except TypeError as error:  # a field is missing
            raise ValueError(f"{name}: {error}") from None
    if origin is UnionType:  # every union here is "or None"
        return None if raw is None else _typed(raw, inner[0], name)
    if origin is tuple and isinstance(raw, list):
        return tuple(_typed(value, inner[0], name) for value in raw)
    if origin is dict and isinstance(raw, dict):
        return {key: _typed(value, inner[1], name) for key, value in raw.items()}
    if kind is float and type(raw) in (int, float):
        try:
            return float(raw)
        except OverflowError:
            raise ValueError(f"{name} is too large for a number of its type") from None
    if type(raw) is kind:
        return raw
    raise ValueError(f"{name} is of another type than it must be")


def now_utc() -> str:
    """This moment as ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat()


def file_sha256(path: Path) -> str:
    """Hex digest of a file of any size.

    Raises:
        OutputError: it cannot be read any more.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise OutputError(f"{path} cannot be read any more ({error.strerror}): put it back and use --resume") from error
    return digest.hexdigest()


def source_mark(path: Path) -> str:
    """Short mark that tells a source file from another without reading all of it: length and hash of its beginning."""
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        head = hashlib.sha256(handle.read(_HEAD_BYTES)).hexdigest()
    return f"{path.stat().st_size}:{head[:16]}"


def check_same_run(folder: OutputFolder, begun: RunHeader, now: RunHeader) -> None:
    """Refuse to go on with other models, settings or another source than the run was begun with.

    Raises:
        OutputError: naming the first difference.
    """
    pairs = {
        "app version": (begun.app_version, now.app_version),
        "expression model": (begun.model_sha256, now.model_sha256),
        "list of trusted action units": (_listed(begun.au_trusted), _listed(now.au_trusted)),
    }
    names = sorted(begun.settings | now.settings)
    pairs |= {name: (begun.settings.get(name, ""), now.settings.get(name, "")) for name in names}
    for name, (before, after) in pairs.items():
        if before != after:
            raise OutputError(
                f"{folder.path} was begun with another {name} ({_short(before)}, now {_short(after)}): "
                "use --force to start again"
            )


def _listed(codes: tuple[int, ...]) -> str:
    return " ".join(map(unit_code, codes)) or "none"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}..."


def output_folders(out: Path, stems: Iterable[str]) -> list[OutputFolder]:
    """One folder per source; a stem that comes again gets ``-2``, ``-3`` and so on."""
    taken: set[str] = set()
    folders = []
    for stem in stems:
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        folders.append(OutputFolder(out / name))
    return folders
