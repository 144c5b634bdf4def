"""Options that several commands share, and what commands do to their own process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from training.data.action_unit_faces import UnitFaces, UnitSplit, split_people
from training.data.action_unit_sources import parse_unit_data, read_all_units
from training.loop.distributed import rank

Fer = Annotated[Path, typer.Option("--data", help="Folder with fer2013.csv and fer2013new.csv.")]
UnitSets = Annotated[
    list[str],
    typer.Option("--data", help="NAME=FOLDER, NAME one of open, faces128, bp4d, disfa (may be given again)."),
]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run: checkpoints, weights, logs, caches.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for report.json and report.html.")]
Model = Annotated[Path, typer.Argument(help="ONNX file with its contract beside it.")]
Card = Annotated[Path, typer.Argument(help="Model card with the two marks that enclose the tables.")]
Settings = Annotated[Path, typer.Option("--config", help="Settings.")]
Split = Annotated[str, typer.Option(help="PublicTest for choices; PrivateTest once per release.")]
TestFold = Annotated[int, typer.Option(help="Held-out fold of people: 1, 2 or 3.")]
Cache = Annotated[Path, typer.Option(help="Folder for the meshes of the images.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Workers = Annotated[int, typer.Option(help="Processes that crop the faces of a set on its first reading.")]

CACHE = Path("runs/cache")


def configure_torch(threads: int) -> None:
    """Set what holds for the whole process; only commands do that."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # late in training, denormal numbers slow CPUs down a hundredfold


def echo(line: str) -> None:
    """Print a line at once; under torchrun on rank 0 only."""
    if rank() == 0:
        typer.echo(line)
        sys.stdout.flush()


def read_faces_of(data: Sequence[str], cache: Path, workers: int = 2) -> UnitFaces:
    """All faces of texts NAME=FOLDER; progress of the readers is printed.

    Raises:
        SourceError, FaceModelError, ValueError: as in `parse_unit_data` and `read_all_units`.
    """
    return read_all_units([parse_unit_data(text) for text in data], cache, workers, echo)


def read_unit_split(data: Sequence[str], test_fold: int, cache: Path, workers: int = 2) -> UnitSplit:
    """Training, validation and test people from texts NAME=FOLDER.

    Raises:
        SourceError, FaceModelError, ValueError: as in `read_faces_of` and `split_people`.
    """
    return split_people(read_faces_of(data, cache, workers), test_fold)
