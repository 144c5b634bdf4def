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
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that each annotate one source at a time.")
]
Cluster = Annotated[Literal["ray"] | None, typer.Option("--on", help="ray: the workers are actors of a Ray cluster.")]
ClusterAddress = Annotated[
    str | None, typer.Option("--ray-address", help="Cluster; default: RAY_ADDRESS, this machine's, or a new one.")
]
GpuShare = Annotated[
    float, typer.Option("--gpus-per-worker", min=0.0, help="With --on ray: share of a GPU for each worker.")
]
Excel = Annotated[
    bool, typer.Option("--excel", help="Start faces.csv with a byte order mark, so that Excel reads its letters.")
]
MaxFaces = Annotated[
    int | None, typer.Option("--max-faces", min=1, help="Most faces in a frame; default 8. More are counted.")
]
FaceCrops = Annotated[
    bool, typer.Option("--face-crops", help="Each image shows one face that fills it; nothing is detected.")
]
AuBaseline = Annotated[
    str | None,
    typer.Option(
        "--au-baseline",
        help="Subtract the neutral baseline of each face from its units: off, auto, or neutral frames: 0:05-0:12.",
    ),
]
FindSmall = Annotated[
    bool, typer.Option("--find-small", help="Search videos for small faces all the time: up to five times slower.")
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
