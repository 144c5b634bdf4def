"""The action-unit commands of ``mien-train``; training/cli/main.py adds them to its groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.alignment import CROP_SIDE_PX
from training import CONFIGS
from training.action_units.export import export_action_units
from training.action_units.fit import fit_action_units, read_action_units_config
from training.action_units.pseudo_labels import ThresholdsConfig, choose_thresholds
from training.cli.measure_action_units import measure_file, measure_study
from training.cli.process import say, settle_torch
from training.data.action_unit_faces import FOLDS, UnitFaces, UnitSplit, split_people
from training.data.action_unit_sources import parse_unit_data, read_all_units
from training.data.fer2013 import read_faces
from training.loop.distributed import process_group, rank_0_first
from training.reports.action_units import write_action_units_card
from training.studies.action_units import StudyConfig
from training.studies.figures import action_unit_figures, write_figures

UnitSets = Annotated[
    list[str],
    typer.Option("--data", help="NAME=FOLDER, NAME one of open, faces128, bp4d, disfa (may be given again)."),
]
TestFold = Annotated[int, typer.Option(help="Fold of people that is held out: 1, 2 or 3.")]
Settings = Annotated[Path, typer.Option("--config", help="Settings.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder for report.json and report.html.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run: checkpoints, weights, logs, caches.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Workers = Annotated[int, typer.Option(help="Processes that cut the faces of a set which is read for the first time.")]


def fit_au_command(
    data: UnitSets,
    run: Run,
    test_fold: TestFold = 1,
    config: Settings = CONFIGS / "action_units.toml",
    threads: Threads = 2,
    device: Device = "cpu",
    workers: Workers = 2,
) -> None:
    """Train an action-unit model (UGN or one of its baselines) on two folds of people."""
    settle_torch(threads)
    settings = read_action_units_config(config)
    with process_group(device) as where:
        with rank_0_first():
            split = read_unit_split(data, test_fold, run / "cache", workers)
        fit_action_units(split, settings, run, str(where), say)


def export_au_command(
    data: UnitSets,
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="ONNX file to write.")],
    test_fold: TestFold = 1,
    fer: Annotated[Path | None, typer.Option(help="FER2013 folder: PublicTest has a say in what is trusted.")] = None,
    workers: Workers = 2,
) -> None:
    """Calibrate an action-unit model on validation people and write it; data and fold as in `fit au`."""
    tied = read_faces(fer, "PublicTest", run / "cache", CROP_SIDE_PX) if fer else None
    export_action_units(run, read_unit_split(data, test_fold, run / "cache", workers), out, say, tied)


def evaluate_au_command(
    model: Annotated[Path, typer.Argument(help="ONNX file with its contract beside it.")],
    data: UnitSets,
    out: Folder,
    test_fold: TestFold = 1,
    fer: Annotated[Path | None, typer.Option(help="FER2013 folder, for the check against expressions.")] = None,
    split: Annotated[str, typer.Option(help="PublicTest for choices; PrivateTest once per release.")] = "PublicTest",
    cache: Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")] = Path("runs/cache"),
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Figures per unit on held-out people, and whether units stand out on the expressions they belong to."""
    settle_torch(threads)
    measure_file(model, read_faces_of(data, cache, workers), test_fold, out, fer, split, cache, threads, say)


def study_au_command(
    data: UnitSets,
    run: Run,
    out: Folder,
    config: Settings = CONFIGS / "action_units_study.toml",
    fold: Annotated[list[int] | None, typer.Option(help="Only this test fold (may be given again).")] = None,
    share: Annotated[
        list[float] | None, typer.Option(help="Only this share of the training people, 0-1 (may be given again).")
    ] = None,
    flip: Annotated[
        list[float] | None, typer.Option(help="Only this share of flipped labels, 0-1 (may be given again).")
    ] = None,
    threads: Threads = 2,
    device: Device = "cpu",
    workers: Workers = 2,
) -> None:
    """The five models of the paper on three folds, with less data and with flipped labels; a killed study goes on."""
    settle_torch(threads)
    plan = StudyConfig()
    plan = StudyConfig(
        folds=tuple(fold or FOLDS),
        shares=plan.shares if share is None else tuple(share),
        flips=plan.flips if flip is None else tuple(flip),
    )
    faces = read_faces_of(data, run / "cache", workers)
    measure_study(faces, read_action_units_config(config), run, out, plan, device, say)


def figures_au_command(
    report: Annotated[Path, typer.Argument(help="report.json of `evaluate au` with the open set and --fer.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("docs/results/action_units.json"),
) -> None:
    """Collect the figures of the action-unit model from its report; nothing is measured."""
    write_figures(action_unit_figures(report), out)
    say(f"wrote {out}")


def card_au_command(
    card: Annotated[Path, typer.Argument(help="Model card, with the two marks between which the tables stand.")],
    report: Annotated[Path, typer.Argument(help="report.json of `evaluate au`.")],
    study: Annotated[Path | None, typer.Option(help="report.json of `study au`, for the tables of the paper.")] = None,
) -> None:
    """Write the tables of an action-unit model's card from its report."""
    write_action_units_card(card, report, study)
    say(f"wrote {card}")


def make_au_command(
    faces128: Annotated[Path, typer.Option(help="Folder of faces128: images/, labels.csv, blendshapes.csv.")],
    ict: Annotated[Path, typer.Option(help="Folder of ICT-FaceKit Light: ict_facekit_light.npz.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the set.")],
    pictures: Annotated[int, typer.Option(help="How many pictures.")] = 40_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same set.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Render the open action-unit set; a run that was killed goes on."""
    # Its ray caster has no wheels for ARM, where all other commands work.
    from training.open_set.make import MakeAuConfig, make_au

    make_au(faces128, ict, out, MakeAuConfig(pictures, seed), workers, say)


def choose_thresholds_command(
    open_set: Annotated[Path, typer.Option("--open", help="Folder that make-au has finished.")],
    faces128: Annotated[Path, typer.Option(help="Folder of faces128: images/, labels.csv, blendshapes.csv.")],
    landmarker: Annotated[Path, typer.Option(help="MediaPipe's bundle face_landmarker.task.")],
    out: Annotated[Path, typer.Option("--out", help="TOML file to write.")] = CONFIGS / "pseudo_units.toml",
    report: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("docs/results/reports/pseudo_units.json"),
    pictures: Annotated[int, typer.Option(help="How many pictures of the open set are read.")] = 6000,
    cache: Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")] = Path("runs/cache"),
) -> None:
    """Choose which blendshape scores of faces128 serve as labels; needs the package mediapipe."""
    choose_thresholds(open_set, faces128, landmarker, out, report, cache, ThresholdsConfig(pictures), say)


def read_faces_of(data: Sequence[str], cache: Path, workers: int = 2) -> UnitFaces:
    """All faces of texts NAME=FOLDER; what the readers report is printed.

    Raises:
        SourceError, FaceModelError, ValueError: as in `parse_unit_data` and `read_all_units`.
    """
    return read_all_units([parse_unit_data(text) for text in data], cache, workers, say)


def read_unit_split(data: Sequence[str], test_fold: int, cache: Path, workers: int = 2) -> UnitSplit:
    """People to train on, to choose on and to measure on, from texts NAME=FOLDER.

    Raises:
        SourceError, FaceModelError, ValueError: as in `read_faces_of` and `split_people`.
    """
    return split_people(read_faces_of(data, cache, workers), test_fold)


def add_au_commands(
    app: typer.Typer,
    *,
    fit: typer.Typer,
    export: typer.Typer,
    evaluate: typer.Typer,
    figures: typer.Typer,
    card: typer.Typer,
) -> None:
    """Put ``au`` into the groups, and ``make-au`` and ``study`` into ``mien-train``."""
    fit.command("au")(fit_au_command)
    export.command("au")(export_au_command)
    evaluate.command("au")(evaluate_au_command)
    figures.command("au")(figures_au_command)
    card.command("au")(card_au_command)
    app.command("make-au")(make_au_command)
    app.command("choose-thresholds")(choose_thresholds_command)
    study = typer.Typer(no_args_is_help=True, help="Train and measure what a paper claims.")
    study.command("au")(study_au_command)
    study.callback()(_study)
    app.add_typer(study, name="study")


def _study() -> None:
    """Train and measure what a paper claims."""
