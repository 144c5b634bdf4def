"""Whole runs on made frames, without networks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.annotate import AnnotateOptions, Outcome, annotate
from app.output import OutputFolder
from engine.capture.source import FrameSource
from engine.facs import BP4D_UNITS, EXPRESSIONS
from engine.recording import RunHeader
from tests.app.made import TRUSTED_UNITS, UNITS, MadePipeline, MadeSource, SilentWatch, make_engine


@pytest.fixture
def header() -> RunHeader:
    """A header as a run writes it."""
    return RunHeader("made.mp4", "0.1", "e" * 64, EXPRESSIONS, BP4D_UNITS, (0.1,) * UNITS, BP4D_UNITS, 1.2, 0.95)


@dataclass
class Annotator:
    """Runs `annotate` on made frames into one folder."""

    folder: OutputFolder

    def __call__(
        self,
        pipeline: MadePipeline | None = None,
        source: FrameSource | None = None,
        stop: threading.Event | None = None,
        sha256: str = "e" * 64,
        trusted: tuple[int, ...] = TRUSTED_UNITS,
        **options: bool,
    ) -> Outcome:
        made = source or MadeSource()
        return annotate(
            "made.mp4",
            self.folder,
            lambda spec: made,
            lambda source: make_engine(pipeline or MadePipeline(), sha256, trusted),
            AnnotateOptions("0.1", **options),
            SilentWatch(),
            stop or threading.Event(),
        )


@pytest.fixture
def run_annotate(tmp_path: Path) -> Annotator:
    """Annotate made frames into a folder of this test."""
    return Annotator(OutputFolder(tmp_path / "made"))
