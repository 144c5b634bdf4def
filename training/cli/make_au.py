"""``mien-train make-au`` and ``choose-thresholds``: the open action-unit set, and pseudo-labels measured against it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import CONFIGS
from training.action_units.pseudo_labels import ThresholdsConfig, choose_thresholds
from training.cli.options import CACHE, Cache, echo

Faces128 = Annotated[Path, typer.Option(help="Folder of faces128: images/, labels.csv, blendshapes.csv.")]


def make_au_command(
    faces128: Faces128,
    ict: Annotated[Path, typer.Option(help="Folder of ICT-FaceKit Light: ict_facekit_light.npz.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the set.")],
    pictures: Annotated[int, typer.Option(help="Number of single images.")] = 40_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same set.")] = 0,
    photographs: Annotated[
        int, typer.Option(help="Only the images of the first so many resting photographs; 0: of all.")
    ] = 0,
    sequences: Annotated[int, typer.Option(help="Number of sequences of nine images in which a unit grows.")] = 0,
    fold: Annotated[int, typer.Option(help="Sequences of the people of this fold only, 1, 2 or 3; 0: of all.")] = 0,
    fer: Annotated[
        Path | None, typer.Option(help="FER2013 folder: FERPlus Training's neutral faces are rendered too.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Render the open action-unit set; a run that was killed resumes."""
    # Its ray caster has no wheels for ARM, where all other commands work.
    from training.open_set.make import MakeAuConfig, make_au

    make_au(faces128, ict, out, MakeAuConfig(pictures, seed, photographs, sequences, fold), workers, echo, fer)


def choose_thresholds_command(
    open_set: Annotated[Path, typer.Option("--open", help="Finished folder of make-au.")],
    faces128: Faces128,
    landmarker: Annotated[Path, typer.Option(help="MediaPipe's bundle face_landmarker.task.")],
    out: Annotated[Path, typer.Option("--out", help="TOML file to write.")] = CONFIGS / "pseudo_units.toml",
    report: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("docs/results/reports/pseudo_units.json"),
    pictures: Annotated[int, typer.Option(help="Number of images of the open set that are read.")] = 6000,
    cache: Cache = CACHE,
) -> None:
    """Choose which blendshape scores of faces128 serve as labels; needs the package mediapipe."""
    choose_thresholds(open_set, faces128, landmarker, out, report, cache, ThresholdsConfig(pictures), echo)


def add_to(app: typer.Typer) -> None:
    """Add both commands to ``mien-train``."""
    app.command("make-au")(make_au_command)
    app.command("choose-thresholds")(choose_thresholds_command)
