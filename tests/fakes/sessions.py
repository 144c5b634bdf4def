"""Sessions on disk: written face by face as a test describes them, or by `annotate` on fake frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.annotate import AnnotateOptions, JobControl, Outcome, ProgressListener, annotate
from app.engine_cache import EngineCache
from app.session.folder import SessionFolder
from app.session.journal import JournalSink
from app.session.metadata import Metadata, SourceRecord, write_metadata
from app.session.rows import SessionHeader
from app.session.table import write_tables
from app.settings.presets import BALANCED, Preset
from engine.capture.source import FrameSource
from engine.config import EngineConfig, RoutingConfig, TrackerName
from engine.engine import Engine
from engine.facs import BP4D_UNITS, EXPRESSIONS, OPEN_UNITS
from engine.types import FaceQuality, FaceResult, Frame, FrameResult, QualityReason, Reason, Route
from tests.fakes.engines import TRUSTED_UNITS, FakePipeline, FakeSource, fake_engine
from tests.fakes.faces import fake_face, fake_result

_IMAGE: Final = np.zeros((4, 4, 3), np.uint8)


def fake_header(**changes: Any) -> SessionHeader:
    """A header with the units of BP4D, all trusted and present above 0.1, unless ``changes`` has other fields."""
    units: tuple[int, ...] = changes.pop("au_codes", BP4D_UNITS)
    header = SessionHeader(
        "clip.mp4", "0.1", "e" * 64, EXPRESSIONS, units, (0.1,) * len(units), units, aleatoric_limit=1.2, ood_limit=0.95
    )
    return dataclasses.replace(header, **changes)


def labelled_face(face_id: int, *labels: str, level: float = 0.5) -> FaceResult:
    """An accepted face with one label, an ambiguous one with more, or one unlike the training data with none.

    ``level``: occurrence of all units.
    """
    route, reason = (
        (Route.REJECT, Reason.UNLIKE_TRAINING_DATA),
        (Route.ACCEPT, Reason.CLEAR),
        (Route.AMBIGUOUS, Reason.COMPETING_LABELS),
    )[min(len(labels), 2)]
    shares = tuple(0.6 / 2**place for place in range(len(labels)))
    occurrence = (level,) * len(OPEN_UNITS)
    return fake_face(route, reason, labels, shares, track_id=face_id, units=OPEN_UNITS, occurrence=occurrence)


def low_quality_face(face_id: int) -> FaceResult:
    quality = FaceQuality(0.2, (QualityReason.DARK,))
    return fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), face_id, quality=quality, units=OPEN_UNITS)


def write_session(
    path: Path,
    frames: Sequence[tuple[FaceResult, ...]],
    *,
    times_s: Sequence[float] | None = None,
    indices: Sequence[int] | None = None,
    pts_from_s: float | None = 100.0,
    state_bytes: int = 0,
    tables: bool = True,
    completed: bool = True,
    source: str = "clip.mp4",
    kind: str = "video",
    mark: str = "",
    au_intensity: bool = False,
    neutral_logit: float | None = None,
) -> SessionFolder:
    """Write a session without video from the faces of each frame, with the units of OPEN_UNITS.

    Args:
        path: its folder.
        frames: (N,) the faces of each frame.
        times_s: (N,) times of the frames; None = 10 per second.
        indices: (N,) of the frames in the source; None = 0 to N - 1.
        pts_from_s: presentation time of the first frame; None = the source has none.
        state_bytes: length of a pipeline state after every tenth frame; 0 = none.
        tables: whether the tables are written.
        completed: as in the metadata.
        source: path of the source.
        kind: of the source.
        mark: `app.session.folder.source_mark` of the source.
        au_intensity: the faces have intensities.
        neutral_logit: usual neutral logit of every unit of the model; None = the metadata have none.
    """
    folder = SessionFolder(path)
    folder.make()
    header = fake_header(
        source_id=Path(source).name,
        au_codes=OPEN_UNITS,
        au_thresholds=(0.5,) * len(OPEN_UNITS),
        aleatoric_limit=1.05,
        settings={"source file": mark},
        au_intensity=au_intensity,
    )
    sink = JournalSink(folder.journal, header)
    sink.open()
    for place, faces in enumerate(frames):
        index = place if indices is None else indices[place]
        time_s = place / 10 if times_s is None else times_s[place]
        pts_s = None if pts_from_s is None else pts_from_s + time_s
        state = "s" * state_bytes if state_bytes and place % 10 == 9 else None
        sink.write(fake_result(Frame(_IMAGE, index, time_s, header.source_id, pts_s), *faces, snapshot=state))
    sink.close(completed=True)
    if tables:
        write_tables(folder.journal, folder.csv, folder.parquet)
    metadata = Metadata(
        source=SourceRecord(source, kind, None, 160, 120, 10.0, "cfr"),
        app_version=header.app_version,
        models=(),
        thresholds={},
        calibration={} if neutral_logit is None else {"action_units": {"neutral": [neutral_logit] * len(OPEN_UNITS)}},
        labels=header.expressions,
        au_codes=header.au_codes,
        au_trusted=header.au_trusted,
        tracker="fake",
        config={},
        start="2024-01-01T00:00:00+00:00",
        completed=completed,
    )
    write_metadata(folder.metadata, metadata)
    return folder


def write_journal(path: Path, header: SessionHeader, results: Sequence[FrameResult]) -> None:
    """Write a journal from results."""
    sink = JournalSink(path, header)
    sink.open()
    for result in results:
        sink.write(result)
    sink.close(completed=True)


class FakeEngines(EngineCache):
    """Opens engines on one fake pipeline, and records the settings and the sources."""

    def __init__(self, pipeline: FakePipeline) -> None:
        super().__init__(open_engine=self._open_fake)
        self.pipeline = pipeline
        self.fault: Exception | None = None  # raised instead of opening an engine
        self.opened: list[tuple[EngineConfig, TrackerName]] = []
        self.sources: list[str] = []

    def engine_for(self, source: FrameSource) -> Engine:
        self.sources.append(source.info.source_id)
        return super().engine_for(source)

    def _open_fake(self, config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
        if self.fault is not None:
            raise self.fault
        self.opened.append((config, tracker))
        return fake_engine(self.pipeline, config=config)


class SilentListener:
    """Keeps the latest count of frames."""

    def __init__(self) -> None:
        self.done = 0

    def begin(self, name: str, total: int | None, done: int) -> None:
        self.done = done

    def update(self, done: int, file: str | None = None) -> None:
        self.done = done

    def end(self) -> None:
        pass


@dataclass
class Annotator:
    """Runs `annotate` on fake frames into one folder."""

    folder: SessionFolder

    def __call__(
        self,
        pipeline: FakePipeline | None = None,
        source: FrameSource | None = None,
        control: JobControl | None = None,
        sha256: str = "e" * 64,
        trusted: tuple[int, ...] = TRUSTED_UNITS,
        config: EngineConfig | None = None,
        preset: Preset = BALANCED,
        listener: ProgressListener | None = None,
        spec: str = "clip.mp4",
        **options: Any,
    ) -> Outcome:
        opened = source or FakeSource()
        settings = preset.configured(config or EngineConfig(routing=RoutingConfig(smoothing_s=0.0)))
        return annotate(
            spec,
            self.folder,
            lambda spec: opened,
            lambda source: fake_engine(pipeline or FakePipeline(), sha256, trusted, settings),
            AnnotateOptions("0.1", preset=preset, **options),
            listener or SilentListener(),
            control or JobControl(),
        )
