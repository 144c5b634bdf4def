"""Options that several commands have, and the engine settings that they make."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from engine.config import EngineConfig

Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="Inference backend, as 'mien doctor' lists them: onnxruntime, openvino, tensorrt, onnxruntime-cuda.",
    ),
]
TrackerName = Literal["litert", "mediapipe"]
Tracker = Annotated[TrackerName, typer.Option("--tracker", help="Face tracker: litert, or the mediapipe package.")]
TrackerForRun = Annotated[
    TrackerName | None, typer.Option("--tracker", help="Face tracker: litert, or the mediapipe package.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads per model.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="Format of another tool, several times or separated by commas (export-results --list)."
    ),
]


def engine_settings(path: Path | None, backend: str | None, threads: int | None) -> EngineConfig:
    """Load the settings and apply the options of the command line, or the choice of ``mien tune`` without any."""
    from app.settings.tuning import load_settings
    from engine.config import load_config

    config = load_settings(path) if backend is None and threads is None else load_config(path)
    if backend is not None:
        config = dataclasses.replace(config, backends=(backend,))
    if threads is not None:
        tracking = dataclasses.replace(config.tracking, threads=threads)
        config = dataclasses.replace(config, threads=threads, tracking=tracking)
    return config
