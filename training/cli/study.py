"""``mien-train study`` and ``ablate``: one-off research behind the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import torch
import typer

from training import CONFIGS
from training.action_units.fit import read_action_units_config
from training.cli.options import (
    CACHE,
    Cache,
    Device,
    Fer,
    Model,
    Out,
    Run,
    Settings,
    TestFold,
    Threads,
    UnitSets,
    Workers,
    configure_torch,
    echo,
    read_faces_of,
)
from training.data.action_unit_faces import FOLDS
from training.expression.student import read_student_config
from training.layers.face_trunk_weights import default_path
from training.loop.json_report import write_report
from training.rlps.fit import read_rlps_config
from training.studies.ablations import ablate
from training.studies.action_units import StudyConfig, study_units
from training.studies.dirichlet_heads import compare_heads
from training.studies.dirichlet_rival import compare_dirichlet
from training.studies.frozen_trunk import FrozenTrunk, TrunkMaps
from training.studies.intensity_sources import read_rendered, study_intensity, trunk_descriptions
from training.studies.rlps_features import study_rlps

#: Of the two comparisons with one Dirichlet.
TeacherRun = Annotated[Path, typer.Option(help="Finished run of `fit teacher`.")]
LessonFaces = Annotated[Path, typer.Option(help="Folder of faces128: lessons, and changed faces for the measurement.")]
Corrupted = Annotated[int, typer.Option(help="Number of faces that are corrupted.")]
RIVALS: Final = CONFIGS / "student_rivals.toml"

commands = typer.Typer(no_args_is_help=True, help="Train and measure the claims of a paper.")


@commands.callback()
def study() -> None:
    """Train and measure the claims of a paper."""


@commands.command("au")
def study_au_command(
    data: UnitSets,
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="Folder for report.json.")],
    config: Settings = CONFIGS / "action_units_study.toml",
    fold: Annotated[list[int] | None, typer.Option(help="Only this test fold (may be given again).")] = None,
    share: Annotated[
        list[float] | None, typer.Option(help="Only this share of the training people, 0-1 (may be given again).")
    ] = None,
    flip: Annotated[
        list[float] | None, typer.Option(help="Only this share of flipped labels, 0-1 (may be given again).")
    ] = None,
    steps: Annotated[int, typer.Option(help="Least number of steps of each training.")] = StudyConfig().steps,
    trunk: Annotated[
        Path | None,
        typer.Option(help="Weights of `fetch-trunk`: train on the maps of that trunk, which stays as it is."),
    ] = None,
    threads: Threads = 2,
    device: Device = "cpu",
    workers: Workers = 2,
) -> None:
    """The five models of the paper on three folds, with less data and with flipped labels; a killed study resumes."""
    configure_torch(threads)
    plan = StudyConfig()
    plan = StudyConfig(
        folds=tuple(fold or FOLDS),
        shares=plan.shares if share is None else tuple(share),
        flips=plan.flips if flip is None else tuple(flip),
        steps=steps,
    )
    faces, settings = read_faces_of(data, run / "cache", workers), read_action_units_config(config)
    fitting = None if trunk is None else FrozenTrunk(TrunkMaps(trunk, faces, settings, run / "cache", echo))
    found = study_units(faces, settings, run, plan, torch.device(device), echo, fitting)
    write_report(found, out / "report.json")
    echo(f"wrote {out / 'report.json'}")


@commands.command("au-intensity")
def study_intensity_command(
    model: Model,
    open_set: Annotated[Path, typer.Option("--open", help="Folder of `make-au`.")],
    faces128: Annotated[Path, typer.Option(help="Folder of the photographs that it was rendered from.")],
    trunk: Annotated[Path, typer.Option(help="Weights of `fetch-trunk`.")],
    out: Out,
    test_fold: TestFold = 1,
    config: Settings = CONFIGS / "action_units_round3.toml",
    cache: Cache = CACHE,
    threads: Threads = 2,
    workers: Workers = 2,
) -> None:
    """How well the intensity of units can be read from meshes, trunks and a face at rest, on validation people."""
    configure_torch(threads)
    rendered = read_rendered(open_set, faces128, cache, workers)
    described = trunk_descriptions(rendered.faces, model, trunk, read_action_units_config(config), test_fold)
    found = study_intensity(rendered, described, test_fold, report=echo)
    write_report(found, out)
    echo(f"wrote {out}")


@commands.command("dirichlet")
def study_dirichlet_command(
    data: Fer,
    teacher: TeacherRun,
    faces128: LessonFaces,
    run: Run,
    out: Out,
    config: Settings = RIVALS,
    seed: Annotated[list[int] | None, typer.Option(help="Seed (may be given again); by default 0 and 1.")] = None,
    faces: Corrupted = 300,
    threads: Threads = 1,
) -> None:
    """Late branches against one Dirichlet on the same trunk, trained alike, on PublicTest; a killed study resumes."""
    configure_torch(threads)
    settings = read_student_config(config)
    write_report(compare_dirichlet(settings, data, teacher, faces128, run, seed or (0, 1), faces, echo), out)
    echo(f"wrote {out}")


@commands.command("dirichlet-heads")
def study_dirichlet_heads_command(
    data: Fer,
    teacher: TeacherRun,
    student: Annotated[Path, typer.Option(help="Finished run of `fit student`.")],
    faces128: LessonFaces,
    out: Out,
    trunk: Annotated[Literal["student", "teacher"], typer.Option(help="Whose trunk is frozen.")] = "student",
    lessons: Annotated[
        Path | None, typer.Option(help="Folder of the teachers' answers; default: STUDENT/lessons.")
    ] = None,
    config: Settings = RIVALS,
    seed: Annotated[list[int] | None, typer.Option(help="Seed (may be given again); by default 0, 1 and 2.")] = None,
    faces: Corrupted = 200,
    threads: Threads = 1,
) -> None:
    """Branches against one Dirichlet as heads on a frozen trunk, trained alike, on PublicTest: minutes."""
    configure_torch(threads)
    settings, answers = read_student_config(config), lessons or student / "lessons"
    found = compare_heads(
        settings, data, teacher, student, faces128, answers, trunk, seed or (0, 1, 2), faces, report=echo
    )
    write_report(found, out)
    echo(f"wrote {out}")


@commands.command("rlps")
def study_rlps_command(
    data: Fer,
    student: Annotated[Path, typer.Option(help="Finished run of `fit student`, whose trunk is read.")],
    run: Run,
    out: Out,
    trunk: Annotated[Path | None, typer.Option(help="Pretrained weights; by default those of `fetch-trunk`.")] = None,
    config: Settings = CONFIGS / "rlps_features.toml",
    cache: Cache = CACHE,
    seed: Annotated[list[int] | None, typer.Option(help="Seed (may be given again); by default 0, 1 and 2.")] = None,
    threads: Threads = 1,
) -> None:
    """RLPS against FER2013's wrong labels on the features of a pretrained trunk: does cleaning still harm?"""
    configure_torch(threads)
    settings = read_rlps_config(config)
    found = study_rlps(settings, data, trunk or default_path(), student, run, cache, seed or (0, 1, 2), echo)
    write_report(found, out)
    echo(f"wrote {out}")


def ablate_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`.")],
    run: Run,
    out: Out,
    threads: Threads = 1,
) -> None:
    """Anchors per class and losses of ARBEx, on one member's frozen trunk."""
    configure_torch(threads)
    write_report(ablate(members, data, run, report=echo), out)
    echo(f"wrote {out}")


def add_to(app: typer.Typer) -> None:
    """Add ``ablate`` to ``mien-train``."""
    app.command("ablate")(ablate_command)
