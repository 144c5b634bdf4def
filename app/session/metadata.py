"""What is written down about a run, the same for annotated files and for live recordings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from app.session.folder import FrameCounts, Metadata, ModelRecord, SourceRecord, now_utc, source_mark
from app.session.journal import RunHeader
from app.session.table import TableCounts
from app.settings.limits import Thresholds, thresholds_of
from app.settings.presets import Preset
from engine.backends.contract import AUCalibration, ExpressionCalibration, ModelContract
from engine.capture.source import FrameSource, SourceInfo
from engine.config import EngineConfig
from engine.types import Frame, FrameResult

#: Steps between frames that differ by less are one rate: containers round times to a millisecond.
_SAME_STEP_S: Final = 0.0021


class ResumablePipeline(Protocol):
    """A pipeline whose state can be written down and put back."""

    def process(self, frame: Frame) -> FrameResult:
        """The result for one frame."""

    def snapshot(self) -> str:
        """State as text."""

    def restore(self, text: str) -> None:
        """Go on from a state."""

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        """Route by other limits from the next frame on; may be called from any thread."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A pipeline with what must be written down about it."""

    pipeline: ResumablePipeline
    fresh: str  # its state before the first frame
    expression: ModelContract
    action_units: ModelContract
    models: tuple[ModelRecord, ...]
    tracker: str
    config: EngineConfig


def run_header(
    spec: str,
    source: FrameSource,
    engine: Engine,
    app_version: str,
    thresholds: Thresholds | None = None,
    preset: Preset | None = None,
) -> RunHeader:
    """What is the same for all rows of a run.

    Args:
        spec: the source as the user named it.
        source: opened.
        engine: what the run goes through.
        app_version: version of the program.
        thresholds: those in force; None = the model's own.
        preset: of an annotated file; a live run has none.
    """
    expression, units = _calibration_pair(engine)
    limits = thresholds or thresholds_of(expression)
    codes = tuple(int(label.removeprefix("AU")) for label in engine.action_units.labels)
    return RunHeader(
        source_id=source.info.source_id,
        app_version=app_version,
        model_sha256=engine.expression.sha256,
        expressions=engine.expression.labels,
        au_codes=codes,
        au_thresholds=units.thresholds,
        au_trusted=tuple(code for code, trusted in zip(codes, units.trusted, strict=True) if trusted),
        tau_accept=limits.tau_accept,
        tau_ood=limits.tau_ood,
        settings=_settings(spec, source.info, engine) | ({} if preset is None else {"preset": preset.name}),
    )


def first_metadata(
    spec: str, info: SourceInfo, engine: Engine, header: RunHeader, preset: Preset | None = None
) -> Metadata:
    """Metadata of a run that begins now; thresholds are those of the header."""
    is_address = info.is_live or not Path(spec).exists()  # an address may hold a password
    shown = info.source_id if is_address else spec
    config = dataclasses.asdict(engine.config)
    if preset is not None:
        config["preset"] = {"name": preset.name, "every_n": preset.every_n_of(info)}
    return Metadata(
        source=SourceRecord(shown, info.kind.value, None, info.width_px, info.height_px, info.fps, None),
        app_version=header.app_version,
        models=engine.models,
        thresholds={"tau_accept": header.tau_accept, "tau_ood": header.tau_ood},
        calibration=_calibrations(engine),
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
    sha256: str | None = None,
    resumed_at: tuple[int, ...] = (),
    fault: str | None = None,
    completed: bool = True,
) -> Metadata:
    """Metadata of a run that ended now, with what its tables hold; the other fields as in `Metadata`."""
    return dataclasses.replace(
        metadata,
        source=dataclasses.replace(metadata.source, sha256=sha256, fps_mode=_fps_mode(counts)),
        end=now_utc(),
        frames=FrameCounts(counts.frames + dropped, counts.frames, dropped, damaged),
        faces=counts.faces,
        resumed_at=resumed_at,
        fault=fault,
        completed=completed,
    )


def _settings(spec: str, info: SourceInfo, engine: Engine) -> dict[str, str]:
    """What must be the same for a run that goes on later."""
    parts = {part: dataclasses.asdict(getattr(engine.config, part)) for part in ("tracking", "quality", "routing")}
    settings = {f"{part}.{key}": str(value) for part, values in parts.items() for key, value in values.items()}
    settings |= {f"{model.task} backend": f"{model.backend} {model.device}" for model in engine.models}
    settings |= {"source file": "" if info.is_live else source_mark(Path(spec)), "tracker": engine.tracker}
    settings["action-unit model"] = engine.action_units.sha256
    return settings


def _calibration_pair(engine: Engine) -> tuple[ExpressionCalibration, AUCalibration]:
    expression, units = engine.expression.calibration, engine.action_units.calibration
    if not isinstance(expression, ExpressionCalibration) or not isinstance(units, AUCalibration):
        raise TypeError("the two models of an engine are mixed up")
    return expression, units


def _calibrations(engine: Engine) -> dict[str, Any]:
    expression, units = _calibration_pair(engine)
    return {"expression": dataclasses.asdict(expression), "action_units": dataclasses.asdict(units)}


def _fps_mode(counts: TableCounts) -> str | None:
    if counts.frames < 3 or not counts.longest_step_s:  # no two frames follow each other in the source
        return None
    return "cfr" if counts.longest_step_s - counts.shortest_step_s < _SAME_STEP_S else "vfr"
