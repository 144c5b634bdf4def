"""Whole runs on made frames, without networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from app.annotate import AnnotateOptions, JobControl, Outcome, ProgressListener, annotate
from app.session.folder import SessionFolder
from app.session.rows import SessionHeader
from app.settings.presets import BALANCED, Preset
from engine.capture.source import FrameSource
from engine.config import EngineConfig
from engine.facs import BP4D_UNITS, EXPRESSIONS
from tests.app.made import TRUSTED_UNITS, UNITS, MadePipeline, MadeSource, SilentListener, make_engine


@pytest.fixture
def header() -> SessionHeader:
    """A header as a run writes it."""
    return SessionHeader("made.mp4", "0.1", "e" * 64, EXPRESSIONS, BP4D_UNITS, (0.1,) * UNITS, BP4D_UNITS, 1.2, 0.95)


@dataclass
class Annotator:
    """Runs `annotate` on made frames into one folder."""

    folder: SessionFolder

    def __call__(
        self,
        pipeline: MadePipeline | None = None,
        source: FrameSource | None = None,
        control: JobControl | None = None,
        sha256: str = "e" * 64,
        trusted: tuple[int, ...] = TRUSTED_UNITS,
        preset: Preset = BALANCED,
        config: EngineConfig | None = None,
        watch: ProgressListener | None = None,
        **options: bool,
    ) -> Outcome:
        made, engine = (
            source or MadeSource(),
            make_engine(pipeline or MadePipeline(), sha256, trusted, preset.configured(config or EngineConfig())),
        )
        return annotate(
            "made.mp4",
            self.folder,
            lambda spec: made,
            lambda source: engine,
            AnnotateOptions("0.1", preset=preset, **options),
            watch or SilentListener(),
            control or JobControl(),
        )


@pytest.fixture
def run_annotate(tmp_path: Path) -> Annotator:
    """Annotate made frames into a folder of this test."""
    return Annotator(SessionFolder(tmp_path / "made"))
