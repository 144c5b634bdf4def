"""metadata.json: which models and settings a session used on which source, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from app.overlay.disclaimer import DISCLAIMER
from app.remedies import output_errors
from app.session.baselines import SessionBaselines
from app.session.folder import source_mark
from app.session.identity import SourceIdentity
from app.session.rows import SessionHeader
from app.session.table import TableCounts
from app.settings.limits import Limits, limits_of
from app.settings.presets import Preset
from engine.capture.source import FrameSource, SourceInfo, StreamChoice, UnreadFile
from engine.engine import Engine
from engine.errors import OutputError
from engine.files import write_text
from engine.records import json_text, load_json, read_record
from engine.types import ModelRecord

_NOT_A_FILE: Final = SourceIdentity()
#: Setting of the header with the hash of the source.
SHA256_SETTING: Final = "source sha256"
#: Frame intervals that differ by less count as constant: containers round times to a millisecond.
_SAME_STEP_S: Final = 0.0021


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The source of a session."""

    source: str  # as the user named it, without passwords
    kind: str
    sha256: str | None  # of a file; of a folder: see app/session/identity.py
    width: int
    height: int
    fps: float | None  # mean rate stated by the source
    fps_mode: str | None  # "cfr" or "vfr", as measured; None before the end
    path: str | None = None  # absolute; None if it is not a file or folder
    size_bytes: int | None = None
    stream: StreamChoice | None = None  # of a video file: which stream was read


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Numbers of frames; read = analysed + dropped."""

    read: int
    analysed: int
    dropped: int
    damaged: int  # packets or frames that could not be decoded; not part of read


@dataclass(frozen=True, slots=True)
class FacesLeftOut:
    """Faces beyond the limit of faces (``config.tracking.max_faces``), which have no rows."""

    frames: int  # in which there were any
    most: int  # in one of them


@dataclass(frozen=True, slots=True)
class Metadata:
    """Content of metadata.json."""

    source: SourceRecord
    app_version: str
    models: tuple[ModelRecord, ...]
    thresholds: dict[str, float]
    calibration: dict[str, Any]
    labels: tuple[str, ...]
    au_codes: tuple[int, ...]  # order of the columns au_NN
    au_trusted: tuple[int, ...]  # subset of au_codes with sufficient evidence
    tracker: str
    config: dict[str, Any]
    start: str  # ISO 8601, UTC
    end: str | None = None
    frames: FrameCounts | None = None
    faces: int | None = None  # distinct face ids
    faces_left_out: FacesLeftOut | None = None  # None before the end
    files: tuple[str, ...] = ()  # of a source of pictures: the file of each frame index
    files_left_out: tuple[UnreadFile, ...] = ()  # pictures that could not be read, which have no rows
    resumed_at: tuple[int, ...] = ()  # first frame of every resumed part
    fault: str | None = None  # what part of the source was lost
    completed: bool = False
    consent_note: str = ""  # how the people in the source agreed, in the user's words; "" = not stated
    note: str = DISCLAIMER
    au_baselines: SessionBaselines | None = None  # None: no baseline was asked for


def session_header(
    spec: str,
    source: FrameSource,
    engine: Engine,
    app_version: str,
    limits: Limits | None = None,
    preset: Preset | None = None,
    identity: SourceIdentity = _NOT_A_FILE,
) -> SessionHeader:
    """Make the header of a new session.

    Args:
        spec: the source as the user named it.
        source: opened.
        engine: that processes its frames.
        app_version: version of the program.
        limits: the routing limits in use; None = the model's own.
        preset: of an annotated file; a live session has none.
        identity: of an annotated file.
    """
    units = engine.action_units.calibration
    limits = limits or limits_of(engine.expression.calibration)
    codes = tuple(int(label.removeprefix("AU")) for label in engine.action_units.labels)
    return SessionHeader(
        source_id=source.info.source_id,
        app_version=app_version,
        model_sha256=engine.expression.sha256,
        expressions=engine.expression.labels,
        au_codes=codes,
        au_thresholds=units.thresholds,
        au_trusted=tuple(code for code, trusted in zip(codes, units.trusted, strict=True) if trusted),
        aleatoric_limit=limits.aleatoric_limit,
        ood_limit=limits.ood_limit,
        settings=_settings(spec, source.info, engine, identity) | ({} if preset is None else {"preset": preset.name}),
        au_intensity=engine.action_units.has_intensity,
    )


def first_metadata(
    spec: str,
    info: SourceInfo,
    engine: Engine,
    header: SessionHeader,
    preset: Preset | None = None,
    identity: SourceIdentity = _NOT_A_FILE,
) -> Metadata:
    """Make the metadata of a session that starts now; limits are those of the header."""
    is_address = info.is_live or not Path(spec).exists()  # an address may contain a password
    shown = info.source_id if is_address else spec
    config = dataclasses.asdict(engine.config)
    if preset is not None:
        config["preset"] = {"name": preset.name, "every_n": preset.every_n_of(info)}
    return Metadata(
        source=SourceRecord(
            shown,
            info.kind.value,
            identity.sha256,
            info.width_px,
            info.height_px,
            info.fps,
            fps_mode=None,
            path=identity.path,
            size_bytes=identity.size_bytes,
            stream=info.stream,
        ),
        app_version=header.app_version,
        models=engine.models,
        thresholds={"tau_accept": header.aleatoric_limit, "tau_ood": header.ood_limit},
        calibration={
            "expression": dataclasses.asdict(engine.expression.calibration),
            "action_units": dataclasses.asdict(engine.action_units.calibration),
        },
        labels=header.expressions,
        au_codes=header.au_codes,
        au_trusted=header.au_trusted,
        tracker=engine.tracker,
        config=config,
        start=now_utc(),
    )


def last_metadata(
    metadata: Metadata,
    counts: TableCounts,
    dropped: int,
    damaged: int,
    *,
    unread: Sequence[UnreadFile] = (),
    resumed_at: tuple[int, ...] = (),
    fault: str | None = None,
    completed: bool = True,
    baselines: SessionBaselines | None = None,
) -> Metadata:
    """Complete the metadata of a session that ends now; ``counts`` of its tables, other fields as in `Metadata`."""
    return dataclasses.replace(
        metadata,
        source=dataclasses.replace(metadata.source, fps_mode=_fps_mode(counts)),
        end=now_utc(),
        frames=FrameCounts(counts.frames + dropped, counts.frames, dropped, damaged),
        faces=counts.faces,
        faces_left_out=FacesLeftOut(counts.crowded, counts.left_out),
        files_left_out=tuple(unread),
        resumed_at=resumed_at,
        fault=fault,
        completed=completed,
        au_baselines=baselines,
    )


def write_metadata(path: Path, metadata: Metadata) -> None:
    """Write metadata.json atomically.

    Raises:
        OutputError: it cannot be written.
    """
    with output_errors(path):
        write_text(path, json_text(metadata))


def read_metadata(path: Path) -> Metadata:
    """Read metadata.json; unknown keys are ignored.

    Raises:
        OutputError: the file is missing, cannot be read, or is damaged.
    """
    try:
        raw = load_json(path, lambda problem: OutputError(f"{problem}: copy the folder again"))
    except FileNotFoundError as error:
        raise OutputError(f"{path} is missing: copy the folder again") from error
    return read_record(
        Metadata,
        raw,
        lambda problem: OutputError(f"{path} is damaged ({problem}): copy the folder again"),
        ignore_unknown=True,
    )


def now_utc() -> str:
    """The current time as ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat()


def _settings(spec: str, info: SourceInfo, engine: Engine, identity: SourceIdentity) -> dict[str, str]:
    """Collect what must not change when the session is resumed."""
    parts = {part: dataclasses.asdict(getattr(engine.config, part)) for part in ("tracking", "quality", "routing")}
    settings = {f"{part}.{key}": str(value) for part, values in parts.items() for key, value in values.items()}
    settings |= {f"{model.task} backend": f"{model.backend} {model.device}" for model in engine.models}
    settings |= {"source file": "" if info.is_live else source_mark(Path(spec)), "tracker": engine.tracker}
    settings[SHA256_SETTING] = identity.sha256 or ""
    settings["action-unit model"] = engine.action_units.sha256
    return settings


def _fps_mode(counts: TableCounts) -> str | None:
    if counts.frames < 3 or not counts.longest_step_s:  # no two consecutive frames of the source
        return None
    return "cfr" if counts.longest_step_s - counts.shortest_step_s < _SAME_STEP_S else "vfr"
